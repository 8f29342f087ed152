//! The files of the chunks that one write stores.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::appended_rows::AppendedRows;
use super::plan::{fragment, plan_of};
use super::removal::remove_if_there;
use crate::error::{Error, Result};
use crate::format::KeySpace;
use crate::fs::{EntryKind, FileSystem};
use crate::store::Found;
use crate::store::node::{PresentRows, present_at_path, rows_at_path};

/// The files of the chunks that one write stores, or shards if there are shards.
///
/// A write of a new version has a key space of its own. A write that appends to the present version
/// uses the key space of that version: it stores the rows of chunks behind the present ones under
/// their keys, and the last present row of chunks, if it is not full, in the staging directory
/// until the array is published.
#[derive(Clone, Debug)]
pub(crate) struct ChunkFiles {
    file_system: Arc<dyn FileSystem>,
    /// The directory of the array.
    array: PathBuf,
    /// The staging directory.
    staging: PathBuf,
    keys: KeySpace,
    /// The rows of the present version, if the write appends to it.
    appended: Option<AppendedRows>,
    /// The part of a plan that the chunks are of, if workers share the write.
    part: Option<PartChunkRows>,
}

/// The rows of chunks of a part of a plan.
#[derive(Clone, Debug)]
pub(crate) struct PartChunkRows {
    /// The number of the part.
    pub(crate) part: usize,
    /// The index of the first row of chunks, and true if the part before has rows in it.
    pub(crate) first: (u64, bool),
    /// The index of the last row of chunks, and true if the part behind has rows in it.
    pub(crate) last: (u64, bool),
}

impl PartChunkRows {
    /// Returns true if a chunk has rows of other parts, too.
    pub(crate) fn is_shared(&self, keys: KeySpace, key: &str) -> bool {
        let row = keys.first_index(key);
        [self.first, self.last]
            .into_iter()
            .any(|(index, is_shared)| is_shared && row == Some(index))
    }
}

/// The file in the staging directory that marks a write that appends to the present version.
pub(super) const APPEND: &str = "append";

/// The start of the names of chunks that are kept in the staging directory.
const STAGED: &str = "last.";

impl ChunkFiles {
    /// Returns the files of a write of a new version.
    pub(crate) fn of_version(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        staging: &Path,
        keys: KeySpace,
    ) -> ChunkFiles {
        let (array, staging) = (array.to_owned(), staging.to_owned());
        ChunkFiles {
            file_system: Arc::clone(file_system),
            array,
            staging,
            keys,
            appended: None,
            part: None,
        }
    }

    /// Returns the files of a write that appends to the present version.
    pub(crate) fn of_append(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        staging: &Path,
        present: PresentRows,
    ) -> ChunkFiles {
        let appended = AppendedRows::behind(present);
        let files = ChunkFiles::of_version(file_system, array, staging, present.keys);
        ChunkFiles { appended: Some(appended), ..files }
    }

    /// Returns the files of a part of a plan. `staging` is the staging directory of the part.
    pub(crate) fn of_part(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        staging: &Path,
        keys: KeySpace,
        rows: PartChunkRows,
    ) -> ChunkFiles {
        let files = ChunkFiles::of_version(file_system, array, staging, keys);
        ChunkFiles { part: Some(rows), ..files }
    }

    /// Returns true if a chunk has rows of other parts, too.
    pub(crate) fn is_fragment(&self, key: &str) -> bool {
        self.part.as_ref().is_some_and(|part| part.is_shared(self.keys, key))
    }

    /// Returns true if a chunk is replaced when it is stored again, and is never removed.
    pub(crate) fn are_replaced(&self) -> bool {
        self.part.is_some()
    }

    /// Returns the files of the write that left a staging directory.
    pub(crate) fn left(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        staging: &Path,
    ) -> Result<ChunkFiles> {
        let examine = |source| Error::examine(staging, source);
        let mark = file_system.entry_kind(&staging.join(APPEND)).map_err(examine)?;
        if mark != Some(EntryKind::File) {
            let present = present_at_path(&**file_system, array)?;
            let keys = KeySpace::after(present.map(|present| present.keys));
            return Ok(ChunkFiles::of_version(file_system, array, staging, keys));
        }
        let present = rows_at_path(&**file_system, array)?;
        // If the array is gone, no chunk is known to be the write's.
        let none = PresentRows { keys: KeySpace::Nested, n_rows: u64::MAX, unit_rows: 1 };
        Ok(ChunkFiles::of_append(file_system, array, staging, present.unwrap_or(none)))
    }

