//! The Zarr sink: a reducer that stores the blocks it is handed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockPosition, Cut, DType, Declared, Element, Observer, Reducer};
use serde::Serialize;
use serde_json::Value;

use crate::attribute::attribute;
use crate::destination::KeySpace;
use crate::format::{FillElement, Format};
use crate::layout::{Layout, LayoutSettings, MemoryBound, Sizes, memory_bound};
use crate::write::Write;
use crate::{
    Checksum, Codec, Durability, Error, Existing, MetadataSeal, OldChunks, Result, Resume,
    StoredArray, Target, provenance, threads,
};

/// Stores the blocks of a sequence as a Zarr v3 array.
///
/// A sink is inert configuration. It is a [`Reducer`], so it is computed beside statistics in one
/// pass; [`ToZarr::to_zarr`](crate::ToZarr::to_zarr) computes it alone. Its result is the array it
/// stored.
///
/// Blocks of any sizes become whole chunks of one shape, each encoded and written once, on
/// [several threads](Self::with_writer_threads). A chunk that has parts of several blocks holds on to these
/// until it is written, so that they are copied once at most, and not at all where nothing is compressed and
/// their rows are long. So a producer with a fixed number of buffers must not wait for one of them to come
/// back: it copies what it hands out, or has a [`BlockPool`](lazy_core::BlockPool), which grows as needed.
///
/// The target is checked before the first block is computed, and the array appears there when it is
/// complete; a write that fails leaves the target as it was ([`Existing`] says where that cannot be had).
///
/// Chunks are stored in the target's directory under keys that the metadata there does not name; when all
/// are there, the new metadata takes the place of the old in one step. A small directory `.lazy.N` beside
/// them holds a lock, which keeps other writes of the same target out, and the record of a write that can
/// be resumed. A process that crashes releases the lock and leaves the directory behind: the next write of
/// the target cleans up, or [resumes](Self::with_resume), and [`UnfinishedWrite`](crate::UnfinishedWrite)
/// lists it. [`OldChunks`] says what becomes of the chunks of an array that is replaced.
///
/// # Errors
///
/// Settings are checked when the sink is used, in this order:
///
/// - What can be said without the array, and what lies at the target: before the first block is
///   computed.
/// - What depends on the array's dtype and number of axes: before the first block is computed where
///   [`with_row_type`](lazy_core::LazyChunkSequence::with_row_type) declares them, else with the first
///   block.
///
/// Errors in writing end the pass as soon as the sink hears of them. [`ToZarr`](crate::ToZarr) has this
/// crate's [`Error`], a pass beside other reducers has it within [`lazy_core::Error::Other`].
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use lazy_zarr::{Codec, MemoryStore, ZarrSink};
/// use ndarray::Array2;
///
/// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((3, 5), i as f32)))
///     .convert(NdarrayConverter);
/// let sink = ZarrSink::new(Arc::new(MemoryStore::new()))
///     .with_chunk_shape([6, 5])
///     .with_codec(Codec::Zstd { level: 3 })
///     .with_dimension_names(["sample", "parameter"]);
/// let (moments, stored) = sequence.compute((MeanVariance, sink))?;
/// assert_eq!(moments.mean, 1.5);
/// assert_eq!((stored.shape(), stored.chunk_shape()), (&[12, 5][..], &[6, 5][..]));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZarrSink {
    pub(crate) target: Target,
    pub(crate) existing: Existing,
    pub(crate) durability: Durability,
    pub(crate) old_chunks: OldChunks,
    pub(crate) takes_over: bool,
    pub(crate) layout: LayoutSettings,
    codec: Codec,
    checksum: Option<Checksum>,
    fill: Option<FillElement>,
    dimension_names: Option<Vec<Option<String>>>,
    /// Values by name; why one cannot be stored.
    attributes: BTreeMap<String, Result<Value, String>>,
    n_threads: Option<usize>,
    observer: Option<Observed>,
    /// Set when an unfinished write is to be resumed.
    pub(crate) resume: Option<Resume>,
}

/// An observer, which prints as nothing more than that.
#[derive(Clone)]
struct Observed(Arc<dyn Observer>);

