//! Arrays in a grid, cut into blocks that fit into memory.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{BlockPool, BlockSizes, Cut, LazyChunkSequence, NestedLazyChunkSequence};

use super::error::Fit;
use super::identity::{self, Identity};
use super::piece::{AtOnce, Piece};
use super::size::Size;
use super::{Blocks, Input, InputError, ShapeOfBlocks, Sources};

/// The most bytes in blocks that are in flight at once, unless a single block has more.
const MOST_ALIVE: usize = 512 << 20;

/// The most blocks in an input. With blocks of 4 MiB, this is 512 TiB: an array that declares more
/// is not that large.
const MOST_BLOCKS: u128 = 1 << 27;

/// The arrays of the input, in bands of `n_columns`.
#[derive(Debug)]
pub(crate) struct PieceGrid {
    pieces: Vec<Piece>,
    n_columns: usize,
    /// For each block along axis 0, its band and the rows of that band.
    rows: Vec<Place>,
    /// For each block along axis 1, its piece of the band and the columns of that piece. None if
    /// nothing is cut along axis 1.
    columns: Option<Vec<Place>>,
    /// Memory for blocks of files.
    pool: BlockPool<u8>,
}

/// A part of a piece, along one axis.
#[derive(Clone, Debug)]
struct Place {
    piece: usize,
    range: Range<usize>,
}

/// Cuts a piece along an axis of this size.
fn cut(piece: usize, size: usize, at_once: AtOnce) -> impl Iterator<Item = Place> {
    let sizes = match at_once {
        AtOnce::Uniform(at_once) => BlockSizes::uniform(size, at_once),
        AtOnce::Sizes(sizes) => sizes,
    };
    // An axis of size 0 has one block.
    (0..sizes.n_blocks().max(1)).map(move |i| {
        let range = if size == 0 { 0..0 } else { sizes.range(i) };
        Place { piece, range }
    })
}

fn sizes(places: &[Place]) -> Vec<usize> {
    places.iter().map(|place| place.range.len()).collect()
}

impl PieceGrid {
    /// Makes a grid of arrays, after a check that they fit together. `is_stacked` is true if each
    /// of them has become a row.
    pub(crate) fn new(
        pieces: Vec<Piece>,
        n_columns: Option<usize>,
        is_stacked: bool,
    ) -> Result<PieceGrid, InputError> {
        let in_band = n_columns.unwrap_or(1);
        if !pieces.len().is_multiple_of(in_band) {
            return Err(InputError::IncompleteBand { n_blocks: pieces.len(), n_columns: in_band });
        }
        let first = &pieces[0];
        if n_columns.is_some() && first.shape().len() < 2 {
            return Err(InputError::GridOfOneAxis {
                name: first.name().to_owned(),
                shape: first.shape().to_vec(),
            });
        }
        for (i, piece) in pieces.iter().enumerate() {
            check(piece, first, Fit { is_grid: n_columns.is_some(), is_stacked })
                .map_err(|error| if piece.is_in_archive() { error.in_archive() } else { error })?;
            let (of_band, above) = (&pieces[i - i % in_band], &pieces[i % in_band]);
            if piece.shape()[0] != of_band.shape()[0] {
                return Err(InputError::OtherHeight {
                    name: piece.name().to_owned(),
                    actual: piece.shape()[0],
                    first: of_band.name().to_owned(),
                    expected: of_band.shape()[0],
                });
            }
            if n_columns.is_some() && piece.shape()[1] != above.shape()[1] {
                return Err(InputError::OtherWidth {
                    name: piece.name().to_owned(),
                    actual: piece.shape()[1],
                    first: above.name().to_owned(),
                    expected: above.shape()[1],
                });
            }
        }
        check_number(&pieces, in_band)?;
        let bands = pieces.iter().step_by(in_band).enumerate();
        let rows: Vec<_> = bands
            .flat_map(|(band, piece)| cut(band, piece.shape()[0], piece.rows_at_once()))
            .collect();
        let across = pieces[..in_band].iter().enumerate();
        let is_cut = pieces.iter().all(Piece::can_be_cut_along_columns);
        let columns: Option<Vec<_>> = (first.shape().len() > 1).then(|| {
            let places = across.flat_map(|(column, piece)| {
                let n_columns = piece.shape()[1];
                let all = AtOnce::Uniform(n_columns.max(1));
                let at_once = piece.columns_at_once().filter(|_| is_cut).unwrap_or(all);
                cut(column, n_columns, at_once)
            });
            places.collect()
        });
        // With one block a band, the sequence is cut along axis 0 only.
        let columns = columns.filter(|columns| columns.len() > 1 || n_columns.is_some());
        Ok(PieceGrid { pieces, n_columns: in_band, rows, columns, pool: BlockPool::new() })
    }

    /// Returns the arrays, if all of them are Zarr arrays.
    pub(super) fn stored(&self) -> Option<Vec<&StoredArray>> {
        self.pieces.iter().map(Piece::stored).collect()
    }

