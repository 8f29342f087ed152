//! Sequences cut into blocks of other sizes.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::refused;
use super::rows::parts_of;
use crate::sequence::producer::AnyProducer;
use crate::sequence::{LazyChunkSequence, NestedLazyChunkSequence, RandomAccess, Streamed};
use crate::stream::{Evaluation, Failure, Heights, Inputs, Kept, Rechunked, Rule};
use crate::{ArrayBlock, BlockGrid, BlockSizes, Error, Result, SequenceSpec};

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

impl<'a> LazyChunkSequence<'a, ArrayBlock, Streamed> {
    /// Cuts the array into blocks of other sizes, as its blocks arrive.
    ///
    /// An evaluation computes each block of this sequence once. It holds the blocks that the next
    /// new block needs, and no others. The row type is kept. If this sequence has a grid, as an
    /// indexed sequence that became [streamed](Self::streamed), so has the new one, which can then
    /// be resumed; [`rechunk_uniform`](Self::rechunk_uniform) cuts an array of an unknown number of
    /// rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the sizes do not add up to the
    /// number of rows. If that is not known before, the evaluation returns the error.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use ndarray::array;
    ///
    /// let batches = LazyChunkSequence::new(|| [array![0, 1, 2], array![3], array![4, 5, 6, 7]]);
    /// let blocks = batches.convert(NdarrayConverter).rechunk([4, 4])?.collect()?;
    /// assert_eq!(blocks[0].as_slice::<i32>()?, [0, 1, 2, 3]);
    /// assert_eq!(blocks[1].as_slice::<i32>()?, [4, 5, 6, 7]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn rechunk(self, rows: impl Into<BlockSizes>) -> Result<Self> {
        let (producer, spec) = rechunked(self.producer, self.spec, rows.into(), None)?;
        Ok(LazyChunkSequence { producer, spec, pass: self.pass })
    }

    /// Cuts the array into blocks of `n_rows` rows, as its blocks arrive. The last block may have
    /// fewer rows; an array without rows is one block. The number of rows need not be known.
    ///
    /// Otherwise it is like [`rechunk`](Self::rechunk).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if `n_rows` is 0.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use ndarray::Array2;
    ///
    /// // Single rows, such as lines of a file.
    /// let rows = LazyChunkSequence::new(|| (0..10).map(|i| Array2::from_elem((1, 3), f64::from(i))));
    /// let blocks = rows.convert(NdarrayConverter).rechunk_uniform(4)?;
    /// let heights: Vec<_> = blocks.collect()?.iter().map(|block| block.shape()[0]).collect();
    /// assert_eq!(heights, [4, 4, 2]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn rechunk_uniform(self, n_rows: usize) -> Result<Self> {
        let Some(height) = NonZeroUsize::new(n_rows) else {
            return Err(refused(RECHUNK, "blocks must have at least 1 row, got 0"));
        };
        if let Some(grid) = self.spec.grid()
            && grid.n_blocks() > 0
        {
            let total = grid.rows().total();
            let rows = BlockSizes::uniform(total, n_rows);
            return self.rechunk(if total == 0 { BlockSizes::from([0]) } else { rows });
        }
        let spec = self.spec.clone().without_grid(self.spec.cut(), None);
        let (producer, rows) = (self.producer.in_order(), Heights::Uniform(height));
        let producer = Rechunked::new(producer, self.spec, rows, None);
        let producer = AnyProducer::new_in_order(producer);
        Ok(LazyChunkSequence { producer, spec, pass: self.pass })
    }
}

impl<'a> NestedLazyChunkSequence<'a, ArrayBlock, Streamed> {
    /// Cuts the array into blocks of other sizes along both axes, as its blocks arrive.
    ///
    /// An evaluation computes each block of this sequence once. It holds the bands that the next
    /// new band overlaps, and no others. The row type is kept, and so is the grid, if this sequence
    /// has one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the sizes do not add up to the
    /// numbers of rows and columns. If those are not known before, the evaluation returns the
    /// error.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{NdarrayConverter, NestedLazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::new(|| {
    ///     (0..2).map(|i| (0..2).map(move |j| Array2::from_elem((2, 3), (10 * i + j) as f64)))
    /// });
    /// let blocks = sequence.convert(NdarrayConverter).rechunk([4], [2, 2, 2])?;
    /// let middle = &blocks.collect()?[0][1];
    /// assert_eq!(middle.as_slice::<f64>()?, [0., 1., 0., 1., 10., 11., 10., 11.]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn rechunk(
        self,
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> Result<Self> {
        let columns = Some(columns.into());
        let (producer, spec) = rechunked(self.producer, self.spec, rows.into(), columns)?;
        Ok(NestedLazyChunkSequence { producer, spec, pass: self.pass })
    }
}

/// Cuts blocks that arrive in order into blocks of other sizes. If any block can be computed, any
/// new block can be, too.
fn rechunked<'a>(
    producer: AnyProducer<'a, ArrayBlock>,
    spec: SequenceSpec,
    rows: BlockSizes,
    columns: Option<BlockSizes>,
) -> Result<(AnyProducer<'a, ArrayBlock>, SequenceSpec)> {
    let n_bands = rows.n_blocks();
    let row_type =
        spec.row_type().filter(|row_type| row_type.shape.len() >= spec.cut().n_axes() - 1);
    if let (Some(columns), Some(row_type)) = (&columns, row_type) {
        check_total(1, columns, row_type.shape[0])?;
    }
    let Some(old) = spec.grid() else {
        let new = spec.clone().without_grid(spec.cut(), Some(n_bands));
        let producer = Rechunked::new(producer.in_order(), spec, Heights::Sizes(rows), columns);
        return Ok((AnyProducer::new_in_order(producer), new));
    };
    let grid = match &columns {
        Some(columns) => BlockGrid::rows_and_columns(rows.clone(), columns.clone()),
        None => BlockGrid::rows_only(rows.clone()),
    };
    let rule = RechunkRule::new(old, &grid)?;
    let new = spec.clone().with_grid(grid.clone());
    let producer = match producer {
        AnyProducer::Shared(shared) => AnyProducer::Shared(shared.derived(&grid, rule)),
        AnyProducer::InOrder(producer) => {
            let rows = Heights::Sizes(rows);
            AnyProducer::new_in_order(Rechunked::new(producer, spec, rows, columns))
        }
    };
    Ok((producer, new))
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
        check_total(axis, new, old.total())?;
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

/// Checks that new blocks have all elements of the array along an axis, and no more.
fn check_total(axis: usize, new: &BlockSizes, old: usize) -> Result<()> {
    let new = new.total();
    if new == old {
        return Ok(());
    }
    let problem =
        format!("the sizes add up to {new}, but the array has {old} elements along axis {axis}");
    Err(refused(RECHUNK, problem))
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