impl fmt::Debug for Observed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl<T: Into<Target>> From<T> for ZarrSink {
    fn from(target: T) -> ZarrSink {
        ZarrSink::new(target)
    }
}

impl ZarrSink {
    /// A sink with the defaults: automatic chunks of at most 8 MiB and no shards; the default
    /// [`Codec`] and [`Checksum`]; the fill value NaN for floats and complex numbers, 0 and false
    /// otherwise; dimension names for members of groups alone; no attributes but `provenance`; as many writer threads as
    /// there are cores, but at least two; an error when there is an array at the target.
    pub fn new(target: impl Into<Target>) -> ZarrSink {
        ZarrSink {
            target: target.into(),
            existing: Existing::default(),
            durability: Durability::default(),
            old_chunks: OldChunks::default(),
            takes_over: false,
            layout: LayoutSettings::default(),
            codec: Codec::default(),
            checksum: None,
            fill: None,
            dimension_names: None,
            attributes: BTreeMap::new(),
            n_threads: None,
            observer: None,
            resume: None,
        }
    }

    pub(crate) fn with_target(self, target: Target) -> ZarrSink {
        ZarrSink { target, ..self }
    }

    /// What happens when there is an array at the target already: by default [`Error::TargetExists`].
    #[must_use]
    pub fn with_existing(self, existing: Existing) -> ZarrSink {
        ZarrSink { existing, ..self }
    }

