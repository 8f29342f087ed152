//! The Python package: its wheel, installed in environments that have nothing of the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{libtorch, python};

const WHEELS: &str = "target/wheels";

/// The wheel and the package for workers that engines start. Other tasks may run at the same time, so
/// these are apart from theirs.
const OF_ENGINES: &str = "target/python-engines";

/// The tests of pyDVL's calculators, whose packages are older than those of the other tests.
const PYDVL: &str = "python/tests/pydvl";

/// The tests of tensors, and of the example that has a model of PyTorch.
const TORCH: [&str; 2] =
    ["python/tests/tensors", "python/tests/test_examples.py::test_the_example_finds_wrong_labels"];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let Some((python, wheel)) = build(shell, WHEELS)? else {
        println!("skipped: the Python package, since there is no Python from version 3.12 on");
        return Ok(());
    };
    println!("{}", wheel.display());
    install(shell, &python, &wheel)?;
    cmd!(shell, "{python} -m pytest python/tests -q --tb=short").run()?;
    // An interpreter and packages of other versions.
    let python = python::with_pydvl(shell)?;
    install(shell, &python, &wheel)?;
    cmd!(shell, "{python} -m pytest {PYDVL} -q -p no:cacheprovider").run()?;
    test_tensors(shell, &wheel)
}

/// Runs the tests that need PyTorch, or prints why they are left out.
fn test_tensors(shell: &Shell, wheel: &Path) -> Result<()> {
    let Some(torch) = libtorch::python_package(shell)? else {
        println!("skipped: tensors in Python, since the environment names a libtorch");
        return Ok(());
    };
    let Some(python) = python::with_needs_of_torch(shell)? else {
        println!("skipped: tensors in Python, since there is no Python 3.11");
        return Ok(());
    };
    install(shell, &python, wheel)?;
    let _path = shell.push_env("PYTHONPATH", torch);
    Ok(cmd!(shell, "{python} -m pytest {TORCH...} -q --tb=short").run()?)
}

/// Builds the wheel. Returns it and the interpreter that has what its tests need, or `None` if there
/// is no Python for these.
fn build(shell: &Shell, wheels: &str) -> Result<Option<(PathBuf, PathBuf)>> {
    let Some(python) = python::with_package_tests(shell)? else { return Ok(None) };
    let wheels = shell.current_dir().join(wheels);
    shell.remove_path(&wheels)?;
    let manifest = "python/Cargo.toml";
    cmd!(shell, "{python} -m maturin build --quiet --release -m {manifest} --out {wheels}")
        .run()?;
    let found = shell.read_dir(&wheels)?.into_iter().find(|path| is_wheel(path));
    let wheel =
        found.with_context(|| format!("maturin has put no wheel into {}", wheels.display()))?;
    Ok(Some((python, wheel)))
}

/// Builds the package, and installs it for an interpreter.
pub(crate) fn install_for(shell: &Shell, python: &Path) -> Result<()> {
    let built = build(shell, WHEELS)?;
    let (_, wheel) = built.context("the Python package needs Python 3.12 or newer here")?;
    install(shell, python, &wheel)
}

/// Unpacks the package, for workers that engines start. Returns the interpreter and the path to import
/// it from, or `None` if there is no Python for it.
pub(crate) fn for_engines(shell: &Shell) -> Result<Option<(PathBuf, PathBuf)>> {
    let wheels = format!("{OF_ENGINES}/wheels");
    let Some((python, wheel)) = build(shell, &wheels)? else { return Ok(None) };
    let path = shell.current_dir().join(OF_ENGINES).join("path");
    shell.remove_path(&path)?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    cmd!(shell, "{python} {install...} --target {path} {wheel}").run()?;
    Ok(Some((python, path)))
}

fn is_wheel(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "whl")
}

/// Installs the wheel, in place of an earlier one.
fn install(shell: &Shell, python: &Path, wheel: &Path) -> Result<()> {
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    Ok(cmd!(shell, "{python} {install...} --no-deps --force-reinstall {wheel}").run()?)
}
