//! The imports between the modules that lie directly below the root of a crate.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree, Visibility};

use super::sources::{Source, attributes, is_test};

/// A path in one module to an item of another module.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) to: String,
    /// The file and the line of the path.
    pub(super) place: String,
    pub(super) path: String,
}

/// The modules directly below the root of a crate, and the imports between them.
#[derive(Debug)]
pub(super) struct Modules {
    pub(super) names: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
}

/// Resolves the paths in all files of a crate.
///
/// The root is a module too, named like its file. Its `use` items that are visible to others only
/// give names to items of other modules: they are resolved, and are no imports of the root.
pub(super) fn of_crate(sources: &[Source]) -> Result<Modules> {
    let root = Root::new(sources);
    let mut imports = Vec::new();
    for source in sources {
        let mut paths = Paths { module: source.path.clone(), found: Vec::new() };
        for item in &source.items {
            let is_reexport = matches!(item, Item::Use(item) if !is_private(&item.vis));
            if !(source.path.is_empty() && is_reexport) {
                paths.visit_item(item);
            }
        }
        for found in paths.found {
            let place = format!("{}:{}", source.file, found.line);
            let path = found.names.join("::");
            let Some(to) = root.resolve(&found) else {
                bail!("{place}: cannot tell which module {path} is from");
            };
            let from = found.module.first().unwrap_or(&root.name);
            if let Owner::Module(to) = to
                && to != *from
            {
                imports.push(Import { from: from.clone(), to, place, path });
            }
        }
    }
    Ok(Modules { names: root.modules, imports })
}

/// A path, as it is written.
#[derive(Debug)]
struct Found {
    /// The module that it is written in.
    module: Vec<String>,
    names: Vec<String>,
    line: usize,
}

/// The owner of a name.
#[derive(Clone, Debug)]
enum Owner {
    Module(String),
    OtherCrate,
}

/// The names in the root of a crate.
struct Root {
    name: String,
    modules: BTreeSet<String>,
    /// The owners of the items that the root defines or has by `use`, and of exported macros.
    owners: BTreeMap<String, Owner>,
}

impl Root {
    fn new(sources: &[Source]) -> Self {
        let root =
            sources.iter().find(|source| source.path.is_empty()).expect("a crate has a root");
        let stem = root.file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let mut names =
            Self { name: stem.to_owned(), modules: BTreeSet::new(), owners: BTreeMap::new() };
        let modules = root.items.iter().filter_map(|item| match item {
            Item::Mod(module) if !is_test(&module.attrs) => Some(module.ident.to_string()),
            _ => None,
        });
        names.modules.extend(modules);
        for item in root.items.iter().filter(|item| !is_test(attributes(item))) {
            if let Some(name) = defined_name(item) {
                names.owners.insert(name.to_string(), Owner::Module(names.name.clone()));
            }
            let Item::Use(item) = item else { continue };
            for (path, name) in use_paths(&item.tree) {
                let found = Found { module: Vec::new(), names: path, line: 0 };
                let owner = names.resolve(&found).unwrap_or(Owner::OtherCrate);
                names.owners.insert(name.to_string(), owner);
            }
        }
        for source in sources {
            let module = source.path.first().unwrap_or(&names.name).clone();
            for item in &source.items {
                if let Item::Macro(item) = item
                    && let Some(name) = &item.ident
                    && item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
                {
                    names.owners.insert(name.to_string(), Owner::Module(module.clone()));
                }
            }
        }
        names
    }

    /// Returns the owner of the item that a path leads to, or `None` if the path is relative to
    /// the root and the root has no name like that.
    fn resolve(&self, found: &Found) -> Option<Owner> {
        let mut base = &found.module[..];
        let mut names = &found.names[..];
        match names[0].as_str() {
            "crate" => (base, names) = (&[], &names[1..]),
            "self" => names = &names[1..],
            "super" => {
                while names.first().is_some_and(|name| name == "super") {
                    (base, names) = (&base[..base.len().checked_sub(1)?], &names[1..]);
                }
            }
            // Other paths stay in their module, unless they are written in the root.
            first if !base.is_empty() || !self.modules.contains(first) => {
                return Some(Owner::OtherCrate);
            }
            _ => {}
        }
        match (base.first(), names.first()) {
            (Some(module), _) => Some(Owner::Module(module.clone())),
            (None, None) => Some(Owner::Module(self.name.clone())),
            (None, Some(name)) if self.modules.contains(name) => Some(Owner::Module(name.clone())),
            (None, Some(name)) => self.owners.get(name).cloned(),
        }
    }
}

