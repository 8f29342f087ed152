//! The check that blocks fit together into one array.

use std::borrow::Cow;

use crate::error::Case;
use crate::{
    BlockGrid, BlockIndex, BlockPosition, Cut, DType, Error, Reference, Result, RowType,
    SequenceSpec,
};

/// Checks that blocks fit the declaration and each other, and computes their positions.
///
/// Within a pass, reducers receive only blocks that passed this check. Use it in aggregators of
/// other tensors, which receive the blocks unchecked, and in reducers that another reducer, which
/// changes blocks, may precede. Both then return the same errors as a pass.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockCheck, Blocks, DType, LazyChunkSequence, Result, SequenceAggregator};
///
/// /// A matrix whose elements lie somewhere else.
/// struct Matrix { n_rows: usize, n_columns: usize }
///
/// struct CountRows;
///
/// impl SequenceAggregator<Matrix> for CountRows {
///     type Output = usize;
///
///     fn aggregate(self, blocks: Blocks<'_, Matrix>) -> Result<usize> {
///         let mut check = BlockCheck::new(blocks.spec())?;
///         let mut n_rows = 0;
///         for block in blocks {
///             let block = block?;
///             n_rows = check.block(DType::Float32, &[block.n_rows, block.n_columns])?.row
///                 + block.n_rows;
///             check.end_band()?;
///         }
///         Ok(n_rows)
///     }
/// }
///
/// let matrices = LazyChunkSequence::new(|| {
///     [(2, 3), (4, 3), (1, 2)].map(|(n_rows, n_columns)| Matrix { n_rows, n_columns })
/// });
/// assert_eq!(
///     matrices.compute(CountRows).unwrap_err().to_string(),
///     "block 2 has shape [1, 2], but its sizes from axis 1 on must be [3], as in the first block"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct BlockCheck<'d> {
    spec: Cow<'d, SequenceSpec>,
    dtype: Option<(DType, Reference)>,
    /// The sizes of the uncut axes.
    trailing: Option<(Vec<usize>, Reference)>,
    /// The number of columns of a whole band, if axis 1 is cut.
    width: Option<(usize, Reference)>,
    band: usize,
    /// The first row of the open band.
    row: usize,
    /// The size of the open band so far; `None` before its first block.
    open: Option<OpenBand>,
}

#[derive(Clone, Debug)]
struct OpenBand {
    n_rows: usize,
    n_blocks: usize,
    n_columns: usize,
}

impl<'d> BlockCheck<'d> {
    /// Creates a check that borrows the declaration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the declared row type does not
    /// match the declared grid.
    pub fn new(spec: &'d SequenceSpec) -> Result<BlockCheck<'d>> {
        BlockCheck::of(Cow::Borrowed(spec))
    }

    /// Creates a check that owns the declaration, so a [`Run`](crate::Run) can hold it.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn owned(spec: SequenceSpec) -> Result<BlockCheck<'static>> {
        BlockCheck::of(Cow::Owned(spec))
    }

    fn of(spec: Cow<'_, SequenceSpec>) -> Result<BlockCheck<'_>> {
        let columns = spec.grid().and_then(|grid| grid.columns());
        let mut check = BlockCheck {
            dtype: None,
            trailing: None,
            width: columns.map(|columns| (columns.total(), Reference::Declared)),
            band: 0,
            row: 0,
            open: None,
            spec,
        };
        if let Some(row_type) = check.spec.row_type().cloned() {
            check.expect_rows(&row_type, Reference::Declared)?;
        }
        Ok(check)
    }

    /// Expects rows like those that were stored earlier, which the blocks are appended to.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn after_rows(mut self, row_type: &RowType) -> Result<BlockCheck<'d>> {
        self.expect_rows(row_type, Reference::EarlierRows)?;
        Ok(self)
    }

