//! What is known of a sequence before its first block is computed.

use crate::{BlockGrid, Cut, DType};

/// The dtype and the shape of one row: of `array[i]`, the array without axis 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowType {
    /// The element type.
    pub dtype: DType,
    /// The array's shape without axis 0.
    pub shape: Vec<usize>,
}

/// What a sequence says of itself before its first block is computed.
///
/// A [`Reducer`](crate::Reducer) is started with it. All of it is checked against the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    cut: Cut,
    n_bands: Option<usize>,
    grid: Option<BlockGrid>,
    row_type: Option<RowType>,
}

impl Declared {
    pub(crate) fn streamed(cut: Cut, n_bands: Option<usize>) -> Declared {
        Declared { cut, n_bands, grid: None, row_type: None }
    }

    pub(crate) fn indexed(grid: BlockGrid) -> Declared {
        Declared {
            cut: grid.cut(),
            n_bands: Some(grid.rows().n_blocks()),
            grid: Some(grid),
            row_type: None,
        }
    }

    pub(crate) fn with_n_bands(self, n_bands: usize) -> Declared {
        Declared { n_bands: Some(n_bands), ..self }
    }

    pub(crate) fn with_row_type(self, row_type: Option<RowType>) -> Declared {
        Declared { row_type, ..self }
    }

    /// The axes along which the sequence is cut.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// The number of blocks along axis 0: blocks of a sequence, bands of a nested one.
    #[must_use]
    pub fn n_bands(&self) -> Option<usize> {
        self.n_bands
    }

    /// The block sizes, for the indexed kinds.
    #[must_use]
    pub fn grid(&self) -> Option<&BlockGrid> {
        self.grid.as_ref()
    }

    /// The dtype and the shape of one row, where the sequence was told.
    #[must_use]
    pub fn row_type(&self) -> Option<&RowType> {
        self.row_type.as_ref()
    }
}
