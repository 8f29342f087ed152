//! The properties of an array that are known while its blocks arrive, and the layout that follows
//! from them.

use lazy_core::{BlockIndex, BlockPosition, BlockSizes, Cut, DType, RowType, SequenceSpec};

use crate::error::{Error, Result};
use crate::layout::{self, Layout};
use crate::settings::{Sizes, WriteSettings};
use crate::write::budget::{BLOCK_OVERHEAD, kept_bytes};

/// The properties of the array that are known from the blocks so far and from the declaration.
pub(super) struct Seen {
    pub(super) cut: Cut,
    pub(super) row_type: Option<RowType>,
    pub(super) n_rows: usize,
    /// The end column of the last block, if axis 1 is cut.
    pub(super) end_column: usize,
    /// The array's size along axis 1, if that axis is cut and its size is known.
    pub(super) width: Option<usize>,
    /// True once a second band has begun.
    is_band_over: bool,
}

impl Seen {
    pub(super) fn new(spec: &SequenceSpec) -> Seen {
        let row_type = spec.row_type().cloned();
        let width = match spec.cut() {
            Cut::Rows => None,
            Cut::RowsAndColumns => {
                let columns = spec.grid().and_then(|grid| grid.columns());
                columns.map(BlockSizes::total).or(row_type.as_ref().map(|row| row.shape[0]))
            }
        };
        Seen { cut: spec.cut(), row_type, n_rows: 0, end_column: 0, width, is_band_over: false }
    }

    /// Returns the properties of an array whose rows have this type.
    pub(super) fn within(self, row_type: RowType) -> Seen {
        let width = match self.cut {
            Cut::Rows => None,
            Cut::RowsAndColumns => row_type.shape.first().copied(),
        };
        Seen { row_type: Some(row_type), width, ..self }
    }

    /// Records the position, shape and dtype of a block.
    pub(super) fn add(&mut self, at: BlockPosition, dtype: DType, shape: &[usize]) {
        if self.cut == Cut::RowsAndColumns {
            if matches!(at.index, BlockIndex::NestedBlock(1.., 0)) {
                // The first block of the next band shows that the previous band is complete.
                self.width.get_or_insert(self.end_column);
                self.is_band_over = true;
            }
            self.end_column = at.column + shape[1];
        }
        self.n_rows = at.row + shape[0];
        self.row_type.get_or_insert_with(|| RowType { dtype, shape: shape[1..].to_vec() });
    }

    /// Returns the dtype and the shape of a row, after the last block.
    pub(super) fn final_row_type(&mut self) -> Result<RowType> {
        let empty = || Error::from(lazy_core::Error::empty_sequence());
        let mut row_type = self.row_type.clone().ok_or_else(empty)?;
        if self.cut == Cut::RowsAndColumns {
            row_type.shape[0] = *self.width.get_or_insert(self.end_column);
        }
        Ok(row_type)
    }

    /// Chooses the layout. `first_block` is the shape of the first block that has elements, and
    /// `n_bytes` the size of all blocks so far. `n_rows` is the array's number of rows, once all
    /// blocks have been seen.
    pub(super) fn choose_layout(
        &self,
        settings: &WriteSettings,
        first_block: &[usize],
        n_bytes: usize,
        n_rows: Option<usize>,
    ) -> Result<Layout> {
        let row_type = self.row_type.as_ref().expect("a block or a declaration tells the row type");
        let mut row_shape: Vec<_> = row_type.shape.iter().copied().map(Some).collect();
        if self.cut == Cut::RowsAndColumns {
            row_shape[0] = self.width.filter(|_| self.is_band_over || n_rows.is_some());
        }
        let layout = settings.layout.choose_in_memory(&layout::Seen {
            cut: self.cut,
            dtype: row_type.dtype,
            first_block,
            n_bytes,
            row_shape: &row_shape,
            n_columns: self.end_column,
            n_rows,
        })?;
        if settings.layout.chunks == Some(Sizes::FirstBlock) {
            // The size of a block was not known before.
            let n_bytes = layout::n_bytes(row_type.dtype, &layout.chunk_shape);
            settings.codec().check_chunk(n_bytes)?;
        }
        Ok(layout)
    }
}

/// Returns true if more blocks are kept before an automatic layout is chosen. `n_bytes` is the size
/// of the `n_kept` blocks that are kept.
pub(super) fn keeps_more(settings: &WriteSettings, n_bytes: usize, n_kept: usize) -> bool {
    let held = n_bytes + n_kept * BLOCK_OVERHEAD;
    settings
        .layout
        .target_bytes()
        .is_some_and(|target| n_bytes < target && held < kept_bytes(target))
}

/// Returns the layout that a write of a sequence with a grid and a row type chooses, without its
/// blocks.
pub(crate) fn planned_layout(settings: &WriteSettings, spec: &SequenceSpec) -> Result<Layout> {
    let (Some(grid), Some(row_type)) = (spec.grid(), spec.row_type()) else {
        return Err(crate::error::SettingError::RowTypeUnknown.into());
    };
    let mut seen = Seen::new(spec);
    let (mut first_block, mut n_bytes, mut n_kept) = (Vec::new(), 0_usize, 0);
    for (band, rows) in grid.rows().ranges().enumerate() {
        for column in 0..grid.blocks_per_band() {
            let mut shape = [&[rows.len()], &row_type.shape[..]].concat();
            let (mut index, mut start) = (BlockIndex::Block(band), 0);
            if let Some(columns) = grid.columns() {
                let columns = columns.range(column);
                (index, start) = (BlockIndex::NestedBlock(band, column), columns.start);
                shape[1] = columns.len();
            }
            let at = BlockPosition { index, row: rows.start, column: start };
            seen.add(at, row_type.dtype, &shape);
            if shape.contains(&0) {
                continue;
            }
            n_bytes = n_bytes.saturating_add(layout::n_bytes(row_type.dtype, &shape));
            n_kept += 1;
            if first_block.is_empty() {
                first_block = shape;
            }
            if !keeps_more(settings, n_bytes, n_kept) {
                return seen.choose_layout(settings, &first_block, n_bytes, None);
            }
        }
    }
    let n_rows = Some(grid.rows().total());
    seen.choose_layout(settings, &first_block, n_bytes, n_rows)
}
