//! What a write that ended early has left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
use xxhash_rust::xxh3::xxh3_64;

use crate::array::NEW;
use crate::course::Course;
use crate::found::Found;
use crate::program::job;

/// What a write that ended early has left behind.
#[derive(Debug)]
pub(crate) struct Left {
    /// The chunks that are complete, by their keys, when another write can go on with them.
    pub(crate) complete: Option<BTreeSet<String>>,
    /// Whether what was at the target is in the staging directory, and nothing at the target.
    pub(crate) is_old_aside: bool,
}

impl Left {
    /// What is left in a directory of a write of the new array, after which this was found at its target;
    /// and whether it was published just now.
    pub(crate) fn in_directory(
        course: &Course,
        directory: &Path,
        found: Found,
        is_published: bool,
    ) -> Result<Left> {
        let staging = staging(directory)?;
        let is_old_aside = found == Found::Nothing && course.before().is_some();
        if is_old_aside {
            let is_there = staging.as_ref().is_some_and(|staging| staging.join("old").is_dir());
            ensure!(is_there, "the old array is gone");
        }
        let unfinished = UnfinishedWrite::list(directory.join(course.path()))?;
        let Some(staging) = staging else {
            ensure!(unfinished.is_empty(), "there is no staging directory, but {unfinished:?}");
            return Ok(Left { complete: None, is_old_aside });
        };
        let [unfinished] = &unfinished[..] else { bail!("{} is not listed", staging.display()) };
        let journal = journal(&staging)?;
        let complete = match unfinished.state() {
            WriteState::Resumable { job: of, chunks, stored_bytes } => {
                ensure!(course.is_resumable, "a streamed write is said to be resumable");
                ensure!(*of == job(NEW), "the job is said to be {of}");
                ensure!(!is_published, "what is published is said to be resumable");
                let n_bytes: u64 = journal.values().map(|(length, _)| length).sum();
                ensure!(
                    (*chunks, *stored_bytes) == (journal.len() as u64, n_bytes),
                    "{chunks} chunks of {stored_bytes} bytes are said to be complete, not {journal:?}"
                );
                Some(complete(&staging, &journal))
            }
            WriteState::Abandoned => {
                let is_of_use = !journal.is_empty() && found != Found::NEW;
                ensure!(!is_of_use, "the chunks {journal:?} are said to be of no use");
                None
            }
            state => bail!("nobody is at work, but the state is {state:?}"),
        };
        Ok(Left { complete, is_old_aside })
    }

    /// The blocks that the next write has to compute: all that touch a chunk which is not complete.
    pub(crate) fn missing_blocks(&self, course: &Course) -> Vec<(usize, usize)> {
        let grid = course.grid();
        let is_missing = |&(i, j): &(usize, usize)| match &self.complete {
            None => true,
            Some(complete) => !grid.keys(i, j).iter().all(|key| complete.contains(key)),
        };
        grid.blocks().filter(is_missing).collect()
    }
}

/// The staging directory, if there is one. It lies right in the directory, above all groups.
pub(crate) fn staging(directory: &Path) -> Result<Option<PathBuf>> {
    let mut staging = None;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "staging") {
            ensure!(staging.is_none(), "there are two staging directories");
            staging = Some(path);
        }
    }
    Ok(staging)
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

/// The keys of the chunks that are as they were noted. A write that goes on writes a chunk again when it
/// computes it again, and may be killed meanwhile.
fn complete(staging: &Path, journal: &BTreeMap<String, (u64, u64)>) -> BTreeSet<String> {
    // Once it is complete, it lies in the groups that are made for it.
    let in_groups = staging.join("groups-2/inner/values");
    let array = if in_groups.exists() { in_groups } else { staging.join("array") };
    let is_complete = |(key, (length, hash)): &(&String, &(u64, u64))| {
        fs::read(array.join(key))
            .is_ok_and(|bytes| bytes.len() as u64 == *length && xxh3_64(&bytes) == *hash)
    };
    journal.iter().filter(is_complete).map(|(key, _)| key.clone()).collect()
}
