//! The Zarr sink: a reducer that stores the blocks it is handed.

use lazy_core::{ArrayBlock, BlockPosition, Element, Reducer, SequenceSpec};
use serde::Serialize;

#[cfg(doc)]
use crate::error::{Error, ErrorKind};
use crate::error::{Result, SettingError};
use crate::format::{MetadataChecksum, attribute, provenance};
use crate::read::StoredArray;
use crate::settings::{
    Checksum, Codec, Durability, Existing, FillElement, OldChunks, Resume, Sizes, WriteSettings,
};
use crate::target::Target;
use crate::write::budget::{MemoryBound, memory_bound};
use crate::write::session::Write;

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
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::Arc;
///
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use lazy_chunks::zarr::{Codec, MemoryStore, ZarrSink};
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
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZarrSink {
    settings: WriteSettings,
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
        ZarrSink { settings: WriteSettings::new(target.into()) }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.settings.target
    }

    pub(crate) fn with_target(mut self, target: Target) -> ZarrSink {
        self.settings.target = target;
        self
    }

    /// What happens when there is an array at the target already: by default it is an error of the
    /// kind [`ErrorKind::Exists`].
    #[must_use]
    pub fn with_existing(mut self, existing: Existing) -> ZarrSink {
        self.settings.existing = existing;
        self
    }

    /// What the array survives once it is published: by default power failures.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> ZarrSink {
        self.settings.durability = durability;
        self
    }

    /// What becomes of the chunks of an array that is replaced: by default they are kept, for readers that
    /// have opened it.
    #[must_use]
    pub fn with_old_chunks(mut self, old_chunks: OldChunks) -> ZarrSink {
        self.settings.old_chunks = old_chunks;
        self
    }

    /// Takes over from a write that this file system cannot tell to have ended, instead of failing with
    /// [`ErrorKind::InUse`].
    ///
    /// That is so where locks do not reach other machines (FUSE, some mounts of Lustre and NFS), and the
    /// write was started on another one. Should it be running nevertheless, it fails with
    /// [`ErrorKind::InUse`] before it publishes anything. Locks that tell are heeded with this setting, too.
    #[must_use]
    pub fn with_take_over(mut self) -> ZarrSink {
        self.settings.takes_over = true;
        self
    }

    /// Chunks of this shape, in elements: one size for each axis of the array, none of them 0.
    ///
    /// A shape with a 0, or larger than memory can be, is [`ErrorKind::InvalidSetting`] when the sink is
    /// used. So is a shape with another number of axes than the array, or with more bytes than the codec
    /// takes.
    #[must_use]
    pub fn with_chunk_shape(mut self, chunk_shape: impl Into<Vec<usize>>) -> ZarrSink {
        self.settings.layout.chunks = Some(Sizes::Explicit(chunk_shape.into()));
        self
    }

    /// Automatic chunks of at most this many bytes before encoding, unless a single element is
    /// larger: 8 MiB by default, and 1 MiB in shards.
    ///
    /// Blocks are joined into a chunk as long as it stays below: first along the columns, then along
    /// the rows. A block that is larger is cut, the rows first. A chunk is never larger than the
    /// array. Blocks of less than about 300 bytes make smaller chunks, since so many of them cannot be
    /// kept until the layout is chosen. More bytes than the codec takes are
    /// [`ErrorKind::InvalidSetting`] when the sink is used.
    #[must_use]
    pub fn with_chunk_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.settings.layout.chunks = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// Shards of this shape, each a whole number of chunks along each axis: files that hold many
    /// chunks, of which readers take single ones.
    ///
    /// What is written at once is a shard, so memory is counted in shards. A shard at the array's edge
    /// is written whole, padded with the fill value; its chunks of nothing but fill value take an entry
    /// in its index alone. Automatic chunks divide the shard: best when its sizes have many divisors.
    ///
    /// Shards that are not a whole number of explicit chunks are [`ErrorKind::InvalidSetting`] when the
    /// sink is used, and so are shard shapes that would be invalid as chunk shapes.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::sync::Arc;
    ///
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
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
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_shard_shape(mut self, shard_shape: impl Into<Vec<usize>>) -> ZarrSink {
        self.settings.layout.shards = Some(Sizes::Explicit(shard_shape.into()));
        self
    }

    /// Automatic shards of at most this many bytes before encoding, but of at least one chunk.
    ///
    /// Chunks are joined along the last axis first, along the axis before it when they span the array.
    #[must_use]
    pub fn with_shard_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.settings.layout.shards = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// How chunks are encoded. A level that the codec does not have is
    /// [`ErrorKind::InvalidSetting`] when the sink is used.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> ZarrSink {
        self.settings.codec = codec;
        self
    }

    /// What is stored with each chunk to tell later whether its bytes are what was written: by default
    /// CRC-32C where chunks are compressed, and nothing where they are not. The index of a shard always has
    /// a checksum.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> ZarrSink {
        self.settings.checksum = Some(checksum);
        self
    }

    /// The value of elements that are not stored, of the array's dtype. One of another dtype is
    /// [`ErrorKind::InvalidSetting`] when the sink is used; nothing is cast.
    #[must_use]
    pub fn with_fill_value<A: Element>(mut self, value: A) -> ZarrSink {
        self.settings.fill = Some(FillElement::new(value));
        self
    }

    /// Sets a name for each axis. Fewer or more than the array has axes are
    /// [`ErrorKind::InvalidSetting`] when the sink is used.
    ///
    /// xarray opens a group only if all of its arrays have names for their axes. So those of a
    /// [member](crate::Target::member) `values` are `values_0`, `values_1` and so on by default. Other arrays have none.
    #[must_use]
    pub fn with_dimension_names<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> ZarrSink {
        let names = names.into_iter().map(|name| Some(name.into())).collect();
        self.settings.dimension_names = Some(names);
        self
    }

    /// Takes the user's attributes, the dimension names and the fill value of a stored array, which a copy of it
    /// needs to mean the same: packed data, for instance, say in attributes how they are unpacked. What is set after
    /// this replaces what was taken.
    ///
    /// # Errors
    ///
    /// Those of [`StoredArray::fill_value`]. An attribute `provenance` that another program has given the array is
    /// [`ErrorKind::InvalidSetting`] when the sink is used.
    ///
    /// # Example
    ///
    /// A copy in other chunks:
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{StoredArray, ToZarr, ZarrSink};
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
    pub fn with_properties_of(mut self, array: &StoredArray) -> Result<ZarrSink> {
        let fill = array.fill_value()?;
        let fill = FillElement { dtype: fill.dtype(), bytes: fill.data().to_vec() };
        let dimension_names = array.dimension_names().map(<[_]>::to_vec);
        let is_own = |name: &String| {
            name == provenance::ATTRIBUTE && array.metadata_checksum() != MetadataChecksum::Missing
        };
        let attributes = array.attributes().iter().filter(|(name, _)| !is_own(name));
        self.settings.fill = Some(fill);
        self.settings.dimension_names = dimension_names;
        Ok(attributes.fold(self, |sink, (name, value)| sink.with_attribute(name, value)))
    }

    /// Adds a user attribute, replacing one of the same name: anything that JSON can hold.
    ///
    /// One that JSON cannot hold is [`ErrorKind::InvalidSetting`] when the sink is used; NaN and infinities are no
    /// JSON, and an `f32` is written as the `f64` that it equals. The name `provenance` is taken: there the sink writes down the program and its version, a
    /// checksum of the metadata, and the sizes of the blocks that it was stored from, as runs `[how many, size]`
    /// along each axis that was cut; and of a [resumable](Self::with_resume) write a digest of its key and settings.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::ZarrSink;
    ///
    /// let sink = ZarrSink::new("values.zarr")
    ///     .with_attribute("l2", 1e-3)
    ///     .with_attribute("classes", ["cat", "dog"]);
    /// # let _ = sink;
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Serialize) -> ZarrSink {
        let name = name.into();
        self.settings.attributes.insert(name.clone(), attribute(&name, &value));
        self
    }

    /// Sets the number of threads that encode and write chunks, at most 1024. 0, the default, stands for the number
    /// of cores, but at least 2. The stored bytes do not depend on it. More than 1024 are
    /// [`ErrorKind::InvalidSetting`] when the sink is used.
    ///
    /// The thread that evaluates the sequence is one of them: it writes a chunk itself if the others have enough to
    /// do. With 1, it writes all chunks. A producer that waits for a device keeps a second thread busy.
    #[must_use]
    pub fn with_writer_threads(mut self, n_threads: usize) -> ZarrSink {
        self.settings.n_threads = (n_threads > 0).then_some(n_threads);
        self
    }

    /// Makes the write resumable: completed chunks survive when it ends early, and the next write with the same key
    /// continues from them.
    ///
    /// The key is a text that names all that the blocks depend on: the model, the data, the parameters, the version
    /// of the program. [`Resume`] has more settings. An unfinished write with another key is
    /// [`ErrorKind::ResumeMismatch`], and so is one of another block grid, layout, codec or metadata; the message names
    /// what differs. All that is found out before the first block is computed.
    ///
    /// Each chunk that is complete is noted in a journal, with its checksum. A later write reads those
    /// chunks back, and hands their blocks to all reducers of its pass in place of the producer. So it
    /// computes only the blocks that touch a chunk which is missing, torn or corrupt; the statistics beside
    /// it are of the whole array; and the result has the same bits as that of a write which nothing
    /// interrupted, as long as equal keys have equal blocks.
    ///
    /// An array with the same key, block grid and settings that is complete at the target is no error: its blocks are
    /// read back, no block is computed, and nothing is written. So a program that is started again and again until
    /// it succeeds comes to its end, and one that dies between the arrays of a pass makes only those that are
    /// missing. With [`Existing::Replace`], the array is stored anew.
    ///
    /// That costs little: chunks of 8 MiB in the default codec were stored in as much time, in a file system in
    /// memory, uncompressed ones in 1.15 times, and chunks of 4 KiB in 1.12 times.
    ///
    /// Only sequences that are made of a grid and a function ([`from_fn`](lazy_core::LazyChunkSequence::from_fn))
    /// can leave out blocks. A streamed sequence, and a target in a store, are
    /// [`ErrorKind::Unsupported`].
    /// Without this setting, a write of a target of which such an unfinished one exists is
    /// [`ErrorKind::Unfinished`]; [`UnfinishedWrite`](crate::UnfinishedWrite) lists and removes them.
    ///
    /// # Example
    ///
    /// A program that goes on when it is started again, and stops in order on Ctrl-C:
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    ///
    /// use lazy_chunks::{Error, LazyChunkSequence, MeanVariance, NdarrayConverter};
    /// use lazy_chunks::zarr::ZarrSink;
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("embeddings.zarr");
    /// # let n_computed = AtomicUsize::new(0);
    /// // The handler of Ctrl-C sets this flag.
    /// static CANCEL: AtomicBool = AtomicBool::new(false);
    ///
    /// let program = || {
    ///     let embeddings = LazyChunkSequence::from_fn([32; 10], |i| {
    ///         // Hours of work.
    /// #       CANCEL.store(n_computed.fetch_add(1, Ordering::Relaxed) == 6, Ordering::Relaxed);
    ///         Array2::from_elem((32, 100), i as f32)
    ///     });
    ///     let sink = ZarrSink::new(&path)
    ///         .with_chunk_shape([32, 100])
    ///         .with_resume("model 17 of the digits, epoch 3");
    ///     let blocks = embeddings.convert(NdarrayConverter).with_observer(&CANCEL);
    ///     blocks.compute((MeanVariance, sink))
    /// };
    ///
    /// // Ctrl-C during the seventh block; then the program is started again, and computes the last three.
    /// let error = program().unwrap_err();
    /// assert!(matches!(&error, Error::Cancelled { blocks: 7, kept } if kept[0].chunks == 7));
    /// println!("{error}"); // … after 7 blocks; 7 chunks of embeddings.zarr are kept (…/.lazy.0)
    /// # CANCEL.store(false, Ordering::Relaxed);
    /// let (moments, stored) = program()?;
    /// assert_eq!(n_computed.load(Ordering::Relaxed), 10);
    /// assert_eq!((moments.mean, stored.shape()), (4.5, &[320, 100][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_resume(mut self, resume: impl Into<Resume>) -> ZarrSink {
        self.settings.resume = Some(resume.into());
        self
    }

    /// Limits the memory of the write to so many bytes, counted as [`memory_bound`](Self::memory_bound) does.
    ///
    /// The write uses fewer threads, and lets fewer chunks wait, until its bound is within the limit. If one thread
    /// needs more than the limit, the write fails with [`ErrorKind::Memory`]: before the
    /// first block if the sequence declares its row type and block grid, otherwise with the first block that is too
    /// large. Smaller chunks or blocks need less.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{DType, LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr, ZarrSink};
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let sequence = LazyChunkSequence::from_fn([100; 10], |_| Array2::<f32>::zeros((100, 8192)))
    ///     .convert(NdarrayConverter)
    ///     .with_row_type(DType::Float32, [8192]);
    /// let sink = ZarrSink::new(&path).with_chunk_shape([256, 8192]).with_writer_threads(4);
    ///
    /// let error = sequence.to_zarr(sink.clone().with_memory_limit(8 << 20)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Memory);
    ///
    /// let sink = sink.with_memory_limit(100 << 20);
    /// assert!(sink.memory_bound(sequence.spec(), &[100, 8192])? <= 100 << 20);
    /// sequence.to_zarr(sink)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: u64) -> ZarrSink {
        self.settings.memory_limit = Some(bytes);
        self
    }

    /// Returns the bytes of memory that a write takes at most.
    ///
    /// `spec` declares the row type; no block is larger than `block_shape` along any axis, and the first block has
    /// that shape. The bound does not count the block that the producer has just made, or the
    /// [blocks in flight](lazy_core::LazyChunkSequence::with_max_in_flight) on several threads (and, in a write that
    /// resumes, the chunks that these lie in), and the memory that the compressor allocates for itself. For a matrix
    /// the bound is about
    ///
    /// - the blocks that a row of chunks has parts of, and the row of chunks if it has several;
    /// - the blocks that a chunk has parts of, for each writer thread, and for half as many chunks that wait;
    /// - a chunk for each writer thread; three if chunks are compressed, more with gzip.
    ///
    /// Blocks count whole, and as if they extended beyond the chunk at both ends. Automatic chunks take two more chunks
    /// and a block until their shape is chosen. If there are shards, they count instead of chunks. The bound does not
    /// depend on the number of rows. With a [limit](Self::with_memory_limit), it is within the limit.
    ///
    /// A write that [resumes](Self::with_resume) takes as much again for the chunks that it reads back, and 256 KiB for
    /// the journal; 50 bytes for each complete chunk come on top.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidSetting`] if a setting is invalid or does not fit the
    ///   array, if `spec` declares no row type, or if `block_shape` does not fit it.
    /// - [`ErrorKind::Memory`] if the write cannot stay within its limit.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{ArrayBlock, DType, LazyChunkSequence};
    /// use lazy_chunks::zarr::ZarrSink;
    ///
    /// let sequence = LazyChunkSequence::new(Vec::<ArrayBlock>::new).with_row_type(DType::Float32, [8192]);
    /// let sink = ZarrSink::new("array.zarr").with_chunk_shape([256, 8192]).with_writer_threads(2);
    /// let bytes = sink.memory_bound(sequence.spec(), &[100, 8192])?;
    /// assert_eq!(bytes >> 20, 109); // thirteen chunks of 8 MiB; 77 MiB without compression
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    pub fn memory_bound(&self, spec: &SequenceSpec, block_shape: &[usize]) -> Result<usize> {
        let row_type = spec.row_type().ok_or(SettingError::RowTypeUnknown)?;
        let (cut, row_shape) = (spec.cut(), &row_type.shape);
        if block_shape.len() != 1 + row_shape.len() || block_shape.len() < cut.n_axes() {
            let (block_shape, row_shape) = (block_shape.to_vec(), row_shape.clone());
            return Err(
                SettingError::BlockShape { block_shape, row_shape, n_cut: cut.n_axes() }.into()
            );
        }
        self.settings.check()?;
        self.settings.check_array(row_type.dtype, block_shape.len())?;
        let bound = MemoryBound::of(&self.settings, cut, row_type, block_shape);
        let n_threads = bound.threads_within_limit(&self.settings)?;
        Ok(memory_bound(&MemoryBound { n_threads, ..bound }))
    }
}

impl Reducer for ZarrSink {
    type Map = fn(BlockPosition, &ArrayBlock) -> lazy_core::Result<ArrayBlock>;
    type Run = Write;
    type Output = StoredArray;

    fn start(self, spec: &SequenceSpec) -> lazy_core::Result<(Self::Map, Write)> {
        Ok((|_, block| Ok(block.clone()), Write::start(self.settings, spec)?))
    }
}
