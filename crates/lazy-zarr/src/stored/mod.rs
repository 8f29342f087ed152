//! A stored array, read back.

mod chunk;
mod defect;
mod describe;
mod gather;
mod memory;
mod open;
mod origin;
mod output;
mod read;
mod verify;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use lazy_core::{ArrayBlock, DType};
use serde_json::{Map, Value};
use zarrs::array::{Array, ArrayMetadata, ArrayShardedExt, CodecOptions};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits, StoreKey};

use crate::error::foreign;
use crate::format::dtype_of;
use crate::guard::guarded;
use crate::store::CompleteStore;
use crate::{Error, MetadataSeal, Result, Target};
pub use defect::{Defect, DefectKind};
pub use describe::StoredSize;
use gather::{Direct, InShards};
use memory::{caught, check_units};
use open::{locate, open_array};
pub(crate) use origin::{Origin, Source};
pub use verify::Verify;

/// A stored Zarr array: its metadata, and its elements when they are asked for.
///
/// Arrays of Zarr v3 and v2 are read. Cloning shares the handle, which is `Send` and `Sync`.
///
/// A handle reads the version of the array that it was made for. When the array is replaced or removed, the
/// next read returns [`Error::Replaced`] or [`Error::Removed`], so that no block and no sequence mixes two
/// versions. The handle keeps the metadata file open to recognize it; a program that changes chunks in
/// place, without writing the metadata, goes unnoticed. In a store instance, which has no files, the bytes
/// of the metadata are compared, so that a replacement by an array of equal metadata goes unnoticed.
///
/// Input is untrusted: whatever is wrong with the array is an error, before memory is allocated that
/// neither the array's own shapes nor the region ask for.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use lazy_core::{Concatenate, LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{MemoryStore, StoredArray, ToZarr};
/// use ndarray::{Array2, array};
///
/// let store = Arc::new(MemoryStore::new());
/// LazyChunkSequence::new(|| [array![[1, 2], [3, 4]], array![[5, 6]]])
///     .convert(NdarrayConverter)
///     .to_zarr(Arc::clone(&store))?;
///
/// let stored = StoredArray::open(store)?;
/// assert_eq!(stored.shape(), [3, 2]);
/// assert_eq!(stored.read_region(&[1..3, 0..1])?.as_slice::<i32>()?, [3, 5]);
///
/// // One pass's output is the next one's input, one block at a time.
/// let doubled = stored.sequence([2, 1])?.to_tensors(NdarrayConverter).map(|block: Array2<i32>| 2 * block);
/// assert_eq!(doubled.compute(Concatenate)?, array![[2, 4], [6, 8], [10, 12]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StoredArray {
    array: Arc<Array<dyn ReadableStorageTraits>>,
    store: ReadableStorage,
    origin: Origin,
    /// Where chunks can be read past the codecs.
    direct: Option<Direct>,
    /// The shards, where each of their chunks is read by itself.
    in_shards: Option<InShards>,
    n_threads: Option<usize>,
    missing: MissingChunks,
    seal: MetadataSeal,
    /// As the metadata has them; those of `array` are wrapped.
    codecs: Arc<[Value]>,
    attributes: Arc<Map<String, Value>>,
    target: String,
    dtype: DType,
    shape: Vec<usize>,
    chunk_grid: Arc<str>,
    chunk_shape: Vec<usize>,
    shard_shape: Option<Vec<usize>>,
}

/// What a chunk that is not there stands for.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{Error, MissingChunks, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path).with_chunk_shape([2]).with_fill_value(-1_i64);
/// let stored = LazyChunkSequence::new(|| [array![1_i64, 2, 3]])
///     .convert(NdarrayConverter)
///     .to_zarr(sink)?;
///
/// // This crate wrote all chunks, so one was lost.
/// std::fs::remove_file(path.join("c/1"))?;
/// assert!(matches!(stored.read(), Err(Error::ReadChunk { chunk, .. }) if chunk == [1]));
///
/// // What is left, with the fill value in place of what is not.
/// let remains = stored.with_missing_chunks(MissingChunks::FillValue).read()?;
/// assert_eq!(remains.as_slice::<i64>()?, [1, 2, -1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingChunks {
    /// Elements of the fill value, as Zarr has it.
    FillValue,
    /// A loss, and an error when it is read.
    Error,
}

