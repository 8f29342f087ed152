//! The program `lazy`, driven by Python as users drive it.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::python;

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let python = python::with_peers(shell)?;
    cmd!(shell, "cargo build --release --package lazy-cli").run()?;
    let _program = shell.push_env("LAZY", shell.current_dir().join("target/release/lazy"));
    Ok(cmd!(shell, "{python} -m unittest discover --start-directory tests/python/program").run()?)
}
