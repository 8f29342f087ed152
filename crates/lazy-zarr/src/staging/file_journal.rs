//! The journal of a resumable write in a directory: the record, and a file with a line for each
//! complete chunk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::chunk_files::ChunkFiles;
use super::entry::{Entry, line, parse};
use super::journal::{ChunkJournal, Journal};
use super::record::Record;
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::fs::{EntryKind, FileSystem};
use crate::settings::Durability;
use crate::store::Found;

/// The record and the journal in a staging directory.
#[derive(Debug)]
pub(crate) struct FileJournal {
    file_system: Arc<dyn FileSystem>,
    /// The staging directory.
    directory: PathBuf,
    /// The chunks of the write.
    chunks: ChunkFiles,
    /// Held while a line is appended, so that lines do not mix.
    appending: Mutex<()>,
    /// True if there is a record.
    has_begun: AtomicBool,
    /// True if an earlier write may have left an incomplete last line.
    may_be_torn: AtomicBool,
}

/// The name of the file that holds the record.
const RECORD: &str = "record";
/// The name of the file that holds a line for each chunk.
pub(super) const JOURNAL: &str = "journal";

/// An upper bound of the length of a line in bytes. Anything longer is not a line.
const LONGEST_LINE: usize = 1024;
/// The number of bytes of the journal that are in memory at a time.
const PART: u64 = 64 << 10;

impl FileJournal {
    /// Creates the journal in the staging directory of a write that stores these chunks.
    pub(crate) fn new(chunks: ChunkFiles) -> FileJournal {
        FileJournal {
            file_system: Arc::clone(chunks.file_system()),
            directory: chunks.staging().to_owned(),
            chunks,
            appending: Mutex::new(()),
            has_begun: AtomicBool::new(false),
            may_be_torn: AtomicBool::new(false),
        }
    }

    /// Returns true if a later write can resume this one, and there are complete chunks to resume
    /// from. If this is unknown, it counts as true.
    pub(crate) fn has_chunks(&self) -> bool {
        let has_chunks = || -> Result<bool> {
            let Some(record) = self.record()? else { return Ok(false) };
            Ok(self.completed(&record)?.0 > 0)
        };
        self.has_begun.load(Ordering::Relaxed) && has_chunks().unwrap_or(true)
    }

    /// Continues the journal of an earlier write.
    pub(crate) fn resume(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
        self.may_be_torn.store(true, Ordering::Relaxed);
    }

    /// Returns the chunks of the write.
    pub(crate) fn chunks(&self) -> &ChunkFiles {
        &self.chunks
    }

    /// Removes the journal, so that no later write relies on the chunks.
    pub(crate) fn forget(&self) -> io::Result<()> {
        match self.file_system.remove_file(&self.directory.join(JOURNAL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Notes in the journal that a chunk is complete. The pieces are the bytes that were stored.
    pub(crate) fn note<'p>(
        &self,
        key: &str,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<()> {
        let mut line = line(key, Entry::of(pieces));
        let path = self.directory.join(JOURNAL);
        let _appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        if self.may_be_torn.swap(false, Ordering::Relaxed) {
            line.insert(0, '\n');
        }
        let appended = self.file_system.append(&path, line.as_bytes());
        appended.map_err(|source| self.failed(&path, source))
    }

    fn failed(&self, path: &Path, source: io::Error) -> Error {
        match self.file_system.entry_kind(&self.directory) {
            Ok(None) => Error::taken_over(self.chunks.array().display().to_string()),
            _ => WriteError::Write { path: path.to_owned(), source }.into(),
        }
    }
}

impl ChunkJournal for FileJournal {
    fn keys(&self) -> KeySpace {
        self.chunks.keys()
    }

    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn remove_strays(&self, entries: &BTreeMap<u64, Entry>, n_chunks: &[u64]) -> Result<()> {
        if self.chunks.are_replaced() {
            return Ok(());
        }
        let file_system = &*self.file_system;
        let remove = |found: Found<'_>| {
            let Found::Chunk { key, path } = found else { return Ok(()) };
            let number = self.chunks.keys().number(key, n_chunks);
            let entry = number.and_then(|number| entries.get(&number));
            let is_noted = match entry {
                // A link or a pipe has no size.
                Some(entry) => file_system.size(path).is_ok_and(|size| size == entry.length),
                None => false,
            };
            if is_noted { Ok(()) } else { file_system.remove_file(path) }
        };
        let walked = self.chunks.walk(n_chunks, remove);
        walked.map_err(|source| Error::examine(self.chunks.array(), source))
    }

    fn remove(&self, key: &str) -> Result<()> {
        if self.chunks.are_replaced() {
            return Ok(());
        }
        let path = self.chunks.path(key);
        match self.file_system.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::examine(path, error))
            }
            _ => Ok(()),
        }
    }

    fn entries(&self, n_chunks: &[u64]) -> Result<BTreeMap<u64, Entry>> {
        let path = self.directory.join(JOURNAL);
        let mut entries = BTreeMap::new();
        let mut rest = Vec::new();
        let mut offset = 0;
        loop {
            let part = match self.file_system.read(&path, offset, Some(PART)) {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
                Err(source) => return Err(Error::examine(path, source)),
            };
            offset += part.len() as u64;
            let is_over = part.is_empty();
            rest.extend_from_slice(&part);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in rest[..end].split(|byte| *byte == b'\n') {
                if let Some((key, entry)) = parse(line)
                    && let Some(number) = self.chunks.keys().number(key, n_chunks)
                {
                    entries.insert(number, entry);
                }
            }
            rest.drain(..end);
            if rest.len() > LONGEST_LINE {
                rest.drain(..rest.len() - LONGEST_LINE);
            }
            if is_over {
                return Ok(entries);
            }
        }
    }

    fn read(&self, key: &str, entry: Entry) -> Result<Option<Bytes>> {
        let path = self.chunks.path(key);
        let is_whole =
            |bytes: &Bytes| bytes.len() as u64 == entry.length && Entry::of([&**bytes]) == entry;
        match self.file_system.read(&path, 0, None) {
            Ok(bytes) if is_whole(&bytes) => Ok(Some(bytes)),
            _ => self.remove(key).map(|()| None),
        }
    }
}

