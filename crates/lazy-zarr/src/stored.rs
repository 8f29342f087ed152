//! A stored array, read back.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use lazy_core::{
    ArrayBlock, BlockSizes, DType, LazyChunkSequence, NestedLazyChunkSequence, SharedIndexed,
};
use serde_json::{Map, Value};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArrayShardedExt, ArraySubset, CodecOptions};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits, ReadableWritableStorageTraits};

use crate::format::dtype_of;
use crate::store::DirectoryStore;
use crate::target::Resolved;
use crate::{Error, Result, Target};

/// A stored Zarr array: its metadata, and its elements when they are asked for.
///
/// Cloning shares the handle. It is `Send` and `Sync`.
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
    target: String,
    dtype: DType,
    shape: Vec<usize>,
    chunk_shape: Vec<usize>,
    shard_shape: Option<Vec<usize>>,
}

impl StoredArray {
    /// Opens the array at a target.
    ///
    /// # Errors
    ///
    /// - [`Error::Open`] when there is no array, or its metadata cannot be understood.
    /// - [`Error::UnsupportedDataType`] when its data type has no counterpart.
    pub fn open(target: impl Into<Target>) -> Result<StoredArray> {
        let target = target.into();
        let (store, path): (ReadableStorage, String) = match target.resolve()? {
            Resolved::Directory { file_system, path } => {
                (Arc::new(DirectoryStore::new(file_system, path)), "/".to_owned())
            }
            Resolved::Store { store, path } => {
                (ReadableWritableStorageTraits::readable(store.readable_writable()), path)
            }
        };
        let array = Array::open(store, &path)
            .map_err(|error| Error::Open { target: target.to_string(), source: error.into() })?;
        StoredArray::from_array(&target, array)
    }

    /// The array of this metadata, which need not be there yet.
    pub(crate) fn new(
        target: &Target,
        store: ReadableStorage,
        path: &str,
        metadata: ArrayMetadata,
    ) -> Result<StoredArray> {
        let array = Array::new_with_metadata(store, path, metadata)
            .map_err(|error| Error::Metadata { source: error.into() })?;
        StoredArray::from_array(target, array)
    }

    fn from_array(target: &Target, array: Array<dyn ReadableStorageTraits>) -> Result<StoredArray> {
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
        Ok(StoredArray { array, target, dtype, shape, chunk_shape, shard_shape })
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

    /// The user attributes.
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

    /// Reads the whole array.
    ///
    /// # Errors
    ///
    /// Those of [`read_region`](Self::read_region).
    pub fn read(&self) -> Result<ArrayBlock> {
        let region: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        self.read_region(&region)
    }

    /// Reads a region: one range of indices for each axis.
    ///
    /// # Errors
    ///
    /// - [`Error::Region`] when the region does not lie within the array.
    /// - [`Error::Read`] when a chunk cannot be read or decoded.
    pub fn read_region(&self, region: &[Range<usize>]) -> Result<ArrayBlock> {
        let fits = region.len() == self.shape.len()
            && region
                .iter()
                .zip(&self.shape)
                .all(|(range, &size)| range.start <= range.end && range.end <= size);
        if !fits {
            return Err(Error::Region { region: region.to_vec(), shape: self.shape.clone() });
        }
        let shape: Vec<_> = region.iter().map(Range::len).collect();
        if shape.contains(&0) {
            return Ok(ArrayBlock::new(self.dtype, shape, bytes::Bytes::new())?);
        }
        let failed = |source: lazy_core::BoxError| Error::Read {
            target: self.target.clone(),
            region: region.to_vec(),
            source,
        };
        let ranges: Vec<_> =
            region.iter().map(|range| range.start as u64..range.end as u64).collect();
        // One thread: blocks are what is spread over threads.
        let options = CodecOptions::default().with_concurrent_target(1);
        let bytes: ArrayBytes<'static> = self
            .array
            .retrieve_array_subset_opt(&ArraySubset::new_with_ranges(&ranges), &options)
            .map_err(|error| failed(error.into()))?;
        let bytes =
            bytes.into_fixed().map(Cow::into_owned).map_err(|error| failed(error.into()))?;
        ArrayBlock::new(self.dtype, shape, bytes.into()).map_err(|error| failed(error.into()))
    }

    /// The array as a sequence of blocks of these many rows, each read when it is asked for.
    ///
    /// Blocks that are whole multiples of [`chunk_shape`](Self::chunk_shape) read every chunk once.
    ///
    /// # Errors
    ///
    /// [`Error::BlockSizes`] when the blocks do not add up to the array's rows.
    pub fn sequence(
        &self,
        rows: impl Into<BlockSizes>,
    ) -> Result<LazyChunkSequence<'static, ArrayBlock, SharedIndexed>> {
        let rows = self.blocks_along(0, rows.into())?;
        let (stored, sizes) = (self.clone(), rows.clone());
        let sequence = LazyChunkSequence::try_from_fn(rows, move |i| {
            let mut region: Vec<_> = stored.shape.iter().map(|&size| 0..size).collect();
            region[0] = sizes.range(i);
            stored.read_region(&region)
        });
        Ok(sequence.with_row_type(self.dtype, &self.shape[1..]))
    }

    /// The array as a nested sequence of blocks of these many rows and columns, each read when it
    /// is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::BlockSizes`] when the blocks do not add up to the array's rows and columns.
    pub fn nested_sequence(
        &self,
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> Result<NestedLazyChunkSequence<'static, ArrayBlock, SharedIndexed>> {
        let rows = self.blocks_along(0, rows.into())?;
        let columns = self.blocks_along(1, columns.into())?;
        let (stored, row_sizes, column_sizes) = (self.clone(), rows.clone(), columns.clone());
        let sequence = NestedLazyChunkSequence::try_from_fn(rows, columns, move |i, j| {
            let mut region: Vec<_> = stored.shape.iter().map(|&size| 0..size).collect();
            region[0] = row_sizes.range(i);
            region[1] = column_sizes.range(j);
            stored.read_region(&region)
        });
        Ok(sequence.with_row_type(self.dtype, &self.shape[1..]))
    }

    fn blocks_along(&self, axis: usize, sizes: BlockSizes) -> Result<BlockSizes> {
        if self.shape.get(axis) == Some(&sizes.total()) {
            return Ok(sizes);
        }
        Err(Error::BlockSizes { axis, actual: sizes.total(), shape: self.shape.clone() })
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
