//! Tests, each in its own process, and the examples in the documentation.

use anyhow::Result;
use xshell::{Cmd, Shell, cmd};

use crate::tools::NEXTEST;

/// Runs the tests and the examples in the documentation of some packages.
pub(crate) fn run(shell: &Shell, selection: &[&str]) -> Result<()> {
    command(shell)?.args(selection).run()?;
    run_examples(shell, selection)
}

/// Runs the examples in the documentation of some packages, which nextest cannot run.
pub(crate) fn run_examples(shell: &Shell, selection: &[&str]) -> Result<()> {
    Ok(cmd!(shell, "cargo test --doc --no-fail-fast").args(selection).run()?)
}

/// Returns a command that runs the tests that its further arguments select.
pub(crate) fn command(shell: &Shell) -> Result<Cmd<'_>> {
    Ok(NEXTEST.command(shell)?.arg("run"))
}
