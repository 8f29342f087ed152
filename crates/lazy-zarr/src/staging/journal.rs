//! What a resumable write keeps besides its chunks: the record, and a journal of complete chunks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use super::entry::Entry;
use super::record::Record;
use crate::error::Result;
use crate::format::KeySpace;
use crate::settings::Durability;

/// The journal of complete chunks, from which a later write or worker resumes.
pub(crate) trait ChunkJournal: Send + Sync {
    /// Returns the key space of the chunks.
    fn keys(&self) -> KeySpace;

    /// Returns the place of the journal, for messages.
    fn directory(&self) -> PathBuf;

    /// Returns the entries of the journal, by the number of the chunk in C order, for an array with
    /// `n_chunks` chunks along each axis. Damaged lines are skipped.
    fn entries(&self, n_chunks: &[u64]) -> Result<BTreeMap<u64, Entry>>;

    /// Makes room for chunks that the journal does not list, or lists with another size. An earlier
    /// write was about to store these chunks.
    fn remove_strays(&self, entries: &BTreeMap<u64, Entry>, n_chunks: &[u64]) -> Result<()>;

    /// Makes room for a chunk that does not match its entry in the journal.
    fn remove(&self, key: &str) -> Result<()>;

    /// Returns the bytes of a chunk if they match its entry. Otherwise makes room for the chunk,
    /// which is computed again.
    fn read(&self, key: &str, entry: Entry) -> Result<Option<Bytes>>;
}

/// The record and the journal of a write that a later write can resume.
pub(crate) trait Journal: ChunkJournal {
    /// Returns the record of an earlier write. Returns `None` if there is no record, or if the
    /// write was published, so that its chunks belong to the present version.
    fn record(&self) -> Result<Option<Record>>;

    /// Writes the record atomically. Unless flushing is disabled, the record is flushed at once,
    /// because chunks are useless without it.
    fn begin(&self, record: &Record, durability: Durability) -> Result<()>;

    /// Removes the chunks, the record and the journal of an earlier write.
    fn restart(&self, durability: Durability) -> Result<()>;

    /// Returns the number of chunks in the journal, and their size in bytes.
    fn completed(&self, record: &Record) -> Result<(u64, u64)> {
        let entries = self.entries(&record.n_chunks())?;
        let n_bytes = entries.values().fold(0_u64, |sum, entry| sum.saturating_add(entry.length));
        Ok((entries.len() as u64, n_bytes))
    }
}
