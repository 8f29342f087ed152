//! A summary of the chunks that a write has stored, for comparison with the files found before it
//! is published.

use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::layout::index_in_grid;
use crate::store::Found;

/// The number of chunks, and a digest of their keys and sizes. The digest does not depend on the
/// order of the chunks, so a tally has a constant size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// Checks that the chunks in the directory of an array are the ones that were added.
    pub(crate) fn check(
        &self,
        target: &str,
        file_system: &dyn FileSystem,
        (array, keys): (&Path, KeySpace),
        n_chunks: &[u64],
    ) -> Result<()> {
        let mut found = Tally::default();
        let add = |entry: Found<'_>| {
            if let Found::Chunk { key, path } = entry {
                found.add(key, file_system.size(path)?);
            }
            Ok(())
        };
        keys.walk(file_system, array, n_chunks, add)
            .map_err(|source| Error::examine(array, source))?;
        if found == *self {
            return Ok(());
        }
        let missing = first_missing(file_system, array, keys, n_chunks);
        Err(WriteError::ChunksLost {
            target: target.to_owned(),
            missing,
            expected: self.n_chunks,
            found: found.n_chunks,
        }
        .into())
    }
}

/// Returns the key of the first missing chunk, in C order.
fn first_missing(
    file_system: &dyn FileSystem,
    array: &Path,
    keys: KeySpace,
    n_chunks: &[u64],
) -> Option<String> {
    let all: u64 = n_chunks.iter().product();
    let encoding = keys.encoding();
    let key = |place| encoding.encode(&index_in_grid(place, n_chunks)).to_string();
    (0..all).map(key).find(|key| matches!(file_system.entry_kind(&array.join(key)), Ok(None)))
}
