//! A libtorch below target/, from the Python package torch, for the feature `tch`; and this package,
//! without CUDA, for the tests of tensors in Python.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::{apt, python};

/// The directory of libtorch, which `.cargo/config.toml` names for torch-sys.
const DIRECTORY: &str = "target/libtorch";
/// The directory in which libtorch is assembled, before it is renamed.
const STAGING: &str = "target/libtorch.staging";
const LOCK: &str = "target/libtorch.lock";

const REQUIREMENTS: &str = "xtask/libtorch/requirements.txt";
const UNPACK: &str = "xtask/libtorch/unpack.py";
const WITHOUT_CUDA: &str = "xtask/libtorch/without_cuda.py";

/// Arguments of pip that choose the same wheels for every Python.
const WHEELS: &str = "--only-binary=:all: --implementation=cp --python-version=3.11 --abi=cp311 \
    --platform=manylinux_2_28_x86_64 --platform=manylinux_2_25_x86_64 \
    --platform=manylinux2014_x86_64";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    provide(shell)?;
    if has_own(shell) {
        println!("the environment names a libtorch of its own");
    } else {
        println!("libtorch is in {DIRECTORY}");
    }
    Ok(())
}

/// Provides a libtorch, and the compiler that torch-sys needs.
///
/// Cargo tells torch-sys where libtorch is, by `.cargo/config.toml`, and programs that it runs, by
/// the build script of lazy-tch.
pub(crate) fn provide(shell: &Shell) -> Result<()> {
    require_compiler(shell)?;
    if has_own(shell) {
        return Ok(());
    }
    let requirements = shell.read_file(REQUIREMENTS)?;
    let version = requirements
        .lines()
        .find_map(|line| line.strip_prefix("torch==")?.split(' ').next())
        .with_context(|| format!("{REQUIREMENTS} has no torch"))?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        bail!(
            "libtorch is provided for Linux on x86_64 only: set LIBTORCH to the directory of \
             libtorch {version}, or LIBTORCH_USE_PYTORCH=1 if python3 has torch {version}"
        );
    }
    // Two processes must not assemble it at once in the same directory.
    shell.create_dir("target")?;
    let lock = File::create(shell.current_dir().join(LOCK))?;
    lock.lock()?;
    let made_of =
        requirements.clone() + &shell.read_file(UNPACK)? + &shell.read_file(WITHOUT_CUDA)?;
    let stamp = Path::new(DIRECTORY).join("made-of");
    if shell.read_file(stamp).is_ok_and(|stamp| stamp == made_of) {
        return Ok(());
    }
    println!("libtorch {version} goes to {DIRECTORY}: 540 MB to download, once");
    let made = make(shell, version, &made_of);
    // A failed run leaves files here.
    shell.remove_path(STAGING)?;
    made.context("libtorch could not be provided; a LIBTORCH of your own would do")
}

/// Returns the directory of the Python package torch for Python 3.11, or `None` if the user names a
/// libtorch.
pub(crate) fn python_package(shell: &Shell) -> Result<Option<PathBuf>> {
    provide(shell)?;
    Ok((!has_own(shell)).then(|| shell.current_dir().join(DIRECTORY).join("python")))
}

/// Returns true if the user names a libtorch. (Cargo passes on the one in its configuration.)
fn has_own(shell: &Shell) -> bool {
    let ours = shell.current_dir().join(DIRECTORY);
    shell.var_os("LIBTORCH_USE_PYTORCH").is_some()
        || shell.var_os("LIBTORCH").is_some_and(|path| Path::new(&path) != ours)
}

fn make(shell: &Shell, version: &str, made_of: &str) -> Result<()> {
    let python = python::with_pip(shell)?;
    let staging = shell.current_dir().join(STAGING);
    let (wheels, libtorch) = (staging.join("wheels"), staging.join("libtorch"));
    // An interrupted run leaves files here.
    shell.remove_path(&staging)?;
    shell.create_dir(&wheels)?;
    cmd!(shell, "{python} -m pip download --disable-pip-version-check --no-cache-dir --no-deps")
        .args(WHEELS.split(' '))
        .args(["--require-hashes", "--requirement", REQUIREMENTS])
        .arg("--dest")
        .arg(&wheels)
        // The wheel may not fit into /tmp.
        .env("TMPDIR", &staging)
        .run()?;
    cmd!(shell, "{python} {UNPACK} {wheels} {libtorch}").run()?;
    cmd!(shell, "{python} {WITHOUT_CUDA} {libtorch}").run()?;
    // The `libtorch.so` of the wheel needs all of CUDA.
    let lib = libtorch.join("lib");
    cmd!(shell, "cc -shared -o {lib}/libtorch.so -L{lib} -Wl,--no-as-needed -l:libtorch_cpu.so")
        .run()?;
    // torch-sys compares it with the version that it supports.
    shell.write_file(libtorch.join("build-version"), version)?;
    shell.write_file(libtorch.join("made-of"), made_of)?;
    shell.remove_path(DIRECTORY)?;
    Ok(fs::rename(libtorch, shell.current_dir().join(DIRECTORY))?)
}

fn require_compiler(shell: &Shell) -> Result<()> {
    let ask = cmd!(shell, "c++ --version").quiet().ignore_stdout().ignore_stderr();
    if shell.var_os("CXX").is_some() || ask.run().is_ok() {
        return Ok(());
    }
    apt::install(shell, &["g++"], "torch-sys needs a C++ compiler, and there is no c++")
}