fn is_private(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Inherited)
}

fn defined_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}

/// Returns the paths of a `use` item, each with the identifier that it brings into scope or that
/// stands before a `*`.
fn use_paths(tree: &UseTree) -> Vec<(Vec<String>, &Ident)> {
    fn collect<'t>(
        tree: &'t UseTree,
        last: Option<&'t Ident>,
        path: &[String],
        paths: &mut Vec<(Vec<String>, &'t Ident)>,
    ) {
        let join = |name: &Ident| [path, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(tree) => {
                collect(&tree.tree, Some(&tree.ident), &join(&tree.ident), paths);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| collect(tree, last, path, paths));
            }
            UseTree::Name(tree) if tree.ident == "self" => {
                paths.extend(last.map(|last| (path.to_vec(), last)));
            }
            UseTree::Name(tree) => paths.push((join(&tree.ident), &tree.ident)),
            UseTree::Rename(tree) if tree.ident == "self" => {
                paths.push((path.to_vec(), &tree.rename));
            }
            UseTree::Rename(tree) => paths.push((join(&tree.ident), &tree.rename)),
            UseTree::Glob(_) => {
                let path = [path, &["*".to_owned()]].concat();
                paths.extend(last.map(|last| (path, last)));
            }
        }
    }
    let mut paths = Vec::new();
    collect(tree, None, &[], &mut paths);
    paths
}

/// Collects the paths of a file, without code for tests.
struct Paths {
    module: Vec<String>,
    found: Vec<Found>,
}

impl Paths {
    fn add(&mut self, names: Vec<String>, line: usize) {
        self.found.push(Found { module: self.module.clone(), names, line });
    }

