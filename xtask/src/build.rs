//! Builds of the workspace's programs, with optimization.

use std::path::PathBuf;

use anyhow::Result;
use xshell::{Shell, cmd};

/// Builds programs, and returns the directory that they are in.
///
/// All members of the workspace are selected each time, and an example, which has the dependencies
/// of tests. So cargo chooses the same features for shared dependencies, and builds them once.
pub(crate) fn release(shell: &Shell, targets: &[&str]) -> Result<PathBuf> {
    cmd!(shell, "cargo build --release --workspace --example influence {targets...}").run()?;
    Ok(shell.current_dir().join("target/release"))
}
