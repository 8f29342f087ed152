//! Tests in Python that drive the program `lazy` as users do.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{build, python};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let python = python::with_peers(shell)?;
    let programs = build::release(shell, &["--bin", "lazy"])?;
    let _program = shell.push_env("LAZY", programs.join("lazy"));
    Ok(cmd!(shell, "{python} -m unittest discover --start-directory tests/python/program").run()?)
}
