//! A write whose array an earlier write has published.

use std::ops::Range;

use lazy_core::{
    ArrayBlock, BlockGrid, BlockIndex, BlockPosition, DType, Part, RowType, SequenceSpec,
};

use crate::error::{Result, TargetError};
use crate::format::provenance::StoredRows;
use crate::format::{Format, KeySpace, MetadataChecksum, provenance};
use crate::layout::Layout;
use crate::read::StoredArray;
use crate::settings::{Existing, Resume, WriteSettings};
use crate::staging::{Record, stored_rows};
use crate::write::destination::settle;

/// A stored array that is the result of this write already.
#[derive(Clone)]
pub(crate) struct Complete {
    /// The target as the user specified it.
    target: String,
    array: StoredArray,
    grid: BlockGrid,
    /// The index in the array of the first row of the write.
    first_row: usize,
    /// The number of bands of the write that come before the grid.
    first_band: usize,
    /// True if the rows were appended to the array.
    is_appended: bool,
    /// True if blocks are read from the array instead of the producer. If false, computed blocks
    /// are compared with the array.
    is_trusted: bool,
    /// The dtype of the blocks before they were cast. The array has the blocks only if it has the
    /// same dtype.
    dtype_of_blocks: DType,
}

impl Complete {
    /// Finds the array that an earlier write with the same key has published at the target. Returns
    /// `None` if there is no array, or if it is to be replaced. Another array is an error.
    ///
    /// `spec` declares the blocks after they are cast, and `dtype_of_blocks` is their declared
    /// dtype before that.
    pub(crate) fn find(
        settings: &WriteSettings,
        spec: &SequenceSpec,
        dtype_of_blocks: Option<DType>,
    ) -> Result<Option<Complete>> {
        let Some(resume) = &settings.resume else { return Ok(None) };
        let existing = settings.existing;
        if !matches!(existing, Existing::Fail | Existing::Append) {
            return Ok(None);
        }
        let Some(grid) = spec.grid() else { return Ok(None) };
        // If the array cannot be opened, the write itself finds the cause.
        let Ok(array) = StoredArray::open(settings.target.clone()) else { return Ok(None) };
        if existing == Existing::Append {
            let found = find_rows(settings, grid, &array, dtype_of_blocks)?;
            let Some((first_row, dtype_of_blocks)) = found else { return Ok(None) };
            settle(settings)?;
            return Ok(Some(Complete {
                target: settings.target.to_string(),
                array,
                grid: grid.clone(),
                first_row,
                first_band: 0,
                is_appended: true,
                is_trusted: resume.revision.is_none(),
                dtype_of_blocks,
            }));
        }
        let target = settings.target.to_string();
        if !fits(spec, grid, &array) || settings.dtype.is_some_and(|dtype| dtype != array.dtype()) {
            return Err(TargetError::ExistsOfOther { target }.into());
        }
        let dtype_of_blocks = match identify(settings, resume, grid, &array, dtype_of_blocks)? {
            Identity::This { dtype_of_blocks } => dtype_of_blocks,
            Identity::Other => return Err(TargetError::ExistsOfOther { target }.into()),
            Identity::Unknown => return Err(TargetError::ExistsOfUnknown { target }.into()),
        };
        settle(settings)?;
        let is_trusted = resume.revision.is_none();
        Ok(Some(Complete {
            target,
            array,
            grid: grid.clone(),
            first_row: 0,
            first_band: 0,
            is_appended: false,
            is_trusted,
            dtype_of_blocks,
        }))
    }

    /// Returns the digest of the revision of the plan that stored the array.
    pub(crate) fn revision(&self) -> Option<&str> {
        provenance::revision(self.array.attributes())
    }

    /// Reads blocks from the array, whatever its revision is.
    pub(crate) fn with_trust(self) -> Complete {
        Complete { is_trusted: true, ..self }
    }

    /// Returns a part of the rows, with the blocks of this grid.
    pub(crate) fn part(&self, part: &Part, grid: &BlockGrid) -> Complete {
        let first_row = self.first_row + part.rows().start;
        let first_band = part.bands().start;
        Complete { first_row, first_band, grid: grid.clone(), ..self.clone() }
    }

    pub(crate) fn restore(&self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        if !self.is_trusted || self.dtype_of_blocks != self.array.dtype() {
            return Ok(None);
        }
        self.array.read_region(&self.region(at)).map(Some)
    }

    /// Compares a block, which had dtype `from` before it was cast, with the stored array.
    pub(crate) fn compare(&self, at: BlockPosition, block: &ArrayBlock, from: DType) -> Result<()> {
        if from != self.dtype_of_blocks {
            return Err(TargetError::ExistsOfOther { target: self.target.clone() }.into());
        }
        if self.is_trusted {
            return Ok(());
        }
        if self.array.read_region(&self.region(at))?.data() == block.data() {
            Ok(())
        } else {
            let (target, at) = (self.target.clone(), self.index(at.index));
            Err(if self.is_appended {
                TargetError::RowsDiffer { target, at }.into()
            } else {
                TargetError::Differs { target, at }.into()
            })
        }
    }

    /// Returns the index of a block in the whole sequence.
    fn index(&self, index: BlockIndex) -> BlockIndex {
        match index {
            BlockIndex::Block(i) => BlockIndex::Block(i + self.first_band),
            BlockIndex::NestedBlock(i, j) => BlockIndex::NestedBlock(i + self.first_band, j),
            other => other,
        }
    }

