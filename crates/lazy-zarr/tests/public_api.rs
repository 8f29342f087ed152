//! Checks that no public item names a type of zarrs, which is pinned to an exact version.
//!
//! The lint `unreachable_pub` keeps `pub` for what other crates see, so the text of the sources
//! tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the words of a text that may be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// Returns the names that a file imports from zarrs.
fn imported(code: &str) -> BTreeSet<&str> {
    let imports = code.split("\nuse zarrs").skip(1);
    let imports = imports.filter_map(|rest| rest.split(';').next());
    // Modules have names in lower case, which mean other things elsewhere.
    imports.flat_map(words).filter(|word| word.starts_with(char::is_uppercase)).collect()
}

/// Returns the parts of the code that other crates see: declarations, variants of enums, and the
/// heads of implementations of traits for public types.
fn public_parts<'c>(code: &'c str, public_types: &BTreeSet<&str>) -> Vec<&'c str> {
    let mut parts = Vec::new();
    for (start, _) in code.match_indices('\n') {
        let rest = &code[start + 1..];
        let line = rest.trim_start_matches(' ');
        let end = match line {
            _ if line.starts_with("pub enum ") => "\n}",
            _ if line.starts_with("pub trait ") => "\n}",
            _ if line.starts_with("pub fn ") => " {\n",
            _ if line.starts_with("pub struct ") => "\n",
            _ if line.starts_with("pub use ") => ";",
            _ if line.starts_with("pub ") => "\n",
            _ if line.starts_with("impl") && line.len() == rest.len() => "{",
            _ => continue,
        };
        let part = line.split(end).next().unwrap_or(line);
        let is_private = part.split_once(" for ").is_some_and(|(_, to)| {
            part.starts_with("impl") && !words(to).any(|word| public_types.contains(word))
        });
        if !is_private && (!part.starts_with("impl") || part.contains(" for ")) {
            parts.push(part);
        }
    }
    parts
}

/// Returns the public parts of a file that name zarrs.
fn leaks<'c>(code: &'c str, public_types: &BTreeSet<&str>) -> Vec<&'c str> {
    let imported = imported(code);
    let is_leak = |part: &&str| {
        words(part).any(|word| word.starts_with("zarrs") && part.contains(&format!("{word}::")))
            || words(part).any(|word| imported.contains(word))
    };
    public_parts(code, public_types).into_iter().filter(is_leak).collect()
}

fn for_each_source(directory: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_source(&path, visit);
        } else {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn no_public_item_names_zarrs() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(sources.join("lib.rs")).unwrap();
    let exports = root.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let public_types: BTreeSet<_> = exports.flat_map(words).collect();
    let mut n_parts = 0;
    for_each_source(&sources, &mut |path, code| {
        n_parts += public_parts(code, &public_types).len();
        assert_eq!(leaks(code, &public_types), [""; 0], "{}", path.display());
    });
    assert!(n_parts > 200, "found {n_parts} public parts");
}

#[test]
fn each_way_to_name_zarrs_is_found() {
    let types = BTreeSet::from(["Target"]);
    let import = "\nuse zarrs::storage::{ReadableStorage, StoreKey};\n";
    for leak in [
        "pub use zarrs::storage::store::MemoryStore;",
        "    pub fn open(\n        store: ReadableStorage,\n    ) -> Target {\n",
        "pub enum Error {\n    Storage(StoreKey),\n}\n",
        "pub trait Store {\n    fn get(&self, key: &StoreKey);\n}\n",
        "pub type Key = zarrs_storage::StoreKey;",
        "    pub key: StoreKey,\n",
        "impl From<ReadableStorage> for Target {\n",
    ] {
        assert_eq!(leaks(&format!("{import}{leak}"), &types).len(), 1, "{leak}");
    }
    for other in [
        "pub(crate) fn open(store: ReadableStorage) {\n",
        "impl From<ReadableStorage> for Place {\n",
        "impl Target {\n    fn key(&self) -> StoreKey {\n",
        "pub fn open(path: &str) -> Target {\n    StoreKey::new(path)\n",
    ] {
        assert_eq!(leaks(&format!("{import}{other}"), &types), [""; 0], "{other}");
    }
}
