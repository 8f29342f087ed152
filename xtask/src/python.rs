//! A Python with the peers, in a virtual environment below target/.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The interpreter of the virtual environment, which is made when the requirements change.
pub(crate) fn environment(shell: &Shell) -> Result<PathBuf> {
    let directory = shell.current_dir().join("target/python");
    let python = directory.join("bin/python");
    let installed = directory.join("requirements.txt");
    let requirements = shell.read_file(REQUIREMENTS)?;
    if shell.read_file(&installed).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    shell.remove_path(&directory)?;
    create(shell, &directory)?;
    cmd!(shell, "{python} -m pip install --quiet --disable-pip-version-check -r {REQUIREMENTS}")
        .run()?;
    shell.write_file(installed, requirements)?;
    Ok(python)
}

fn create(shell: &Shell, directory: &PathBuf) -> Result<()> {
    let create = || cmd!(shell, "python3 -m venv {directory}").run();
    let Err(error) = create() else { return Ok(()) };
    // Debian has the module in a package of its own.
    let is_root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    let has_apt = cmd!(shell, "apt-get --version").quiet().ignore_stdout().run().is_ok();
    if !(is_root && has_apt) {
        bail!("{error}\nPython 3 has no module venv; on Debian: apt-get install python3-venv");
    }
    cmd!(shell, "apt-get update --quiet").run()?;
    cmd!(shell, "apt-get install --quiet --yes python3-venv").run()?;
    shell.remove_path(directory)?;
    create().context("no virtual environment can be made for Python 3")
}
