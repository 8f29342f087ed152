//! The example, and what zarr-python says of it.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::python;

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let directory = "target/influence";
    cmd!(shell, "cargo run --release --example influence -- {directory} --in-memory").run()?;
    let python = python::with_peers(shell)?;
    Ok(cmd!(shell, "{python} tests/python/read_influence.py {directory}").run()?)
}
