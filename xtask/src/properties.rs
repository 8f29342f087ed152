//! The property tests across crates and the memory bound, with optimization.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::libtorch;

const DEFAULT_CASES: u32 = 256;

pub(crate) fn run(shell: &Shell, cases: Option<u32>) -> Result<()> {
    let cases = cases.unwrap_or(DEFAULT_CASES).to_string();
    let _cases = shell.push_env("PROPTEST_CASES", cases);
    // All members are selected, and libtorch where it is tested alone, so that nothing is built once more for this.
    let test = || cmd!(shell, "cargo test --workspace");
    let of_memory = ["memory", "memory_of_reducing", "hostile"].map(|test| ["--test", test]);
    test().arg("--release").args(of_memory.as_flattened()).run()?;
    let modules = ["properties", "statistics", "threads", "resume", "unfinished", "power_loss"];
    let modules = modules.map(|module| format!("{module}::"));
    test().args(["--release", "--test", "suite", "--"]).args(modules).run()?;
    libtorch::provide(shell)?;
    Ok(test().args(["--features", "tch", "--test", "suite", "--", "tensors::"]).run()?)
}