    fn expect_rows(&mut self, row_type: &RowType, reference: Reference) -> Result<()> {
        let misfit = |what: String| {
            Error::from(Case::RowTypeMismatch { row_shape: row_type.shape.clone(), what })
        };
        let mut trailing = row_type.shape.as_slice();
        if self.spec.cut() == Cut::RowsAndColumns {
            let Some((&width, rest)) = trailing.split_first() else {
                return Err(misfit("a nested sequence, whose rows have columns".to_owned()));
            };
            if let Some((columns, _)) = self.width
                && columns != width
            {
                return Err(misfit(format!("the grid, which has {columns} columns")));
            }
            trailing = rest;
            self.width = Some((width, reference));
        }
        self.dtype = Some((row_type.dtype, reference));
        self.trailing = Some((trailing.to_vec(), reference));
        Ok(())
    }

    /// Returns the index of the next block.
    #[must_use]
    pub fn next_location(&self) -> BlockIndex {
        BlockIndex::of_block(self.spec.cut(), self.band, self.n_open_blocks())
    }

    /// Returns the position of the next block of the open band, if the grid has one.
    pub(crate) fn next_of_grid(&self) -> Option<BlockPosition> {
        let grid = self.spec.grid()?;
        let (band, column) = (self.band, self.n_open_blocks());
        if band == grid.rows().n_blocks() || column == grid.blocks_per_band() {
            return None;
        }
        Some(grid.position(band * grid.blocks_per_band() + column))
    }

    /// Moves to a block of the grid, as if all blocks before it had been checked.
    pub(crate) fn seek(&mut self, grid: &BlockGrid, band: usize, column: usize) {
        self.band = band;
        self.row = grid.rows().start(band);
        self.open = (column > 0).then(|| OpenBand {
            n_rows: grid.rows().size(band),
            n_blocks: column,
            n_columns: grid.columns().map_or(0, |columns| columns.start(column)),
        });
    }

    /// Returns the dtype and the sizes of the uncut axes, once they are known.
    pub(crate) fn element_type(&self) -> Option<(DType, &[usize])> {
        let ((dtype, _), (trailing, _)) = self.dtype.zip(self.trailing.as_ref())?;
        Some((dtype, trailing))
    }

    /// Checks the number of axes of a block, and its dtype and uncut axes if they are known.
    pub(crate) fn check_type(&self, at: BlockIndex, dtype: DType, shape: &[usize]) -> Result<()> {
        let actual = || shape.to_vec();
        let n_axes = self.spec.cut().n_axes();
        if shape.len() < n_axes {
            return Err(Case::TooFewAxes { at, expected: n_axes, actual: actual() }.into());
        }
        if let Some((expected, reference)) = self.dtype
            && dtype != expected
        {
            return Err(Case::BlockDType { at, expected, actual: dtype, reference }.into());
        }
        if let Some((expected, reference)) = &self.trailing
            && shape[n_axes..] != **expected
        {
            return Err(Case::TrailingShape {
                at,
                first_axis: n_axes,
                expected: expected.clone(),
                actual: actual(),
                reference: *reference,
            }
            .into());
        }
        Ok(())
    }

    /// Checks the next block of the open band and returns its position.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) or
    /// [`ErrorKind::DType`](crate::ErrorKind::DType), with the index of the block.
    pub fn block(&mut self, dtype: DType, shape: &[usize]) -> Result<BlockPosition> {
        let cut = self.spec.cut();
        let n_blocks = self.n_open_blocks();
        let at = self.next_location();
        self.check_type(at, dtype, shape)?;
        self.dtype.get_or_insert((dtype, Reference::FirstBlock));
        let trailing = &shape[cut.n_axes()..];
        self.trailing.get_or_insert_with(|| (trailing.to_vec(), Reference::FirstBlock));
        self.check_grid(at, n_blocks, shape)?;

        let n_rows = shape[0];
        if self.row.checked_add(n_rows).is_none() {
            return Err(Case::IndexOverflow { at, axis: 0 }.into());
        }
        let open = self.open.get_or_insert(OpenBand { n_rows, n_blocks: 0, n_columns: 0 });
        if n_rows != open.n_rows {
            return Err(Case::BandHeight { at, expected: open.n_rows, actual: n_rows }.into());
        }
        let position = BlockPosition { index: at, row: self.row, column: open.n_columns };
        open.n_blocks += 1;
        if cut == Cut::RowsAndColumns {
            let Some(end) = open.n_columns.checked_add(shape[1]) else {
                return Err(Case::IndexOverflow { at, axis: 1 }.into());
            };
            open.n_columns = end;
            if let Some((expected, reference)) = self.width
                && open.n_columns > expected
            {
                return Err(Case::BandWidth {
                    band: self.band,
                    expected,
                    actual: open.n_columns,
                    at_least: true,
                    reference,
                }
                .into());
            }
        }
        Ok(position)
    }

