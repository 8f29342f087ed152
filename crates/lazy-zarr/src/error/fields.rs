//! Methods of the error that return its fields.

use std::path::Path;

use lazy_core::BlockIndex;

use super::{Error, ErrorKind};
use crate::defect::DefectKind;

/// The kind and the fields of an error, which the methods of [`Error`] return.
pub(super) struct Facts<'e> {
    pub(super) kind: ErrorKind,
    pub(super) target: Option<&'e str>,
    pub(super) path: Option<&'e Path>,
    pub(super) key: Option<&'e str>,
    pub(super) chunk: Option<&'e [usize]>,
    pub(super) defect: Option<&'e DefectKind>,
    pub(super) block: Option<BlockIndex>,
    pub(super) parent: Option<&'e str>,
    pub(super) members: &'e [String],
    pub(super) holder: Option<&'e str>,
    pub(super) may_be_stale: bool,
    pub(super) resume_key: Option<&'e str>,
    pub(super) difference: Option<&'e str>,
    pub(super) setting: Option<&'e str>,
    pub(super) is_published: bool,
    pub(super) sequence: Option<&'e lazy_core::Error>,
}

impl Facts<'_> {
    /// Returns the facts of an error of this kind without fields.
    pub(super) fn of(kind: ErrorKind) -> Self {
        Facts {
            kind,
            target: None,
            path: None,
            key: None,
            chunk: None,
            defect: None,
            block: None,
            parent: None,
            members: &[],
            holder: None,
            may_be_stale: false,
            resume_key: None,
            difference: None,
            setting: None,
            is_published: false,
            sequence: None,
        }
    }
}

impl Error {
    /// Returns the target concerned, as the caller named it.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_zarr::StoredArray;
    ///
    /// let error = StoredArray::open("/no/such/array.zarr").unwrap_err();
    /// assert_eq!(error.target(), Some("/no/such/array.zarr"));
    /// ```
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.facts().target
    }

    /// Returns the file or the directory concerned: one that could not be read or written, the
    /// directory of an unfinished write, or a metadata document.
    ///
    /// The path of a document in a store instance is `store:/` followed by its key.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::{ErrorKind, StoredArray};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// std::fs::create_dir(&path)?;
    /// std::fs::write(path.join("zarr.json"), "{")?;
    /// let error = StoredArray::open(&path).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Corrupt);
    /// assert_eq!(error.path(), Some(&*path.join("zarr.json")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.facts().path
    }

    /// Returns the key concerned: the key of a chunk relative to its array, or the key at which a
    /// store failed.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// let stored = values.to_zarr(&path)?;
    /// std::fs::write(path.join("c/0"), "no chunk")?;
    ///
    /// let error = stored.read().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Corrupt);
    /// assert_eq!((error.key(), error.chunk()), (Some("c/0"), Some(&[0][..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.facts().key
    }

    /// Returns the index along each axis of the chunk that could not be read, encoded or written.
    ///
    /// In an array with shards, this is the index of the shard. See [`key`](Self::key) for an
    /// example.
    #[must_use]
    pub fn chunk(&self) -> Option<&[usize]> {
        self.facts().chunk
    }

    /// Returns the reason that a chunk could not be read.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{DefectKind, ToZarr};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// # let values = LazyChunkSequence::new(|| [ndarray::array![1.0, 2.0]]);
    /// let stored = values.convert(NdarrayConverter).to_zarr(&path)?;
    /// std::fs::remove_file(path.join("c/0"))?;
    ///
    /// let error = stored.read().unwrap_err();
    /// assert!(matches!(error.defect(), Some(DefectKind::Missing)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn defect(&self) -> Option<&DefectKind> {
        self.facts().defect
    }

    /// Returns the first block that differs from the array that exists at the target.
    ///
    /// A write with [`Resume::with_revision`](crate::Resume::with_revision) compares its blocks
    /// with an array of another revision.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{BlockIndex, LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, Resume, ToZarr, ZarrSink};
    /// use ndarray::Array1;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = |last: f64| {
    ///     LazyChunkSequence::from_fn([1, 1], move |i| Array1::from_elem(1, i as f64 * last))
    ///         .convert(NdarrayConverter)
    /// };
    /// let sink = |revision| {
    ///     ZarrSink::new(&path).with_resume(Resume::new("values").with_revision(revision))
    /// };
    /// values(1.0).to_zarr(sink("one"))?;
    ///
    /// let error = values(2.0).to_zarr(sink("two")).unwrap_err();
    /// assert_eq!((error.kind(), error.block()), (ErrorKind::Exists, Some(BlockIndex::Block(1))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn block(&self) -> Option<BlockIndex> {
        self.facts().block
    }

    /// Returns the array, group or file above the target that prevents the write.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().canonicalize()?.join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// values.to_zarr(&path)?;
    ///
    /// let error = values.to_zarr(path.join("more.zarr")).unwrap_err();
    /// assert_eq!((error.kind(), error.parent()), (ErrorKind::Occupied, path.to_str()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.facts().parent
    }

    /// Returns the names of the members of a group that was opened as an array. For any other
    /// error, the slice is empty.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{StoredArray, Target, ToZarr};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let values = LazyChunkSequence::new(|| [ndarray::array![1.0, 2.0]]);
    /// let group = Target::from(directory.path().join("run.zarr"));
    /// values.convert(NdarrayConverter).to_zarr(group.clone().member("monday"))?;
    ///
    /// let error = StoredArray::open(group).unwrap_err();
    /// assert_eq!(error.members(), ["monday"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn members(&self) -> &[String] {
        self.facts().members
    }
}
