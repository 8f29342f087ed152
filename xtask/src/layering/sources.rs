//! The modules of a crate, without code for tests.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item, Meta, Token, punctuated::Punctuated};

/// A file of a crate that was parsed.
pub(super) struct Source {
    /// The path of the file, from the root of the repository.
    pub(super) file: String,
    /// The names of the modules that the file lies in. The root of the crate has none.
    pub(super) path: Vec<String>,
    pub(super) items: Vec<Item>,
}

/// Reads the root of a crate, and all files whose modules it declares.
///
/// `read` returns the text of a file, if there is one.
pub(super) fn read(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Source>> {
    let (directory, _) = root.rsplit_once('/').context("the root of a crate has no directory")?;
    let mut sources = Vec::new();
    // A file, the modules that it lies in, and the directory with the files of its modules.
    let mut open = vec![(root.to_owned(), Vec::new(), directory.to_owned())];
    while let Some((file, path, directory)) = open.pop() {
        let text = read(&file).with_context(|| format!("cannot read {file}"))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse {file}"))?;
        for name in declared_files(&syntax.items) {
            let files = [format!("{directory}/{name}.rs"), format!("{directory}/{name}/mod.rs")];
            let Some(found) = files.into_iter().find(|file| read(file).is_some()) else {
                bail!("{file} declares the module {name}, which has no file in {directory}");
            };
            let path = [&path[..], std::slice::from_ref(&name)].concat();
            open.push((found, path, format!("{directory}/{name}")));
        }
        sources.push(Source { file, path, items: syntax.items });
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(sources)
}

/// Returns the names of modules that lie in files of their own.
fn declared_files(items: &[Item]) -> BTreeSet<String> {
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && !is_test(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| module.ident.to_string()).collect()
}

/// Returns true if an item is compiled for tests only.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args().is_ok_and(|condition| requires_test(&condition))
        }
        _ => false,
    })
}

/// Returns true if a condition of `cfg` holds in tests only.
fn requires_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test") || path.is_ident("doctest"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|conditions| conditions.iter().any(requires_test)),
        _ => false,
    }
}

/// Returns the attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_for_tests_are_left_out() {
        let files = |file: &str| match file {
            "src/lib.rs" => Some("mod a; #[cfg(test)] mod tests; #[cfg(feature = \"x\")] mod b;"),
            "src/a/mod.rs" => Some("mod c; #[cfg(all(test, unix))] mod more;"),
            "src/a/c.rs" | "src/b.rs" => Some(""),
            "src/main.rs" => Some("mod absent;"),
            _ => None,
        };
        let sources = read("src/lib.rs", &|file| files(file).map(str::to_owned)).unwrap();
        let found: Vec<_> =
            sources.iter().map(|source| (source.file.as_str(), source.path.join("::"))).collect();
        let expected = [("src/a/c.rs", "a::c"), ("src/a/mod.rs", "a"), ("src/b.rs", "b")];
        let expected = expected.map(|(file, path)| (file, path.to_owned()));
        assert_eq!(found, [&expected[..], &[("src/lib.rs", String::new())]].concat());
        assert!(read("src/main.rs", &|file| files(file).map(str::to_owned)).is_err());
    }

    #[test]
    fn conditions_that_hold_outside_of_tests_are_no_tests() {
        let is_test = |text: &str| is_test(attributes(&syn::parse_str(text).unwrap()));
        assert!(is_test("#[test] fn f() {}"));
        assert!(is_test("#[cfg(test)] use a::b;"));
        assert!(is_test("#[cfg(all(unix, test))] mod m {}"));
        assert!(!is_test("#[cfg(any(unix, test))] mod m {}"));
        assert!(!is_test("#[cfg(not(test))] mod m {}"));
        assert!(!is_test("fn f() {}"));
    }
}
