//! The property tests across crates and the memory bound, with optimization.

use anyhow::Result;
use xshell::{Shell, cmd};

const DEFAULT_CASES: u32 = 256;

pub(crate) fn run(shell: &Shell, cases: Option<u32>) -> Result<()> {
    let cases = cases.unwrap_or(DEFAULT_CASES).to_string();
    let _cases = shell.push_env("PROPTEST_CASES", cases);
    let tests = ["--test", "properties", "--test", "statistics", "--test", "memory"];
    Ok(cmd!(shell, "cargo test --release --package lazy-tests {tests...}").run()?)
}
