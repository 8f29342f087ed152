//! The settings of a resumable write.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

/// Settings of a resumable write, for [`ZarrSink::with_resume`](crate::ZarrSink::with_resume). A
/// string converts to settings with the string as the key.
///
/// # Example
///
/// A program that converts files. If the time of a file changes, the next run compares the blocks
/// with the stored chunks. If the list of files changes, it starts over:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{Resume, ZarrSink};
///
/// let (names, times) = ("part-0.npy, part-1.npy", "1764381071, 1764381093");
/// let resume = Resume::new(names).with_revision(times).or_restart();
/// let sink = ZarrSink::new("values.zarr").with_resume(resume);
/// # let _ = sink;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    pub(crate) key: String,
    pub(crate) revision: Option<String>,
    pub(crate) restarts: bool,
    pub(crate) appends_again: bool,
}

impl Resume {
    /// Returns settings that resume writes with the same key. The key names everything that the
    /// blocks depend on.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Resume {
        Resume { key: key.into(), revision: None, restarts: false, appends_again: false }
    }

    /// Removes the stored part of an unfinished write with another key, block grid, layout, codec
    /// or metadata, and starts over, instead of failing with
    /// [`ErrorKind::ResumeMismatch`](crate::ErrorKind::ResumeMismatch). It does the same if the
    /// record of the unfinished write is invalid.
    #[must_use]
    pub fn or_restart(self) -> Resume {
        Resume { restarts: true, ..self }
    }

    /// With [`Existing::Append`](crate::Existing::Append), appends the rows even if rows with the
    /// same key were appended before, instead of reading those back. An unfinished write is resumed
    /// all the same.
    #[must_use]
    pub fn or_append_again(self) -> Resume {
        Resume { appends_again: true, ..self }
    }

    /// Sets the revision: a string for inputs that can change without changing the blocks, such as
    /// the modification times of files.
    ///
    /// A write with the same key and another revision is resumed, but its stored chunks are not
    /// trusted. All blocks are computed and compared with the chunks. Equal chunks stay, and the
    /// others are stored again. So the array always contains the current blocks.
    ///
    /// A complete array does not tell its revision, so a write with a revision computes all blocks
    /// of a complete array and compares them. If a block differs from the stored one, the write
    /// fails with [`ErrorKind::Exists`](crate::ErrorKind::Exists), and
    /// [`Error::block`](crate::Error::block) names the block.
    ///
    /// The workers of a [`Plan`](lazy_core::Plan) compare no blocks, so all of them must have the
    /// same revision, and the array of a plan tells it.
    #[must_use]
    pub fn with_revision(self, revision: impl Into<String>) -> Resume {
        Resume { revision: Some(revision.into()), ..self }
    }

    /// Returns a digest of the key and the revision, if there is a revision.
    pub(crate) fn revision_digest(&self) -> Option<String> {
        let revision = self.revision.as_ref()?;
        let identity = json!([self.key, revision]);
        Some(format!("{:032x}", xxh3_128(identity.to_string().as_bytes())))
    }
}

impl<T: Into<String>> From<T> for Resume {
    fn from(key: T) -> Resume {
        Resume::new(key)
    }
}
