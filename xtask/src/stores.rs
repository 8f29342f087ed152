//! Arrays in object stores: emulators of S3 and Azure on the loopback device.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::{build, python};

/// The emulator of Azure, a package of npm.
const AZURITE: &str = "azurite@3.37.0";
const AZURITE_DIRECTORY: &str = "target/azurite";

/// Runs the tests, and prints why Azure is left out if its emulator cannot be installed.
pub(crate) fn run(shell: &Shell, is_all: bool) -> Result<()> {
    let _azurite = match azurite(shell) {
        Ok(path) => Some(shell.push_env("AZURITE", path)),
        Err(reason) => {
            println!("left out: Azure: {}", format!("{reason:#}").replace('\n', "; "));
            None
        }
    };
    let python = python::with_stores(shell)?;
    let programs = build::release(shell, &["--bin", "lazy", "--bin", "stores"])?;
    let _program = shell.push_env("LAZY", programs.join("lazy"));
    let _stores = shell.push_env("STORES", programs.join("stores"));
    let _all = is_all.then(|| shell.push_env("STORES_ALL", "1"));
    Ok(cmd!(shell, "{python} -m unittest discover --start-directory tests/python/stores").run()?)
}

/// Returns the emulator of Azure.
fn azurite(shell: &Shell) -> Result<PathBuf> {
    let directory = shell.current_dir().join(AZURITE_DIRECTORY);
    let program = directory.join("node_modules/.bin/azurite-blob");
    let installed = directory.join("version.txt");
    if shell.read_file(&installed).is_ok_and(|installed| installed == AZURITE) {
        return Ok(program);
    }
    for program in ["node", "npm"] {
        let has_program = cmd!(shell, "{program} --version").quiet().ignore_stdout().run().is_ok();
        ensure!(has_program, "there is no {program}");
    }
    shell.remove_path(&directory)?;
    shell.create_dir(&directory)?;
    let quiet = ["--no-fund", "--no-audit", "--loglevel", "error"];
    cmd!(shell, "npm install {quiet...} --prefix {directory} {AZURITE}").run()?;
    shell.write_file(installed, AZURITE)?;
    Ok(program)
}