    /// Returns the array, if it is still at the target.
    pub(crate) fn array(self) -> Result<StoredArray> {
        self.array.check_is_there()?;
        Ok(self.array)
    }

    /// Returns the region of a block in the array.
    fn region(&self, at: BlockPosition) -> Vec<Range<usize>> {
        let mut region: Vec<_> = self.array.shape().iter().map(|&size| 0..size).collect();
        match at.index {
            BlockIndex::NestedBlock(band, column) => {
                region[0] = self.grid.rows().range(band);
                if let Some(columns) = self.grid.columns() {
                    region[1] = columns.range(column);
                }
            }
            BlockIndex::Block(band) | BlockIndex::Band(band) => {
                region[0] = self.grid.rows().range(band);
            }
            _ => unreachable!("a block is asked for by its place"),
        }
        region[0] = region[0].start + self.first_row..region[0].end + self.first_row;
        region
    }
}

/// Returns true if an array has the declared shape and dtype.
fn fits(spec: &SequenceSpec, grid: &BlockGrid, array: &StoredArray) -> bool {
    let shape = array.shape();
    shape.first() == Some(&grid.rows().total())
        && grid.columns().is_none_or(|columns| shape.get(1) == Some(&columns.total()))
        && spec
            .row_type()
            .is_none_or(|row_type| row_type.dtype == array.dtype() && row_type.shape == shape[1..])
}

/// The origin of a stored array, by its digest.
enum Identity {
    /// This write.
    This {
        /// The dtype of the blocks before they were cast.
        dtype_of_blocks: DType,
    },
    /// Another write.
    Other,
    /// The array has no valid digest.
    Unknown,
}

/// Compares the digest of an array with this write. If the dtype of blocks that are cast is not
/// declared, it may be any that the casting allows.
fn identify(
    settings: &WriteSettings,
    resume: &Resume,
    grid: &BlockGrid,
    array: &StoredArray,
    dtype_of_blocks: Option<DType>,
) -> Result<Identity> {
    let (true, Some(expected)) = (
        array.metadata_checksum() == MetadataChecksum::Match,
        provenance::digest(array.attributes()),
    ) else {
        return Ok(Identity::Unknown);
    };
    let layout = Layout {
        chunk_shape: array.chunk_shape().to_vec(),
        shard_shape: array.shard_shape().map(<[_]>::to_vec),
    };
    if settings.check_array(array.dtype(), array.shape().len()).is_err() {
        return Ok(Identity::Other);
    }
    let format = Format::new(settings, array.dtype(), layout, KeySpace::after(None));
    let row_type = RowType { dtype: array.dtype(), shape: array.shape()[1..].to_vec() };
    let metadata = format.metadata(array.shape())?.to_string_pretty();
    let record = Record::new(resume, grid, &settings.layout, &format.layout, row_type, &metadata);
    let possible = possible_dtypes(settings, array.dtype(), dtype_of_blocks);
    let mut records = possible.into_iter().map(|dtype| record.clone().with_blocks_of(dtype));
    Ok(match records.find(|record| record.digest() == expected) {
        Some(record) => Identity::This { dtype_of_blocks: record.dtype_of_blocks() },
        None => Identity::Other,
    })
}

/// Returns the dtypes that the blocks of an array of dtype `to` may have had before they were cast.
/// `declared` is their declared dtype.
fn possible_dtypes(settings: &WriteSettings, to: DType, declared: Option<DType>) -> Vec<DType> {
    match (settings.dtype, declared) {
        (None, _) => vec![to],
        (Some(_), Some(dtype)) => vec![dtype],
        (Some(to), None) => {
            DType::ALL.into_iter().filter(|from| settings.casting.allows(*from, to)).collect()
        }
    }
}

/// Finds the rows that an earlier write with the same key has stored in an array. Returns the index
/// of the first one, and the dtype of the blocks before they were cast.
///
/// # Errors
///
/// Returns an error if the rows with this key are of another number or type.
pub(super) fn find_rows(
    settings: &WriteSettings,
    grid: &BlockGrid,
    array: &StoredArray,
    dtype_of_blocks: Option<DType>,
) -> Result<Option<(usize, DType)>> {
    let (Some(resume), Some((&n_rows, row_shape))) = (
        settings.resume.as_ref().filter(|resume| !resume.appends_again),
        array.shape().split_first(),
    ) else {
        return Ok(None);
    };
    let row_type = RowType { dtype: array.dtype(), shape: row_shape.to_vec() };
    let possible = possible_dtypes(settings, row_type.dtype, dtype_of_blocks);
    // The position of rows with this key, or `None` if they are not the rows of this write.
    let is_known = |found: StoredRows| {
        let rows = |dtype| stored_rows(resume, (found.0, grid.rows().total()), &row_type, dtype);
        let is_of_key = possible.first().is_some_and(|dtype| rows(*dtype).2 == found.2);
        let dtype = possible.iter().find(|dtype| rows(**dtype) == found);
        is_of_key.then_some(dtype.map(|dtype| (found.0, *dtype)))
    };
    let found: Vec<_> =
        provenance::stored_rows(array.attributes(), n_rows).filter_map(is_known).collect();
    match found.iter().flatten().next() {
        Some(found) => Ok(Some(*found)),
        None if found.is_empty() => Ok(None),
        None => Err(TargetError::RowsOfOther { target: settings.target.to_string() }.into()),
    }
}
