//! The removal of an array: its metadata moves into the staging directory, and its chunks go after
//! it.

use std::io;

use serde::Deserialize;

use super::directory::Staging;
use super::removal::{remove_if_there, remove_v2_metadata};
use crate::format::{KeySpace, MetadataChecksum};

/// The file with the metadata of an array that is being removed.
const REMOVED: &str = "removed.json";

/// The documents of Zarr nodes.
const DOCUMENTS: [&str; 3] = ["zarr.json", ".zarray", ".zgroup"];

impl Staging {
    /// Moves the metadata document of the array into this directory, by one rename. From then on
    /// the array does not exist, and its chunks belong to this directory. No power failure brings
    /// the array back after this has returned.
    pub(crate) fn unpublish(&self, document: &str) -> io::Result<()> {
        let file_system = &*self.file_system;
        let (from, to) = (self.array.join(document), self.directory.join(REMOVED));
        // Older metadata beside the present metadata would come into effect.
        if document == DOCUMENTS[0] {
            remove_v2_metadata(file_system, &self.array)?;
        }
        // After this flush, no power failure can lose this directory but keep the rename.
        file_system.sync_directory(&self.array)?;
        if let Err(error) = file_system.rename_file(&from, &to) {
            // A server may have renamed the file even though its answer was lost.
            let is_moved = file_system.entry_kind(&from)?.is_none() && self.holds_removed()?;
            if !is_moved {
                return Err(error);
            }
        }
        self.flush_unpublished()
    }

    /// Returns true if this directory holds the metadata of an array that is being removed.
    pub(crate) fn holds_removed(&self) -> io::Result<bool> {
        Ok(self.file_system.entry_kind(&self.directory.join(REMOVED))?.is_some())
    }

    /// Removes the chunks of an array whose metadata this directory holds. This completes a removal
    /// that ended early. Other files stay, and so does a node that another program has created in
    /// place of the array.
    pub(crate) fn clear_removed(&self) -> io::Result<()> {
        let file_system = &*self.file_system;
        if !self.holds_removed()? {
            return Ok(());
        }
        for name in DOCUMENTS {
            if file_system.entry_kind(&self.array.join(name))?.is_some() {
                return Ok(());
            }
        }
        // The removal may have ended before it flushed the rename.
        self.flush_unpublished()?;
        let document = file_system.read(&self.directory.join(REMOVED), 0, None)?;
        if is_v2(&document) {
            remove_if_there(file_system, &self.array.join(".zattrs"))?;
        }
        for keys in key_spaces(&document) {
            // A write that has taken over may use these chunks.
            if self.is_held()? {
                keys.clear(file_system, &self.array)?;
            }
        }
        file_system.sync_directory(&self.array)
    }

    fn flush_unpublished(&self) -> io::Result<()> {
        self.file_system.sync_directory(&self.directory)?;
        self.file_system.sync_directory(&self.array)
    }
}

fn is_v2(document: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        zarr_format: Option<u8>,
    }
    serde_json::from_slice(document).is_ok_and(|head: Head| head.zarr_format == Some(2))
}

/// Returns the key spaces of the chunks of an array and of its older versions. Only this crate
/// keeps older versions, so the array of another program has one key space.
fn key_spaces(document: &[u8]) -> Vec<KeySpace> {
    match MetadataChecksum::of(document) {
        MetadataChecksum::Missing => KeySpace::of_metadata(document).into_iter().collect(),
        MetadataChecksum::Match | MetadataChecksum::Mismatch => KeySpace::ALL.to_vec(),
    }
}
