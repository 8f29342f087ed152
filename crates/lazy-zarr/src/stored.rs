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
use zarrs::storage::{
    ListableStorageTraits, ReadableStorage, ReadableStorageTraits, ReadableWritableStorageTraits,
    StorePrefix,
};

use crate::format::dtype_of;
use crate::node::{Node, node_at_path, node_in_store};
use crate::store::{CompleteStore, DirectoryStore};
use crate::target::{Resolved, ResolvedPlace};
use crate::{EntryKind, Error, Result, Target, provenance};

/// A stored Zarr array: its metadata, and its elements when they are asked for.
///
/// Arrays of Zarr v3 and v2 are read. Cloning shares the handle.
/// It is `Send` and `Sync`.
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
    /// an error. In an array that others stored or resized it stands for the fill value.
    /// [`with_missing_chunks`](Self::with_missing_chunks) says otherwise.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownScheme`], [`Error::InvalidUrl`], [`Error::InvalidStorePath`] and
    ///   [`Error::InvalidName`] when the target leads nowhere.
    /// - [`Error::Examine`] and [`Error::Store`] when what lies there cannot be looked at.
    /// - [`Error::NothingThere`] and [`Error::NotAnArray`] when there is no array.
    /// - [`Error::Open`] when its metadata cannot be understood: an unknown codec, for instance.
    /// - [`Error::UnsupportedDataType`] when its data type has no counterpart.
    pub fn open(target: impl Into<Target>) -> Result<StoredArray> {
        let target = target.into();
        let Resolved { place, members } = target.resolve()?;
        let (store, path): (ReadableStorage, String) = match place {
            ResolvedPlace::Directory { file_system, mut path } => {
                path.extend(&members);
                let node = node_at_path(&*file_system, &path)?;
                check_array(&target, node, || {
                    let mut names = file_system.list(&path).unwrap_or_default();
                    names.retain(|name| {
                        matches!(file_system.kind(&path.join(name)), Ok(Some(EntryKind::Directory)))
                    });
                    names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect()
                })?;
                (Arc::new(DirectoryStore::new(file_system, path)), "/".to_owned())
            }
            ResolvedPlace::Store { store, path } => {
                let mut names: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
                names.extend(members.iter().map(String::as_str));
                let path = names.join("/");
                let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
                let prefix = StorePrefix::new(prefix).map_err(|error| Error::InvalidStorePath {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                check_array(&target, node_in_store(&*store, &prefix)?, || {
                    let below = store.list_dir(&prefix).map(|below| below.prefixes().to_vec());
                    let name = |below: StorePrefix| {
                        below.as_str()[prefix.as_str().len()..].trim_end_matches('/').to_owned()
                    };
                    below.unwrap_or_default().into_iter().map(name).collect()
                })?;
                let store = ReadableWritableStorageTraits::readable(store.readable_writable());
                (store, format!("/{path}"))
            }
        };
        let array = Array::open(Arc::clone(&store), &path)
            .map_err(|error| Error::Open { target: target.to_string(), source: error.into() })?;
        StoredArray::from_array(&target, store, array)
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
        StoredArray::from_array(target, store, array)
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
        let missing = match provenance::stored_shape(array.attributes()) {
            Some(stored) if stored == shape => MissingChunks::Error,
            _ => MissingChunks::FillValue,
        };
        let array = Arc::new(array);
        let stored = StoredArray { array, store, target, dtype, shape, chunk_shape, shard_shape };
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
    /// - [`Error::ReadChunk`] when a chunk is missing, or cannot be read or decoded.
    /// - [`Error::Read`] when it is not one chunk that fails.
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
        let subset = ArraySubset::new_with_ranges(&ranges);
        let bytes: ArrayBytes<'static> = self
            .array
            .retrieve_array_subset_opt(&subset, &one_thread())
            .map_err(|error| self.broken_chunk(&subset).unwrap_or_else(|| failed(error.into())))?;
        let bytes =
            bytes.into_fixed().map(Cow::into_owned).map_err(|error| failed(error.into()))?;
        ArrayBlock::new(self.dtype, shape, bytes.into()).map_err(|error| failed(error.into()))
    }

    /// The first chunk of a region that cannot be read, and why.
    fn broken_chunk(&self, subset: &ArraySubset) -> Option<Error> {
        let chunks = self.array.chunks_in_array_subset(subset).ok().flatten()?;
        chunks.indices().into_iter().find_map(|chunk| {
            let read = self.array.retrieve_chunk_opt::<ArrayBytes<'static>>(&chunk, &one_thread());
            read.err().map(|error| Error::ReadChunk {
                target: self.target.clone(),
                chunk: chunk.iter().map(|&index| index as usize).collect(),
                key: self.array.chunk_key_encoding().encode(&chunk).to_string(),
                source: error.into(),
            })
        })
    }

    /// The array as a sequence of blocks of these many rows, each read when it is asked for.
    ///
    /// Blocks of a whole number of chunks' rows ([`chunk_shape`](Self::chunk_shape)) read every chunk
    /// once.
    ///
    /// # Errors
    ///
    /// [`Error::BlockSizes`] when the blocks do not add up to the array's rows. A block that cannot be
    /// read fails the evaluation as its producer: [`lazy_core::Error::Producer`].
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// #
    /// # use lazy_core::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_core::{BlockSizes, MeanVariance};
    /// # use lazy_zarr::{MemoryStore, ToZarr, ZarrSink};
    /// # use ndarray::Array2;
    ///
    /// # let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([10, 3]);
    /// # let stored = LazyChunkSequence::new(|| (0..5).map(|i| Array2::from_elem((5, 3), i as f64)))
    /// #     .convert(NdarrayConverter)
    /// #     .to_zarr(sink)?;
    /// // Statistics of what was stored, a row of chunks at a time.
    /// let rows = BlockSizes::uniform(stored.shape()[0], stored.chunk_shape()[0]);
    /// let moments = stored.sequence(rows)?.compute(MeanVariance)?;
    /// assert_eq!((moments.count, moments.mean), (75, 2.0));
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
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
    /// [`Error::BlockSizes`] when the blocks do not add up to the array's rows and columns, or there are
    /// no columns. A block that cannot be read fails the evaluation, as in
    /// [`sequence`](Self::sequence).
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

/// One thread: blocks are what is spread over threads.
fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

/// Whether a node is an array; what it is, and what to do, when it is not.
fn check_array(target: &Target, node: Node, members: impl FnOnce() -> Vec<String>) -> Result<()> {
    let target = target.to_string();
    let reason = match node {
        Node::Array => return Ok(()),
        Node::Vacant => return Err(Error::NothingThere { target }),
        Node::File => "it is a file".to_owned(),
        Node::NotZarr => "it holds no metadata of an array, zarr.json or .zarray".to_owned(),
        Node::Group { .. } => {
            let mut members = members();
            members.sort();
            match members.as_slice() {
                [] => "it is a Zarr group without members".to_owned(),
                members => format!(
                    "it is a Zarr group; open one of its members (`Target::member`): {}",
                    members.join(", ")
                ),
            }
        }
    };
    Err(Error::NotAnArray { target, reason })
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