impl StoredArray {
    /// Opens the array at a target.
    ///
    /// This crate writes every chunk of an array, so that one that is missing was lost: reading it is
    /// an error, as long as the metadata is as this crate wrote it. In an array that others stored,
    /// copied, resized or gave attributes it stands for the fill value, as Zarr has it.
    /// [`with_missing_chunks`](Self::with_missing_chunks) says otherwise: for instance after a program
    /// such as zarr-python wrote to the array, which removes chunks of nothing but fill value.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownScheme`], [`Error::InvalidUrl`], [`Error::InvalidPath`],
    ///   [`Error::InvalidStorePath`] and [`Error::InvalidName`] when the target leads nowhere.
    /// - [`Error::Examine`] and [`Error::Store`] when what lies there cannot be looked at.
    /// - [`Error::NothingThere`] and [`Error::NotAnArray`] when there is no array, and
    ///   [`Error::BrokenMetadata`] when its `zarr.json` is no JSON.
    /// - [`Error::Open`] when its metadata cannot be understood: an unknown codec, for instance.
    /// - [`Error::UnsupportedDataType`] when its data type has no counterpart.
    /// - [`Error::UnitMemory`] when memory cannot hold one of its chunks.
    pub fn open(target: impl Into<Target>) -> Result<StoredArray> {
        let target = target.into();
        let (source, metadata) = locate(&target)?;
        let (array, attributes) = caught(|| open_array(&source, &metadata))
            .map_err(|source| Error::Open { target: target.to_string(), source })?;
        StoredArray::from_array(&target, source, (&array, attributes), MetadataSeal::of(&metadata))
    }

    /// The same array, with another meaning of chunks that are not there.
    #[must_use]
    pub fn with_missing_chunks(self, missing: MissingChunks) -> StoredArray {
        let store: ReadableStorage = match missing {
            MissingChunks::FillValue => Arc::clone(&self.store),
            MissingChunks::Error => Arc::new(CompleteStore::new(Arc::clone(&self.store))),
        };
        StoredArray { array: Arc::new(self.array.with_storage(store)), missing, ..self }
    }

    /// The number of threads that read and decode the chunks of a region, or the shards: from 1 to 1024, and
    /// by default as many as there are cores. A region of one chunk is read by one thread, and so are the
    /// fewer the smaller a region is. What is read does not depend on it. Another number is
    /// [`Error::Setting`] when the array is read.
    #[must_use]
    pub fn with_reader_threads(self, n_threads: usize) -> StoredArray {
        StoredArray { n_threads: Some(n_threads), ..self }
    }

    /// Binds the handle to the version that was published just now, which has this metadata.
    pub(crate) fn pin_published(mut self, metadata: &[u8]) -> Result<StoredArray> {
        let replaced = |target: &String| Error::ReplacedAtOnce { target: target.clone() };
        let pinned = self.origin.pin("zarr.json").and_then(|()| {
            let key = StoreKey::new("zarr.json").expect("it is a key");
            let read = self.store.get(&key);
            read.map_err(|error| Error::Store { key: key.to_string(), source: foreign(error) })
        });
        match (&self.origin, pinned) {
            (Origin::Keys { .. }, _) => Ok(self),
            (_, Ok(Some(now))) if now == metadata => Ok(self),
            _ => Err(replaced(&self.target)),
        }
    }

    /// Checks that the array which lies at the target is still the one that was opened.
    pub(crate) fn check_is_there(&self) -> Result<()> {
        self.origin.check(&self.target)
    }

    /// The array of this metadata, which need not be there yet.
    pub(crate) fn new(
        target: &Target,
        source: Source,
        metadata: ArrayMetadata,
    ) -> Result<StoredArray> {
        let store = Arc::clone(&source.store);
        let array = Array::new_with_metadata(store, &source.path, metadata)
            .map_err(|error| Error::Metadata { source: foreign(error) })?;
        let attributes = array.attributes().clone();
        StoredArray::from_array(target, source, (&array, attributes), MetadataSeal::Intact)
    }