    /// What the array survives once it is published: by default power failures.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> ZarrSink {
        ZarrSink { durability, ..self }
    }

    /// What becomes of the chunks of an array that is replaced: by default they are kept, for readers that
    /// have opened it.
    #[must_use]
    pub fn with_old_chunks(self, old_chunks: OldChunks) -> ZarrSink {
        ZarrSink { old_chunks, ..self }
    }

    /// Takes over from a write that this file system cannot tell to have ended, instead of failing with
    /// [`Error::MaybeLocked`].
    ///
    /// That is so where locks do not reach other machines (FUSE, some mounts of Lustre and NFS), and the
    /// write was started on another one. Should it be running nevertheless, it fails with
    /// [`Error::TakenOver`] before it publishes anything. Locks that tell are heeded with this setting, too.
    #[must_use]
    pub fn with_take_over(self) -> ZarrSink {
        ZarrSink { takes_over: true, ..self }
    }

    /// Chunks of this shape, in elements: one size for each axis of the array, none of them 0.
    ///
    /// A shape with a 0, or larger than memory can be, is [`Error::ChunkShape`] when the sink is used; one
    /// of another number of axes than the array's is [`Error::ChunkRank`], and one of more bytes than the
    /// codec takes [`Error::ChunkTooLarge`].
    #[must_use]
    pub fn with_chunk_shape(mut self, chunk_shape: impl Into<Vec<usize>>) -> ZarrSink {
        self.layout.chunks = Some(Sizes::Explicit(chunk_shape.into()));
        self
    }

    /// Automatic chunks of at most this many bytes before encoding, unless a single element is
    /// larger: 8 MiB by default, and 1 MiB in shards.
    ///
    /// Blocks are joined into a chunk as long as it stays below: first along the columns, then along
    /// the rows. A block that is larger is cut, the rows first. A chunk is never larger than the
    /// array. Blocks of less than about 300 bytes make smaller chunks, since so many of them cannot be
    /// kept until the layout is settled. More bytes than the codec takes are [`Error::ChunkTooLarge`] when
    /// the sink is used.
    #[must_use]
    pub fn with_chunk_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.layout.chunks = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// Shards of this shape, each a whole number of chunks along each axis: files that hold many
    /// chunks, of which readers take single ones.
    ///
    /// What is written at once is a shard, so memory is counted in shards. A shard at the array's edge
    /// is written whole, padded with the fill value; its chunks of nothing but fill value take an entry
    /// in its index alone. Automatic chunks divide the shard: best when its sizes have many divisors.
    ///
    /// Shards that are not a whole number of explicit chunks are [`Error::ShardShape`] when the sink is
    /// used; otherwise they fail as chunks do, with [`Error::ChunkShape`] and [`Error::ChunkRank`].
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use lazy_core::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_zarr::{MemoryStore, ToZarr, ZarrSink};
    /// use ndarray::Array2;
    ///
    /// let sink = ZarrSink::new(Arc::new(MemoryStore::new()))
    ///     .with_chunk_shape([64, 32])
    ///     .with_shard_shape([512, 128]);
    /// let stored = LazyChunkSequence::new(|| (0..10).map(|i| Array2::from_elem((100, 128), i)))
    ///     .convert(NdarrayConverter)
    ///     .to_zarr(sink)?;
    /// assert_eq!(stored.chunk_shape(), [64, 32]);
    /// assert_eq!(stored.shard_shape(), Some(&[512, 128][..]));
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_shard_shape(mut self, shard_shape: impl Into<Vec<usize>>) -> ZarrSink {
        self.layout.shards = Some(Sizes::Explicit(shard_shape.into()));
        self
    }

    /// Automatic shards of at most this many bytes before encoding, but of at least one chunk.
    ///
    /// Chunks are joined along the last axis first, along the axis before it when they span the array.
    #[must_use]
    pub fn with_shard_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.layout.shards = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// How chunks are encoded. A level that the codec does not have is [`Error::Setting`] when the sink
    /// is used.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> ZarrSink {
        ZarrSink { codec, ..self }
    }

    /// What is stored with each chunk to tell later whether its bytes are what was written: by default
    /// CRC-32C where chunks are compressed, and nothing where they are not. The index of a shard always has
    /// a checksum.
    #[must_use]
    pub fn with_checksum(self, checksum: Checksum) -> ZarrSink {
        ZarrSink { checksum: Some(checksum), ..self }
    }

    fn checksum(&self) -> Checksum {
        self.checksum.unwrap_or(self.codec.default_checksum())
    }

    /// The value of elements that are not stored, of the array's dtype. One of another dtype is
    /// [`Error::FillValueDType`] when the sink is used; nothing is cast.
    #[must_use]
    pub fn with_fill_value<A: Element>(self, value: A) -> ZarrSink {
        ZarrSink { fill: Some(FillElement::new(value)), ..self }
    }

    /// Sets a name for each axis. Fewer or more than the array has axes are [`Error::DimensionNames`] when the sink
    /// is used.
    ///
    /// xarray opens a group only if all of its arrays have names for their axes. So those of a
    /// [member](crate::Target::member) `values` are `values_0`, `values_1` and so on by default. Other arrays have none.
    #[must_use]
    pub fn with_dimension_names<N: Into<String>>(
        self,
        names: impl IntoIterator<Item = N>,
    ) -> ZarrSink {
        let names = names.into_iter().map(|name| Some(name.into())).collect();
        ZarrSink { dimension_names: Some(names), ..self }
    }

    /// Takes the user's attributes, the dimension names and the fill value of a stored array, which a copy of it
    /// needs to mean the same: packed data, for instance, say in attributes how they are unpacked. What is set after
    /// this replaces what was taken.
    ///
    /// # Errors
    ///
    /// Those of [`StoredArray::fill_value`]. An attribute `provenance` that another program has given the array is
    /// [`Error::Attribute`] when the sink is used.
    ///
    /// # Example
    ///
    /// A copy in other chunks:
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_zarr::{StoredArray, ToZarr, ZarrSink};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = |name| directory.path().join(name);
    /// let sink = ZarrSink::new(path("packed.zarr"))
    ///     .with_dimension_names(["time", "place"])
    ///     .with_fill_value(-1_i16)
    ///     .with_attribute("scale_factor", 0.01);
    /// LazyChunkSequence::new(|| [array![[1_i16, 2], [3, 4]]]).convert(NdarrayConverter).to_zarr(sink)?;
    ///
    /// let packed = StoredArray::open(path("packed.zarr"))?;
    /// let sink = ZarrSink::new(path("copy.zarr"))
    ///     .with_properties_of(&packed)?
    ///     .with_attribute("comment", "a copy")
    ///     .with_chunk_shape([1, 2]);
    /// let copy = packed.sequence([1, 1])?.to_zarr(sink)?;
    /// assert_eq!(copy.dimension_names(), packed.dimension_names());
    /// assert_eq!(copy.fill_value()?, packed.fill_value()?);
    /// assert_eq!(copy.attributes()["scale_factor"], 0.01);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_properties_of(self, array: &StoredArray) -> Result<ZarrSink> {
        let fill = array.fill_value()?;
        let fill = FillElement { dtype: fill.dtype(), bytes: fill.data().to_vec() };
        let dimension_names = array.dimension_names().map(<[_]>::to_vec);
        let is_own = |name: &String| {
            name == provenance::ATTRIBUTE && array.metadata_seal() != MetadataSeal::Absent
        };
        let attributes = array.attributes().iter().filter(|(name, _)| !is_own(name));
        let sink = ZarrSink { fill: Some(fill), dimension_names, ..self };
        Ok(attributes.fold(sink, |sink, (name, value)| sink.with_attribute(name, value)))
    }

    /// Adds a user attribute, replacing one of the same name: anything that JSON can hold.
    ///
    /// One that JSON cannot hold is [`Error::Attribute`] when the sink is used; NaN and infinities are no
    /// JSON, and an `f32` is written as the `f64` that it equals. The name `provenance` is taken: there the sink writes down the program and its version, a
    /// checksum of the metadata, and the sizes of the blocks that it was stored from, as runs `[how many, size]`
    /// along each axis that was cut; and of a [resumable](Self::with_resume) write a digest of its job and settings.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_zarr::ZarrSink;
    ///
    /// let sink = ZarrSink::new("values.zarr")
    ///     .with_attribute("l2", 1e-3)
    ///     .with_attribute("classes", ["cat", "dog"]);
    /// # let _ = sink;
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Serialize) -> ZarrSink {
        let name = name.into();
        self.attributes.insert(name.clone(), attribute(&name, &value));
        self
    }

    /// The number of threads that encode and write chunks: from 1 to 1024, and by default as many as there
    /// are cores, but at least 2. The bytes that are stored do not depend on it. Another number is
    /// [`Error::Setting`] when the sink is used.
    ///
    /// The thread that evaluates the sequence is one of them: it writes a chunk itself when the others have
    /// enough to do. With 1, it writes all chunks; a producer that waits for a device keeps a second thread
    /// busy.
    #[must_use]
    pub fn with_writer_threads(self, n_threads: usize) -> ZarrSink {
        ZarrSink { n_threads: Some(n_threads), ..self }
    }

    /// Tells an observer how far the write has come: blocks and bytes that came in, chunks and bytes
    /// that were stored.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use lazy_core::{LazyChunkSequence, NdarrayConverter, Progress, Stage};
    /// use lazy_zarr::{MemoryStore, ToZarr, ZarrSink};
    /// use ndarray::Array2;
    ///
    /// let sink = ZarrSink::new(Arc::new(MemoryStore::new()))
    ///     .with_chunk_shape([2, 3])
    ///     .with_observer(|progress: &Progress| {
    ///         if progress.stage == Stage::Finished {
    ///             assert_eq!((progress.blocks, progress.chunks), (4, 2));
    ///         }
    ///     });
    /// LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((1, 3), i)))
    ///     .convert(NdarrayConverter)
    ///     .to_zarr(sink)?;
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_observer(self, observer: impl Observer + 'static) -> ZarrSink {
        ZarrSink { observer: Some(Observed(Arc::new(observer))), ..self }
    }

    /// Makes the write resumable: completed chunks survive when it ends early, and the next write of the same job
    /// continues from them.
    ///
    /// The job is a text that names all that the blocks depend on: the model, the data, the parameters, the version
    /// of the program. [`Resume`] has more settings. An unfinished write of another job is
    /// [`Error::ResumeMismatch`], and so is one of another block grid, layout, codec or metadata; the message names
    /// what differs. All that is found out before the first block is computed.
    ///
    /// Each chunk that is complete is noted in a journal, with its checksum. A later write reads those
    /// chunks back, and hands their blocks to all reducers of its pass in place of the producer. So it
    /// computes only the blocks that touch a chunk which is missing, torn or corrupt; the statistics beside
    /// it are of the whole array; and the result has the same bits as that of a write which nothing
    /// interrupted, as long as equal jobs have equal blocks.
    ///
    /// An array of the same job, block grid and settings that is complete at the target is no error: its blocks are
    /// read back, no block is computed, and nothing is written. So a program that is started again and again until
    /// it succeeds comes to its end, and one that dies between the arrays of a pass makes only those that are
    /// missing. With [`Existing::Replace`], the array is stored anew.
    ///
    /// That costs little: chunks of 8 MiB in the default codec were stored in as much time, in a file system in
    /// memory, uncompressed ones in 1.15 times, and chunks of 4 KiB in 1.12 times.
    ///
    /// Only sequences that are made of a grid and a function ([`from_fn`](lazy_core::LazyChunkSequence::from_fn))
    /// can leave out blocks. A streamed sequence, and a target in a store, are [`Error::NotResumable`].
    /// Without this setting, a write of a target of which such an unfinished one exists is
    /// [`Error::Unfinished`]; [`UnfinishedWrite`](crate::UnfinishedWrite) lists and removes them.
    ///
    /// # Example
    ///
    /// A program that goes on when it is started again, and stops in order on Ctrl-C:
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    ///
    /// use lazy_core::{Error, LazyChunkSequence, MeanVariance, NdarrayConverter, Progress};
    /// use lazy_zarr::ZarrSink;
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("embeddings.zarr");
    /// # let n_computed = AtomicUsize::new(0);
    /// // What the handler of a signal sets.
    /// static IS_STOPPED: AtomicBool = AtomicBool::new(false);
    ///
    /// let program = || {
    ///     let embeddings = LazyChunkSequence::from_fn([32; 10], |i| {
    ///         // Hours of work.
    /// #       IS_STOPPED.store(n_computed.fetch_add(1, Ordering::Relaxed) == 6, Ordering::Relaxed);
    ///         Array2::from_elem((32, 100), i as f32)
    ///     });
    ///     let sink = ZarrSink::new(&path)
    ///         .with_chunk_shape([32, 100])
    ///         .with_resume("model 17 of the digits, epoch 3")
    ///         .with_observer(|_: &Progress| match IS_STOPPED.load(Ordering::Relaxed) {
    ///             true => ControlFlow::Break(()),
    ///             false => ControlFlow::Continue(()),
    ///         });
    ///     embeddings.convert(NdarrayConverter).compute((MeanVariance, sink))
    /// };
    ///
    /// // Ctrl-C during the seventh block; then the program is started again, and computes the last three.
    /// assert!(matches!(program().unwrap_err(), Error::Cancelled { blocks: 7 }));
    /// # IS_STOPPED.store(false, Ordering::Relaxed);
    /// let (moments, stored) = program()?;
    /// assert_eq!(n_computed.load(Ordering::Relaxed), 10);
    /// assert_eq!((moments.mean, stored.shape()), (4.5, &[320, 100][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_resume(self, resume: impl Into<Resume>) -> ZarrSink {
        ZarrSink { resume: Some(resume.into()), ..self }
    }

    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.observer.as_ref().map(|observed| Arc::clone(&observed.0))
    }

    /// The bytes of memory that a write takes at most, above the block that the producer has just
    /// made, or the [window](lazy_core::LazyChunkSequence::with_window) of them that several threads make (and the
    /// chunks that these lie in, where a write goes on), and what the compressor allocates for itself.
    ///
    /// `row_shape` is the array's shape without axis 0; no block is larger than `block_shape` along
    /// any axis, and the first block has that shape. For a matrix it is about
    ///
    /// - the blocks that a row of chunks has parts of, and the row of chunks where there are several;
    /// - the blocks that a chunk has parts of, for each writer thread, and for half as many chunks that wait;
    /// - and a chunk for each writer thread, three where it is compressed, more with gzip.
    ///
    /// Blocks count whole, and as if they reached beyond the chunk at both ends. Automatic chunks take two more
    /// chunks and a block, until they are settled; where there are shards, they count instead of chunks. It
    /// does not depend on the number of rows.
    ///
    /// A write that [goes on](Self::with_resume) with an earlier one takes as much again for the chunks that
    /// are read back, and 256 KiB for the journal; above the bound come 50 bytes for each chunk that is
    /// complete.
    ///
    /// # Errors
    ///
    /// When the sink's settings make no sense, or do not fit the array: those of the settings' methods.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{Cut, DType};
    /// use lazy_zarr::ZarrSink;
    ///
    /// let sink = ZarrSink::new("array.zarr").with_chunk_shape([256, 8192]).with_writer_threads(2);
    /// let bytes = sink.memory_bound(Cut::Rows, DType::Float32, &[8192], &[100, 8192])?;
    /// assert_eq!(bytes >> 20, 109); // thirteen chunks of 8 MiB; 77 MiB where nothing is compressed
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When `block_shape` does not have one axis more than `row_shape`, or `row_shape` has none and
    /// axis 1 is cut.
    pub fn memory_bound(
        &self,
        cut: Cut,
        dtype: DType,
        row_shape: &[usize],
        block_shape: &[usize],
    ) -> Result<usize> {
        assert!(block_shape.len() == 1 + row_shape.len() && block_shape.len() >= cut.n_axes());
        self.check()?;
        self.check_array(dtype, block_shape.len())?;
        Ok(memory_bound(&MemoryBound {
            cut,
            layout: &self.layout,
            codec: self.codec,
            checksum: self.checksum(),
            n_threads: self.threads(),
            dtype,
            row_shape,
            block_shape,
            resumes: self.resume.is_some(),
        }))
    }

    pub(crate) fn threads(&self) -> usize {
        self.n_threads.unwrap_or_else(|| threads::cores().max(2))
    }

    /// Checks what can be said without an array.
    pub(crate) fn check(&self) -> Result<()> {
        self.layout.check()?;
        self.codec.check()?;
        for (name, value) in &self.attributes {
            if let Err(reason) = value {
                return Err(Error::Attribute { name: name.clone(), reason: reason.clone() });
            }
        }
        threads::check("the number of writer threads", self.n_threads)
    }

    /// Checks what can be said once the array's dtype and number of axes are known.
    pub(crate) fn check_array(&self, dtype: DType, n_axes: usize) -> Result<()> {
        let chunk_bytes = self.layout.check_array(dtype, n_axes)?;
        self.codec.check_chunk(chunk_bytes)?;
        match &self.dimension_names {
            Some(names) if names.len() != n_axes => {
                let names = names.iter().map(|name| name.clone().unwrap_or_default()).collect();
                return Err(Error::DimensionNames { names, n_axes });
            }
            _ => {}
        }
        match &self.fill {
            Some(fill) if fill.dtype != dtype => {
                Err(Error::FillValueDType { expected: dtype, actual: fill.dtype })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn format(&self, dtype: DType, layout: Layout, keys: KeySpace) -> Format {
        let n_axes = layout.chunk_shape.len();
        let of_member =
            |name: &str| (0..n_axes).map(|axis| Some(format!("{name}_{axis}"))).collect();
        Format {
            dtype,
            layout,
            keys,
            codec: self.codec,
            checksum: self.checksum(),
            fill: self.fill.clone().unwrap_or_else(|| FillElement::default_of(dtype)),
            dimension_names: self
                .dimension_names
                .clone()
                .or_else(|| self.target.member_name().map(of_member)),
            attributes: self
                .attributes
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.clone().ok()?)))
                .collect(),
        }
    }
}

impl Reducer for ZarrSink {
    type Partial = ArrayBlock;
    type State = Write;
    type Output = StoredArray;

    fn start(&self, declared: &Declared) -> lazy_core::Result<Write> {
        Ok(Write::start(self, declared)?)
    }

    fn recall(
        &self,
        write: &mut Write,
        at: BlockPosition,
    ) -> lazy_core::Result<Option<ArrayBlock>> {
        Ok(write.recall(at)?)
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> lazy_core::Result<ArrayBlock> {
        Ok(block.clone())
    }

    fn absorb(
        &self,
        write: &mut Write,
        at: BlockPosition,
        block: ArrayBlock,
    ) -> lazy_core::Result<()> {
        Ok(write.add(self, at, block)?)
    }

    fn seal(&self, write: &mut Write) -> lazy_core::Result<()> {
        Ok(write.seal(self)?)
    }

    fn finish(&self, write: Write) -> lazy_core::Result<StoredArray> {
        Ok(write.publish()?)
    }
}
