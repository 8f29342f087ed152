//! Measurements of storing and reading, by this workspace, by its peers and by bare loops.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::flags::Bench;
use crate::{build, package, python};

pub(crate) fn run(shell: &Shell, flags: &Bench) -> Result<()> {
    let python = python::with_peers(shell)?;
    if flags.only.as_ref().is_none_or(|words| words.contains("python")) {
        package::install_for(shell, &python)?;
    }
    let stores_python = python::with_stores(shell)?;
    let programs = build::release(shell, &["--bin", "lazy-bench", "--bin", "lazy"])?;
    let lazy_bench = programs.join("lazy-bench");
    let before = flags.compare.as_ref().map(|revision| program_of(shell, revision)).transpose()?;
    let mut arguments = Vec::new();
    let options = [
        ("--only", flags.only.clone()),
        ("--parties", flags.parties.clone()),
        ("--rounds", flags.rounds.map(|rounds| rounds.to_string())),
        ("--directory", flags.directory.as_ref().map(|path| path.display().to_string())),
        ("--before", before.map(|path| path.display().to_string())),
    ];
    for (option, value) in options {
        arguments.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
    }
    arguments.extend(flags.quick.then(|| "--quick".to_owned()));
    arguments.extend(flags.json.then(|| "--json".to_owned()));
    Ok(cmd!(shell, "{lazy_bench} run {python} {stores_python} {arguments...}").quiet().run()?)
}

/// Builds the program of another revision, in a clone of the repository.
fn program_of(shell: &Shell, revision: &str) -> Result<PathBuf> {
    let root = shell.current_dir();
    let place = root.join("target/compare");
    let (clone, built) = (place.join("clone"), place.join("target"));
    let name = format!("{revision}^{{commit}}");
    let commit = cmd!(shell, "git rev-parse --verify --quiet {name}").read();
    let commit = commit.with_context(|| format!("there is no revision {revision:?}"))?;
    if !clone.exists() {
        // It shares the objects of this repository, those to come included.
        cmd!(shell, "git clone --quiet --shared --no-checkout {root} {clone}").run()?;
    }
    let _directory = shell.push_dir(&clone);
    cmd!(shell, "git checkout --quiet --force --detach {commit}").run()?;
    let build = cmd!(shell, "cargo build --release -p lazy-bench --target-dir {built}").run();
    build.with_context(|| format!("revision {revision:?} has no benchmark that can be built"))?;
    Ok(built.join("release/lazy-bench"))
}

/// Runs all parties on small workloads, to see that they run.
pub(crate) fn try_out(shell: &Shell) -> Result<()> {
    let words = "tiny/none,sharded/default,threads,statistics,workers,part,scale,s3,pipe,copy";
    let has_package = python::with_package_tests(shell)?.is_some();
    let words = if has_package { format!("{words},python/none/tiny") } else { words.to_owned() };
    let flags = Bench {
        only: Some(words),
        parties: None,
        compare: None,
        quick: true,
        rounds: None,
        directory: None,
        json: false,
    };
    run(shell, &flags)
}
