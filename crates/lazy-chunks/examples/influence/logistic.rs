//! Multinomial logistic regression with L2 regularization.

use std::ops::Range;

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use ndarray::{Array2, ArrayView1, Axis, s};

use crate::shared::digits::{Digits, N_CLASSES};

/// A model that is fitted to convergence, with the Hessian of its loss at the optimum.
///
/// A parameter is the weight of input `d` for class `k`; its index is `k · n_inputs + d`.
pub(crate) struct LogisticRegression {
    /// Classes × inputs.
    pub(crate) weights: Array2<f64>,
    hessian: Cholesky<f64, Dyn>,
}

impl LogisticRegression {
    /// Minimizes the mean loss plus `l2 / 2` times the squared norm of the weights, by Newton's
    /// method, until the gradient's norm is below 10⁻¹⁰.
    pub(crate) fn fit(train: &Digits, l2: f64) -> Result<LogisticRegression, &'static str> {
        const MOST_STEPS: usize = 100;
        let mut weights = Array2::zeros((N_CLASSES, train.inputs.ncols()));
        for _ in 0..MOST_STEPS {
            let hessian = hessian(&weights, train, l2);
            let mean = gradients(&weights, train, 0..train.len()).mean_axis(Axis(0));
            let mut gradient = mean.expect("there are training points");
            gradient.scaled_add(l2, &weights.flatten());
            let norm = gradient.dot(&gradient).sqrt();
            let hessian =
                Cholesky::new(hessian).expect("regularization makes it positive definite");
            if norm < 1e-10 {
                return Ok(LogisticRegression { weights, hessian });
            }
            let step = hessian.solve(&DVector::from_row_slice(&gradient.to_vec()));
            for (weight, step) in weights.iter_mut().zip(&step) {
                *weight -= step;
            }
        }
        Err("Newton's method does not converge")
    }

    /// Returns the number of parameters.
    pub(crate) fn n_parameters(&self) -> usize {
        self.weights.len()
    }

    /// Returns the most probable class of each digit.
    pub(crate) fn predictions(&self, digits: &Digits) -> Vec<usize> {
        let probabilities = probabilities(&self.weights, &digits.inputs);
        let most_probable = |row: ArrayView1<'_, f64>| {
            (0..N_CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("there are classes")
        };
        probabilities.rows().into_iter().map(most_probable).collect()
    }

    /// Returns the gradient of each digit's loss: digits × parameters.
    pub(crate) fn gradients(&self, digits: &Digits, range: Range<usize>) -> Array2<f64> {
        gradients(&self.weights, digits, range)
    }

    /// Returns the influence factors H⁻¹∇ℓ of each digit: digits × parameters.
    pub(crate) fn factors(&self, digits: &Digits, range: Range<usize>) -> Array2<f64> {
        let gradients = self.gradients(digits, range);
        let (n, n_parameters) = gradients.dim();
        // ndarray's rows are nalgebra's columns: the former is in C order, the latter in Fortran
        // order.
        let columns = DMatrix::from_iterator(n_parameters, n, gradients.iter().copied());
        let solved = self.hessian.solve(&columns);
        Array2::from_shape_vec((n, n_parameters), solved.as_slice().to_vec()).expect("same size")
    }
}

/// Returns the probability of each class: digits × classes.
fn probabilities(weights: &Array2<f64>, inputs: &Array2<f64>) -> Array2<f64> {
    let mut scores = inputs.dot(&weights.t());
    for mut row in scores.rows_mut() {
        let largest = row.fold(f64::NEG_INFINITY, |largest, score| largest.max(*score));
        row.mapv_inplace(|score| (score - largest).exp());
        row /= row.sum();
    }
    scores
}

fn gradients(weights: &Array2<f64>, digits: &Digits, range: Range<usize>) -> Array2<f64> {
    let inputs = digits.inputs.slice(s![range.clone(), ..]).to_owned();
    let mut residuals = probabilities(weights, &inputs);
    for (mut row, &label) in residuals.rows_mut().into_iter().zip(&digits.labels[range]) {
        row[label] -= 1.0;
    }
    let (n, n_inputs) = inputs.dim();
    Array2::from_shape_fn((n, N_CLASSES * n_inputs), |(i, parameter)| {
        residuals[[i, parameter / n_inputs]] * inputs[[i, parameter % n_inputs]]
    })
}

/// Returns the Hessian of the regularized mean loss: parameters × parameters.
fn hessian(weights: &Array2<f64>, train: &Digits, l2: f64) -> DMatrix<f64> {
    let n_inputs = train.inputs.ncols();
    let p = probabilities(weights, &train.inputs);
    let mut hessian = DMatrix::identity(weights.len(), weights.len()) * l2;
    for k in 0..N_CLASSES {
        for l in 0..=k {
            let same = if k == l { 1.0 } else { 0.0 };
            let curvature = &p.column(k) * &(same - &p.column(l)) / train.len() as f64;
            let scaled = &train.inputs * &curvature.insert_axis(Axis(1));
            let block = train.inputs.t().dot(&scaled);
            for ((d, e), value) in block.indexed_iter() {
                hessian[(k * n_inputs + d, l * n_inputs + e)] += value;
                if k != l {
                    hessian[(l * n_inputs + e, k * n_inputs + d)] += value;
                }
            }
        }
    }
    hessian
}