    /// Collects the paths in the tokens of a macro that begin with `crate` or `super`.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_colon =
            |i: usize| matches!(tokens.get(i), Some(TokenTree::Punct(c)) if c.as_char() == ':');
        let mut i = 0;
        while let Some(token) = tokens.get(i) {
            i += 1;
            match token {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(first) if first == "crate" || first == "super" => {
                    let mut names = vec![first.to_string()];
                    while is_colon(i)
                        && is_colon(i + 1)
                        && let Some(TokenTree::Ident(name)) = tokens.get(i + 2)
                    {
                        names.push(name.to_string());
                        i += 3;
                    }
                    // Alone, it is the visibility of an item.
                    if names.len() > 1 {
                        self.add(names, first.span().start().line);
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            Item::Mod(module) => {
                self.module.push(module.ident.to_string());
                visit::visit_item(self, item);
                self.module.pop();
            }
            Item::Use(item) if item.leading_colon.is_none() => {
                for (names, last) in use_paths(&item.tree) {
                    self.add(names, last.span().start().line);
                }
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            // `self` alone is a value.
            if path.segments.len() > 1 {
                self.add(names, first.ident.span().start().line);
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.scan(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layering::sources;

    /// Returns the imports of a crate whose files have these names and texts.
    fn imports(files: &[(&str, &str)]) -> Result<Vec<String>> {
        let read = |path: &str| {
            let name = path.strip_prefix("src/")?;
            Some(files.iter().find(|(file, _)| *file == name)?.1.to_owned())
        };
        let root = format!("src/{}", files[0].0);
        let modules = of_crate(&sources::read(&root, &read)?)?;
        let show = |import: &Import| {
            format!("{} > {} at {}: {}", import.from, import.to, import.place, import.path)
        };
        Ok(modules.imports.iter().map(show).collect())
    }

    /// Returns the imports of the module `a`, beside which lie `b` with an item `B` and `c::d`.
    fn of_a(text: &str) -> Vec<String> {
        let root = "mod a; mod b; mod c; pub use b::B; pub use c::d::{D, E as F}; pub use std::fmt;
            pub(crate) fn helper() {} pub(crate) use b as renamed;";
        let files = [("lib.rs", root), ("a.rs", text), ("b.rs", ""), ("c/mod.rs", "mod d;")];
        let files = [&files[..], &[("c/d.rs", "")]].concat();
        imports(&files).unwrap()
    }

    #[test]
    fn paths_are_resolved_to_the_module_below_the_root() {
        assert_eq!(of_a("use crate::b::X;"), ["a > b at src/a.rs:1: crate::b::X"]);
        assert_eq!(of_a("\nuse super::c::d::X;"), ["a > c at src/a.rs:2: super::c::d::X"]);
        assert_eq!(of_a("use super::b;"), ["a > b at src/a.rs:1: super::b"]);
        assert_eq!(of_a("use crate::c::*;"), ["a > c at src/a.rs:1: crate::c::*"]);
        let group = of_a("use crate::{b::{self, X}, c::d as e};");
        let at = ["b at src/a.rs:1: crate::b", "b at src/a.rs:1: crate::b::X"];
        let at = [&at[..], &["c at src/a.rs:1: crate::c::d"]].concat();
        assert_eq!(group, at.iter().map(|import| format!("a > {import}")).collect::<Vec<_>>());
    }

    #[test]
    fn names_in_the_root_are_those_of_their_modules() {
        assert_eq!(of_a("use crate::B;"), ["a > b at src/a.rs:1: crate::B"]);
        assert_eq!(of_a("use super::{D};"), ["a > c at src/a.rs:1: super::D"]);
        assert_eq!(of_a("use crate::F;"), ["a > c at src/a.rs:1: crate::F"]);
        assert_eq!(of_a("use crate::renamed::X;"), ["a > b at src/a.rs:1: crate::renamed::X"]);
        assert_eq!(of_a("use crate::helper;"), ["a > lib at src/a.rs:1: crate::helper"]);
        assert!(of_a("use crate::fmt;").is_empty());
    }

    #[test]
    fn paths_in_code_and_macros_are_imports() {
        assert_eq!(of_a("fn f() { crate::b::g() }"), ["a > b at src/a.rs:1: crate::b::g"]);
        assert_eq!(of_a("struct S(Vec<super::B>);"), ["a > b at src/a.rs:1: super::B"]);
        assert_eq!(of_a("impl crate::c::T for S {}"), ["a > c at src/a.rs:1: crate::c::T"]);
        let in_macro = "fn f() { println!(\"{}\",\n [crate::b::g()]) }";
        assert_eq!(of_a(in_macro), ["a > b at src/a.rs:2: crate::b::g"]);
        let definition = "macro_rules! m { () => { pub(crate) $crate::c::g() }; }";
        assert_eq!(of_a(definition), ["a > c at src/a.rs:1: crate::c::g"]);
    }

    #[test]
    fn what_stays_in_the_module_is_no_import() {
        assert!(of_a("use crate::a::X; use self::Y; use std::io; use ::b::X;").is_empty());
        assert!(of_a("mod inner { use super::X; fn f() { self::g(b::h()) } }").is_empty());
        assert!(of_a("pub(crate) fn f(x: &Self) { let crate_ = self.x; }").is_empty());
        assert_eq!(of_a("mod inner { use super::super::B; }").len(), 1);
    }

    #[test]
    fn code_for_tests_is_left_out() {
        assert!(of_a("#[cfg(test)] mod tests { use crate::b::X; }").is_empty());
        assert!(of_a("#[cfg(test)] use crate::b::X; #[test] fn t() { crate::b::f() }").is_empty());
        assert_eq!(of_a("#[cfg(any(test, unix))] use crate::b::X;").len(), 1);
    }

    #[test]
    fn the_root_imports_what_its_own_code_names() {
        let of_root =
            |text: &str| imports(&[("main.rs", text), ("a.rs", ""), ("b.rs", "")]).unwrap();
        let own = of_root("mod a; mod b; use a::X; fn main() { b::run() }");
        let places = ["a at src/main.rs:1: a::X", "b at src/main.rs:1: b::run"];
        assert_eq!(own, places.map(|import| format!("main > {import}")));
        assert!(of_root("mod a; mod b; pub use a::X; pub(crate) use b::Y;").is_empty());
    }

    #[test]
    fn exported_macros_lie_in_their_module() {
        let b = "#[macro_export] macro_rules! say { () => {}; }";
        let files =
            [("lib.rs", "mod a; mod b;"), ("a.rs", "fn f() { crate::say!() }"), ("b.rs", b)];
        assert_eq!(imports(&files).unwrap(), ["a > b at src/a.rs:1: crate::say"]);
    }

    #[test]
    fn a_name_that_is_not_in_the_root_is_an_error() {
        let files = [("lib.rs", "mod a; pub use b::*;"), ("a.rs", "use crate::X;")];
        let error = imports(&files).unwrap_err().to_string();
        assert_eq!(error, "src/a.rs:1: cannot tell which module crate::X is from");
    }
}
