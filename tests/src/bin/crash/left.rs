//! What a write that ended early has left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{Superseded, UnfinishedWrite, WriteState};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::array::NEW;
use crate::course::Course;
use crate::keys::Keys;
use crate::process::while_none_starts;
use crate::program::job;

/// What a write that ended early has left behind.
#[derive(Debug)]
pub(crate) struct Left {
    /// The keys of the next version.
    keys: Keys,
    /// The chunks that are complete, by their keys, when another write can resume it.
    pub(crate) complete: Option<BTreeSet<String>>,
}

impl Left {
    /// What is left in a directory of a write of the new array, beside a version with these keys.
    pub(crate) fn in_directory(
        course: &Course,
        directory: &Path,
        present: Option<Keys>,
    ) -> Result<Left> {
        let array = directory.join(course.path());
        let keys = Keys::after(present);
        let unfinished = while_none_starts(|| UnfinishedWrite::list(&array))?;
        let below = while_none_starts(|| UnfinishedWrite::list(directory))?;
        ensure!(
            unfinished == below,
            "{unfinished:?} is unfinished, but {below:?} in the directory"
        );
        let Some(staging) = staging(&array)? else {
            ensure!(unfinished.is_empty(), "there is no staging directory, but {unfinished:?}");
            return Ok(Left { keys, complete: None });
        };
        let [unfinished] = &unfinished[..] else { bail!("{} is not listed", staging.display()) };
        ensure!(unfinished.target() == array, "{unfinished:?} is said to be unfinished");
        ensure!(unfinished.directory() == staging, "{unfinished:?} is said to be unfinished");
        let superseded = Superseded::list(directory)?;
        ensure!(superseded.is_empty(), "{superseded:?} is beside a write that ended early");
        let is_resumable = recorded(&staging)? == Some(keys);
        let journal = journal(&staging)?;
        let complete = match unfinished.state() {
            WriteState::Resumable { job: of, chunks, stored_bytes } => {
                ensure!(is_resumable, "it is said to be resumable");
                ensure!(course.is_resumable, "a streamed write is said to be resumable");
                ensure!(*of == job(NEW), "the job is said to be {of}");
                let n_bytes: u64 = journal.values().map(|(length, _)| length).sum();
                ensure!(
                    (*chunks, *stored_bytes) == (journal.len() as u64, n_bytes),
                    "{chunks} chunks of {stored_bytes} bytes are said to be complete, not {journal:?}"
                );
                Some(complete(&array, &journal))
            }
            WriteState::Abandoned => {
                ensure!(!is_resumable, "the chunks {journal:?} are said to be of no use");
                None
            }
            state => bail!("no process is writing, but the state is {state:?}"),
        };
        Ok(Left { keys, complete })
    }

    /// The blocks that the next write has to compute: all that touch a chunk which is not complete.
    pub(crate) fn missing_blocks(&self, course: &Course) -> Vec<(usize, usize)> {
        let grid = course.grid();
        let is_missing = |&(i, j): &(usize, usize)| match &self.complete {
            None => true,
            Some(complete) => !grid.keys(self.keys, i, j).iter().all(|key| complete.contains(key)),
        };
        grid.blocks().filter(is_missing).collect()
    }
}

/// The staging directory in an array's directory, if there is one.
pub(crate) fn staging(array: &Path) -> Result<Option<PathBuf>> {
    let mut staging = None;
    if !array.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(array)? {
        let path = entry?.path();
        if is_staging(&path) {
            ensure!(staging.is_none(), "there are two staging directories");
            staging = Some(path);
        }
    }
    Ok(staging)
}

/// Returns true if a path is that of a staging directory.
pub(crate) fn is_staging(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(".lazy."))
}

/// The number of directories that the write has noted it created.
pub(crate) fn n_created(staging: &Path) -> usize {
    let text = fs::read_to_string(staging.join("created")).unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// The keys of the array that is recorded, when the record is whole.
fn recorded(staging: &Path) -> Result<Option<Keys>> {
    let Ok(text) = fs::read_to_string(staging.join("record")) else { return Ok(None) };
    let lines = text.strip_suffix('\n').and_then(|lines| lines.rsplit_once('\n'));
    let Some((json, checksum)) = lines else { return Ok(None) };
    if checksum != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
        return Ok(None);
    }
    let record: Value = serde_json::from_str(json).context("the record is no JSON")?;
    Keys::of_metadata(&record["array"]).map(Some)
}

/// The lengths and hashes that are noted, by the keys of their chunks.
fn journal(staging: &Path) -> Result<BTreeMap<String, (u64, u64)>> {
    let path = staging.join("journal");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let mut noted = BTreeMap::new();
    // A line without its end is torn, and a torn line that another follows is not what its checksum says.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [key, length, hash, of_line] = words[..] {
            let end = line.len() - of_line.len() - 1;
            if of_line == format!("{:08x}", crc32c::crc32c(&line.as_bytes()[..end])) {
                noted.insert(key.to_owned(), (length.parse()?, u64::from_str_radix(hash, 16)?));
            }
        }
    }
    Ok(noted)
}

/// The keys of the chunks that are as they were noted. A write that resumes writes a chunk again when it
/// computes it again, and may be killed meanwhile.
fn complete(array: &Path, journal: &BTreeMap<String, (u64, u64)>) -> BTreeSet<String> {
    let is_complete = |(key, (length, hash)): &(&String, &(u64, u64))| {
        fs::read(array.join(key))
            .is_ok_and(|bytes| bytes.len() as u64 == *length && xxh3_64(&bytes) == *hash)
    };
    journal.iter().filter(is_complete).map(|(key, _)| key.clone()).collect()
}
