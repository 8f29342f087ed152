//! The settings of a write that can be resumed.

/// Settings of a write that can be resumed, for [`ZarrSink::with_resume`](crate::ZarrSink::with_resume). Text
/// alone is the key.
///
/// # Example
///
/// A program that converts files. When a file's time changes, its blocks are compared with what was stored; when
/// the files are others, the write starts anew:
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
}

impl Resume {
    /// Resumes writes with the same key, which names all that the blocks depend on.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Resume {
        Resume { key: key.into(), revision: None, restarts: false }
    }

    /// Removes what an unfinished write with another key, block grid, layout, codec or metadata has stored, and
    /// starts anew, instead of failing with [`ErrorKind::ResumeMismatch`](crate::ErrorKind::ResumeMismatch);
    /// likewise if its record is invalid.
    #[must_use]
    pub fn or_restart(self) -> Resume {
        Resume { restarts: true, ..self }
    }

    /// Names what may change though the blocks stay the same, such as the times of files.
    ///
    /// A write with the same key and another revision is resumed, but what it has stored is not trusted: all blocks
    /// are computed, and compared with its chunks. Chunks that are equal stay; the others are stored again. So the
    /// array has the present blocks, whatever has changed.
    ///
    /// An array that is complete has no revision. So it is compared as well, and a block that is not equal to what
    /// is stored there is [`ErrorKind::Exists`](crate::ErrorKind::Exists);
    /// [`Error::block`](crate::Error::block) names it.
    #[must_use]
    pub fn with_revision(self, revision: impl Into<String>) -> Resume {
        Resume { revision: Some(revision.into()), ..self }
    }
}

impl<T: Into<String>> From<T> for Resume {
    fn from(key: T) -> Resume {
        Resume::new(key)
    }
}
