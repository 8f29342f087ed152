//! What a process is asked to do, and what it answers.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::Encoding;
use crate::workload::{Chunks, Workload};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// The blocks, one at a time, become an array.
    Store,
    /// The array, whole, in memory.
    Read,
    /// Its blocks of whole rows, one after the other.
    ReadBlocks,
}

impl Task {
    /// As it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Store => "store",
            Task::Read => "read",
            Task::ReadBlocks => "read-blocks",
        }
    }
}

/// A job, as it is written to a process' standard input. Python has the other half, in `bench/peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) task: Task,
    /// The file that the blocks are parts of.
    pub(crate) pool: PathBuf,
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Option<Vec<usize>>,
    pub(crate) width: usize,
    /// None where ours chooses.
    pub(crate) chunks: Option<[usize; 2]>,
    pub(crate) shards: Option<[usize; 2]>,
    /// Zarr's metadata of the codecs from bytes to bytes.
    pub(crate) codecs: Value,
    pub(crate) path: PathBuf,
    /// Whether the array is on the device when the job is done.
    pub(crate) flush: bool,
    /// Whether what is read is told from what was to be read.
    pub(crate) check: bool,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    #[serde(default)]
    pub(crate) seconds: f64,
    /// What the process held at most, above what it held when it began. None where the system does not
    /// tell.
    #[serde(default)]
    pub(crate) peak_bytes: Option<u64>,
    /// Of the elements that were read, when they are to be checked.
    #[serde(default)]
    pub(crate) crc32: Option<u32>,
    /// The bytes that the library says it will hold at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound_bytes: Option<u64>,
    /// Why the party cannot do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsupported: Option<String>,
}

impl Job {
    /// Of a workload as ours has it.
    pub(crate) fn store(
        workload: &Workload,
        encoding: Encoding,
        pool: PathBuf,
        path: PathBuf,
    ) -> Job {
        Job {
            task: Task::Store,
            pool,
            rows: workload.rows.clone(),
            columns: workload.columns.clone(),
            width: workload.width,
            chunks: match workload.chunks {
                Chunks::Explicit(chunks) => Some(chunks),
                Chunks::Automatic => None,
            },
            shards: workload.shards,
            codecs: encoding.zarr_codecs(),
            path,
            flush: false,
            check: false,
        }
    }

    pub(crate) fn encoding(&self) -> Result<Encoding> {
        Encoding::of(&self.codecs).with_context(|| format!("unknown codecs: {}", self.codecs))
    }
}

/// Does the job on standard input.
pub(crate) fn answer(run: impl FnOnce(&Job) -> Result<Outcome>) -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let outcome = run(&serde_json::from_str(&line)?)?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
