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
    /// Another revision of this workspace.
    Before,
    /// This workspace, called from Python.
    Python,
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
    pub(crate) const ALL: [Party; 12] = [
        Party::Limit,
        Party::Ours,
        Party::Before,
        Party::Python,
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
            Party::Before => "before",
            Party::Python => "from Python",
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
            Party::Before => "before",
            Party::Python => "python",
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
        use Party::{Before, Limit, Obstore, Ours, S3fs, Tensorstore};
        matches!(self, Limit | Ours | Before | Obstore | S3fs | Tensorstore)
    }

    /// Returns true if the party has jobs on file systems, of blocks that Rust produces if it is in
    /// Rust.
    pub(crate) fn takes_files(self) -> bool {
        !matches!(self, Party::Python | Party::Obstore | Party::S3fs)
    }

    /// Returns true if the party stores the blocks of a producer in Python.
    pub(crate) fn takes_python(self) -> bool {
        use Party::{Dask, Pydvl, Python, Tensorstore, Zarr, Zarrs};
        matches!(self, Python | Pydvl | Zarr | Zarrs | Tensorstore | Dask)
    }

    /// Returns true if the party chooses the shape of chunks by itself.
    pub(crate) fn chooses_chunks(self) -> bool {
        matches!(self, Party::Ours | Party::Before | Party::Python | Party::Limit)
    }

    /// Returns true if the party has jobs of this kind.
    pub(crate) fn takes(self, task: Task) -> bool {
        !(self == Party::Pydvl && task != Task::Store)
    }
}

/// The processes that run the jobs.
pub(crate) struct Processes {
    python: PathBuf,
    /// This program of another revision.
    before: Option<PathBuf>,
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
    /// Returns processes with additional variables of the environment.
    pub(crate) fn new(
        python: PathBuf,
        before: Option<PathBuf>,
        variables: &[(&str, &str)],
    ) -> Processes {
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let environment = variables.iter().map(own).collect();
        Processes { python, before, environment, peers: BTreeMap::new() }
    }

    /// Runs a job in its own process.
    pub(crate) fn run(&mut self, party: Party, job: &Job) -> Result<Outcome> {
        let peer = match party {
            // These processes start quickly.
            Party::Limit | Party::Ours => {
                let program = std::env::current_exe()?;
                &mut Peer::start(&program, &[party.name()], &self.environment)?
            }
            Party::Before => {
                let program = self.before.as_ref().context("there is no other revision")?;
                &mut Peer::start(program, &[Party::Ours.name()], &self.environment)?
            }
            _ => match self.peers.entry(party) {
                Entry::Occupied(peer) => peer.into_mut(),
                Entry::Vacant(place) => {
                    let arguments = ["bench/peers", party.name()];
                    place.insert(Peer::start(&self.python, &arguments, &self.environment)?)
                }
            },
        };
        let line = peer.ask(&serde_json::to_string(job)?);
        let line = line.with_context(|| format!("{} failed at {job:?}", party.title()))?;
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", party.title()))
    }
}

impl Peer {
    fn start(program: &Path, arguments: &[&str], environment: &[(String, String)]) -> Result<Peer> {
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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
