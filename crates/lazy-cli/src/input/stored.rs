//! Zarr arrays as input.

use std::fs;
use std::ops::Range;
use std::path::Path;

use lazy_chunks::ArrayBlock;
use lazy_chunks::zarr::StoredArray;
use xxhash_rust::xxh3::xxh3_64;

use super::InputError;
use super::files::Cutting;
use super::piece::AtOnce;
use super::source::{fingerprint, unreadable};
use crate::location::Location;

/// The most bytes in a block of whole rows, unless a single row has more. If a band of chunks has
/// more, each of its chunks is read several times.
const MOST_OF_WHOLE_ROWS: usize = 256 << 20;

/// The number of bytes up to which small chunks or shards are combined into one block.
const MOST_AT_ONCE: usize = 8 << 20;

/// Returns the best unit for reading an array: its shards, or its chunks if a shard has more than
/// `most_bytes`.
pub(crate) fn unit(array: &StoredArray, most_bytes: usize) -> &[usize] {
    let n_bytes = |shape: &[usize]| saturating_product(shape).saturating_mul(array.dtype().size());
    array.shard_shape().filter(|shard| n_bytes(shard) <= most_bytes).unwrap_or(array.chunk_shape())
}

/// Returns the product of the sizes, or `usize::MAX` if it overflows.
pub(crate) fn saturating_product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, &size| n.saturating_mul(size))
}

/// Returns the numbers of rows and, from two axes on, of columns that are read at once: whole
/// chunks. `shape` is the shape of the array that blocks are cut from.
fn at_once(array: &StoredArray, shape: &[usize], cutting: Cutting) -> Vec<usize> {
    let mut unit = unit(array, MOST_AT_ONCE).to_vec();
    if cutting.stack {
        unit.insert(0, 1);
    }
    let n_axes = shape.len().min(2);
    let trailing = saturating_product(&shape[n_axes..]);
    let element_bytes = trailing.saturating_mul(array.dtype().size());
    let mut at_once = unit[..n_axes].to_vec();
    if cutting.whole_rows && n_axes > 1 {
        at_once[1] = shape[1].max(1);
        let row_bytes = at_once[1].saturating_mul(element_bytes);
        at_once[0] = at_once[0].min(MOST_OF_WHOLE_ROWS / row_bytes.max(1)).max(1);
    }
    if shape.contains(&0) {
        // An array without elements takes no memory.
        return shape[..n_axes].iter().map(|&size| size.max(1)).collect();
    }
    // Columns come first, so that blocks are as wide as possible.
    for axis in (0..n_axes).rev() {
        let n_bytes = saturating_product(&at_once).saturating_mul(element_bytes);
        let n_units = (MOST_AT_ONCE / n_bytes.max(1)).max(1);
        at_once[axis] = at_once[axis].saturating_mul(n_units).min(shape[axis]).max(1);
    }
    at_once
}

/// Returns the sizes of blocks that are the chunks of an array, along axis 0 and, from two axes on,
/// axis 1.
fn chunks_at_once(
    array: &StoredArray,
    shape: &[usize],
    cutting: Cutting,
) -> Result<Vec<AtOnce>, InputError> {
    let n_axes = shape.len().min(2);
    let along = |axis: usize| match axis.checked_sub(usize::from(cutting.stack)) {
        None => Ok(AtOnce::Uniform(1)),
        Some(_) if axis == 1 && cutting.whole_rows => Ok(AtOnce::Uniform(shape[1].max(1))),
        // The sizes are not listed, since an array can declare any number of chunks.
        Some(axis) if array.chunk_grid() == "regular" => {
            Ok(AtOnce::Uniform(array.chunk_shape()[axis]))
        }
        Some(axis) => Ok(AtOnce::Sizes(array.chunk_sizes(axis)?)),
    };
    (0..n_axes).map(along).collect()
}

/// A Zarr array, read a few chunks at a time.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    location: Location,
    pub(crate) array: StoredArray,
    /// The shape of the array that blocks are cut from.
    pub(crate) shape: Vec<usize>,
    /// The sizes of the blocks along axis 0 and, from two axes on, axis 1.
    at_once: Vec<AtOnce>,
    is_stacked: bool,
}

impl Stored {
    /// Opens an array. Each block is read by one thread, since several blocks are read at a time.
    pub(crate) fn open(location: &Location, cutting: Cutting) -> Result<Stored, InputError> {
        let name = location.to_string();
        let array = StoredArray::open(location)?.with_reader_threads(1);
        let mut shape = array.shape().to_vec();
        if cutting.stack {
            shape.insert(0, 1);
        } else if shape.is_empty() {
            return Err(InputError::NoAxes { name });
        }
        let at_once = if cutting.keeps_blocks {
            chunks_at_once(&array, &shape, cutting)?
        } else {
            at_once(&array, &shape, cutting).into_iter().map(AtOnce::Uniform).collect()
        };
        let is_stacked = cutting.stack;
        Ok(Stored { name, location: location.clone(), array, shape, at_once, is_stacked })
    }

    /// Returns the sizes of the blocks along axis 0 or 1.
    pub(crate) fn at_once(&self, axis: usize) -> AtOnce {
        self.at_once[axis].clone()
    }

    pub(crate) fn read(
        &self,
        rows: Range<usize>,
        columns: Option<Range<usize>>,
    ) -> Result<ArrayBlock, InputError> {
        let mut region: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        region[0] = rows;
        if let Some(columns) = columns {
            region[1] = columns;
        }
        if !self.is_stacked {
            return Ok(self.array.read_region(&region)?);
        }
        Ok(self.array.read_region(&region[1..])?.into_row())
    }

    /// Returns the path of the array. None for an array in a store.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.location.path()
    }

    /// Returns a digest of the names, sizes and times of all files of the array, or of the keys,
    /// sizes and tags of all its objects in a store. A program that writes to a chunk changes it.
    pub(crate) fn fingerprint(&self) -> Result<String, InputError> {
        let Some(path) = self.path() else {
            return Ok(self.array.object_fingerprint()?.unwrap_or_default());
        };
        let mut directories = vec![path.to_owned()];
        let mut files = Vec::new();
        while let Some(directory) = directories.pop() {
            let unreadable = |source| unreadable(&directory, source);
            for entry in fs::read_dir(&directory).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let file = entry.path();
                if entry.file_type().map_err(unreadable)?.is_dir() {
                    directories.push(file);
                } else {
                    let name = file.strip_prefix(path).unwrap_or(&file);
                    files.push(format!("{} {}", name.display(), fingerprint(&file)?));
                }
            }
        }
        files.sort_unstable();
        Ok(format!("{:016x}", xxh3_64(files.join("\n").as_bytes())))
    }
}
