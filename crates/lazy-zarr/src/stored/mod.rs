//! A stored array, read back.

mod open;
mod read;

use std::fmt;
use std::sync::Arc;

use lazy_core::{ArrayBlock, DType};
use serde_json::{Map, Value};
use zarrs::array::{Array, ArrayMetadata, ArrayShardedExt};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

use crate::format::dtype_of;
use crate::store::CompleteStore;
use crate::{Error, Result, Target};
use open::{is_sealed, locate};

/// A stored Zarr array: its metadata, and its elements when they are asked for.
///
/// Arrays of Zarr v3 and v2 are read. Cloning shares the handle, which is `Send` and `Sync`.
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
    target: String,
    dtype: DType,
    shape: Vec<usize>,
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
    pub fn open(target: impl Into<Target>) -> Result<StoredArray> {
        let target = target.into();
        let (store, path) = locate(&target)?;
        let array = Array::open(Arc::clone(&store), &path)
            .map_err(|error| Error::Open { target: target.to_string(), source: error.into() })?;
        let missing = match is_sealed(&*store, &path) {
            true => MissingChunks::Error,
            false => MissingChunks::FillValue,
        };
        Ok(StoredArray::from_array(&target, store, array)?.with_missing_chunks(missing))
    }

    /// The same array, with another meaning of chunks that are not there.
    #[must_use]
    pub fn with_missing_chunks(self, missing: MissingChunks) -> StoredArray {
        let store: ReadableStorage = match missing {
            MissingChunks::FillValue => Arc::clone(&self.store),
            MissingChunks::Error => Arc::new(CompleteStore::new(Arc::clone(&self.store))),
        };
        StoredArray { array: Arc::new(self.array.with_storage(store)), ..self }
    }

    /// The array of this metadata, which need not be there yet.
    pub(crate) fn new(
        target: &Target,
        store: ReadableStorage,
        path: &str,
        metadata: ArrayMetadata,
    ) -> Result<StoredArray> {
        let array = Array::new_with_metadata(Arc::clone(&store), path, metadata)
            .map_err(|error| Error::Metadata { source: error.into() })?;
        let stored = StoredArray::from_array(target, store, array)?;
        Ok(stored.with_missing_chunks(MissingChunks::Error))
    }

    fn from_array(
        target: &Target,
        store: ReadableStorage,
        array: Array<dyn ReadableStorageTraits>,
    ) -> Result<StoredArray> {
        let target = target.to_string();
        let dtype = dtype_of(array.data_type()).map_err(|data_type| {
            Error::UnsupportedDataType { target: target.clone(), data_type }
        })?;
        let open = |source: lazy_core::BoxError| Error::Open { target: target.clone(), source };
        let shape = array.shape().iter().map(|&size| usize::try_from(size));
        let shape = shape.collect::<Result<Vec<_>, _>>().map_err(|error| open(error.into()))?;
        let unit_shape =
            array.chunk_shape_usize(&vec![0; shape.len()]).map_err(|error| open(error.into()))?;
        let (chunk_shape, shard_shape) = match array.subchunk_shape() {
            Some(chunk_shape) => {
                (chunk_shape.iter().map(|size| size.get() as usize).collect(), Some(unit_shape))
            }
            None => (unit_shape, None),
        };
        let array = Arc::new(array);
        Ok(StoredArray { array, store, target, dtype, shape, chunk_shape, shard_shape })
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

    /// The shards' size along each axis, when chunks lie in shards.
    #[must_use]
    pub fn shard_shape(&self) -> Option<&[usize]> {
        self.shard_shape.as_deref()
    }

    /// The attributes: the user's, and `provenance`, which [`ZarrSink`](crate::ZarrSink) adds.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        self.array.attributes()
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
