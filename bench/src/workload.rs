//! The workloads: arrays of float32, cut into blocks and chunks.

/// An array that is produced block by block.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) data: Data,
    /// The block sizes along axis 0.
    pub(crate) rows: Vec<usize>,
    /// The block sizes along axis 1, or `None` if it is not cut.
    pub(crate) columns: Option<Vec<usize>>,
    pub(crate) width: usize,
    pub(crate) chunks: Chunks,
    pub(crate) shards: Option<[usize; 2]>,
}

/// The elements of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// The standard normal distribution, since the results of computations are mostly noise.
    Noise,
    /// Waves that never repeat.
    Smooth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    Explicit([usize; 2]),
    /// This workspace chooses. The peers have one chunk for each block, as pyDVL does: they would
    /// read and write larger chunks again for each block.
    Automatic,
}

impl Workload {
    /// Returns all workloads. A divisor above 1 reduces their rows.
    pub(crate) fn all(divisor: usize) -> Vec<Workload> {
        let sizes = |size: usize, n_blocks: usize| vec![size; n_blocks.div_ceil(divisor)];
        let flat = |name, rows| Workload {
            name,
            data: Data::Noise,
            rows,
            columns: None,
            width: 8192,
            chunks: Chunks::Explicit([256, 8192]),
            shards: None,
        };
        let nested = |name, (height, n_bands), (width, n_columns): (usize, usize)| Workload {
            name,
            data: Data::Noise,
            rows: sizes(height, n_bands),
            columns: Some(vec![width; n_columns]),
            width: width * n_columns,
            chunks: Chunks::Explicit([512, 512]),
            shards: None,
        };
        vec![
            flat("factors", sizes(256, 128)),
            flat("ragged", ragged_rows(32_768 / divisor)),
            nested("values", (512, 32), (512, 32)),
            nested("misaligned", (500, 33), (300, 54)),
            Workload { chunks: Chunks::Automatic, ..nested("tiny", (10, 100), (10, 100)) },
            Workload {
                width: 1000,
                chunks: Chunks::Automatic,
                ..flat("tinyrows", sizes(10, 1000))
            },
            Workload {
                chunks: Chunks::Explicit([64, 1024]),
                shards: Some([512, 8192]),
                ..flat("sharded", sizes(256, 128))
            },
            Workload { data: Data::Smooth, ..flat("smooth", sizes(256, 128)) },
        ]
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.rows.iter().sum()
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.n_rows() * self.width * size_of::<f32>()
    }

    /// Returns the shape of the first block, which is the largest.
    pub(crate) fn largest_block(&self) -> [usize; 2] {
        let largest = |sizes: &[usize]| sizes.iter().copied().max().unwrap_or_default();
        [largest(&self.rows), self.columns.as_deref().map_or(self.width, largest)]
    }
}

/// Returns irregular sizes from 100 to 399 that add up to `n_rows`.
fn ragged_rows(n_rows: usize) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut left = n_rows;
    let mut state = 1_u32;
    while left > 0 {
        // The generator of Numerical Recipes. Its high bits are better.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (100 + (state >> 16) as usize % 300).min(left);
        rows.push(size);
        left -= size;
    }
    rows
}
