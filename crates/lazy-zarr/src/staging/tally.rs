//! A summary of the chunks that a write has stored, for comparison with the files found before it
//! is published.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::chunk_files::ChunkFiles;
use crate::error::{Error, Result, WriteError};
use crate::layout::index_in_grid;
use crate::objects::Tag;
use crate::store::Found;

/// The number of chunks, and a digest of their keys and sizes. The digest does not depend on the
/// order of the chunks, so a tally has a constant size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    n_chunks: u64,
    digest: u128,
}

impl Tally {
    pub(crate) fn add(&mut self, key: &str, n_bytes: u64) {
        let mut hash = Xxh3Default::new();
        hash.update(key.as_bytes());
        hash.update(&n_bytes.to_le_bytes());
        self.n_chunks += 1;
        self.digest = self.digest.wrapping_add(hash.digest128());
    }

    pub(crate) fn n_chunks(&self) -> u64 {
        self.n_chunks
    }

    /// Adds the chunks of another tally.
    pub(crate) fn extend(&mut self, other: Tally) {
        self.n_chunks += other.n_chunks;
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// Checks that the chunks of a write that are found are the ones that were added.
    pub(crate) fn check(&self, target: &str, chunks: &ChunkFiles, n_chunks: &[u64]) -> Result<()> {
        let (file_system, array) = (&**chunks.file_system(), chunks.array());
        let mut found = Tally::default();
        let add = |entry: Found<'_>| {
            if let Found::Chunk { key, path } = entry {
                found.add(key, file_system.size(path)?);
            }
            Ok(())
        };
        chunks.walk(n_chunks, add).map_err(|source| Error::examine(array, source))?;
        if found == *self {
            return Ok(());
        }
        let missing = first_missing(chunks, n_chunks);
        Err(WriteError::ChunksLost {
            target: target.to_owned(),
            missing,
            expected: self.n_chunks,
            found: found.n_chunks,
        }
        .into())
    }
}

/// The tallies of chunks in a store: their keys and sizes, and the same with their tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaggedTally {
    pub(crate) chunks: Tally,
    /// The chunks that have tags.
    tagged: Tally,
}

impl TaggedTally {
    pub(crate) fn add(&mut self, key: &str, n_bytes: u64, tag: Option<&Tag>) {
        self.chunks.add(key, n_bytes);
        if let Some(tag) = tag {
            self.tagged.add(&format!("{key} {}", tag.as_str()), n_bytes);
        }
    }

    /// Adds the chunks of another tally.
    pub(crate) fn extend(&mut self, other: TaggedTally) {
        self.chunks.extend(other.chunks);
        self.tagged.extend(other.tagged);
    }

    /// Returns true if these can be the same chunks. Tags are compared if all chunks have tags.
    pub(crate) fn matches(&self, other: &TaggedTally) -> bool {
        let are_all_tagged = |tally: &TaggedTally| tally.tagged.n_chunks == tally.chunks.n_chunks;
        let has_tags = are_all_tagged(self) && are_all_tagged(other);
        self.chunks == other.chunks && (!has_tags || self.tagged == other.tagged)
    }
}

/// Returns the key of the first missing chunk, in C order.
fn first_missing(chunks: &ChunkFiles, n_chunks: &[u64]) -> Option<String> {
    let per_row: u64 = n_chunks.iter().skip(1).product();
    let all = per_row * n_chunks.first().copied().unwrap_or(1);
    let encoding = chunks.keys().encoding();
    let key = |place| encoding.encode(&index_in_grid(place, n_chunks)).to_string();
    let is_missing =
        |key: &String| matches!(chunks.file_system().entry_kind(&chunks.path(key)), Ok(None));
    (chunks.first() * per_row..all).map(key).find(is_missing)
}
