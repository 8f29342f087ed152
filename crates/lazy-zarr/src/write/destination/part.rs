//! The chunks of one part of a plan, which a worker stores.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::interface::{PartDestination, PutChunks};
use super::objects::PartObjects;
use crate::error::{Error, Result, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::settings::Durability;
use crate::staging::{
    ChunkFiles, ChunkJournal, FileJournal, HeldPart, PartChunkRows, Permissions, Staging,
    TaggedTally, Tally, flush, token,
};
use crate::store::node::present_at_path;
use crate::write::encode::Encoded;

/// Stores the chunks of one part of a plan.
///
/// A chunk is written in the staging directory of the part and renamed to its place, over what
/// another worker may have stored there. So a worker that another one has taken over from stores
/// nothing more, whatever it was doing.
pub(crate) struct PartChunks {
    file_system: Arc<dyn FileSystem>,
    /// The target as the user specified it.
    target: String,
    staging: Staging,
    chunks: ChunkFiles,
    permissions: Permissions,
    journal: Arc<FileJournal>,
    /// The start of the names of files in progress, which no other worker uses.
    token: String,
    n_files: AtomicU64,
    /// The chunks that have no rows of other parts.
    tally: Mutex<TaggedTally>,
}

/// Returns the destination of the chunks of a part that this worker has taken, which lie in these
/// rows of chunks.
pub(crate) fn begin_part(
    target: String,
    held: HeldPart,
    keys: KeySpace,
    rows: PartChunkRows,
) -> Result<Arc<dyn PartDestination>> {
    Ok(match held {
        HeldPart::Directory { staging, array } => {
            Arc::new(PartChunks::new(target, staging, &array, keys, rows)?)
        }
        HeldPart::Store(lease) => Arc::new(PartObjects::new(target, lease, rows)),
    })
}

impl PartChunks {
    fn new(
        target: String,
        staging: Staging,
        array: &Path,
        keys: KeySpace,
        rows: PartChunkRows,
    ) -> Result<PartChunks> {
        let file_system = Arc::clone(&staging.file_system);
        let chunks = ChunkFiles::of_part(&file_system, array, staging.directory(), keys, rows);
        let journal = Arc::new(FileJournal::new(chunks.clone()));
        journal.resume();
        let present = present_at_path(&*file_system, array)?;
        let permissions = Permissions::of_present(&*file_system, array, present, &staging);
        let permissions = permissions.map_err(|source| match staging.is_held() {
            Ok(false) => Error::taken_over(target.clone()),
            _ => Error::examine(array, source),
        })?;
        Ok(PartChunks {
            file_system,
            target,
            staging,
            chunks,
            permissions,
            journal,
            token: token(),
            n_files: AtomicU64::new(0),
            tally: Mutex::default(),
        })
    }

    fn flush(&self, keys: impl Iterator<Item = String>) -> io::Result<()> {
        let (file_system, array) = (&*self.file_system, self.chunks.array());
        match file_system.sync_file_system(array) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            flushed => return flushed,
        }
        let paths = keys.map(|key| {
            let path = self.chunks.path(&key);
            (key, path)
        });
        flush::with_directories(file_system, array, paths)
    }

    fn is_held(&self) -> bool {
        self.staging.is_held().unwrap_or(true)
    }
}

impl PutChunks for PartChunks {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        if !self.is_held() {
            return Err(Error::taken_over(self.target.clone()));
        }
        let number = self.n_files.fetch_add(1, Ordering::Relaxed);
        let new = self.staging.directory().join(format!("chunk.{}.{number}", self.token));
        let path = self.chunks.path(key);
        let (array, paths) = (self.chunks.array(), (&*new, &*path));
        let slices = chunk.slices();
        let is_held = || self.is_held();
        put_chunk(&*self.file_system, array, &self.permissions, &slices, paths, is_held)
            .map_err(|source| WriteError::Write { path: path.clone(), source })?;
        self.count(key, chunk.n_bytes() as u64);
        self.journal.note(key, chunk.pieces())
    }

    fn count(&self, key: &str, n_bytes: u64) {
        if !self.chunks.is_fragment(key) {
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(key, n_bytes, None);
        }
    }
}

impl PartDestination for PartChunks {
    fn journal(&self) -> Arc<dyn ChunkJournal> {
        Arc::clone(&self.journal) as Arc<_>
    }

    fn is_shared(&self, key: &str) -> bool {
        self.chunks.is_fragment(key)
    }

    fn end(
        &self,
        keys: &dyn Fn() -> Box<dyn Iterator<Item = String>>,
        durability: Durability,
    ) -> Result<TaggedTally> {
        if durability == Durability::Full {
            self.flush(keys()).map_err(|source| {
                // The content of the device is unknown, even if reads succeed, so the next worker
                // must not rely on it.
                let _ = self.journal.forget();
                WriteError::Flush { target: self.target.clone(), source }
            })?;
        }
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = tally.chunks;
        let mut found = Tally::default();
        for key in keys().filter(|key| !self.chunks.is_fragment(key)) {
            let path = self.chunks.path(&key);
            match self.file_system.size(&path) {
                Ok(n_bytes) => found.add(&key, n_bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let (target, missing) = (self.target.clone(), Some(key));
                    let (expected, found) = (expected.n_chunks(), found.n_chunks());
                    return Err(WriteError::ChunksLost { target, missing, expected, found }.into());
                }
                Err(source) => return Err(Error::examine(path, source)),
            }
        }
        if found == expected {
            return Ok(tally);
        }
        let (expected, found) = (expected.n_chunks(), found.n_chunks());
        Err(WriteError::ChunksLost { target: self.target.clone(), missing: None, expected, found }
            .into())
    }

    fn time(&self) -> Result<Option<SystemTime>> {
        let path = self.staging.directory().join(format!("time.{}", self.token));
        let time =
            self.file_system.write(&path, b"").and_then(|()| self.file_system.modified(&path));
        time.map_err(|source| WriteError::Write { path, source }.into())
    }

    fn explained(&self, error: Error) -> Error {
        if self.is_held() { error } else { Error::taken_over(self.target.clone()) }
    }

    fn into_held(self: Arc<Self>) -> HeldPart {
        let part = Arc::into_inner(self).expect("the writer has ended");
        let array = part.chunks.array().to_owned();
        HeldPart::Directory { staging: part.staging, array }
    }
}

/// Writes a chunk as `new`, a name that no other process uses, and renames it to `path`.
///
/// A process that was stopped after it has last checked that it holds the directory of `new` can do
/// one more operation: it creates a file that nobody uses, or renames one that is gone.
pub(super) fn put_chunk(
    file_system: &dyn FileSystem,
    array: &Path,
    permissions: &Permissions,
    slices: &[IoSlice<'_>],
    (new, path): (&Path, &Path),
    is_held: impl Fn() -> bool,
) -> io::Result<()> {
    let rename = || {
        if is_held() {
            file_system.rename_file(new, path)
        } else {
            Err(io::Error::other("another process has taken over"))
        }
    };
    file_system.write_slices(new, slices)?;
    permissions.give_to_file(file_system, new)?;
    match rename() {
        // The first chunk in a directory creates it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_held() => {
            let directory: PathBuf = path.parent().unwrap_or(array).to_owned();
            permissions.create_directory(file_system, array, &directory)?;
            rename()
        }
        renamed => renamed,
    }
}
