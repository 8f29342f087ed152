//! Writes that are killed, fail and race; zarr-python reads their targets afterwards.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{build, python};

const DEFAULT_ROUNDS: u32 = 60;

pub(crate) fn run(shell: &Shell, rounds: Option<u32>, seed: Option<u64>) -> Result<()> {
    let python = python::with_peers(shell)?;
    let rounds = rounds.unwrap_or(DEFAULT_ROUNDS).to_string();
    let seed = match seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    let seed = seed.to_string();
    let crash = build::release(shell, &["--bin", "crash"])?.join("crash");
    // The errors name the operation, so a backtrace adds nothing.
    let _backtrace = shell.push_env("RUST_BACKTRACE", "0");
    Ok(cmd!(shell, "{crash} check {python} {rounds} {seed}").run()?)
}