    /// Returns the blocks, computed by this number of threads.
    pub(crate) fn into_input(self, n_threads: usize) -> Input {
        let first = &self.pieces[0];
        let (dtype, mut row_shape) = (first.dtype(), first.shape()[1..].to_vec());
        if let Some(columns) = &self.columns {
            row_shape[0] = sizes(columns).iter().sum();
        }
        let n_blocks = self.rows.len() * self.columns.as_ref().map_or(1, Vec::len);
        let largest = |places: &[Place]| sizes(places).into_iter().max().unwrap_or(0);
        let mut block = [&[largest(&self.rows)], &row_shape[..]].concat();
        if let Some(columns) = &self.columns {
            block[1] = largest(columns);
        }
        let block_bytes = block.iter().fold(dtype.size(), |n, &size| n.saturating_mul(size));
        let most_alive = if n_threads == 1 { 1 } else { 2 * n_threads };
        let n_alive = (MOST_ALIVE / block_bytes.max(1)).clamp(1, most_alive);
        let cut = if self.columns.is_some() { Cut::RowsAndColumns } else { Cut::Rows };
        let shape_of_blocks =
            ShapeOfBlocks { cut, dtype, row_shape: row_shape.clone(), block, n_alive };

        let rows = sizes(&self.rows);
        let columns = self.columns.as_deref().map(sizes);
        let grid = Arc::new(self);
        let of_blocks = Arc::clone(&grid);
        let blocks = match columns {
            None => {
                let sequence =
                    LazyChunkSequence::try_from_fn(rows, move |i| of_blocks.read(i, None));
                Blocks::Flat(
                    sequence
                        .with_row_type(dtype, row_shape)
                        .with_threads(n_threads)
                        .with_max_in_flight(n_alive),
                )
            }
            Some(columns) => {
                let block = move |i, j| of_blocks.read(i, Some(j));
                let sequence = NestedLazyChunkSequence::try_from_fn(rows, columns, block);
                Blocks::Nested(
                    sequence
                        .with_row_type(dtype, row_shape)
                        .with_threads(n_threads)
                        .with_max_in_flight(n_alive),
                )
            }
        };
        Input {
            blocks,
            grid: Some(Arc::clone(&grid)),
            n_blocks: Some(n_blocks),
            shape_of_blocks: Arc::new(shape_of_blocks.into()),
            sources: Sources::default(),
            size: Size::of_arrays(grid.pieces.len()),
            later_note: Arc::default(),
        }
    }

    fn read(&self, i: usize, j: Option<usize>) -> Result<lazy_chunks::ArrayBlock, InputError> {
        let rows = &self.rows[i];
        let place = j.zip(self.columns.as_ref()).map(|(j, columns)| &columns[j]);
        let column = place.map_or(0, |place| place.piece);
        let piece = &self.pieces[rows.piece * self.n_columns + column];
        piece.read(rows.range.clone(), place.map(|place| place.range.clone()), &self.pool)
    }

    /// Checks that no file has changed since its header was read: none that these blocks along axis
    /// 0 are cut from.
    pub(crate) fn check_unchanged(&self, bands: Range<usize>) -> Result<(), InputError> {
        let mut last = None;
        let pieces = match (self.rows[bands.clone()].first(), self.rows[bands].last()) {
            (Some(first), Some(last)) => {
                first.piece * self.n_columns..(last.piece + 1) * self.n_columns
            }
            _ => 0..0,
        };
        for source in self.pieces[pieces].iter().filter_map(Piece::source) {
            // Arrays of one file are adjacent.
            if last.replace(source).is_none_or(|last| !Arc::ptr_eq(last, source)) {
                source.check()?;
            }
        }
        Ok(())
    }

    /// Returns the number of blocks along axis 0.
    pub(crate) fn n_bands(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.rows.iter().map(|rows| rows.range.len()).sum()
    }

    /// Returns the identity of a write of these arrays to the path `output`, or to a store.
    pub(crate) fn identify(&self, output: Option<&Path>) -> Result<Identity, InputError> {
        identity::identify(&self.pieces, self.n_columns, output)
    }
}

/// Checks that there are at most [`MOST_BLOCKS`] blocks, whatever size the arrays declare.
fn check_number(pieces: &[Piece], in_band: usize) -> Result<(), InputError> {
    let along = |size: usize, at_once: AtOnce| match at_once {
        AtOnce::Uniform(at_once) => size.div_ceil(at_once).max(1) as u128,
        AtOnce::Sizes(sizes) => sizes.n_blocks().max(1) as u128,
    };
    let across = |piece: &Piece| {
        let size = piece.shape().get(1).copied().unwrap_or(1);
        piece.columns_at_once().map_or(1, |at_once| along(size, at_once))
    };
    let n_across: u128 = pieces[..in_band].iter().map(across).sum();
    let mut n_blocks = 0;
    for piece in pieces.iter().step_by(in_band) {
        n_blocks += n_across * along(piece.shape()[0], piece.rows_at_once());
        if n_blocks > MOST_BLOCKS {
            let (name, shape) = (piece.name().to_owned(), piece.shape().to_vec());
            return Err(InputError::TooManyBlocks { name, shape, most: MOST_BLOCKS });
        }
    }
    Ok(())
}

/// Checks that an array has the dtype of the first one, and fits to its shape.
fn check(piece: &Piece, first: &Piece, fit: Fit) -> Result<(), InputError> {
    if piece.dtype() != first.dtype() {
        return Err(InputError::OtherDType {
            name: piece.name().to_owned(),
            actual: piece.dtype(),
            first: first.name().to_owned(),
            expected: first.dtype(),
        });
    }
    fit.check(
        (|| piece.name().to_owned(), piece.shape()),
        (|| first.name().to_owned(), first.shape()),
    )
}