    /// Checks the next block that a reducer receives and its position, since a reducer in front may
    /// have changed either. Ends bands automatically.
    ///
    /// # Errors
    ///
    /// - The errors of [`block`](Self::block) and [`end_band`](Self::end_band).
    /// - [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if there are more bands than
    ///   declared.
    /// - [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the block does not start where the blocks
    ///   before it end.
    pub fn block_at(&mut self, at: BlockPosition, dtype: DType, shape: &[usize]) -> Result<()> {
        if self.open.is_some() && at.index != self.next_location() {
            self.end_band()?;
        }
        self.check_count(shape)?;
        let next = self.block(dtype, shape)?;
        if self.spec.cut() == Cut::Rows {
            self.end_band()?;
        }
        let (expected, actual) = ([next.row, next.column], [at.row, at.column]);
        if actual == expected {
            Ok(())
        } else {
            Err(Case::BlockPlace { at: at.index, expected, actual }.into())
        }
    }

    /// Checks that the last band is complete and no band is missing.
    ///
    /// # Errors
    ///
    /// - The errors of [`end_band`](Self::end_band).
    /// - [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if there are fewer bands than
    ///   declared.
    pub fn end(&mut self) -> Result<()> {
        if self.open.is_some() {
            self.end_band()?;
        }
        match self.spec.n_bands() {
            Some(declared) if self.band < declared => {
                let unit = self.spec.cut().unit();
                Err(Case::TooFewBlocks { unit, declared, actual: self.band }.into())
            }
            _ => Ok(()),
        }
    }

    /// Checks that the open band is complete. If only axis 0 is cut, every block is a band.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if the band has no blocks, or fewer columns
    /// than declared or than the first band.
    pub fn end_band(&mut self) -> Result<()> {
        let band = self.band;
        let open = self.open.take().ok_or(Case::EmptyBand { band })?;
        if self.spec.cut() == Cut::RowsAndColumns {
            let &mut (expected, reference) =
                self.width.get_or_insert((open.n_columns, Reference::FirstBand));
            if open.n_columns != expected {
                return Err(Case::BandWidth {
                    band,
                    expected,
                    actual: open.n_columns,
                    at_least: false,
                    reference,
                }
                .into());
            }
        }
        self.row += open.n_rows;
        self.band += 1;
        Ok(())
    }

    /// Checks that the declaration allows another block.
    fn check_count(&self, shape: &[usize]) -> Result<()> {
        match self.spec.n_bands() {
            Some(declared) if self.band == declared => {
                let unit = self.spec.cut().unit();
                return Err(Case::TooManyBlocks { unit, declared }.into());
            }
            _ => {}
        }
        let columns = self.spec.grid().and_then(|grid| grid.columns());
        match (columns, &self.open) {
            (Some(columns), Some(open)) if open.n_blocks == columns.n_blocks() => {
                Err(Case::BandWidth {
                    band: self.band,
                    expected: columns.total(),
                    actual: open.n_columns.saturating_add(shape.get(1).copied().unwrap_or(0)),
                    at_least: true,
                    reference: Reference::Declared,
                }
                .into())
            }
            _ => Ok(()),
        }
    }

    fn n_open_blocks(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.n_blocks)
    }

    fn check_grid(&self, at: BlockIndex, n_blocks: usize, shape: &[usize]) -> Result<()> {
        let Some(grid) = self.spec.grid() else { return Ok(()) };
        let n_rows = grid.rows().size(self.band);
        let n_columns = grid.columns().map(|columns| columns.size(n_blocks));
        if shape[0] == n_rows && n_columns.is_none_or(|n_columns| shape[1] == n_columns) {
            return Ok(());
        }
        let expected = std::iter::once(n_rows).chain(n_columns).collect();
        Err(Case::GridMismatch { at, expected, actual: shape.to_vec() }.into())
    }
}
