//! The arrays that are written, block by block.

use lazy_chunks::ArrayBlock;

use crate::keys::Keys;

/// The version of the array that is at the target before the write, if there is one.
pub(crate) const OLD: u64 = 1;
/// The version to write.
pub(crate) const NEW: u64 = 2;
/// The versions that the old array replaced, the latest first.
pub(crate) const OLDER: [u64; 2] = [101, 102];

/// The cut of an array into blocks.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Vec<usize>,
}

/// The shape of a shard if there are shards, and of a chunk otherwise: each is a file.
pub(crate) const FILE_SHAPE: [usize; 2] = [4, 4];
/// The shape of a chunk in a shard.
pub(crate) const INNER_SHAPE: [usize; 2] = [2, 4];
/// The shape of a chunk of an older version.
pub(crate) const OLD_SHAPE: [usize; 2] = [5, 5];

impl Grid {
    /// Returns the blocks of a small array. Neither chunks nor shards align with them.
    pub(crate) fn small() -> Grid {
        Grid { rows: vec![3, 4, 3], columns: vec![4, 3] }
    }

    /// Returns the blocks of an array with many blocks and chunks, which do not align either.
    pub(crate) fn large() -> Grid {
        Grid { rows: vec![3; 15], columns: vec![4, 3, 5] }
    }

    /// Returns the cut of the same array into blocks whose last rows are those of files.
    pub(crate) fn aligned(self) -> Grid {
        let n_rows: usize = self.rows.iter().sum();
        let starts = (0..n_rows).step_by(FILE_SHAPE[0]);
        let rows = starts.map(|start| FILE_SHAPE[0].min(n_rows - start)).collect();
        Grid { rows, ..self }
    }

    pub(crate) fn shape(&self) -> [usize; 2] {
        [self.rows.iter().sum(), self.columns.iter().sum()]
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let n_columns = self.columns.len();
        (0..self.rows.len()).flat_map(move |i| (0..n_columns).map(move |j| (i, j)))
    }

    /// Returns the start of a block, and its shape.
    fn place(&self, i: usize, j: usize) -> ([usize; 2], [usize; 2]) {
        let start = [self.rows[..i].iter().sum(), self.columns[..j].iter().sum()];
        (start, [self.rows[i], self.columns[j]])
    }

    pub(crate) fn block(&self, version: u64, i: usize, j: usize) -> ArrayBlock {
        let (start, shape) = self.place(i, j);
        block(version, start, shape)
    }

    /// Returns the whole array.
    pub(crate) fn array(&self, version: u64) -> ArrayBlock {
        block(version, [0, 0], self.shape())
    }

    /// Returns the keys of all chunks of an array in files of this shape.
    pub(crate) fn all_keys(&self, keys: Keys, file_shape: [usize; 2]) -> Vec<String> {
        keys_of(keys, file_shape, [0, 0], self.shape())
    }

    /// Returns the keys of the chunks that a block touches.
    pub(crate) fn keys(&self, keys: Keys, i: usize, j: usize) -> Vec<String> {
        let (start, shape) = self.place(i, j);
        keys_of(keys, FILE_SHAPE, start, shape)
    }

    /// Returns the elements of a chunk of an older version, with the fill value beyond the array's
    /// edges.
    pub(crate) fn old_chunk(&self, version: u64, index: [usize; 2]) -> Vec<u8> {
        let (shape, [n_rows, n_columns]) = (self.shape(), OLD_SHAPE);
        let at = |row: usize, column: usize| {
            if row < shape[0] && column < shape[1] { element(version, row, column) } else { 0.0 }
        };
        let (row, column) = (index[0] * n_rows, index[1] * n_columns);
        (row..row + n_rows)
            .flat_map(|row| (column..column + n_columns).map(move |column| (row, column)))
            .flat_map(|(row, column)| at(row, column).to_le_bytes())
            .collect()
    }
}

fn keys_of(
    keys: Keys,
    file_shape: [usize; 2],
    start: [usize; 2],
    shape: [usize; 2],
) -> Vec<String> {
    let range = |axis: usize| {
        let size = file_shape[axis];
        start[axis] / size..(start[axis] + shape[axis]).div_ceil(size)
    };
    range(0).flat_map(|row| range(1).map(move |column| keys.key(row, column))).collect()
}

fn block(version: u64, start: [usize; 2], shape: [usize; 2]) -> ArrayBlock {
    let elements = (0..shape[0]).flat_map(|row| {
        (0..shape[1]).map(move |column| element(version, start[0] + row, start[1] + column))
    });
    ArrayBlock::from_vec(shape, elements.collect())
        .expect("the shape matches the number of elements")
}

/// Returns rows of an array with seven columns.
pub(crate) fn rows(version: u64, rows: std::ops::Range<usize>) -> ArrayBlock {
    block(version, [rows.start, 0], [rows.len(), 7])
}

/// Returns an element. One chunk contains only zeros, the fill value.
fn element(version: u64, row: usize, column: usize) -> f64 {
    if row / FILE_SHAPE[0] == 1 && column / FILE_SHAPE[1] == 1 {
        return 0.0;
    }
    let mixed =
        (version << 40 | (row as u64) << 20 | column as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The order of summation changes sums of these numbers.
    (mixed >> 11) as f64 / 3e9
}
