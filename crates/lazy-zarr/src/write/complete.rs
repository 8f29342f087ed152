//! A write whose array an earlier one has published.

use std::ops::Range;

use lazy_core::{ArrayBlock, BlockGrid, BlockPosition, Declared, Location};

use crate::destination::KeySpace;
use crate::layout::Layout;
use crate::resume::{Record, Resume};
use crate::{Error, Existing, MetadataSeal, Result, StoredArray, ZarrSink, provenance};

/// An array that is the one a write would make.
pub(super) struct Complete {
    /// As the user named it.
    target: String,
    array: StoredArray,
    grid: BlockGrid,
    /// Blocks are read from the array in place of the producer. If not, those that are computed are compared with
    /// it.
    is_trusted: bool,
}

impl Complete {
    /// Finds the array that an earlier write of the same job has published at the target. Where it is to be
    /// replaced, it does not count.
    pub(super) fn find(sink: &ZarrSink, declared: &Declared) -> Result<Option<Complete>> {
        let (Some(resume), Existing::Fail) = (&sink.resume, sink.existing) else { return Ok(None) };
        let Some(grid) = declared.grid() else { return Ok(None) };
        // Why there is none, the write finds out by itself.
        let Ok(array) = StoredArray::open(sink.target.clone()) else { return Ok(None) };
        if !fits(declared, grid, &array) || !is_of(sink, resume, grid, &array)? {
            return Ok(None);
        }
        let (target, is_trusted) = (sink.target.to_string(), resume.revision.is_none());
        Ok(Some(Complete { target, array, grid: grid.clone(), is_trusted }))
    }

    pub(super) fn recall(&self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        if !self.is_trusted {
            return Ok(None);
        }
        self.array.read_region(&self.region(at)).map(Some)
    }

    /// Compares a block that was computed with what is stored.
    pub(super) fn compare(&self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        if self.is_trusted {
            return Ok(());
        }
        match self.array.read_region(&self.region(at))?.data() == block.data() {
            true => Ok(()),
            false => Err(Error::TargetDiffers { target: self.target.clone(), at: at.location }),
        }
    }

    /// Returns the array, if it is still there.
    pub(super) fn array(self) -> Result<StoredArray> {
        self.array.check_is_there()?;
        Ok(self.array)
    }

    /// Returns the place of a block in the array.
    fn region(&self, at: BlockPosition) -> Vec<Range<usize>> {
        let mut region: Vec<_> = self.array.shape().iter().map(|&size| 0..size).collect();
        match at.location {
            Location::NestedBlock(band, column) => {
                region[0] = self.grid.rows().range(band);
                if let Some(columns) = self.grid.columns() {
                    region[1] = columns.range(column);
                }
            }
            Location::Block(band) | Location::Band(band) => {
                region[0] = self.grid.rows().range(band);
            }
            _ => unreachable!("a block is asked for by its place"),
        }
        region
    }
}

/// Returns true if an array has the shape that was declared.
fn fits(declared: &Declared, grid: &BlockGrid, array: &StoredArray) -> bool {
    let shape = array.shape();
    shape.first() == Some(&grid.rows().total())
        && grid.columns().is_none_or(|columns| shape.get(1) == Some(&columns.total()))
        && declared
            .row_type()
            .is_none_or(|row_type| row_type.dtype == array.dtype() && row_type.shape == shape[1..])
}

/// Returns true if an array has the digest of this write.
fn is_of(sink: &ZarrSink, resume: &Resume, grid: &BlockGrid, array: &StoredArray) -> Result<bool> {
    let (true, Some(expected)) =
        (array.metadata_seal() == MetadataSeal::Intact, provenance::digest(array.attributes()))
    else {
        return Ok(false);
    };
    let layout = Layout {
        chunk_shape: array.chunk_shape().to_vec(),
        shard_shape: array.shard_shape().map(<[_]>::to_vec),
    };
    if sink.check_array(array.dtype(), array.shape().len()).is_err() {
        return Ok(false);
    }
    let format = sink.format(array.dtype(), layout, KeySpace::after(None));
    let record = Record::new(resume, grid, &sink.layout, &format, &array.shape()[1..])?;
    Ok(record.digest() == expected)
}
