//! The chunks of one part of a plan, which a worker stores.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::interface::PutChunks;
use crate::error::{Error, Result, WriteError};
use crate::fs::FileSystem;
use crate::settings::Durability;
use crate::staging::{ChunkFiles, Journal, Permissions, Staging, Tally, flush};
use crate::store::Found;
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
    journal: Arc<Journal>,
    n_files: AtomicU64,
    /// The chunks that have no rows of other parts.
    tally: Mutex<Tally>,
}

impl PartChunks {
    pub(crate) fn new(
        target: String,
        staging: Staging,
        chunks: ChunkFiles,
        journal: &Arc<Journal>,
    ) -> Result<PartChunks> {
        let file_system = Arc::clone(chunks.file_system());
        let array = chunks.array();
        let present = present_at_path(&*file_system, array)?;
        let permissions = Permissions::of_present(&*file_system, array, present, &staging)
            .map_err(|source| Error::examine(array, source))?;
        Ok(PartChunks {
            file_system,
            target,
            staging,
            chunks,
            permissions,
            journal: Arc::clone(journal),
            n_files: AtomicU64::new(0),
            tally: Mutex::default(),
        })
    }

    /// Flushes the chunks with these keys, if the durability requires it, and checks that they are
    /// stored. Returns the tally of those that have no rows of other parts.
    pub(crate) fn end(
        &self,
        keys: impl Fn() -> Box<dyn Iterator<Item = String>>,
        durability: Durability,
    ) -> Result<Tally> {
        if durability == Durability::Full {
            self.flush(keys())
                .map_err(|source| WriteError::Flush { target: self.target.clone(), source })?;
        }
        let expected = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
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
            return Ok(found);
        }
        let (expected, found) = (expected.n_chunks(), found.n_chunks());
        Err(WriteError::ChunksLost { target: self.target.clone(), missing: None, expected, found }
            .into())
    }

    /// Gives back the staging directory of the part.
    pub(crate) fn into_staging(self) -> Staging {
        self.staging
    }

    fn flush(&self, keys: impl Iterator<Item = String>) -> io::Result<()> {
        let (file_system, array) = (&*self.file_system, self.chunks.array());
        match file_system.sync_file_system(array) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            flushed => return flushed,
        }
        let mut directories = std::collections::BTreeSet::from([array.to_owned()]);
        flush::each(file_system, |visit| {
            for key in keys {
                let path = self.chunks.path(&key);
                for above in path.ancestors().skip(1).take_while(|above| above.starts_with(array)) {
                    directories.insert(above.to_owned());
                }
                visit(Found::Chunk { key: &key, path: &path })?;
            }
            Ok(())
        })?;
        directories.iter().rev().try_for_each(|directory| file_system.sync_directory(directory))
    }

    fn is_held(&self) -> bool {
        self.staging.is_held().unwrap_or(true)
    }

    fn taken_over(&self) -> Error {
        Error::taken_over(self.target.clone())
    }
}

impl PutChunks for PartChunks {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        if !self.is_held() {
            return Err(self.taken_over());
        }
        let number = self.n_files.fetch_add(1, Ordering::Relaxed);
        let new = self.staging.directory().join(format!("chunk.{number}"));
        let path = self.chunks.path(key);
        let (array, paths) = (self.chunks.array(), (&*new, &*path));
        let slices = chunk.slices();
        let is_held = || self.is_held();
        put_chunk(&*self.file_system, array, &self.permissions, &slices, paths, is_held).map_err(
            |source| {
                if self.is_held() {
                    WriteError::Write { path: path.clone(), source }.into()
                } else {
                    self.taken_over()
                }
            },
        )?;
        self.count(key, chunk.n_bytes() as u64);
        self.journal.note(key, chunk.pieces())
    }

    fn count(&self, key: &str, n_bytes: u64) {
        if !self.chunks.is_fragment(key) {
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(key, n_bytes);
        }
    }
}

/// Writes a chunk as `new`, and renames it to `path`, as long as `is_held`.
pub(super) fn put_chunk(
    file_system: &dyn FileSystem,
    array: &Path,
    permissions: &Permissions,
    slices: &[IoSlice<'_>],
    (new, path): (&Path, &Path),
    is_held: impl Fn() -> bool,
) -> io::Result<()> {
    match file_system.write_slices(new, slices) {
        // A worker that was stopped has left it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            file_system.remove_file(new)?;
            file_system.write_slices(new, slices)?;
        }
        written => written?,
    }
    permissions.give_to_file(file_system, new)?;
    match file_system.rename_file(new, path) {
        // The first chunk in a directory creates it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_held() => {
            let directory: PathBuf = path.parent().unwrap_or(array).to_owned();
            permissions.create_directory(file_system, array, &directory)?;
            file_system.rename_file(new, path)
        }
        renamed => renamed,
    }
}
