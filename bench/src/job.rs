//! The job of a process, and its outcome.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use lazy_chunks::zarr::{StoreOptions, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::encoding::Encoding;
use crate::workload::{Chunks, Workload};

/// The bucket of arrays in stores.
pub(crate) const BUCKET: &str = "lazy-chunks";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Store the blocks, one at a time, as an array.
    Store,
    /// Read the whole array into memory.
    Read,
    /// Read the array's blocks of whole rows, one after the other.
    ReadBlocks,
    /// Open the array and read one region of it.
    ReadRegion,
}

impl Task {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Store => "store",
            Task::Read => "read",
            Task::ReadBlocks => "read-blocks",
            Task::ReadRegion => "read-region",
        }
    }
}

/// A job, as it is written to the standard input of a process. `bench/peers` reads it in Python.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) task: Task,
    /// The file that contains the elements of all blocks.
    pub(crate) pool: PathBuf,
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Option<Vec<usize>>,
    pub(crate) width: usize,
    /// `None` if this workspace chooses.
    pub(crate) chunks: Option<[usize; 2]>,
    pub(crate) shards: Option<[usize; 2]>,
    /// Zarr's metadata of the bytes-to-bytes codecs.
    pub(crate) codecs: Value,
    /// The array: a path, or a URL if there is an endpoint.
    pub(crate) path: PathBuf,
    /// The address of a server with the interface of S3.
    pub(crate) endpoint: Option<String>,
    /// The region to read: the first row and column, and the end of the rows and columns.
    pub(crate) region: Option<[usize; 4]>,
    /// True if the array must be on the device at the end of the job.
    pub(crate) flush: bool,
    /// True if the outcome must have the checksum of the elements that were read.
    pub(crate) check: bool,
}

/// The measurements of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    #[serde(default)]
    pub(crate) seconds: f64,
    /// The peak memory of the process above its memory at the start, or `None` if the system does
    /// not report it.
    #[serde(default)]
    pub(crate) peak_bytes: Option<u64>,
    /// The CRC-32 of the elements that were read, if the job asks for it.
    #[serde(default)]
    pub(crate) crc32: Option<u32>,
    /// The library's documented bound for its memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound_bytes: Option<u64>,
    /// The reason why the party does not support the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsupported: Option<String>,
}

impl Job {
    /// Returns the job that stores a workload with this workspace's settings.
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
            endpoint: None,
            region: None,
            flush: false,
            check: false,
        }
    }

    /// Returns the array as this workspace takes it.
    pub(crate) fn target(&self) -> Target {
        let Some(endpoint) = &self.endpoint else { return Target::from(&self.path) };
        let options = StoreOptions::new()
            .with("aws_endpoint", endpoint)
            .with("aws_access_key_id", "test")
            .with("aws_secret_access_key", "test")
            .with("allow_http", "true");
        Target::from(self.path.display().to_string()).with_store_options(options)
    }

    pub(crate) fn encoding(&self) -> Result<Encoding> {
        Encoding::of(&self.codecs).with_context(|| format!("unknown codecs: {}", self.codecs))
    }
}

/// Runs the job on standard input, and prints its outcome.
pub(crate) fn answer<J: DeserializeOwned>(run: impl FnOnce(&J) -> Result<Outcome>) -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let outcome = run(&serde_json::from_str(&line)?)?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
