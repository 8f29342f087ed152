//! Functions that open a stored array, and that make the handle of an array that was just written.

use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use serde_json::{Value, json};
use zarrs::array::{Array, ArrayMetadata, ArrayShardedExt};
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits, StoreKey};

use super::array::StoredArray;
use super::gather::{ChunkCache, ChunkReader, Direct, InShards, reads_whole};
use super::grid::{AxisSizes, Grid};
use super::locate::{Opened, locate, open_array};
use super::missing::MissingChunks;
use super::refused::refused;
use super::untrusted::{as_usize, caught, check_units, n_bytes, sizes};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, ReadError, Result, WriteError};
use crate::format::{MetadataChecksum, dtype_of, guarded};
use crate::store::{Origin, Source};
use crate::target::Target;
use crate::threads;

impl StoredArray {
    /// Opens the array at a target.
    ///
    /// This crate writes every chunk of an array. If the metadata is unchanged since this crate
    /// wrote it, a missing chunk was therefore lost, and reading it is an error. If another program
    /// stored, copied or resized the array, or gave it attributes, a missing chunk stands for the
    /// fill value, as the Zarr specification defines.
    /// [`with_missing_chunks`](Self::with_missing_chunks) overrides this: for instance if a program
    /// such as zarr-python wrote to the array, which removes chunks that contain only the fill
    /// value.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`] if the target is invalid.
    /// - [`ErrorKind::NotFound`] if nothing exists there, and [`ErrorKind::NotAnArray`] if
    ///   something other than an array does. For a group, [`members`](Error::members) lists its
    ///   members.
    /// - [`ErrorKind::Corrupt`] if its metadata is malformed: it is not valid JSON, an entry is
    ///   missing or invalid, or entries contradict each other.
    /// - [`ErrorKind::Unsupported`] if its metadata is valid, but has a codec, a data type, a chunk
    ///   grid or another extension that this crate does not support.
    /// - [`ErrorKind::Memory`] if memory cannot hold one of its chunks.
    /// - [`ErrorKind::Io`] if the file system or the store fails.
    pub fn open(target: impl Into<Target>) -> Result<StoredArray> {
        let target = target.into();
        let (source, metadata) = locate(&target)?;
        StoredArray::of_document(&target, source, &metadata)
    }

    /// Returns the source and the metadata document of the array at a target.
    pub(crate) fn open_document(target: &Target) -> Result<(Source, Bytes)> {
        locate(target)
    }

    /// Creates the handle of an array with this metadata document, which need not be stored yet.
    pub(crate) fn of_document(
        target: &Target,
        source: Source,
        document: &[u8],
    ) -> Result<StoredArray> {
        let (place, target) = (target.clone(), target.to_string());
        let opened = caught(|| Ok::<_, BoxError>(open_array(&target, &source, document)))
            .map_err(|source| ReadError::Open { target: target.clone(), source })?;
        let opened = opened.map_err(|error| refused(&target, document, error))?;
        let checksum = MetadataChecksum::of(document);
        StoredArray::from_array((place, target), source, opened, checksum)
    }

    /// Pins the handle to the version with this metadata, which was just published.
    pub(crate) fn pin_published(mut self, metadata: &[u8]) -> Result<StoredArray> {
        // In a store, the conditional put has told it, and each read compares the documents.
        if matches!(self.origin, Origin::Keys { .. }) {
            return Ok(self);
        }
        let replaced = |target: &String| WriteError::ReplacedAtOnce { target: target.clone() };
        let pinned = self.origin.pin("zarr.json").and_then(|()| {
            let key = StoreKey::new("zarr.json").expect("it is a key");
            let read = self.chunks.store.get(&key);
            read.map_err(|error| Error::store(&key, error))
        });
        match pinned {
            Ok(Some(now)) if now == metadata => Ok(self),
            _ => Err(replaced(&self.target).into()),
        }
    }