    fn from_array(
        target: &Target,
        source: Source,
        (array, attributes): (&Array<dyn ReadableStorageTraits>, Map<String, Value>),
        seal: MetadataSeal,
    ) -> Result<StoredArray> {
        let Source { store, path, origin } = source;
        let target = target.to_string();
        let dtype = dtype_of(array.data_type()).map_err(|data_type| {
            Error::UnsupportedDataType { target: target.clone(), data_type }
        })?;
        let open = |source: lazy_core::BoxError| Error::Open { target: target.clone(), source };
        let shape = as_usize(array.shape()).map_err(open)?;
        let unit = caught(|| array.chunk_shape(&vec![0; shape.len()])).map_err(open)?;
        let unit_shape = as_usize(&sizes(&unit)).map_err(open)?;
        let (chunk_shape, shard_shape) = match array.subchunk_shape() {
            Some(chunk_shape) => (as_usize(&sizes(&chunk_shape)).map_err(open)?, Some(unit_shape)),
            None => (unit_shape, None),
        };
        let named_codecs = describe::codecs(array.metadata()).into();
        let chunk_grid = array.chunk_grid().metadata().name().into();
        // Of shapes that are too strange, nothing is known.
        let in_shards = caught(|| Ok::<_, lazy_core::BoxError>(InShards::of(array, dtype, &unit)))
            .ok()
            .flatten();
        let array = caught(|| guarded_array(array, &unit, dtype, Arc::clone(&store), &path))
            .map_err(open)?;
        check_units(&target, dtype, &shape, &chunk_shape, shard_shape.as_deref())?;
        let missing = match seal {
            MetadataSeal::Intact => MissingChunks::Error,
            MetadataSeal::Broken | MetadataSeal::Absent => MissingChunks::FillValue,
        };
        let codecs = array.codecs();
        let chunk_codecs = in_shards.as_ref().map_or(&*codecs, InShards::chunk_codecs);
        let direct = Direct::of(chunk_codecs, dtype, &origin);
        let array = Arc::new(array);
        let stored = StoredArray {
            array,
            store,
            origin,
            direct,
            in_shards,
            n_threads: None,
            missing,
            seal,
            codecs: named_codecs,
            attributes: attributes.into(),
            target,
            dtype,
            shape,
            chunk_grid,
            chunk_shape,
            shard_shape,
        };
        Ok(stored.with_missing_chunks(missing))
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The chunks' size along each axis.
    #[must_use]
    pub fn chunk_shape(&self) -> &[usize] {
        &self.chunk_shape
    }

    /// Returns the name of the chunk grid: `regular`, or of another one, in which chunks differ in size. Then
    /// [`chunk_shape`](Self::chunk_shape) is that of the first chunk.
    #[must_use]
    pub fn chunk_grid(&self) -> &str {
        &self.chunk_grid
    }

    /// The shards' size along each axis, when chunks lie in shards.
    #[must_use]
    pub fn shard_shape(&self) -> Option<&[usize]> {
        self.shard_shape.as_deref()
    }

    /// Whether the metadata was as this crate wrote it when the array was opened.
    ///
    /// No bit of it turns over unnoticed: the seal is then [`Broken`](MetadataSeal::Broken), where the
    /// array can be opened at all. [`verify`](Self::verify) tells the same of the chunks.
    #[must_use]
    pub fn metadata_seal(&self) -> MetadataSeal {
        self.seal
    }

    /// The attributes: the user's, and `provenance`, which [`ZarrSink`](crate::ZarrSink) adds.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// The name of each axis, where it has one.
    #[must_use]
    pub fn dimension_names(&self) -> Option<&[Option<String>]> {
        self.array.dimension_names().as_deref()
    }

    /// The fill value: one element.
    ///
    /// # Errors
    ///
    /// [`Error::Sequence`] when the metadata holds no element of the array's dtype.
    pub fn fill_value(&self) -> Result<ArrayBlock> {
        let bytes = self.array.fill_value().as_ne_bytes().to_vec();
        Ok(ArrayBlock::new(self.dtype, [], bytes.into())?)
    }
}

/// The same array, whose codecs are guarded, for reading alone.
fn guarded_array(
    array: &Array<dyn ReadableStorageTraits>,
    unit_shape: &[NonZeroU64],
    dtype: DType,
    store: ReadableStorage,
    path: &str,
) -> Result<Array<dyn ReadableStorageTraits>, lazy_core::BoxError> {
    let codecs = guarded(&array.codecs(), unit_shape, dtype.size())?;
    let mut builder = array.builder();
    builder
        .fill_value(array.fill_value().clone())
        .array_to_bytes_codec(Arc::clone(codecs.array_to_bytes_codec()))
        .bytes_to_bytes_codecs(codecs.bytes_to_bytes_codecs().to_vec());
    Ok(builder.build(store, path)?)
}

/// One thread: blocks and chunks are what is spread over threads. Checksums are checked whatever the
/// program's global settings for zarrs say.
fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1).with_validate_checksums(true)
}

fn sizes(shape: &[NonZeroU64]) -> Vec<u64> {
    shape.iter().map(|size| size.get()).collect()
}

fn as_usize(shape: &[u64]) -> Result<Vec<usize>, lazy_core::BoxError> {
    Ok(shape.iter().map(|&size| usize::try_from(size)).collect::<Result<_, _>>()?)
}

impl fmt::Debug for StoredArray {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredArray")
            .field("target", &self.target)
            .field("dtype", &self.dtype)
            .field("shape", &self.shape)
            .field("chunk_shape", &self.chunk_shape)
            .field("shard_shape", &self.shard_shape)
            .finish()
    }
}