impl Journal for FileJournal {
    fn record(&self) -> Result<Option<Record>> {
        let path = self.directory.join(RECORD);
        let examine = |source| Error::examine(&path, source);
        // The record is flushed before any chunk is stored. A missing or torn record means that it
        // was being written or removed, or that flushing was disabled. In all these cases, no write
        // owns the remaining files.
        if self.file_system.kind(&path).map_err(examine)? != Some(EntryKind::File) {
            return Ok(None);
        }
        let text = match self.file_system.read(&path, 0, None) {
            // Another process has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(examine)?,
        };
        let record = Record::from_text(&text)
            .map_err(|reason| ResumeError::InvalidRecord { path: path.clone(), reason })?;
        let is_of_present = |record: &Record| {
            record.keys() == Some(self.chunks.keys())
                && record.appended_rows() == self.chunks.appended_rows()
                // Publishing an append of no rows does not change the number of rows.
                && !(record.appended_rows().is_some() && record.has_no_rows())
        };
        Ok(record.filter(is_of_present))
    }

    fn begin(&self, record: &Record, durability: Durability) -> Result<()> {
        const NEW: &str = "record.new";
        let (path, new) = (self.directory.join(RECORD), self.directory.join(NEW));
        let failed = |source| self.failed(&path, source);
        if self.file_system.entry_kind(&new).map_err(failed)?.is_some() {
            self.file_system.remove_file(&new).map_err(failed)?;
        }
        self.file_system.write(&new, record.to_text().as_bytes()).map_err(failed)?;
        if durability == Durability::Full {
            self.file_system.sync_file(&new).map_err(failed)?;
        }
        self.file_system.rename_file(&new, &path).map_err(failed)?;
        self.has_begun.store(true, Ordering::Relaxed);
        if durability == Durability::None {
            return Ok(());
        }
        // The directory of the array may be new, and so may the directories above it.
        let above = self.directory.ancestors().take(3);
        let mut flushed = above.map(|directory| self.file_system.sync_directory(directory));
        flushed.try_for_each(|flushed| flushed).map_err(failed)
    }

    fn restart(&self, durability: Durability) -> Result<()> {
        for name in [RECORD, JOURNAL] {
            let path = self.directory.join(name);
            match self.file_system.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed(&path, error));
                }
                _ => {}
            }
        }
        // A power failure must not restore the old journal beside the new record, because its
        // chunks would then count as chunks of this write.
        if durability == Durability::Full {
            let flushed = self.file_system.sync_directory(&self.directory);
            flushed.map_err(|source| self.failed(&self.directory, source))?;
        }
        self.has_begun.store(false, Ordering::Relaxed);
        self.may_be_torn.store(false, Ordering::Relaxed);
        let cleared = self.chunks.clear();
        cleared.map(|_| ()).map_err(|source| Error::examine(self.chunks.array(), source))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fs::LocalFileSystem;

    fn journal(directory: &Path) -> FileJournal {
        let file_system: Arc<dyn FileSystem> = Arc::new(LocalFileSystem);
        let array = directory.join("array");
        FileJournal::new(ChunkFiles::of_version(&file_system, &array, directory, KeySpace::Nested))
    }

    #[test]
    fn what_is_noted_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let journal = journal(directory.path());
        assert_eq!(journal.entries(&[30_000]).unwrap(), BTreeMap::new());
        let chunks: Vec<_> =
            (0..40_000).map(|i| (format!("c/{}", i % 30_000), vec![7; i % 90])).collect();
        for (key, bytes) in &chunks {
            journal.note(key, [&bytes[..]]).unwrap();
        }
        // The end of a part cuts a line, and the last line of each chunk counts.
        assert!(journal.file_system.size(&directory.path().join(JOURNAL)).unwrap() > PART);
        let expected = chunks
            .iter()
            .map(|(key, bytes)| {
                (KeySpace::Nested.number(key, &[30_000]).unwrap(), Entry::of([&bytes[..]]))
            })
            .collect();
        assert_eq!(journal.entries(&[30_000]).unwrap(), expected);
    }

    proptest! {
        /// A damaged journal yields no entry that was not written.
        #[test]
        fn torn_lines_are_left_out(
            cut in 0.0..1.0,
            flips in prop::collection::vec((0.0..1.0, 0..8_u8), 0..4),
            garbage in prop::collection::vec(any::<u8>(), 0..3000),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let journal = journal(directory.path());
            for i in 0..20_u8 {
                journal.note(&format!("c/{i}"), [&*vec![i; usize::from(i)]]).unwrap();
            }
            let written = journal.entries(&[30_000]).unwrap();
            let path = directory.path().join(JOURNAL);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.truncate((bytes.len() as f64 * cut) as usize);
            bytes.extend(garbage);
            let n_bytes = bytes.len() as f64;
            for (place, bit) in flips.into_iter().filter(|_| n_bytes > 0.0) {
                bytes[(place * n_bytes) as usize] ^= 1 << bit;
            }
            std::fs::write(&path, bytes).unwrap();
            for (number, entry) in journal.entries(&[30_000]).unwrap() {
                prop_assert_eq!(written.get(&number), Some(&entry));
            }
        }
    }
}