    fn from_array(
        (place, target): (Target, String),
        source: Source,
        opened: Opened,
        checksum: MetadataChecksum,
    ) -> Result<StoredArray> {
        let Source { store, path, origin } = source;
        let Opened { array, attributes, sizes: listed_sizes } = opened;
        let dtype = dtype_of(array.data_type()).map_err(|data_type| {
            ReadError::UnsupportedDataType { target: target.clone(), data_type }
        })?;
        let open = |source: BoxError| ReadError::Open { target: target.clone(), source };
        let shape = as_usize(array.shape()).map_err(open)?;
        let unit = caught(|| array.chunk_shape(&vec![0; shape.len()])).map_err(open)?;
        let unit_shape = as_usize(&sizes(&unit)).map_err(open)?;
        let axis_sizes = listed_sizes
            .unwrap_or_else(|| unit_shape.iter().map(|&size| AxisSizes::Uniform(size)).collect());
        let grid_name = array.chunk_grid().name(ZarrVersion::V3).unwrap_or_default();
        let grid = Grid::new(&grid_name, axis_sizes, &shape);
        let largest = grid.largest();
        let (chunk_shape, shard_shape) = match array.subchunk_shape() {
            Some(chunk_shape) => (as_usize(&sizes(&chunk_shape)).map_err(open)?, Some(unit_shape)),
            None => (unit_shape, None),
        };
        let (largest_chunk, largest_shard) =
            if shard_shape.is_some() { (&chunk_shape, Some(&largest)) } else { (&largest, None) };
        let named_codecs = codecs(array.metadata()).into();
        // If the shapes are too unusual, the chunks of a shard are not read one by one.
        let in_shards =
            caught(|| Ok::<_, BoxError>(InShards::of(&array, dtype, &unit))).ok().flatten();
        let (in_shards, small_chunks) = match in_shards {
            Some(in_shards) if in_shards.has_large_chunks() => (Some(in_shards), None),
            small_chunks => (None, small_chunks),
        };
        let array = caught(|| guarded_array(&array, &largest, dtype, Arc::clone(&store), &path))
            .map_err(open)?;
        check_units(&target, dtype, &shape, largest_chunk, largest_shard.map(|shape| &**shape))?;
        let missing = match checksum {
            MetadataChecksum::Match => MissingChunks::Error,
            MetadataChecksum::Mismatch | MetadataChecksum::Missing => MissingChunks::FillValue,
        };
        let codecs = array.codecs();
        let chunk_codecs = in_shards.as_ref().map_or(&*codecs, InShards::chunk_codecs);
        let direct = Direct::of(chunk_codecs, dtype, &origin);
        let decoded_shape = largest_shard.filter(|_| in_shards.is_none());
        let decoded_shape = decoded_shape.unwrap_or(largest_chunk);
        let unit_bytes = n_bytes(dtype, decoded_shape.iter().copied());
        let reads_chunks_whole = match shard_shape {
            _ if direct.is_some() => false,
            Some(_) => in_shards.is_some(),
            None => reads_whole(chunk_codecs),
        };
        // A store that waits is asked for whole chunks, several at a time.
        let is_read_whole = |small_chunks: &InShards| {
            origin.concurrency().is_some() || reads_whole(small_chunks.chunk_codecs())
        };
        let small_chunks = small_chunks.filter(is_read_whole);
        let chunks = ChunkReader {
            array: Arc::new(array),
            store,
            direct,
            in_shards,
            small_chunks,
            cache: Some(Arc::new(ChunkCache::shared())),
            reads_whole: reads_chunks_whole,
            missing,
            dtype,
            is_sharded: shard_shape.is_some(),
            concurrency: concurrency_within_memory(&origin, unit_bytes),
            unit_bytes,
            check: None,
        };
        Ok(StoredArray {
            chunks: chunks.with_missing(missing),
            origin,
            n_threads: None,
            checksum,
            codecs: named_codecs,
            attributes: attributes.into(),
            place,
            target,
            shape,
            grid: Arc::new(grid),
            chunk_shape,
            shard_shape,
        })
    }
}

/// The bytes of decoded chunks that the threads of one read hold at a time, as far as their number is
/// not set. A thread for each core is always used.
const MAX_BYTES_IN_FLIGHT: u128 = 256 << 20;

/// Returns the number of chunks that a read requests at a time from a store that waits.
fn concurrency_within_memory(origin: &Origin, unit_bytes: u128) -> Option<usize> {
    let most = usize::try_from(MAX_BYTES_IN_FLIGHT / unit_bytes.max(1)).unwrap_or(usize::MAX);
    origin.concurrency().map(|concurrency| concurrency.min(most.max(threads::cores())))
}

/// Returns the same array with guarded codecs, for reading only. `unit_shape` is the shape of the
/// largest chunk, or shard.
fn guarded_array(
    array: &Array<dyn ReadableStorageTraits>,
    unit_shape: &[usize],
    dtype: DType,
    store: ReadableStorage,
    path: &str,
) -> Result<Array<dyn ReadableStorageTraits>, BoxError> {
    let unit_shape: Vec<_> =
        unit_shape.iter().map(|&n| NonZeroU64::try_from(n as u64)).collect::<Result<_, _>>()?;
    let codecs = guarded(&array.codecs(), &unit_shape, dtype.size())?;
    let mut builder = array.builder();
    builder
        .fill_value(array.fill_value().clone())
        .array_to_bytes_codec(Arc::clone(codecs.array_to_bytes_codec()))
        .bytes_to_bytes_codecs(codecs.bytes_to_bytes_codecs().to_vec());
    Ok(builder.build(store, path)?)
}

/// Returns the codecs that an array's metadata names. A codec that is a name alone becomes an
/// object with this name.
fn codecs(metadata: &ArrayMetadata) -> Vec<Value> {
    let metadata = serde_json::to_value(metadata).unwrap_or_default();
    let entry = |key: &str| match &metadata[key] {
        Value::Array(codecs) => codecs.clone(),
        Value::Null => Vec::new(),
        codec => vec![codec.clone()],
    };
    let codecs = ["codecs", "filters", "compressor"].into_iter().flat_map(entry);
    let named = |codec: Value| match codec {
        Value::String(name) => json!({ "name": name }),
        codec => codec,
    };
    codecs.map(named).collect()
}
