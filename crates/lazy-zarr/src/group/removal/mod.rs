//! The removal of members.

mod directory;
mod keys;

use super::handle::Group;
use super::place::Place;
use crate::error::Result;

/// The result of [`Group::remove`].
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Group, Target, ToZarr};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().canonicalize()?.join("run.zarr");
/// let values = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
/// values.to_zarr(Target::from(&path).member("values"))?;
/// std::fs::write(path.join("values/notes.txt"), "a second run")?;
///
/// let removed = Group::open(&path)?.remove("values")?;
/// assert_eq!((removed.n_arrays, removed.n_groups), (1, 0));
/// let notes = path.join("values/notes.txt");
/// assert_eq!(removed.kept, [notes.display().to_string()]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The number of arrays that were removed. An array behind a symbolic link is not counted.
    pub n_arrays: u64,
    /// The number of groups that were removed.
    pub n_groups: u64,
    /// The files that were kept because they do not belong to Zarr, in ascending order. In a store,
    /// each is `store:/` followed by its key.
    pub kept: Vec<String>,
}

impl Group {
    /// Removes the array or the group with this name, and everything in it that belongs to Zarr.
    ///
    /// One atomic step removes the metadata of an array, so the array ceases to exist before its
    /// chunks are removed. The chunks are those that the array's metadata name, and those of its
    /// older versions. Other files stay, with the directories that hold them. On file systems, each
    /// step is flushed before the next one needs it: after a crash or a power failure at any
    /// moment, every array is whole or gone.
    ///
    /// If a removal or a write ends early, what is left of an array does not disturb the next write
    /// at its place. Another call removes it, and so does
    /// [`UnfinishedWrite::remove`](crate::UnfinishedWrite::remove). In a store, only another call
    /// does.
    ///
    /// The members of a group are removed before the group, so a removal that ends early leaves a
    /// group with fewer members. A symbolic link is removed alone: the array or the group that it
    /// leads to stays.
    ///
    /// Handles of a removed array return an error of the kind
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound). In a store, a write in progress is known
    /// by its claim.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the name is invalid.
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the group has no such member.
    /// - [`ErrorKind::InUse`](crate::ErrorKind::InUse) if an array is being written.
    /// - [`ErrorKind::Unfinished`](crate::ErrorKind::Unfinished) if an array has an unfinished
    ///   write that can be resumed.
    /// - [`ErrorKind::Consolidated`](crate::ErrorKind::Consolidated) if this group, or a group
    ///   above it, has consolidated metadata.
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if this group or the member is a
    ///   group of Zarr v2, or if the chunk keys of an array are unknown.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata of the member are not
    ///   valid JSON.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a file cannot be examined or removed.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        self.check_v3()?;
        let target = self.target.member(name);
        target.resolve()?;
        let place = self.place.child(name);
        place.check_not_copied("remove", &target)?;
        let mut removed = Removed::default();
        match place {
            Place::Directory { file_system, path } => {
                directory::remove(&file_system, &path, &target, &mut removed)?;
            }
            Place::Keys { store, prefix } => {
                keys::remove(&*store, &prefix, &target, &mut removed)?;
            }
        }
        removed.kept.sort();
        Ok(removed)
    }
}

/// The reason that an array with these chunk keys cannot be removed.
const UNKNOWN_KEYS: &str =
    "its chunk key encoding is unknown, so its chunks cannot be distinguished from other files";

/// The reason that a node of an unknown kind cannot be removed.
const UNKNOWN_NODE: &str = "its metadata are of neither an array nor a group";

const V2_GROUP: &str = "it is a Zarr v2 group";

/// The metadata documents of Zarr v2 that may lie beside the metadata of a Zarr v3 group.
const V2_GROUP_DOCUMENTS: [&str; 3] = [".zgroup", ".zattrs", ".zmetadata"];
