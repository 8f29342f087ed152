//! Sequences cut into blocks of other sizes.

use std::ops::Range;

use super::refused;
use super::rows::parts_of;
use crate::sequence::{LazyChunkSequence, NestedLazyChunkSequence, RandomAccess};
use crate::stream::{Evaluation, Failure, Inputs, Kept, Rule};
use crate::{ArrayBlock, BlockGrid, BlockSizes, Error, Result};

impl<'a, K: RandomAccess> LazyChunkSequence<'a, ArrayBlock, K> {
    /// Cuts the array into blocks of other sizes.
    ///
    /// An evaluation computes each block of this sequence once, and keeps a block that several new
    /// blocks need until the last of them is done. The access, the threads and the row type are
    /// kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the sizes do not add up to the
    /// number of rows.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockSizes, LazyChunkSequence, NdarrayConverter};
    /// use ndarray::Array1;
    ///
    /// let batches = LazyChunkSequence::from_rows([3, 1, 4, 2], |rows| {
    ///     Array1::from_iter(rows.map(|row| row as u64))
    /// });
    /// let blocks = batches.convert(NdarrayConverter).rechunk(BlockSizes::uniform(10, 5))?;
    /// assert_eq!(blocks.block(1)?.as_slice::<u64>()?, [5, 6, 7, 8, 9]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn rechunk(self, rows: impl Into<BlockSizes>) -> Result<Self> {
        let grid = BlockGrid::rows_only(rows);
        let rule = RechunkRule::new(self.grid(), &grid)?;
        Ok(LazyChunkSequence {
            producer: K::derived(self.producer, &grid, rule),
            spec: self.spec.with_grid(grid),
            pass: self.pass,
        })
    }
}

impl<'a, K: RandomAccess> NestedLazyChunkSequence<'a, ArrayBlock, K> {
    /// Cuts the array into blocks of other sizes along both axes.
    ///
    /// An evaluation computes each block of this sequence once, and keeps a block that several new
    /// blocks need until the last of them is done: up to a band of blocks. The access, the threads
    /// and the row type are kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the sizes do not add up to the
    /// numbers of rows and columns.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{NdarrayConverter, NestedLazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([2, 2], [3, 3], |i, j| {
    ///     Array2::from_elem((2, 3), (10 * i + j) as f64)
    /// });
    /// let blocks = sequence.convert(NdarrayConverter).rechunk([4], [2, 2, 2])?;
    /// assert_eq!(blocks.block(0, 1)?.as_slice::<f64>()?, [0., 1., 0., 1., 10., 11., 10., 11.]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn rechunk(
        self,
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> Result<Self> {
        let grid = BlockGrid::rows_and_columns(rows, columns);
        let rule = RechunkRule::new(self.grid(), &grid)?;
        Ok(NestedLazyChunkSequence {
            producer: K::derived(self.producer, &grid, rule),
            spec: self.spec.with_grid(grid),
            pass: self.pass,
        })
    }
}

const RECHUNK: &str = "cut the array into other blocks";

/// Blocks of a new grid, made of parts of the blocks of an old grid.
struct RechunkRule {
    rows: Axis,
    /// The cut along axis 1, if there is one.
    columns: Option<Axis>,
    kept: Kept<ArrayBlock>,
}

/// The old and the new blocks along one axis.
struct Axis {
    n_old: usize,
    /// The parts of old blocks that each new block is made of.
    parts: Vec<Vec<(usize, Range<usize>)>>,
    /// The first and the last new block that each old block is a part of.
    users: Vec<Option<(usize, usize)>>,
}

impl Axis {
    fn new(axis: usize, old: &BlockSizes, new: &BlockSizes) -> Result<Axis> {
        if old.total() != new.total() {
            let problem = format!(
                "the sizes add up to {}, but the array has {} elements along axis {axis}",
                new.total(),
                old.total()
            );
            return Err(refused(RECHUNK, problem));
        }
        if old.n_blocks() == 0 && new.n_blocks() > 0 {
            return Err(refused(RECHUNK, format!("it has no block along axis {axis} to cut")));
        }
        let parts = new.ranges().map(|range| overlapping(old, range));
        let parts: Vec<_> = parts.collect::<Result<_>>()?;
        let mut users = vec![None; old.n_blocks()];
        for (i, parts) in parts.iter().enumerate() {
            for (old, _) in parts {
                let (first, _) = users[*old].unwrap_or((i, i));
                users[*old] = Some((first, i));
            }
        }
        Ok(Axis { n_old: old.n_blocks(), parts, users })
    }
}

