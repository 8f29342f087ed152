//! A softmax regression, with formulas for its weights and samples, so that others can check it.

use std::ops::Range;

use ndarray::{Array2, Axis};

const N_CLASSES: usize = 100;
const N_INPUTS: usize = 50;
/// A parameter is the weight of input `d` for class `k`; its index is `k · N_INPUTS + d`.
pub(crate) const N_PARAMETERS: usize = N_CLASSES * N_INPUTS;

/// Returns rows of a pseudorandom matrix, which their index determines: rows × columns.
pub(crate) fn pseudorandom(rows: Range<usize>, n_columns: usize) -> Array2<f32> {
    let wave = |i: usize, j: usize| ((i + 1) * (i + 17 * j + 1)) as f64;
    Array2::from_shape_fn((rows.len(), n_columns), |(i, j)| wave(rows.start + i, j).sin() as f32)
}

/// Returns the gradient of each sample's loss: samples × parameters.
pub(crate) fn gradients(samples: Range<usize>) -> Array2<f32> {
    let inputs = pseudorandom(samples.clone(), N_INPUTS);
    let weights = pseudorandom(0..N_CLASSES, N_INPUTS);
    let mut residuals = inputs.dot(&weights.t()).mapv(f32::exp);
    residuals /= &residuals.sum_axis(Axis(1)).insert_axis(Axis(1));
    for (mut residual, sample) in residuals.rows_mut().into_iter().zip(samples) {
        residual[sample % N_CLASSES] -= 1.0;
    }
    Array2::from_shape_fn((inputs.nrows(), N_PARAMETERS), |(i, parameter)| {
        residuals[[i, parameter / N_INPUTS]] * inputs[[i, parameter % N_INPUTS]]
    })
}
