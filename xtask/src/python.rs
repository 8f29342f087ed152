//! Virtual environments of Python below target/.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::apt;

const DIRECTORY: &str = "target/python";
const REQUIREMENTS: &str = "tests/python/requirements.txt";
/// Packages that are installed without their dependencies.
const WITHOUT_DEPENDENCIES: &str = "tests/python/requirements-no-deps.txt";

const NEWER_DIRECTORY: &str = "target/python-3.12";
const NEWER_REQUIREMENTS: &str = "tests/python/requirements-3.12.txt";

const PACKAGE_DIRECTORY: &str = "target/python-package";
const PACKAGE_REQUIREMENTS: &str = "python/tests/requirements.txt";

const PYDVL_DIRECTORY: &str = "target/python-pydvl";
const PYDVL_REQUIREMENTS: &str = "python/tests/pydvl/requirements.txt";

const TORCH_DIRECTORY: &str = "target/python-torch";
const TORCH_REQUIREMENTS: &str = "python/tests/tensors/requirements.txt";

const STORES_DIRECTORY: &str = "target/python-stores";
const STORES_REQUIREMENTS: &str = "tests/python/stores/requirements.txt";

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

/// Returns an interpreter that has what the tests of the Python package need, or `None` if there is
/// no Python for it.
pub(crate) fn with_package_tests(shell: &Shell) -> Result<Option<PathBuf>> {
    let directory = shell.current_dir().join(PACKAGE_DIRECTORY);
    if is_installed(shell, &directory, PACKAGE_REQUIREMENTS)? {
        return Ok(Some(interpreter(&directory)));
    }
    let Some(newer) = newer(shell) else { return Ok(None) };
    shell.remove_path(&directory)?;
    cmd!(shell, "{newer} -m venv {directory}").run()?;
    install(shell, &directory, PACKAGE_REQUIREMENTS, &[]).map(Some)
}

/// Returns an interpreter that has pyDVL, without PyTorch.
pub(crate) fn with_pydvl(shell: &Shell) -> Result<PathBuf> {
    let directory = shell.current_dir().join(PYDVL_DIRECTORY);
    if is_installed(shell, &directory, PYDVL_REQUIREMENTS)? {
        return Ok(interpreter(&directory));
    }
    shell.remove_path(&directory)?;
    create(shell, &directory)?;
    install(shell, &directory, PYDVL_REQUIREMENTS, &["--no-deps"])
}

/// Returns an interpreter that has what PyTorch needs, which is a Python 3.11, or `None` if there is
/// none.
pub(crate) fn with_needs_of_torch(shell: &Shell) -> Result<Option<PathBuf>> {
    let directory = shell.current_dir().join(TORCH_DIRECTORY);
    if is_installed(shell, &directory, TORCH_REQUIREMENTS)? {
        return Ok(Some(interpreter(&directory)));
    }
    let Some(python) = find(shell, &["python3.11", "python3"], "== (3, 11)") else {
        return Ok(None);
    };
    shell.remove_path(&directory)?;
    cmd!(shell, "{python} -m venv {directory}").run()?;
    install(shell, &directory, TORCH_REQUIREMENTS, &[]).map(Some)
}

/// Returns an interpreter that has a newer zarr-python, or `None` if there is no Python for it.
pub(crate) fn with_newer_zarr(shell: &Shell) -> Result<Option<PathBuf>> {
    let directory = shell.current_dir().join(NEWER_DIRECTORY);
    if is_installed(shell, &directory, NEWER_REQUIREMENTS)? {
        return Ok(Some(interpreter(&directory)));
    }
    let Some(newer) = newer(shell) else { return Ok(None) };
    shell.remove_path(&directory)?;
    cmd!(shell, "{newer} -m venv {directory}").run()?;
    install(shell, &directory, NEWER_REQUIREMENTS, &[]).map(Some)
}

/// Returns an interpreter that has clients of object stores, and an emulator of S3.
pub(crate) fn with_stores(shell: &Shell) -> Result<PathBuf> {
    let directory = shell.current_dir().join(STORES_DIRECTORY);
    if is_installed(shell, &directory, STORES_REQUIREMENTS)? {
        return Ok(interpreter(&directory));
    }
    shell.remove_path(&directory)?;
    create(shell, &directory)?;
    install(shell, &directory, STORES_REQUIREMENTS, &[])
}

/// Returns true if an environment has the packages that a file requires.
fn is_installed(shell: &Shell, directory: &Path, requirements: &str) -> Result<bool> {
    let requirements = shell.read_file(requirements)?;
    let installed = shell.read_file(directory.join("requirements.txt"));
    Ok(installed.is_ok_and(|installed| installed == requirements))
}

/// Installs the packages that a file requires, and returns the interpreter.
fn install(
    shell: &Shell,
    directory: &Path,
    requirements: &str,
    options: &[&str],
) -> Result<PathBuf> {
    let python = interpreter(directory);
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    cmd!(shell, "{python} {install...} {options...} -r {requirements}").run()?;
    shell.copy_file(requirements, directory.join("requirements.txt"))?;
    Ok(python)
}

/// Returns a Python from version 3.12 on that can create environments.
fn newer(shell: &Shell) -> Option<String> {
    find(shell, &["python3.12", "python3.13", "python3.14", "python3"], ">= (3, 12)")
}

/// Returns the first of some interpreters that exists, can create environments, and has a version of
/// which a comparison in Python is true.
fn find(shell: &Shell, names: &[&str], version: &str) -> Option<String> {
    // The commands of pyenv run only the versions that this variable names.
    let versions = cmd!(shell, "pyenv versions --bare").quiet().ignore_stderr().read();
    let versions = versions.unwrap_or_default().lines().collect::<Vec<_>>().join(":");
    let _versions = (!versions.is_empty()).then(|| shell.push_env("PYENV_VERSION", versions));
    let code = format!(
        "import sys, ensurepip, venv; assert sys.version_info[:2] {version}; print(sys.executable)"
    );
    names.iter().find_map(|python| {
        let path = cmd!(shell, "{python} -c {code}").quiet().ignore_stderr().read();
        path.ok().filter(|path| !path.is_empty())
    })
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
