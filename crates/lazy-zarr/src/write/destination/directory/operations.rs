//! The destination in a directory, and its cleanup when a write ends early.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::writing::Directory;
use crate::error::{Error, Result, WriteError};
use crate::format::KeySpace;
use crate::settings::Durability;
use crate::staging::removal::remove_empty;
use crate::staging::{Entry, TaggedTally, fragment};
use crate::store::check::group_metadata;
use crate::store::node::holds_nodes;
use crate::store::{DirectoryStore, Origin, Source};
use crate::write::destination::interface::{Destination, PlanDestination, PutChunks};
use crate::write::encode::Encoded;

impl PutChunks for Directory {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        if !self.is_held() {
            return Err(Error::taken_over(self.name()));
        }
        if self.is_plan {
            // A worker that finished the plan before, and was stopped, may have stored it.
            self.replace_chunk(key, &chunk.slices())?;
            self.put.lock().unwrap_or_else(PoisonError::into_inner).push(key.to_owned());
        } else {
            self.write_chunk(key, &chunk.slices())?;
        }
        self.count(key, chunk.n_bytes() as u64);
        match &self.journal {
            Some(journal) => journal.note(key, chunk.pieces()),
            None => Ok(()),
        }
    }

    fn count(&self, key: &str, n_bytes: u64) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(key, n_bytes);
    }
}

impl PlanDestination for Directory {
    fn add_stored(&self, chunks: TaggedTally) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).extend(chunks.chunks);
    }

    fn is_taken_over(&self) -> bool {
        !self.is_held()
    }

    fn fragment(&self, part: usize, key: &str, entry: Entry) -> Result<Option<Bytes>> {
        let path = fragment(self.staging.directory(), part, key);
        match self.file_system.read(&path, 0, None) {
            Ok(stored) => Ok(Some(stored).filter(|stored| Entry::of([&**stored]) == entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::examine(path, source)),
        }
    }
}

impl Destination for Directory {
    fn keys(&self) -> KeySpace {
        self.chunks.keys()
    }

    fn prepare(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()> {
        self.write_staged(self.staging.metadata(), metadata)?;
        let _ = self.metadata.set(metadata.to_vec());
        for level in 0..self.new_groups.len() {
            self.write_staged(self.staging.group(level), &group_metadata())?;
        }
        if self.durability == Durability::Full {
            self.flush(n_chunks).map_err(|source| {
                if !self.is_held() {
                    return Error::taken_over(self.name());
                }
                // The content of the device is unknown, even if reads succeed.
                self.is_sound.store(false, Ordering::Relaxed);
                WriteError::Flush { target: self.name(), source }.into()
            })?;
        }
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = tally.check(&self.name(), &self.chunks, n_chunks);
        checked.map_err(|error| if self.is_held() { error } else { Error::taken_over(self.name()) })
    }

    fn publish(&self) -> Result<()> {
        self.check_again()?;
        let mut groups = Vec::new();
        let published = self.publish_groups(&mut groups).and_then(|()| self.publish_last_row());
        if let Err(error) = published.and_then(|()| self.publish_array()) {
            // A group stays if another program has created arrays in it.
            for metadata in groups.iter().rev() {
                let group = metadata.parent().unwrap_or(metadata);
                let holds_arrays = holds_nodes(&*self.file_system, group);
                if matches!(holds_arrays, Ok(false)) {
                    let _ = self.file_system.remove_file(metadata);
                }
            }
            return Err(error);
        }
        self.is_published.store(true, Ordering::Relaxed);
        self.flush_published()?;
        match self.clear_old() {
            Ok(()) => self.is_cleared.store(true, Ordering::Relaxed),
            Err(error) => {
                let array = self.array.display();
                tracing::warn!(%array, %error, "chunks of an old version could not be removed");
            }
        }
        Ok(())
    }

    fn reader(&self) -> Result<Source> {
        let store = DirectoryStore::new(Arc::clone(&self.file_system), self.array.clone());
        let file_system = Arc::clone(&self.file_system);
        let origin = Origin::of_directory(file_system, self.array.clone());
        Ok(Source { store: Arc::new(store), path: "/".to_owned(), origin })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let has_chunks = self.journal.as_ref().is_some_and(|journal| journal.has_chunks());
        let is_published = self.is_published.load(Ordering::Relaxed);
        let is_sound = self.is_sound.load(Ordering::Relaxed);
        let is_kept = if is_published {
            !self.is_cleared.load(Ordering::Relaxed)
        } else if self.is_plan {
            true
        } else if self.has_begun {
            is_sound && has_chunks
        } else {
            // The files of an earlier write stay until this one begins.
            self.is_left
        };
        if !self.is_held() || is_kept {
            return;
        }
        let cleared =
            if self.has_begun && !is_published { self.clear_unpublished() } else { Ok(()) };
        let removed = cleared.and_then(|()| self.staging.remove());
        // An error returned here would hide the error that ended the write, and would not undo a
        // write that succeeded.
        if let Err(error) = removed {
            let staging = self.staging.directory().display();
            tracing::warn!(%staging, %error, "the staging directory could not be removed");
        }
        if !is_published {
            remove_empty(&*self.file_system, self.created.iter().map(PathBuf::as_path));
        }
    }
}
