//! The rules for the modules of each crate.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use xshell::Shell;

use super::imports::{self, Import, Modules};
use super::{graph, sources};

/// The crates whose modules are checked. The cycles of others are printed by
/// `cargo xtask layering --modules`.
const CHECKED: [&str; 9] = [
    "bench",
    "crates/lazy-chunks",
    "crates/lazy-cli",
    "crates/lazy-core",
    "crates/lazy-tch",
    "crates/lazy-zarr",
    "python",
    "tests",
    "xtask",
];

/// The modules of a crate, each with the modules that it may import from.
type Rules = &'static [(&'static str, &'static [&'static str])];

/// Crates whose modules form layers: each module imports from modules above it only.
///
/// Every module of a crate in this list has a rule. The root, `lib`, may import from all.
const RULES: [(&str, Rules); 1] = [(
    "crates/lazy-zarr",
    &[
        ("defect", &[]),
        ("memory", &[]),
        // Objects by key, without Zarr.
        ("objects", &[]),
        ("error", &["defect", "objects"]),
        ("threads", &["error"]),
        // Bytes, without elements and codecs.
        ("fs", &["error"]),
        ("target", &["error", "fs", "objects"]),
        // Plain data, without input and output. A write has a target.
        ("settings", &["error", "threads", "target"]),
        // Shapes, without input and output.
        ("layout", &["error", "memory", "settings"]),
        // Metadata, codecs and provenance, without file systems and blocks.
        ("format", &["error", "settings", "layout"]),
        // Nodes and keys of chunks, without elements.
        ("store", &["defect", "error", "fs", "objects", "target", "settings", "format"]),
        // Staging directories, locks, journals and records, without blocks and reading.
        ("staging", &["error", "fs", "objects", "target", "settings", "layout", "format", "store"]),
        // Members, attributes and removal, without elements, codecs and writing.
        ("group", &["error", "fs", "objects", "target", "format", "store", "staging"]),
        // Stored arrays, without staging and writing.
        (
            "read",
            &[
                "defect", "memory", "error", "threads", "fs", "objects", "target", "layout",
                "format", "store",
            ],
        ),
        (
            "write",
            &[
                "memory", "error", "fs", "objects", "target", "settings", "layout", "format",
                "store", "staging", "read",
            ],
        ),
        // Test cases for implementors of file systems.
        ("conformance", &["error", "fs", "objects"]),
    ],
)];

/// Checks the modules of the crates in `CHECKED`.
pub(super) fn check(shell: &Shell) -> Result<()> {
    let mut problems = Vec::new();
    for directory in CHECKED {
        problems.extend(problems_of(directory, &modules_of(shell, directory)?));
    }
    if problems.is_empty() {
        println!("the modules of {} crates have no cycle", CHECKED.len());
        return Ok(());
    }
    bail!("the layers of modules are broken:\n{}", problems.join("\n"))
}

/// Prints the problems of all crates.
pub(super) fn print(shell: &Shell) -> Result<()> {
    let mut directories = shell.read_dir("crates")?;
    directories.sort();
    let names = directories.iter().filter_map(|directory| directory.file_name()?.to_str());
    let crates = names.map(|name| format!("crates/{name}"));
    let others = ["bench", "python", "tests", "xtask"].map(str::to_owned);
    for directory in crates.chain(others) {
        let modules = modules_of(shell, &directory)?;
        let problems = problems_of(&directory, &modules);
        let counts = (modules.names.len(), modules.imports.len());
        println!("{directory}: {} modules, {} imports between them", counts.0, counts.1);
        for problem in problems {
            println!("{problem}");
        }
    }
    Ok(())
}

fn modules_of(shell: &Shell, directory: &str) -> Result<Modules> {
    let roots = ["lib.rs", "main.rs"].map(|file| format!("{directory}/src/{file}"));
    let Some(root) = roots.iter().find(|root| shell.path_exists(root)) else {
        bail!("{directory} has neither a library nor a program");
    };
    imports::of_crate(&sources::read(root, &|file| shell.read_file(file).ok())?)
}

/// Describes the cycles of a crate, and the imports that its rules forbid.
fn problems_of(directory: &str, modules: &Modules) -> Vec<String> {
    let imports = &modules.imports;
    let edges = imports.iter().map(|import| (import.from.as_str(), import.to.as_str()));
    let mut problems = Vec::new();
    for set in graph::cyclic_sets(edges) {
        problems
            .push(format!("  {directory}: a cycle of {}", Vec::from_iter(set.clone()).join(", ")));
        let in_set = |name: &String| set.contains(name.as_str());
        problems.extend(show(imports.iter().filter(|i| in_set(&i.from) && in_set(&i.to))));
    }
    let rules = RULES.iter().filter(|(crate_, _)| *crate_ == directory);
    for (_, rules) in rules {
        problems.extend(broken(directory, rules, modules));
    }
    problems
}

/// Describes what breaks the rules of a crate.
fn broken(directory: &str, rules: Rules, modules: &Modules) -> Vec<String> {
    let rules: BTreeMap<_, _> = rules.iter().copied().collect();
    let mut problems = Vec::new();
    let names = modules.names.iter().map(String::as_str);
    let without: Vec<_> = names.filter(|name| !rules.contains_key(name)).collect();
    if !without.is_empty() {
        problems.push(format!("  {directory}: modules without a rule: {}", without.join(", ")));
    }
    let absent: Vec<_> =
        rules.keys().copied().filter(|name| !modules.names.contains(*name)).collect();
    if !absent.is_empty() {
        problems.push(format!("  {directory}: rules without a module: {}", absent.join(", ")));
    }
    let is_broken = |import: &&Import| {
        rules.get(import.from.as_str()).is_some_and(|may| !may.contains(&import.to.as_str()))
    };
    let imports: Vec<_> = modules.imports.iter().filter(is_broken).collect();
    if !imports.is_empty() {
        problems.push(format!("  {directory}: imports that the rules forbid"));
        problems.extend(show(imports));
    }
    problems
}

/// Returns a line for each pair of modules, with one of its imports.
fn show<'i>(imports: impl IntoIterator<Item = &'i Import>) -> Vec<String> {
    let mut pairs = BTreeMap::<_, Vec<_>>::new();
    for import in imports {
        pairs.entry((&import.from, &import.to)).or_default().push(import);
    }
    let line = |((from, to), imports): ((&String, &String), Vec<&Import>)| {
        let (example, n_more) = (imports[0], imports.len() - 1);
        let more = if n_more > 0 { format!(", and {n_more} more") } else { String::new() };
        format!("    {from} -> {to} at {}: {}{more}", example.place, example.path)
    };
    pairs.into_iter().map(line).collect()
}