    /// Returns the key space of the chunks.
    pub(crate) fn keys(&self) -> KeySpace {
        self.keys
    }

    pub(crate) fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.file_system
    }

    pub(crate) fn array(&self) -> &Path {
        &self.array
    }

    pub(crate) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Returns the number of rows of the version that the write appends to, if it appends.
    pub(crate) fn appended_rows(&self) -> Option<u64> {
        self.appended.map(|appended| appended.n_rows)
    }

    /// Returns the index along axis 0 of the first row of chunks that the write stores.
    pub(crate) fn first(&self) -> u64 {
        self.appended.map_or(0, |appended| appended.first)
    }

    fn n_present(&self) -> u64 {
        self.appended.map_or(0, |appended| appended.n_present)
    }

    /// Returns the path of a chunk until the array is published.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        if let Some(PartChunkRows { part, .. }) = &self.part
            && self.is_fragment(key)
        {
            return fragment(&plan_of(&self.staging), *part, key);
        }
        let row = self.keys.first_index(key);
        if row.is_some_and(|row| row < self.n_present()) {
            self.staging.join(format!("{STAGED}{}", key.replace('/', ".")))
        } else {
            self.array.join(key)
        }
    }

    /// Returns the keys and paths of the chunks in the staging directory.
    pub(crate) fn staged(&self) -> io::Result<Vec<(String, PathBuf)>> {
        if self.first() == self.n_present() {
            return Ok(Vec::new());
        }
        let separator = match self.keys {
            KeySpace::Nested | KeySpace::Bare => "/",
            KeySpace::Dotted | KeySpace::BareDotted => ".",
        };
        let names = self.file_system.list(&self.staging)?;
        let keys = names.iter().filter_map(|name| name.to_str()?.strip_prefix(STAGED));
        let mut staged: Vec<_> = keys
            .map(|key| {
                let path = self.staging.join(format!("{STAGED}{key}"));
                (key.replace('.', separator), path)
            })
            .collect();
        staged.sort();
        Ok(staged)
    }

    /// Visits the chunks of the write in an array with `n_chunks` chunks along each axis, and the
    /// directories that hold them.
    pub(crate) fn walk(
        &self,
        n_chunks: &[u64],
        mut visit: impl FnMut(Found<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        for (key, path) in self.staged()? {
            if self.keys.number(&key, n_chunks).is_some() {
                visit(Found::Chunk { key: &key, path: &path })?;
            }
        }
        self.keys.walk_from(&*self.file_system, &self.array, self.n_present(), n_chunks, visit)
    }

    /// Returns true if the new chunks of another write are among those of this one.
    pub(crate) fn covers(&self, other: &ChunkFiles) -> bool {
        self.keys == other.keys && self.n_present() <= other.n_present()
    }

    /// Returns a file that has the name of a new chunk, or is in the way of the directory of new
    /// chunks, if there is one.
    pub(crate) fn first_file(&self) -> io::Result<Option<PathBuf>> {
        let directory = self.array.join("c");
        if self.keys == KeySpace::Nested && self.n_present() > 0 {
            match self.file_system.entry_kind(&directory)? {
                None | Some(EntryKind::Directory) => {}
                // Chunks behind a link are not found again.
                Some(_) => return Ok(Some(directory)),
            }
        }
        self.keys.first_file(&*self.file_system, &self.array, self.n_present())
    }

    /// Removes the chunks of the write. Returns true if there were any in the directory of the
    /// array.
    pub(crate) fn clear(&self) -> io::Result<bool> {
        for (_, path) in self.staged()? {
            remove_if_there(&*self.file_system, &path)?;
        }
        self.keys.clear_from(&*self.file_system, &self.array, self.n_present())
    }

    /// Flushes the removal of chunks.
    pub(crate) fn sync_cleared(&self) -> io::Result<()> {
        let directory = if self.keys == KeySpace::Nested && self.n_present() > 0 {
            self.array.join("c")
        } else {
            self.array.clone()
        };
        self.file_system.sync_directory(&directory)
    }
}
