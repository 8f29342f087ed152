//! The program `lazy` on file systems that fail or lack one thing at a time.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{apt, build, python};

const SOURCES: &str = "tests/fuse";
const DIRECTORY: &str = "target/fuse";

/// Runs the tests, or prints why they are left out if no file system can be mounted.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    let passthrough = shell.current_dir().join(DIRECTORY).join("passthrough");
    if let Err(reason) = compile(shell, &passthrough) {
        println!("left out: {}", format!("{reason:#}").replace('\n', "; "));
        return Ok(());
    }
    let python = python::with_peers(shell)?;
    let programs = build::release(shell, &["--bin", "lazy"])?;
    let _program = shell.push_env("LAZY", programs.join("lazy"));
    let _passthrough = shell.push_env("PASSTHROUGH", passthrough);
    Ok(cmd!(shell, "{python} tests/python/fuse").run()?)
}

fn compile(shell: &Shell, passthrough: &Path) -> Result<()> {
    anyhow::ensure!(Path::new("/dev/fuse").exists(), "there is no /dev/fuse");
    let flags = || cmd!(shell, "pkg-config --cflags --libs fuse3").quiet().ignore_stderr().read();
    if flags().is_err() {
        apt::install(shell, &["fuse3", "libfuse3-dev", "pkg-config"], "there is no libfuse 3")?;
    }
    let flags = flags().context("pkg-config does not find fuse3")?;
    let flags = flags.split_whitespace();
    shell.create_dir(DIRECTORY)?;
    let sources = ["passthrough.c", "faults.c", "power.c", "inodes.c"];
    let sources = sources.map(|name| Path::new(SOURCES).join(name));
    let options = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-o"];
    Ok(cmd!(shell, "cc {options...} {passthrough} {sources...} {flags...}").run()?)
}
