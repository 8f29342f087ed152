//! The Zarr sink: a reducer that stores the blocks of a sequence.

use std::time::Duration;

use lazy_core::{
    ArrayBlock, BlockMap, BlockPosition, Casting, DType, Element, Reducer, SequenceSpec,
};
use serde::Serialize;
use serde_json::Value;

#[cfg(doc)]
use crate::error::{Error, ErrorKind};
use crate::error::{Result, SettingError};
use crate::format::{MetadataChecksum, attribute, provenance};
use crate::read::StoredArray;
use crate::settings::{
    Checksum, Codec, Durability, Existing, FillElement, OldChunks, Resume, Sizes, WriteSettings,
};
use crate::target::Target;
use crate::write::base;
use crate::write::budget::{MemoryBound, memory_bound};
use crate::write::destination;
use crate::write::session::{CastBlock, Write};

/// Stores the blocks of a sequence as a Zarr v3 array.
///
/// A sink only holds settings. It is a [`Reducer`], so one pass can compute it together with
/// statistics; [`ToZarr::to_zarr`](crate::ToZarr::to_zarr) computes it alone. Its output is the
/// stored array.
///
/// The sink cuts and joins blocks of any sizes into whole chunks of one shape. It encodes and
/// writes each chunk once, on [several threads](Self::with_writer_threads). A chunk that covers
/// parts of several blocks keeps these blocks alive until it is written, so that their elements are
/// copied at most once, and not at all if chunks are uncompressed and the rows of the blocks are
/// long. Therefore a producer with a fixed number of buffers must not wait for a buffer to be
/// returned: it copies the blocks that it returns, or uses a [`BlockPool`](lazy_core::BlockPool),
/// which grows as needed.
///
/// The sink checks the target before the first block is computed. The array appears at the target
/// when it is complete. A write that fails leaves the target unchanged; [`Existing`] lists the
/// exceptions.
///
/// Chunks are stored in the target's directory under keys that the existing metadata does not
/// reference. When all chunks are stored, the new metadata replaces the old metadata atomically. A
/// small directory `.lazy.N` beside the chunks holds a lock, which keeps out other writes of the
/// same target, and the record of a resumable write. A write that fails removes all that it has
/// created, unless it is [resumable](Self::with_resume) and has stored a complete chunk. If a
/// process crashes, or a failed write cannot remove its files, its lock is released and the
/// directory remains: the next write of the target cleans up or [resumes](Self::with_resume), and
/// [`UnfinishedWrite`](crate::UnfinishedWrite) lists it. [`OldChunks`] determines when the chunks
/// of a replaced array are removed.
///
/// # Errors
///
/// The settings are checked when the sink is used, in this order:
///
/// - The settings that do not depend on the array, and the target: before the first block is
///   computed.
/// - The settings that depend on the array's dtype and number of axes: before the first block is
///   computed if [`with_row_type`](lazy_core::LazyChunkSequence::with_row_type) declares them,
///   otherwise with the first block.
///
/// The first error in writing that the sink notices ends the pass. [`ToZarr`](crate::ToZarr)
/// returns this crate's [`Error`]; a pass with other reducers returns it within
/// [`lazy_core::ErrorKind::Other`].
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
    /// Creates a sink with the default settings: automatic chunks of at most 8 MiB and no shards;
    /// the default [`Codec`] and [`Checksum`]; the fill value NaN for floats and complex numbers,
    /// and 0 or false otherwise; dimension names only for members of groups; no attributes except
    /// `provenance`; as many writer threads as there are cores, but at least two; an error if an
    /// array exists at the target.
    pub fn new(target: impl Into<Target>) -> ZarrSink {
        ZarrSink { settings: WriteSettings::new(target.into()) }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.settings.target
    }

    /// Checks that the sink does not append the result of a statistic.
    pub(crate) fn check_of_result(&self) -> Result<()> {
        if self.settings.existing == Existing::Append {
            let target = self.settings.target.to_string();
            return Err(SettingError::AppendedResult { target }.into());
        }
        Ok(())
    }

    pub(crate) fn with_target(mut self, target: Target) -> ZarrSink {
        self.settings.target = target;
        self
    }

    /// Names the axes, unless the user has named them.
    pub(super) fn or_dimension_names(mut self, names: Vec<String>) -> ZarrSink {
        let names = || names.into_iter().map(Some).collect();
        self.settings.dimension_names.get_or_insert_with(names);
        self
    }

    /// Sets how to treat an array that already exists at the target. By default, it is an error of
    /// the kind [`ErrorKind::Exists`].
    #[must_use]
    pub fn with_existing(mut self, existing: Existing) -> ZarrSink {
        self.settings.existing = existing;
        self
    }

    /// Sets which failures the array survives once it is published. By default, it survives power
    /// failures.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> ZarrSink {
        self.settings.durability = durability;
        self
    }

    /// Sets when the chunks of a replaced array are removed. By default they are kept, for readers
    /// that have opened the array.
    #[must_use]
    pub fn with_old_chunks(mut self, old_chunks: OldChunks) -> ZarrSink {
        self.settings.old_chunks = old_chunks;
        self
    }

    /// Takes over from a write that may still be running, instead of failing with
    /// [`ErrorKind::InUse`].
    ///
    /// This concerns file systems whose locks do not reach other machines (FUSE, some mounts of
    /// Lustre and NFS), if the other write was started on another machine. If that write is still
    /// running, it fails with [`ErrorKind::InUse`] before it publishes anything. A lock that does
    /// show that the other write is running is respected even with this setting.
    ///
    /// It also concerns stores, which have no locks: a write of a process that this machine cannot
    /// see counts as one that has ended.
    #[must_use]
    pub fn with_take_over(mut self) -> ZarrSink {
        self.settings.takes_over = true;
        self
    }

    /// Stores in a store that cannot put objects on a condition
    /// ([`PutCondition`](crate::PutCondition)), instead of failing with [`ErrorKind::Unsupported`].
    ///
    /// Two writes of the same target at once can then damage each other's arrays. With one write at
    /// a time, the promise holds: readers find the old array or the new one, whole.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
    /// use ndarray::array;
    ///
    /// let sink = ZarrSink::new(MemoryStore::new()).with_unconditional_puts();
    /// LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(sink)?;
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_unconditional_puts(mut self) -> ZarrSink {
        self.settings.is_unconditional = true;
        self
    }

    /// Sets the time between two renewals of a lease, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_lease_renewal(mut self, renewal: Duration) -> ZarrSink {
        self.settings.renewal = Some(renewal);
        self
    }

    /// Sets the shape of the chunks, in elements: one size for each axis of the array, and no size
    /// 0.
    ///
    /// When the sink is used, it returns [`ErrorKind::InvalidSetting`] if the shape contains a 0 or
    /// does not fit into the address space, if its number of axes differs from the array's, or if a
    /// chunk has more bytes than the codec accepts.
    #[must_use]
    pub fn with_chunk_shape(mut self, chunk_shape: impl Into<Vec<usize>>) -> ZarrSink {
        self.settings.layout.chunks = Some(Sizes::Explicit(chunk_shape.into()));
        self
    }

    /// Stores each block as one chunk, whatever its shape.
    ///
    /// If the sizes of the blocks are known before they are computed, as in indexed sequences, and
    /// are equal except for smaller ones at the ends of the axes, the array has a regular grid of
    /// chunks, which all readers know. Otherwise, it has a *rectilinear* grid, whose rows and
    /// columns of chunks have sizes of their own. Few readers know this one: this crate, zarrs, and
    /// zarr-python from version 3.2 on, with
    /// `zarr.config.set({"array.rectilinear_chunks": True})`. tensorstore does not. Rows cannot be
    /// [appended](Existing::Append) to such an array, and workers cannot share its write.
    ///
    /// In a rectilinear grid, blocks without elements have no chunk. [`StoredArray::chunk_sizes`]
    /// returns the sizes.
    ///
    /// The write returns [`ErrorKind::InvalidSetting`] if the blocks of a band do not have the
    /// columns of the first band, if there are more than 2²⁰ sizes of chunks along all axes
    /// together, if a block has more bytes than the codec accepts, or, before the first block, if
    /// there are shards.
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
    /// // The layers of a model, which have different numbers of parameters.
    /// let layers = LazyChunkSequence::new(|| [64, 1000, 10].map(|n| Array2::from_elem((n, 8), n as f32)));
    /// let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunks_of_blocks();
    /// let stored = layers.convert(NdarrayConverter).to_zarr(sink)?;
    /// assert_eq!((stored.shape(), stored.chunk_grid()), (&[1074, 8][..], "rectilinear"));
    /// assert_eq!(stored.stored_size()?.n_stored, 3);
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_chunks_of_blocks(mut self) -> ZarrSink {
        self.settings.layout.chunks = Some(Sizes::Blocks);
        self
    }

    /// Chooses the chunk shape automatically, with at most this many bytes per chunk before
    /// encoding. The default is 8 MiB, and 1 MiB in shards. A chunk has at least one element, even
    /// if that is larger.
    ///
    /// Blocks are joined into a chunk up to this size: first along the columns, then along the
    /// rows. A larger block is cut, first along the rows. A chunk is never larger than the array.
    /// Blocks of less than about 300 bytes lead to smaller chunks, because the sink cannot keep
    /// that many of them until it chooses the layout. If a chunk has more bytes than the codec
    /// accepts, the sink returns [`ErrorKind::InvalidSetting`] when it is used.
    #[must_use]
    pub fn with_chunk_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.settings.layout.chunks = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// Stores chunks in shards of this shape. A shard is a file that holds many chunks, which
    /// readers can read one by one. Its size along each axis is a multiple of the chunk size.
    ///
    /// The sink writes whole shards, so memory is counted in shards. A shard at the array's edge is
    /// written whole, padded with the fill value; a chunk that contains only the fill value takes
    /// only an entry in the shard's index. Automatic chunks divide the shard, which works best if
    /// its sizes have many divisors.
    ///
    /// When the sink is used, it returns [`ErrorKind::InvalidSetting`] if the shard shape is not a
    /// multiple of an explicit chunk shape, or would be invalid as a chunk shape.
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

    /// Chooses the shard shape automatically, with at most this many bytes per shard before
    /// encoding, but at least one chunk.
    ///
    /// Chunks are joined along the last axis first, then along the axis before it once they span
    /// the array.
    #[must_use]
    pub fn with_shard_bytes(mut self, target_bytes: usize) -> ZarrSink {
        self.settings.layout.shards = Some(Sizes::Automatic { target_bytes });
        self
    }

    /// Casts the blocks to a dtype before they are stored. The other reducers of the pass receive
    /// the original blocks, so one pass can store an array in several dtypes, and compute
    /// statistics from the elements before the cast.
    ///
    /// By default, a cast to the same or a larger kind of number is allowed, such as from float32
    /// to float16, which rounds; [`with_casting`](Self::with_casting) changes that. The elements
    /// are converted as by [`ArrayBlock::cast`], on the thread that computes the block. Blocks of
    /// this dtype are not copied, and are stored as without this setting.
    ///
    /// If a [resumed](Self::with_resume) sink casts to another dtype, its chunks do not contain the
    /// original blocks, so it restores no block. Another sink of the pass may restore the block in
    /// its own dtype, and this sink casts it again. A block that no sink restores is computed. This
    /// sink then compares its chunks with the blocks, keeps those that are equal, and stores the
    /// others again. To restore cast blocks, cast the
    /// [sequence](lazy_core::LazyChunkSequence::cast) instead of the sink.
    ///
    /// # Errors
    ///
    /// If the casting does not allow the cast, the sink returns
    /// [`lazy_core::ErrorKind::DType`]: before the first block is computed if the dtype of the
    /// blocks is declared, otherwise with the first block.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{BlockSizes, DType, LazyChunkSequence, MeanVariance, NdarrayConverter};
    /// use lazy_chunks::zarr::ZarrSink;
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = |name: &str| directory.path().join(name);
    /// let values = LazyChunkSequence::from_rows(BlockSizes::uniform(100, 10), |rows| {
    ///     Array2::from_elem((rows.len(), 4), rows.start as f32 + 0.1)
    /// });
    /// let sink = |name| ZarrSink::new(path(name)).with_resume("values of model 17");
    /// let (full, half, moments) = values.convert(NdarrayConverter).compute((
    ///     sink("values.zarr"),
    ///     sink("values16.zarr").with_dtype(DType::Float16),
    ///     MeanVariance,
    /// ))?;
    /// assert_eq!((full.dtype(), half.dtype()), (DType::Float32, DType::Float16));
    /// assert!((moments.mean - 45.1).abs() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> ZarrSink {
        self.settings.dtype = Some(dtype);
        self
    }

    /// Sets which casts [`with_dtype`](Self::with_dtype) allows. The default is
    /// [`Casting::SameKind`], as for the output arrays of NumPy: a cast may round, overflow or wrap
    /// within a kind of number, or go to a later kind in the order bool, unsigned, signed, float,
    /// complex.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{Casting, DType};
    /// use lazy_chunks::zarr::{StoredArray, ZarrSink, store};
    /// use ndarray::{Ix1, array};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("labels.zarr");
    /// let sink = ZarrSink::new(&path).with_dtype(DType::UInt8);
    /// let error = store(array![1.0, 2.0], sink.clone()).unwrap_err();
    /// assert!(lazy_chunks::report(&error).ends_with("a cast of float64 to uint8 may change values"));
    ///
    /// store(array![1.0, 2.0], sink.with_casting(Casting::Unsafe))?;
    /// assert_eq!(StoredArray::open(&path)?.read_array::<u8, Ix1>()?, array![1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_casting(mut self, casting: Casting) -> ZarrSink {
        self.settings.casting = casting;
        self
    }

    /// Sets the codec that encodes chunks. If the codec does not have the level, the sink returns
    /// [`ErrorKind::InvalidSetting`] when it is used.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> ZarrSink {
        self.settings.codec = Some(codec);
        self
    }

    /// Sets the checksum that is stored with each chunk, so that readers detect damage. The default
    /// is CRC-32C if chunks are compressed, and no checksum if they are not. The index of a shard
    /// always has a checksum.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> ZarrSink {
        self.settings.checksum = Some(checksum);
        self
    }

    /// Sets the value of elements that are not stored. It must have the array's dtype, because fill
    /// values are never cast: otherwise, the sink returns [`ErrorKind::InvalidSetting`] when it is
    /// used.
    #[must_use]
    pub fn with_fill_value<A: Element>(mut self, value: A) -> ZarrSink {
        self.settings.fill = Some(FillElement::new(value));
        self
    }

    /// Sets a name for each axis. If there are more or fewer names than axes, the sink returns
    /// [`ErrorKind::InvalidSetting`] when it is used.
    ///
    /// xarray opens a group only if all of its arrays name their axes. Therefore the axes of a
    /// [member](crate::Target::member) `values` are named `values_0`, `values_1` and so on by
    /// default. Other arrays have no dimension names by default.
    #[must_use]
    pub fn with_dimension_names<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> ZarrSink {
        let names = names.into_iter().map(|name| Some(name.into())).collect();
        self.settings.dimension_names = Some(names);
        self
    }

    /// Copies the user's attributes, the dimension names and the fill value of a stored array. A
    /// copy of the array needs them to keep its meaning: for instance, the attributes of packed
    /// data tell how to unpack it. Later settings replace the copied ones.
    ///
    /// # Errors
    ///
    /// The errors of [`StoredArray::fill_value`]. If another program gave the array an attribute
    /// `provenance`, the sink returns [`ErrorKind::InvalidSetting`] when it is used.
    ///
    /// # Example
    ///
    /// Copies an array into other chunks:
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
        let is_own = |name: &String, value: &Value| {
            name == provenance::ATTRIBUTE
                && (array.metadata_checksum() != MetadataChecksum::Missing
                    || provenance::is_own(value))
        };
        let attributes = array.attributes().iter().filter(|(name, value)| !is_own(name, value));
        self.settings.fill = Some(fill);
        self.settings.dimension_names = dimension_names;
        Ok(attributes.fold(self, |sink, (name, value)| sink.with_attribute(name, value)))
    }

    /// Adds a user attribute, which replaces an attribute of the same name. The value can be
    /// anything that JSON can hold.
    ///
    /// If JSON cannot hold the value, the sink returns [`ErrorKind::InvalidSetting`] when it is
    /// used. JSON has no NaN and no infinities, and an `f32` is written as the `f64` that equals
    /// it. The name `provenance` is reserved: the sink stores there the program and its version, a
    /// checksum of the metadata, and the sizes of the blocks that the array was stored from, as
    /// runs `[how many, size]` along each cut axis. A [resumable](Self::with_resume) write also
    /// stores a digest of its key and settings there.
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

    /// Sets the number of threads that encode and write chunks, at most 1024. The default, 0,
    /// stands for the number of cores, but at least 2; for an object store, it stands for as many
    /// threads as put 64 MiB of chunks at once, but at least 8 and at most 16. The stored bytes do
    /// not depend on this number. If it is larger than 1024, the sink returns
    /// [`ErrorKind::InvalidSetting`] when it is used.
    ///
    /// The thread that evaluates the sequence is one of them: it writes a chunk itself if the other
    /// threads are busy. With 1, it writes all chunks. If the producer waits for a device, a second
    /// thread can write meanwhile.
    #[must_use]
    pub fn with_writer_threads(mut self, n_threads: usize) -> ZarrSink {
        self.settings.n_threads = (n_threads > 0).then_some(n_threads);
        self
    }

    /// Makes the write resumable: completed chunks survive if it ends early, and the next write
    /// with the same key resumes from them.
    ///
    /// The key is a string that names everything that the blocks depend on: the model, the data,
    /// the parameters, the version of the program. [`Resume`] has more settings. If the unfinished
    /// write has another key, block grid, layout, codec or metadata, the write returns
    /// [`ErrorKind::ResumeMismatch`], and the message names the difference. All of this is checked
    /// before the first block is computed.
    ///
    /// The write records each completed chunk in a journal, with its checksum. A later write reads
    /// these chunks back, and passes their blocks to all reducers of its pass instead of calling
    /// the producer. It computes only the blocks that overlap a missing, truncated or corrupt
    /// chunk. The statistics of the same pass cover the whole array. The result has the same bits
    /// as an uninterrupted write, provided that equal keys imply equal blocks.
    ///
    /// If a complete array with the same key, block grid and settings exists at the target, the
    /// write succeeds: it reads the blocks back, computes no block, and writes nothing. So a
    /// program can be restarted until it succeeds, and a program that crashes between the arrays of
    /// a pass computes only the missing ones. With [`Existing::Replace`], the array is stored anew.
    /// With a [revision](Resume::with_revision), all blocks are computed and compared with the
    /// array instead; if a block differs, the write returns [`ErrorKind::Exists`].
    ///
    /// The journal costs little: in a file system in memory, chunks of 8 MiB took the same time
    /// with the default codec, uncompressed chunks took 1.15 times as long, and chunks of 4 KiB
    /// took 1.12 times as long.
    ///
    /// Several processes can share a resumable write: see [`Plan`](lazy_core::Plan).
    ///
    /// Only a sequence made from a grid and a function
    /// ([`from_fn`](lazy_core::LazyChunkSequence::from_fn)) can skip blocks. A streamed sequence
    /// returns [`ErrorKind::Unsupported`]. Without this setting, a write
    /// returns [`ErrorKind::Unfinished`] if the target has a resumable unfinished write;
    /// [`UnfinishedWrite`](crate::UnfinishedWrite) lists and removes unfinished writes.
    ///
    /// # Example
    ///
    /// A program that resumes when it is restarted, and stops cleanly on Ctrl-C:
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
    /// assert_eq!((error.blocks_done(), error.kept()[0].chunks), (Some(7), 7));
    /// println!("{error}"); // … after 7 blocks; 7 chunks of embeddings.zarr are kept (recorded in …/.lazy.0)
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

    /// Limits the memory of the write to this many bytes, counted as in
    /// [`memory_bound`](Self::memory_bound).
    ///
    /// The write uses fewer threads, and queues fewer chunks, until its bound is within the limit.
    /// If a write with one thread needs more than the limit, it fails with [`ErrorKind::Memory`]:
    /// before the first block if the sequence declares its row type and block grid, otherwise with
    /// the first block that is too large. Smaller chunks or blocks need less memory.
    ///
    /// A [limit of the pass](lazy_core::LazyChunkSequence::with_memory_limit) covers its statistics
    /// and all its sinks together. The sink stays within both limits in the same way: it counts the
    /// memory of one writer thread before the first block, and then uses as many threads as the
    /// statistics leave it memory for.
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

    /// Checks the settings, as far as they do not depend on the blocks, and the target: what exists
    /// there, and in the groups above it. Nothing is created.
    ///
    /// A write checks the same when it starts, before the first block is computed, and again before
    /// it publishes the array. This is for programs that have much to do before they start the
    /// write.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidSetting`] if a setting is invalid.
    /// - [`ErrorKind::Exists`], [`ErrorKind::Occupied`] and the other errors of a target at which
    ///   nothing can be stored.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::{ErrorKind, Existing, ZarrSink, store};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let sink = ZarrSink::new(&path);
    /// sink.check_target()?;
    /// store(array![1.0, 2.0], &path)?;
    /// assert_eq!(sink.check_target().unwrap_err().kind(), ErrorKind::Exists);
    /// sink.with_existing(Existing::Replace).check_target()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_target(&self) -> Result<()> {
        self.settings.check()?;
        destination::check(&self.settings)
    }

    /// Returns an upper bound on the memory of a write, in bytes.
    ///
    /// `spec` declares the row type. `block_shape` is the largest size of a block along each axis,
    /// and the shape of the first block. The bound does not count the block that the producer has
    /// just computed, the buffers that Blosc allocates for its blocks, or the [blocks in
    /// flight](lazy_core::LazyChunkSequence::with_max_in_flight) on several threads. If the write
    /// resumes, it also does not count the chunks that contain the blocks in flight. For a matrix
    /// the bound is about the sum of
    ///
    /// - the blocks that a row of chunks overlaps, and the row of chunks itself if it has several
    ///   chunks;
    /// - the blocks that a chunk overlaps, for each writer thread, and for half as many queued
    ///   chunks;
    /// - one chunk for each writer thread; three if chunks are compressed, and more with gzip;
    /// - the compressor of each writer thread: 3.5 MiB with Zstandard at its default level, and up
    ///   to 834 MiB at level 22.
    ///
    /// If the sink [casts](Self::with_dtype), all of these count in its dtype, with one more block.
    ///
    /// Blocks count in full, and as if they extended beyond the chunk at both ends. Automatic
    /// chunks take two more chunks and a block until their shape is chosen. With shards, the bound
    /// counts shards instead of chunks. It does not depend on the number of rows. With a
    /// [limit](Self::with_memory_limit), the bound is within the limit.
    ///
    /// If the sink [appends](Existing::Append) to an array, the chunks, shards and codecs are those
    /// of the array, which is opened. For a write that appends or [resumes](Self::with_resume), the
    /// bound counts the same amount again for
    /// the chunks that are read back, and 256 KiB for the journal. It does not count another
    /// 50 bytes for each complete chunk.
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
        let spec = &self.settings.cast_spec(spec)?;
        let row_type = spec.row_type().ok_or(SettingError::RowTypeUnknown)?;
        let (cut, row_shape) = (spec.cut(), &row_type.shape);
        if block_shape.len() != 1 + row_shape.len() || block_shape.len() < cut.n_axes() {
            let (block_shape, row_shape) = (block_shape.to_vec(), row_shape.clone());
            return Err(
                SettingError::BlockShape { block_shape, row_shape, n_cut: cut.n_axes() }.into()
            );
        }
        self.settings.check()?;
        let settings = base::settings_of(&self.settings.clone().for_sequence(spec))?;
        settings.check_array(row_type.dtype, block_shape.len())?;
        let bound = MemoryBound::of(&settings, cut, row_type, block_shape);
        let n_threads = bound.threads_within_limit(&settings)?;
        Ok(memory_bound(&MemoryBound { n_threads, ..bound }))
    }

    pub(crate) fn settings(&self) -> &WriteSettings {
        &self.settings
    }

    pub(crate) fn into_settings(self) -> WriteSettings {
        self.settings
    }
}

/// The map of a [`ZarrSink`], which casts blocks.
#[derive(Debug)]
pub struct SinkMap {
    dtype: Option<DType>,
    casting: Casting,
}

impl SinkMap {
    pub(crate) fn new(settings: &WriteSettings) -> SinkMap {
        SinkMap { dtype: settings.dtype, casting: settings.casting }
    }
}

impl BlockMap for SinkMap {
    type Partial = CastBlock;

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> lazy_core::Result<CastBlock> {
        Ok(match self.dtype {
            Some(dtype) => {
                CastBlock { from: block.dtype(), block: block.cast(dtype, self.casting)? }
            }
            None => block.clone().into(),
        })
    }
}

impl Reducer for ZarrSink {
    type Map = SinkMap;
    type Run = Write;
    type Output = StoredArray;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        let bytes = self.memory_bound(spec, &spec.largest_block()?).ok()?;
        u64::try_from(bytes).ok()
    }

    fn start(self, spec: &SequenceSpec) -> lazy_core::Result<(SinkMap, Write)> {
        let map = SinkMap::new(&self.settings);
        Ok((map, Write::start(&self.settings, spec)?))
    }
}
