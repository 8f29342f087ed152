//! Tests, each in its own process, and the examples in the documentation.

use anyhow::Result;
use xshell::{Cmd, Shell, cmd};

use crate::libtorch;
use crate::tools::NEXTEST;

/// Tests that other tests run, in a process of its own with other environment variables.
const RUN_BY_OTHERS: &str = "test(=opens_without_credentials)";

/// Runs the tests and the examples in the documentation of some packages.
pub(crate) fn run(shell: &Shell, selection: &[&str]) -> Result<()> {
    command(shell)?.args(selection).run()?;
    run_examples(shell, selection)
}

/// Runs all tests of the workspace with optimization, slow ones and those of libtorch included, and
/// the examples in its documentation.
pub(crate) fn run_all(shell: &Shell) -> Result<()> {
    command(shell)?
        .args(["--workspace", "--release", "--run-ignored", "all"])
        .args(["--filterset", &format!("not {RUN_BY_OTHERS}")])
        .run()?;
    run_of_libtorch(shell, "package(lazy-tch) | binary(tensors) | binary(influence_tch)")?;
    run_examples(shell, &["--workspace", "--features", "tch", "--release"])
}

/// Runs tests that need libtorch, with optimization.
pub(crate) fn run_of_libtorch(shell: &Shell, filter: &str) -> Result<()> {
    libtorch::provide(shell)?;
    // Other tests and the programs are not built again, with libtorch. All members are selected, so
    // that dependencies are not, either.
    let binaries = ["conformance", "cuda", "refusals", "sharing"].map(|name| ["--test", name]);
    let examples = ["tensors", "influence_tch"].map(|name| ["--example", name]);
    command(shell)?
        .args(["--workspace", "--release", "--features", "tch"])
        .args(binaries.as_flattened())
        .args(examples.as_flattened())
        .args(["--filterset", filter])
        .run()
        .map_err(Into::into)
}

/// Runs the examples in the documentation of some packages, which nextest cannot run.
pub(crate) fn run_examples(shell: &Shell, selection: &[&str]) -> Result<()> {
    Ok(cmd!(shell, "cargo test --doc --no-fail-fast").args(selection).run()?)
}

/// Returns a command that runs the tests that its further arguments select.
pub(crate) fn command(shell: &Shell) -> Result<Cmd<'_>> {
    Ok(NEXTEST.command(shell)?.arg("run"))
}
