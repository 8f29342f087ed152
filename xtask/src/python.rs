//! A virtual environment of Python below target/.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::apt;

const DIRECTORY: &str = "target/python";
const REQUIREMENTS: &str = "tests/python/requirements.txt";
/// Packages that are installed without their dependencies.
const WITHOUT_DEPENDENCIES: &str = "tests/python/requirements-no-deps.txt";

/// Returns an interpreter that has the peers. If the requirements change, creates the environment
/// again.
pub(crate) fn with_peers(shell: &Shell) -> Result<PathBuf> {
    let directory = directory(shell);
    let installed = directory.join("requirements.txt");
    let requirements = shell.read_file(REQUIREMENTS)? + &shell.read_file(WITHOUT_DEPENDENCIES)?;
    if shell.read_file(&installed).is_ok_and(|installed| installed == requirements) {
        return Ok(interpreter(&directory));
    }
    shell.remove_path(&directory)?;
    let python = with_pip(shell)?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    cmd!(shell, "{python} {install...} -r {REQUIREMENTS}").run()?;
    // Last, since pip reports missing dependencies as errors of each later installation.
    cmd!(shell, "{python} {install...} --no-deps -r {WITHOUT_DEPENDENCIES}").run()?;
    shell.write_file(installed, requirements)?;
    Ok(python)
}

/// Returns an interpreter that has pip, and may have the peers.
pub(crate) fn with_pip(shell: &Shell) -> Result<PathBuf> {
    let directory = directory(shell);
    let python = interpreter(&directory);
    // An interrupted run may have left an environment without pip.
    let ask = cmd!(shell, "{python} -m pip --version").quiet().ignore_stdout().ignore_stderr();
    if ask.run().is_err() {
        shell.remove_path(&directory)?;
        create(shell, &directory)?;
    }
    Ok(python)
}

fn directory(shell: &Shell) -> PathBuf {
    shell.current_dir().join(DIRECTORY)
}

fn interpreter(directory: &Path) -> PathBuf {
    directory.join("bin/python")
}

fn create(shell: &Shell, directory: &Path) -> Result<()> {
    let create = || cmd!(shell, "python3 -m venv {directory}").run();
    let Err(error) = create() else { return Ok(()) };
    // Debian has the module in a separate package.
    apt::install(shell, &["python3-venv"], &format!("{error}\nPython 3 has no module venv"))?;
    shell.remove_path(directory)?;
    create().context("no virtual environment can be made for Python 3")
}
