//! Measurements of storing and reading, by this workspace, by its peers and by bare loops.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::flags::Bench;
use crate::{build, python};

pub(crate) fn run(shell: &Shell, flags: &Bench) -> Result<()> {
    let python = python::with_peers(shell)?;
    let stores_python = python::with_stores(shell)?;
    let programs = build::release(shell, &["--bin", "lazy-bench", "--bin", "lazy"])?;
    let lazy_bench = programs.join("lazy-bench");
    let mut arguments = Vec::new();
    let options = [
        ("--only", flags.only.clone()),
        ("--parties", flags.parties.clone()),
        ("--rounds", flags.rounds.map(|rounds| rounds.to_string())),
        ("--directory", flags.directory.as_ref().map(|path| path.display().to_string())),
    ];
    for (option, value) in options {
        arguments.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
    }
    arguments.extend(flags.quick.then(|| "--quick".to_owned()));
    arguments.extend(flags.json.then(|| "--json".to_owned()));
    Ok(cmd!(shell, "{lazy_bench} run {python} {stores_python} {arguments...}").quiet().run()?)
}

/// Runs all parties on small workloads, to see that they run.
pub(crate) fn try_out(shell: &Shell) -> Result<()> {
    let words = "tiny/none,sharded/default,threads,statistics,workers,part,scale,s3,pipe,copy";
    let flags = Bench {
        only: Some(words.to_owned()),
        parties: None,
        quick: true,
        rounds: None,
        directory: None,
        json: false,
    };
    run(shell, &flags)
}
