//! The remains of an interrupted write.

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

/// The remains of an interrupted write.
#[derive(Debug)]
pub(crate) struct Left {
    /// The keys of the next version.
    keys: Keys,
    /// The keys of the complete chunks, if another write can resume.
    pub(crate) complete: Option<BTreeSet<String>>,
}

impl Left {
    /// Checks and returns the remains of a write of the new array in a directory, beside a version
    /// with these keys.
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
            "the target lists {unfinished:?}, but the directory {below:?}"
        );
        let Some(staging) = staging(&array)? else {
            ensure!(
                unfinished.is_empty(),
                "there is no staging directory, but the list is {unfinished:?}"
            );
            return Ok(Left { keys, complete: None });
        };
        let [unfinished] = &unfinished[..] else { bail!("{} is not listed", staging.display()) };
        ensure!(
            unfinished.target().path()? == Some(array.clone()),
            "the target of {unfinished:?} is wrong"
        );
        let location = staging.display().to_string();
        ensure!(unfinished.location() == location, "the location of {unfinished:?} is wrong");
        let superseded = Superseded::list(directory)?;
        ensure!(superseded.is_empty(), "{superseded:?} is listed beside an interrupted write");
        let is_resumable = recorded(&staging)? == Some(keys);
        let journal = journal(&staging)?;
        let complete = match unfinished.state() {
            WriteState::Resumable { key: of, chunks, stored_bytes } => {
                ensure!(is_resumable, "the write is listed as resumable without a record");
                ensure!(course.is_resumable, "a streamed write is listed as resumable");
                ensure!(*of == job(NEW), "the job is listed as {of}");
                let n_bytes: u64 = journal.values().map(|(length, _)| length).sum();
                ensure!(
                    (*chunks, *stored_bytes) == (journal.len() as u64, n_bytes),
                    "{chunks} chunks of {stored_bytes} bytes are listed, but the journal has \
                     {journal:?}"
                );
                Some(complete(&journal, |key| array.join(key)))
            }
            WriteState::Abandoned => {
                ensure!(!is_resumable, "the chunks {journal:?} are listed as not resumable");
                None
            }
            state => bail!("no process is writing, but the state is {state:?}"),
        };
        Ok(Left { keys, complete })
    }

    /// Returns the blocks that the next write has to compute: those that touch an incomplete chunk.
    pub(crate) fn missing_blocks(&self, course: &Course) -> Vec<(usize, usize)> {
        let grid = course.grid();
        let is_missing = |&(i, j): &(usize, usize)| match &self.complete {
            None => true,
            Some(complete) => !grid.keys(self.keys, i, j).iter().all(|key| complete.contains(key)),
        };
        grid.blocks().filter(is_missing).collect()
    }

    /// Returns the keys of the chunks that lie within the first `n_blocks` blocks.
    pub(crate) fn chunks_within(&self, course: &Course, n_blocks: usize) -> BTreeSet<String> {
        let grid = course.grid();
        let blocks: Vec<_> = grid.blocks().collect();
        let keys = |blocks: &[(usize, usize)]| -> BTreeSet<String> {
            blocks.iter().flat_map(|&(i, j)| grid.keys(self.keys, i, j)).collect()
        };
        &keys(&blocks[..n_blocks]) - &keys(&blocks[n_blocks..])
    }
}

/// Returns the staging directory in an array's directory, if there is one.
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

/// Returns true if a path is a staging directory.
pub(crate) fn is_staging(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(".lazy."))
}

/// Returns the number of directories that the write has recorded as its own.
pub(crate) fn n_created(staging: &Path) -> usize {
    let text = fs::read_to_string(staging.join("created")).unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// Returns the keys of the recorded array if the record is complete.
fn recorded(staging: &Path) -> Result<Option<Keys>> {
    let Ok(text) = fs::read_to_string(staging.join("record")) else { return Ok(None) };
    let lines = text.strip_suffix('\n').and_then(|lines| lines.rsplit_once('\n'));
    let Some((json, checksum)) = lines else { return Ok(None) };
    if checksum != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
        return Ok(None);
    }
    let record: Value = serde_json::from_str(json).context("the record is not JSON")?;
    Keys::of_metadata(&record["array"]).map(Some)
}

/// Returns the recorded lengths and hashes by the keys of their chunks.
pub(crate) fn journal(staging: &Path) -> Result<BTreeMap<String, (u64, u64)>> {
    let path = staging.join("journal");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let mut noted = BTreeMap::new();
    // A line without its end is torn. A torn line that is followed by another one does not match
    // its checksum.
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

/// Returns the keys of the chunks that match the journal. A resumed write stores a chunk again if
/// it computes it again, and may be killed meanwhile.
pub(crate) fn complete(
    journal: &BTreeMap<String, (u64, u64)>,
    path: impl Fn(&str) -> PathBuf,
) -> BTreeSet<String> {
    let is_complete = |(key, (length, hash)): &(&String, &(u64, u64))| {
        fs::read(path(key))
            .is_ok_and(|bytes| bytes.len() as u64 == *length && xxh3_64(&bytes) == *hash)
    };
    journal.iter().filter(is_complete).map(|(key, _)| key.clone()).collect()
}
