//! The parties that run jobs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::job::{Job, Outcome, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Party {
    /// A bare loop that does the same work with reused buffers, on one thread per core, with files
    /// that are not Zarr.
    Limit,
    Ours,
    Pydvl,
    Zarr,
    Zarrs,
    Tensorstore,
    Dask,
    Memmap,
    /// zarr-python, with its store over obstore.
    Obstore,
    /// zarr-python, with its store over fsspec and s3fs.
    S3fs,
}

impl Party {
    pub(crate) const ALL: [Party; 10] = [
        Party::Limit,
        Party::Ours,
        Party::Pydvl,
        Party::Zarr,
        Party::Zarrs,
        Party::Tensorstore,
        Party::Dask,
        Party::Memmap,
        Party::Obstore,
        Party::S3fs,
    ];

    /// Returns the name in the tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Party::Limit => "limit",
            Party::Ours => "lazy-chunks",
            Party::Pydvl => "pyDVL",
            Party::Zarr => "zarr-python",
            Party::Zarrs => "with zarrs",
            Party::Tensorstore => "tensorstore",
            Party::Dask => "dask",
            Party::Memmap => "memmap",
            Party::Obstore => "zarr on obstore",
            Party::S3fs => "zarr on s3fs",
        }
    }

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Party::Limit => "limit",
            Party::Ours => "ours",
            Party::Pydvl => "pydvl",
            Party::Zarr => "zarr",
            Party::Zarrs => "zarrs",
            Party::Tensorstore => "tensorstore",
            Party::Dask => "dask",
            Party::Memmap => "memmap",
            Party::Obstore => "obstore",
            Party::S3fs => "s3fs",
        }
    }

    /// Returns true if the party has jobs in object stores.
    pub(crate) fn takes_stores(self) -> bool {
        use Party::{Limit, Obstore, Ours, S3fs, Tensorstore};
        matches!(self, Limit | Ours | Obstore | S3fs | Tensorstore)
    }

    /// Returns true if the party has jobs on file systems.
    pub(crate) fn takes_files(self) -> bool {
        !matches!(self, Party::Obstore | Party::S3fs)
    }

    /// Returns true if the party has jobs of this kind.
    pub(crate) fn takes(self, task: Task) -> bool {
        !(self == Party::Pydvl && task != Task::Store)
    }
}

/// The processes that run the jobs.
pub(crate) struct Processes {
    python: PathBuf,
    environment: Vec<(String, String)>,
    /// The running peers. Each peer forks a process for each job.
    peers: BTreeMap<Party, Peer>,
}

struct Peer {
    process: Child,
    jobs: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Processes {
    pub(crate) fn new(python: PathBuf) -> Processes {
        Processes::with_environment(python, &[])
    }

    /// Returns processes with additional variables of the environment.
    pub(crate) fn with_environment(python: PathBuf, variables: &[(&str, &str)]) -> Processes {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let environment = variables.iter().map(own).collect();
        Processes { python, environment, peers: BTreeMap::new() }
    }

    /// Runs a job in its own process.
    pub(crate) fn run(&mut self, party: Party, job: &Job) -> Result<Outcome> {
        let peer = match party {
            // These processes start quickly.
            Party::Limit | Party::Ours => {
                &mut Peer::start(&std::env::current_exe()?, party.name(), &self.environment)?
            }
            _ => match self.peers.entry(party) {
                Entry::Occupied(peer) => peer.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(Peer::start(&self.python, party.name(), &self.environment)?)
                }
            },
        };
        let line = peer.ask(&serde_json::to_string(job)?);
        let line = line.with_context(|| format!("{} failed at {job:?}", party.title()))?;
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", party.title()))
    }
}

impl Peer {
    fn start(program: &Path, name: &str, environment: &[(String, String)]) -> Result<Peer> {
        let mut command = Command::new(program);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        if program != std::env::current_exe()? {
            command.arg("bench/peers");
        }
        let mut process = command.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let jobs = process.stdin.take().context("the process has no input")?;
        let results = BufReader::new(process.stdout.take().context("the process has no output")?);
        Ok(Peer { process, jobs, results })
    }

    fn ask(&mut self, job: &str) -> Result<String> {
        writeln!(self.jobs, "{job}")?;
        let mut line = String::new();
        ensure!(self.results.read_line(&mut line)? > 0, "the process ended without an answer");
        Ok(line)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already. It has no job, so nothing is lost.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
