//! Whether blocks fit together into one array, and where each lies in it.

use crate::{BlockPosition, Cut, DType, Declared, Error, Location, Reference, Result};

/// Checks blocks in order against the declaration and against each other.
pub(crate) struct BlockCheck<'d> {
    declared: &'d Declared,
    dtype: Option<(DType, Reference)>,
    /// The sizes of the axes behind the cut ones.
    trailing: Option<(Vec<usize>, Reference)>,
    /// The columns of a whole band, when axis 1 is cut.
    width: Option<(usize, Reference)>,
    band: usize,
    /// The first row of the open band.
    row: usize,
    /// Rows and blocks of the open band, once it has a block.
    open: Option<OpenBand>,
}

struct OpenBand {
    n_rows: usize,
    n_blocks: usize,
    n_columns: usize,
}

impl<'d> BlockCheck<'d> {
    /// Begins with what is declared.
    pub(crate) fn new(declared: &'d Declared) -> Result<BlockCheck<'d>> {
        let mut check = BlockCheck {
            declared,
            dtype: None,
            trailing: None,
            width: declared
                .grid()
                .and_then(|grid| grid.columns())
                .map(|columns| (columns.total(), Reference::Declared)),
            band: 0,
            row: 0,
            open: None,
        };
        if let Some(row_type) = declared.row_type() {
            let misfit =
                |what: String| Error::RowTypeMismatch { row_shape: row_type.shape.clone(), what };
            let mut trailing = row_type.shape.as_slice();
            if declared.cut() == Cut::RowsAndColumns {
                let Some((&width, rest)) = trailing.split_first() else {
                    return Err(misfit("a nested sequence, whose rows have columns".to_owned()));
                };
                if let Some((columns, _)) = check.width
                    && columns != width
                {
                    return Err(misfit(format!("the grid, which has {columns} columns")));
                }
                trailing = rest;
                check.width = Some((width, Reference::Declared));
            }
            check.dtype = Some((row_type.dtype, Reference::Declared));
            check.trailing = Some((trailing.to_vec(), Reference::Declared));
        }
        Ok(check)
    }

    /// Checks the next block of the open band and says where it lies.
    pub(crate) fn block(&mut self, dtype: DType, shape: &[usize]) -> Result<BlockPosition> {
        let cut = self.declared.cut();
        let n_blocks = self.open.as_ref().map_or(0, |open| open.n_blocks);
        let at = Location::of_block(cut, self.band, n_blocks);
        let actual = || shape.to_vec();

        let n_axes = cut.n_axes();
        if shape.len() < n_axes {
            return Err(Error::TooFewAxes { at, expected: n_axes, actual: actual() });
        }
        let &mut (expected, reference) = self.dtype.get_or_insert((dtype, Reference::FirstBlock));
        if dtype != expected {
            return Err(Error::BlockDType { at, expected, actual: dtype, reference });
        }
        let (expected, reference) =
            self.trailing.get_or_insert_with(|| (shape[n_axes..].to_vec(), Reference::FirstBlock));
        if shape[n_axes..] != **expected {
            return Err(Error::TrailingShape {
                at,
                first_axis: n_axes,
                expected: expected.clone(),
                actual: actual(),
                reference: *reference,
            });
        }
        self.check_grid(at, n_blocks, shape)?;

        let n_rows = shape[0];
        let open = self.open.get_or_insert(OpenBand { n_rows, n_blocks: 0, n_columns: 0 });
        if n_rows != open.n_rows {
            return Err(Error::BandHeight { at, expected: open.n_rows, actual: n_rows });
        }
        let position = BlockPosition { location: at, row: self.row, column: open.n_columns };
        open.n_blocks += 1;
        if cut == Cut::RowsAndColumns {
            open.n_columns += shape[1];
            if let Some((expected, reference)) = self.width
                && open.n_columns > expected
            {
                return Err(Error::BandWidth {
                    band: self.band,
                    expected,
                    actual: open.n_columns,
                    at_least: true,
                    reference,
                });
            }
        }
        Ok(position)
    }

    /// Checks that the open band is whole.
    pub(crate) fn end_band(&mut self) -> Result<()> {
        let band = self.band;
        let open = self.open.take().ok_or(Error::EmptyBand { band })?;
        if self.declared.cut() == Cut::RowsAndColumns {
            let &mut (expected, reference) =
                self.width.get_or_insert((open.n_columns, Reference::FirstBand));
            if open.n_columns != expected {
                return Err(Error::BandWidth {
                    band,
                    expected,
                    actual: open.n_columns,
                    at_least: false,
                    reference,
                });
            }
        }
        self.row += open.n_rows;
        self.band += 1;
        Ok(())
    }

    fn check_grid(&self, at: Location, n_blocks: usize, shape: &[usize]) -> Result<()> {
        let Some(grid) = self.declared.grid() else { return Ok(()) };
        let n_rows = grid.rows().size(self.band);
        let n_columns = grid.columns().map(|columns| columns.size(n_blocks));
        if shape[0] == n_rows && n_columns.is_none_or(|n_columns| shape[1] == n_columns) {
            return Ok(());
        }
        let expected = std::iter::once(n_rows).chain(n_columns).collect();
        Err(Error::GridMismatch { at, expected, actual: shape.to_vec() })
    }
}
