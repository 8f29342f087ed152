//! The examples in the documentation of types.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use syn::{
    Attribute, Expr, ExprLit, Ident, Item, Lit, Meta, UseName, UseRename, UseTree, Visibility,
};

/// Returns the exported types and traits of a crate whose documentation has no example.
///
/// Sources are texts by their paths below `src`. A type is exported if `lib.rs` re-exports it, or
/// if it is defined in the file of a public module.
pub(super) fn types_without(sources: &BTreeMap<&str, String>) -> Result<Vec<String>> {
    let exports = Exports::parse(sources.get("lib.rs").context("there is no lib.rs")?)?;
    let mut without = Vec::new();
    for (file, text) in sources {
        let syntax = syn::parse_file(text).with_context(|| format!("cannot parse {file}"))?;
        let types = syntax.items.iter().filter_map(public_type);
        let types = types.filter(|(name, _)| exports.has(file, &name.to_string()));
        let types = types.filter(|(_, attributes)| !has_example(attributes));
        without.extend(types.map(|(name, _)| name.to_string()));
    }
    Ok(without)
}

/// The names that the root of a crate exports.
#[derive(Default)]
struct Exports {
    /// Items, each with the module below the root that the root has it from.
    items: BTreeSet<(String, String)>,
    modules: BTreeSet<String>,
}

impl Exports {
    fn parse(root: &str) -> Result<Self> {
        let mut exports = Self::default();
        for item in syn::parse_file(root)?.items {
            match item {
                Item::Use(item) if is_public(&item.vis) => {
                    if let UseTree::Path(path) = &item.tree {
                        exports.add_items(&path.ident.to_string(), &path.tree);
                    }
                }
                Item::Mod(module) if is_public(&module.vis) => {
                    exports.modules.insert(module.ident.to_string());
                }
                _ => {}
            }
        }
        Ok(exports)
    }

    fn add_items(&mut self, module: &str, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.add_items(module, &path.tree),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_items(module, tree));
            }
            // A type is documented under the name that it is defined with.
            UseTree::Name(UseName { ident }) | UseTree::Rename(UseRename { ident, .. }) => {
                self.items.insert((module.to_owned(), ident.to_string()));
            }
            UseTree::Glob(_) => {}
        }
    }

    fn has(&self, file: &str, name: &str) -> bool {
        let path = file.strip_suffix(".rs").unwrap_or(file);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let module = path.split('/').next().unwrap_or(path);
        path == "lib"
            || self.modules.contains(path)
            || self.items.contains(&(module.to_owned(), name.to_owned()))
    }
}

fn public_type(item: &Item) -> Option<(&Ident, &[Attribute])> {
    let (visibility, name, attributes) = match item {
        Item::Enum(item) => (&item.vis, &item.ident, &item.attrs),
        Item::Struct(item) => (&item.vis, &item.ident, &item.attrs),
        Item::Trait(item) => (&item.vis, &item.ident, &item.attrs),
        _ => return None,
    };
    is_public(visibility).then_some((name, attributes))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Returns true if the documentation has a block of code, or says which other type "has an
/// example".
fn has_example(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                line.value().contains("```") || line.value().contains("has an example")
            }
            _ => false,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exported_types_need_an_example() {
        let root = "mod a; pub mod b; pub use a::{A, B, C, f};";
        let a = "
            /// Documented.
            ///
            /// ```
            /// let a = A;
            /// ```
            #[derive(Debug)]
            pub struct A;

            /// Documented.
            pub enum B {}

            /// Documented. [`A`] has an example.
            pub struct C;

            pub fn f() {}

            pub trait NotExported {}
        ";
        let b = "pub trait D {} trait Private {}";
        let namesakes = "pub struct A; pub struct E;";
        let sources = [("lib.rs", root), ("a.rs", a), ("b/mod.rs", b), ("b/c.rs", namesakes)];
        let sources = sources.map(|(file, text)| (file, text.to_owned())).into();
        assert_eq!(types_without(&sources).unwrap(), ["B", "D"]);
    }
}
