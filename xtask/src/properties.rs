//! The property tests across crates and the memory bound, with optimization.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::libtorch;

const DEFAULT_CASES: u32 = 256;

pub(crate) fn run(shell: &Shell, cases: Option<u32>) -> Result<()> {
    libtorch::provide(shell)?;
    let cases = cases.unwrap_or(DEFAULT_CASES).to_string();
    let _cases = shell.push_env("PROPTEST_CASES", cases);
    let tests = [
        "properties",
        "statistics",
        "threads",
        "memory",
        "memory_of_reducing",
        "resume",
        "unfinished",
        "power_loss",
        "hostile",
        "tensors",
    ];
    let tests = tests.map(|test| ["--test", test]);
    let test = cmd!(shell, "cargo test --release --package lazy-tests --features tch");
    Ok(test.args(tests.as_flattened()).run()?)
}