impl RechunkRule {
    fn new(old: &BlockGrid, new: &BlockGrid) -> Result<RechunkRule> {
        let columns = match (old.columns(), new.columns()) {
            (Some(old), Some(new)) => Some(Axis::new(1, old, new)?),
            _ => None,
        };
        Ok(RechunkRule {
            rows: Axis::new(0, old.rows(), new.rows())?,
            columns,
            kept: Kept::default(),
        })
    }

    /// Returns an old block, which is kept if other new blocks need it.
    fn old_block(
        &self,
        inputs: &Inputs<'_, ArrayBlock>,
        band: usize,
        column: usize,
    ) -> Result<ArrayBlock, Failure> {
        let compute = || inputs.block(0, band, column);
        let columns = self.columns.as_ref();
        let (first_band, last_band) = self.rows.users[band].unwrap_or_default();
        let (first_column, last_column) =
            columns.and_then(|columns| columns.users[column]).unwrap_or_default();
        if (first_band, first_column) == (last_band, last_column) {
            return compute();
        }
        let index = band * columns.map_or(1, |columns| columns.n_old) + column;
        let last_user = last_band * self.blocks_per_band() + last_column;
        self.kept.get(inputs.evaluation(), index, last_user, compute)
    }

    /// Returns the number of new blocks in a band.
    fn blocks_per_band(&self) -> usize {
        self.columns.as_ref().map_or(1, |columns| columns.parts.len())
    }
}

impl Rule<ArrayBlock, ArrayBlock> for RechunkRule {
    fn block(
        &self,
        inputs: &Inputs<'_, ArrayBlock>,
        band: usize,
        column: usize,
    ) -> Result<ArrayBlock, Failure> {
        let bands = self.rows.parts[band].iter().map(|(old_band, rows)| {
            let Some(columns) = &self.columns else {
                return cut(&self.old_block(inputs, *old_band, 0)?, std::slice::from_ref(rows));
            };
            let parts = columns.parts[column].iter().map(|(old_column, columns)| {
                let block = self.old_block(inputs, *old_band, *old_column)?;
                cut(&block, &[rows.clone(), columns.clone()])
            });
            joined(1, &parts.collect::<Result<Vec<_>, _>>()?)
        });
        joined(0, &bands.collect::<Result<Vec<_>, _>>()?)
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        let band = next.checked_div(self.blocks_per_band()).unwrap_or(usize::MAX);
        let first = self.rows.parts.get(band).and_then(|parts| parts.first());
        let n_columns = self.columns.as_ref().map_or(1, |columns| columns.n_old);
        Some(first.map_or(usize::MAX, |(old_band, _)| old_band * n_columns))
    }

    fn release(&self, evaluation: Evaluation, end: usize) {
        self.kept.release(evaluation, end);
    }
}

/// Returns the blocks that a range overlaps, each with its part in the range. For an empty range,
/// this is an empty part of a block at the range.
fn overlapping(sizes: &BlockSizes, range: Range<usize>) -> Result<Vec<(usize, Range<usize>)>> {
    if range.is_empty() {
        let block = sizes.block_of(range.start).unwrap_or(sizes.n_blocks() - 1);
        return Ok(vec![(block, 0..0)]);
    }
    parts_of(sizes, &range, RECHUNK, "elements")
}

/// Returns a part of a block, given by its range along each cut axis.
fn cut(block: &ArrayBlock, ranges: &[Range<usize>]) -> Result<ArrayBlock, Failure> {
    ranges.iter().enumerate().try_fold(block.clone(), |block, (axis, range)| {
        super::rows::part(&block, axis, range.clone())
    })
}

fn joined(axis: usize, parts: &[ArrayBlock]) -> Result<ArrayBlock, Failure> {
    if parts.is_empty() {
        return Err(Failure::Assembly(Error::empty_sequence()));
    }
    ArrayBlock::join(axis, parts).map_err(Failure::Assembly)
}
