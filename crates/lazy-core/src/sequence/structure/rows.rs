//! Some of the rows of a sequence.

use std::ops::Range;

use super::refused;
use crate::sequence::{LazyChunkSequence, NestedLazyChunkSequence, RandomAccess};
use crate::stream::{Failure, Inputs, Rule};
use crate::{ArrayBlock, BlockGrid, BlockSizes, Result};

macro_rules! rows_methods {
    ($Sequence:ident) => {
        impl<'a, K: RandomAccess> $Sequence<'a, ArrayBlock, K> {
            /// Keeps these rows of the array. Blocks outside the range are never computed.
            ///
            /// The first and the last block are cut where the range begins and ends. The access,
            /// the threads and the row type are kept.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the range is not within
            /// the rows of the array.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{BlockSizes, Concatenate, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::Array1;
            ///
            /// let sequence = LazyChunkSequence::from_rows(BlockSizes::uniform(100, 10), |rows| {
            ///     Array1::from_iter(rows.map(|row| row as u64))
            /// })
            /// .convert(NdarrayConverter);
            /// let part = sequence.slice(28..31)?;
            /// assert_eq!(part.block(1)?.as_slice::<u64>()?, [30]);
            /// assert_eq!(part.compute(Concatenate)?.as_slice::<u64>()?, [28, 29, 30]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn slice(self, range: Range<usize>) -> Result<Self> {
                let parts = parts_of(self.grid().rows(), &range, "slice the rows", "rows")?;
                Ok(self.of_parts(parts))
            }

            /// Keeps the rows at these indices, in this order. An index may occur several times.
            ///
            /// Consecutive indices of one block become one block. So if the indices are sorted,
            /// each block is computed once at most, and blocks without any of the rows never. The
            /// access, the threads and the row type are kept.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if there is no row with
            /// one of the indices.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{BlockSizes, Concatenate, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::Array1;
            ///
            /// let sequence = LazyChunkSequence::from_rows(BlockSizes::uniform(100, 10), |rows| {
            ///     Array1::from_iter(rows.map(|row| row as u64))
            /// })
            /// .convert(NdarrayConverter);
            /// let samples = sequence.select([3, 5, 99, 98])?;
            /// assert_eq!(samples.grid().n_blocks(), 2);
            /// assert_eq!(samples.compute(Concatenate)?.as_slice::<u64>()?, [3, 5, 99, 98]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn select(self, rows: impl IntoIterator<Item = usize>) -> Result<Self> {
                let selected = selected(self.grid().rows(), rows)?;
                Ok(self.of_parts(selected))
            }

            fn of_parts<R: Rows>(self, parts: Vec<(usize, R)>) -> Self {
                let sizes: Vec<_> = parts.iter().map(|(_, rows)| rows.len()).collect();
                let grid = match self.grid().columns() {
                    Some(columns) => BlockGrid::rows_and_columns(sizes, columns.clone()),
                    None => BlockGrid::rows_only(sizes),
                };
                let is_in_order = parts.is_sorted_by_key(|(source, _)| *source);
                let rule = RowsRule { parts, blocks_per_band: grid.blocks_per_band(), is_in_order };
                Self {
                    producer: K::derived(self.producer, &grid, rule),
                    spec: self.spec.with_grid(grid),
                    pass: self.pass,
                }
            }
        }
    };
}

rows_methods!(LazyChunkSequence);
rows_methods!(NestedLazyChunkSequence);

/// Returns the blocks that a range of elements along an axis overlaps, each with the elements of
/// the block that lie in the range. Blocks without elements are left out.
pub(super) fn parts_of(
    sizes: &BlockSizes,
    range: &Range<usize>,
    operation: &'static str,
    unit: &'static str,
) -> Result<Vec<(usize, Range<usize>)>> {
    if range.start > range.end || range.end > sizes.total() {
        let problem = format!(
            "{}..{} is not within an array of {} {unit}",
            range.start,
            range.end,
            sizes.total()
        );
        return Err(refused(operation, problem));
    }
    let first = sizes.block_of(range.start).unwrap_or(sizes.n_blocks());
    let overlapping = (first..sizes.n_blocks()).map(|i| (i, sizes.range(i)));
    let parts = overlapping.take_while(|(_, block)| block.start < range.end).map(|(i, block)| {
        let (start, end) = (range.start.max(block.start), range.end.min(block.end));
        (i, start - block.start..end - block.start)
    });
    Ok(parts.filter(|(_, part)| !part.is_empty()).collect())
}

/// Returns the blocks that rows belong to, each with a run of the rows as indices in the block.
fn selected(
    sizes: &BlockSizes,
    rows: impl IntoIterator<Item = usize>,
) -> Result<Vec<(usize, Vec<usize>)>> {
    let mut parts: Vec<(usize, Vec<usize>)> = Vec::new();
    for row in rows {
        let Some(block) = sizes.block_of(row) else {
            let problem = format!("there is no row {row} in an array of {} rows", sizes.total());
            return Err(refused("select rows", problem));
        };
        let index = row - sizes.start(block);
        match parts.last_mut() {
            Some((last, indices)) if *last == block => indices.push(index),
            _ => parts.push((block, vec![index])),
        }
    }
    Ok(parts)
}

/// Some rows of a block.
trait Rows: Send + Sync + 'static {
    fn len(&self) -> usize;

    fn of(&self, block: &ArrayBlock) -> Result<ArrayBlock, Failure>;
}

impl Rows for Range<usize> {
    fn len(&self) -> usize {
        ExactSizeIterator::len(self)
    }

    fn of(&self, block: &ArrayBlock) -> Result<ArrayBlock, Failure> {
        part(block, 0, self.clone())
    }
}

impl Rows for Vec<usize> {
    fn len(&self) -> usize {
        self.len()
    }

    fn of(&self, block: &ArrayBlock) -> Result<ArrayBlock, Failure> {
        let rows: Vec<_> =
            self.iter().map(|&row| part(block, 0, row..row + 1)).collect::<Result<_, _>>()?;
        ArrayBlock::join(0, &rows).map_err(Failure::Assembly)
    }
}

/// Returns a part of a block along an axis, if the block has it.
pub(super) fn part(
    block: &ArrayBlock,
    axis: usize,
    range: Range<usize>,
) -> Result<ArrayBlock, Failure> {
    if block.shape().get(axis).is_none_or(|size| *size < range.end) {
        let problem = format!(
            "the block has shape {:?}, but its part is {}..{} of axis {axis}",
            block.shape(),
            range.start,
            range.end
        );
        return Err(Failure::Assembly(refused("cut a block", problem)));
    }
    Ok(block.slice(axis, range))
}

/// Parts of bands.
struct RowsRule<R> {
    /// The index of the band, and its rows.
    parts: Vec<(usize, R)>,
    blocks_per_band: usize,
    is_in_order: bool,
}

impl<R: Rows> Rule<ArrayBlock, ArrayBlock> for RowsRule<R> {
    fn block(
        &self,
        inputs: &Inputs<'_, ArrayBlock>,
        band: usize,
        column: usize,
    ) -> Result<ArrayBlock, Failure> {
        let (source, rows) = &self.parts[band];
        rows.of(&inputs.block(0, *source, column)?)
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        let band = next.checked_div(self.blocks_per_band).unwrap_or(usize::MAX);
        let source = self.parts.get(band).map_or(usize::MAX, |(source, _)| *source);
        self.is_in_order.then_some(source.saturating_mul(self.blocks_per_band))
    }
}
