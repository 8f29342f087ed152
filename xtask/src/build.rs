//! Builds of the workspace's programs, with optimization.

use std::path::PathBuf;

use anyhow::Result;
use xshell::{Shell, cmd};

/// Builds programs, and returns the directory that they are in.
///
/// All members of the workspace are selected each time, and examples, which have the dependencies
/// of tests. So cargo chooses the same features for shared dependencies, and builds them once.
pub(crate) fn release(shell: &Shell, targets: &[&str]) -> Result<PathBuf> {
    let examples = ["--example", "attribution", "--example", "influence"];
    cmd!(shell, "cargo build --release --workspace {examples...} {targets...}").run()?;
    Ok(shell.current_dir().join("target/release"))
}
