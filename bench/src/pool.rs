//! The pool of elements that blocks are copied from: producing a block costs one copy.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Result, ensure};

use crate::job::Job;
use crate::workload::Data;

const N_ELEMENTS: usize = 1 << 24;

/// The number of elements between the beginnings of two blocks: large, so that successive blocks
/// have no elements in common.
const STEP: usize = 6_700_417;

/// The elements of all blocks, in memory.
pub(crate) struct Pool {
    elements: Vec<f32>,
}

impl Pool {
    pub(crate) fn load(path: &Path) -> Result<Pool> {
        let bytes = fs::read(path)?;
        ensure!(bytes.len() == N_ELEMENTS * size_of::<f32>(), "the pool has {} bytes", bytes.len());
        let (elements, _) = bytes.as_chunks::<4>();
        Ok(Pool { elements: elements.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
    }

    /// Returns the elements of a block with this number.
    pub(crate) fn block(&self, number: usize, n_elements: usize) -> &[f32] {
        let start = number * STEP % (self.elements.len() - n_elements);
        &self.elements[start..start + n_elements]
    }
}

/// Writes a pool to a file.
pub(crate) fn write(path: &Path, data: Data) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    let mut noise = Noise { state: 1 };
    for i in 0..N_ELEMENTS {
        let element = match data {
            Data::Noise => noise.next(),
            Data::Smooth => smooth(i),
        };
        file.write_all(&element.to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// The standard normal distribution, by the Box-Muller method.
struct Noise {
    state: u64,
}

impl Noise {
    fn next(&mut self) -> f32 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// Returns a number from 0 to 1 from the generator `SplitMix64`.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns an element of waves that no block repeats.
fn smooth(i: usize) -> f32 {
    let (row, column) = ((i / 8192) as f64, (i % 8192) as f64);
    ((row / 300.0).sin() * (column / 170.0).cos() + 0.1 * (column / 7.0).sin()) as f32
}

/// Calls a function with each block of a job: its start, its width, and its elements.
pub(crate) fn for_each_block(
    job: &Job,
    pool: &Pool,
    mut function: impl FnMut([usize; 2], usize, &[f32]) -> Result<()>,
) -> Result<()> {
    let whole = [job.width];
    let columns = job.columns.as_deref().unwrap_or(&whole);
    let (mut number, mut row) = (0, 0);
    for height in &job.rows {
        let mut column = 0;
        for width in columns {
            function([row, column], *width, pool.block(number, height * width))?;
            number += 1;
            column += width;
        }
        row += height;
    }
    Ok(())
}
