//! The property tests across crates and the bound on memory, with optimization.

use anyhow::Result;
use xshell::Shell;

use crate::tests;

const DEFAULT_CASES: u32 = 128;

/// The tests of memory, of hostile arrays and of stores, and these modules of the suite.
const PROPERTIES: &str = "not binary(suite) \
    | test(/^(properties|statistics|structure|threads|resume|unfinished|power_loss)::/) \
    | test(/^(append|rectilinear|removing)::/) \
    | test(/^workers(_faults|_power_loss|_taken_over)?::/)";

pub(crate) fn run(shell: &Shell, cases: Option<u32>) -> Result<()> {
    let cases = cases.unwrap_or(DEFAULT_CASES).to_string();
    let _cases = shell.push_env("PROPTEST_CASES", cases);
    // All members are selected, as in other steps, so that dependencies are not built again with
    // other features. Slow tests are ignored elsewhere.
    let binaries = ["memory", "memory_of_reducing", "hostile", "stores", "stores_workers", "suite"];
    let binaries = binaries.map(|name| ["--test", name]);
    tests::command(shell)?
        .args(["--workspace", "--release", "--run-ignored", "all"])
        .args(binaries.as_flattened())
        .args(["--filterset", PROPERTIES])
        .run()?;
    tests::run_of_libtorch(shell, "binary(tensors)")
}
