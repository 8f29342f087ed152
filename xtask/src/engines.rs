//! Workers that real engines start: Slurm, `mpirun`, GNU parallel and shells.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{apt, build, package, python};

/// A program of each engine that Debian packages, the packages, and the engine.
const ENGINES: [(&str, &[&str], &str); 4] = [
    ("slurmctld", &["slurm-wlm", "munge"], "Slurm"),
    ("mpirun.openmpi", &["openmpi-bin"], "Open MPI"),
    ("mpirun.mpich", &["mpich"], "MPICH"),
    ("parallel", &["parallel"], "GNU parallel"),
];

/// Runs the tests, and prints which engines are left out if they cannot be installed.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    let missing: Vec<_> = ENGINES.iter().filter(|(program, ..)| !exists(shell, program)).collect();
    if !missing.is_empty() {
        let packages: Vec<_> =
            missing.iter().flat_map(|(_, packages, _)| packages.iter().copied()).collect();
        let names: Vec<_> = missing.iter().map(|(.., engine)| *engine).collect();
        let names = names.join(", ");
        if let Err(reason) = apt::install(shell, &packages, &format!("there is no {names}")) {
            println!("left out: {names}: {}", format!("{reason:#}").replace('\n', "; "));
        }
    }
    let python = python::with_peers(shell)?;
    let programs = build::release(shell, &["--bin", "lazy"])?;
    let _program = shell.push_env("LAZY", programs.join("lazy"));
    let _example = shell.push_env("INFLUENCE", programs.join("examples/influence"));
    let package = package::for_engines(shell)?;
    let _package = match &package {
        Some((python, path)) => {
            vec![shell.push_env("PACKAGE_PYTHON", python), shell.push_env("PACKAGE_PATH", path)]
        }
        None => {
            println!("left out: scripts in Python, since there is no Python from version 3.12 on");
            Vec::new()
        }
    };
    Ok(cmd!(shell, "{python} tests/python/engines").run()?)
}

/// Returns true if there is a program. Daemons are not always in the path of a user.
fn exists(shell: &Shell, program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let _path = shell.push_env("PATH", path);
    cmd!(shell, "which {program}").quiet().ignore_stdout().run().is_ok()
}
