//! Zarr arrays as input.

use std::ops::Range;
use std::path::Path;

use lazy_chunks::ArrayBlock;
use lazy_chunks::zarr::StoredArray;

use super::InputError;

/// Blocks of whole rows have at most so many bytes, unless a single row is larger: where a band of chunks has more, each
/// of its chunks is read several times.
const MOST_OF_WHOLE_ROWS: usize = 256 << 20;

/// Blocks are as large as chunks, or as shards; where these are small, as many of them as make so many bytes.
const MOST_AT_ONCE: usize = 8 << 20;

/// A Zarr array, read a few chunks at a time.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) array: StoredArray,
    /// Whether a block has all columns.
    has_whole_rows: bool,
}

impl Stored {
    /// The array of which each block is read by one thread, since several blocks are read at a time.
    pub(crate) fn open(path: &Path, has_whole_rows: bool) -> Result<Stored, InputError> {
        let name = path.display().to_string();
        let array = StoredArray::open(path)?.with_reader_threads(1);
        if array.shape().is_empty() {
            return Err(InputError::NoAxes { name });
        }
        Ok(Stored { name, array, has_whole_rows })
    }

    /// The rows, and the columns where there are any, that are read at once: whole chunks.
    pub(crate) fn at_once(&self) -> Vec<usize> {
        let unit = self.array.shard_shape().unwrap_or(self.array.chunk_shape());
        let shape = self.array.shape();
        let n_axes = shape.len().min(2);
        let trailing: usize = shape[n_axes..].iter().product();
        let mut at_once = unit[..n_axes].to_vec();
        if self.has_whole_rows && n_axes > 1 {
            at_once[1] = shape[1].max(1);
            let row_bytes = at_once[1] * trailing * self.array.dtype().size();
            at_once[0] = at_once[0].min(MOST_OF_WHOLE_ROWS / row_bytes.max(1)).max(1);
        }
        // The columns first, so that blocks are as wide as can be.
        for axis in (0..n_axes).rev() {
            let n_bytes = at_once.iter().product::<usize>() * trailing * self.array.dtype().size();
            let n_units = (MOST_AT_ONCE / n_bytes.max(1)).max(1);
            at_once[axis] = at_once[axis].saturating_mul(n_units).min(shape[axis]).max(1);
        }
        at_once
    }

    pub(crate) fn read(
        &self,
        rows: Range<usize>,
        columns: Option<Range<usize>>,
    ) -> Result<ArrayBlock, InputError> {
        let shape = self.array.shape();
        let mut region: Vec<_> = shape.iter().map(|&size| 0..size).collect();
        region[0] = rows;
        if let Some(columns) = columns {
            region[1] = columns;
        }
        Ok(self.array.read_region(&region)?)
    }

    /// The array's place and its metadata, with the checksum and the time that are in them.
    pub(crate) fn fingerprint(&self) -> Result<String, InputError> {
        let path = Path::new(&self.name);
        let document = ["zarr.json", ".zarray"]
            .into_iter()
            .map(|document| path.join(document))
            .find(|document| document.exists())
            .unwrap_or_else(|| path.to_owned());
        Ok(super::files::FileState::of(&document)?.fingerprint())
    }
}
