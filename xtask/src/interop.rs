//! Arrays that this workspace and its peers exchange, bit for bit.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{build, python};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let python = python::with_peers(shell)?;
    let ours = "target/interop/ours";
    let theirs = "target/interop/theirs";
    let interop = build::release(shell, &["--bin", "interop"])?.join("interop");
    let rust = |task: &str, directory: &str| cmd!(shell, "{interop} {task} {directory}").run();
    let peers = |task: &str, directory: &str| {
        cmd!(shell, "{python} tests/python/interop {task} {directory}").run()
    };
    rust("write", ours)?;
    peers("read", ours)?;
    // The peers have consolidated a group meanwhile.
    rust("read", ours)?;
    peers("write", theirs)?;
    rust("read", theirs)?;
    let statistics = "target/interop/statistics";
    rust("statistics", statistics)?;
    peers("statistics", statistics)?;
    let Some(python) = python::with_newer_zarr(shell)? else {
        println!("skipped: zarr-python 3.4, since there is no Python from version 3.12 on");
        return Ok(());
    };
    let newer = |task: &str, directory: &str| {
        cmd!(shell, "{python} tests/python/interop {task} {directory}").run()
    };
    newer("read-newer", ours)?;
    let theirs = "target/interop/newer";
    newer("write-newer", theirs)?;
    Ok(rust("read", theirs)?)
}
