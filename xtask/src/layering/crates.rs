//! Which crates may depend on which crates, according to `cargo tree`.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// A package, the arguments that choose its features, and the packages that it must not depend on.
/// A name that ends in `*` stands for all that begin like it.
const RULES: [(&str, &[&str], &[&str]); 10] = [
    ("lazy-core", ALL_FEATURES, &["lazy-*", "zarrs*", "tch", "torch-sys", "indicatif"]),
    ("lazy-zarr", ALL_FEATURES, &["lazy-chunks", "lazy-tch", "tch", "torch-sys", "indicatif"]),
    ("lazy-tch", ALL_FEATURES, &["lazy-chunks", "lazy-zarr", "zarrs*", "indicatif"]),
    (
        "lazy-chunks",
        &["--no-default-features"],
        &["lazy-zarr", "lazy-tch", "zarrs*", "tch", "torch-sys", "indicatif"],
    ),
    (
        "lazy-chunks",
        &["--no-default-features", "--features", "indicatif"],
        &["lazy-zarr", "lazy-tch", "zarrs*", "tch", "torch-sys"],
    ),
    ("lazy-chunks", &[], &["lazy-tch", "tch", "torch-sys", "indicatif"]),
    (
        "lazy-chunks",
        &["--no-default-features", "--features", "zarr,indicatif,conformance"],
        &["lazy-tch", "tch", "torch-sys"],
    ),
    // The program uses the facade without libtorch.
    ("lazy-cli", ALL_FEATURES, &["lazy-tch", "tch", "torch-sys"]),
    // Without libtorch, the workspace builds, and all tests run except those of tensors.
    (WORKSPACE, &[], &["tch", "torch-sys"]),
    ("xtask", ALL_FEATURES, &["lazy-*", "zarrs*", "tch", "torch-sys"]),
];

/// All members at once, with what their tests and build scripts depend on.
const WORKSPACE: &str = "the workspace";

const ALL_FEATURES: &[&str] = &["--all-features"];

pub(super) fn check(shell: &Shell) -> Result<()> {
    let mut broken = Vec::new();
    for (package, features, forbidden) in RULES {
        let what: &[_] = match package {
            WORKSPACE => &["--workspace", "--edges", "normal,build,dev"],
            _ => &["--package", package, "--edges", "normal"],
        };
        let tree = cmd!(shell, "cargo tree --prefix none")
            .args(what)
            .args(["--format", "{p}"])
            .args(features)
            .quiet()
            .read()?;
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        for name in names.filter(|name| *name != package) {
            if forbidden.iter().any(|pattern| matches(pattern, name)) {
                broken.push(format!("{package} {} depends on {name}", features.join(" ")));
            }
        }
    }
    if broken.is_empty() {
        println!("{} layering rules hold", RULES.len());
        return Ok(());
    }
    broken.sort();
    broken.dedup();
    bail!("the layers are broken:\n{}", broken.join("\n"))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
