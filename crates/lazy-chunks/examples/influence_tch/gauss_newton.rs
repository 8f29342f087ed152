//! Products of vectors with the curvature of a network's loss.

use tch::{Kind, Tensor};

use crate::network::Network;
use crate::shared::digits::Digits;

/// The damped Gauss-Newton matrix of a network's mean loss, `JᵀHJ / n + λI`. J contains the
/// derivatives of the scores of all n digits with respect to the parameters, H the second
/// derivatives of their losses with respect to the scores, and λ is the damping.
///
/// The matrix is positive definite. It equals the Hessian if the scores are linear in the
/// parameters. It is never built, since it has a row and a column for each parameter.
pub(crate) struct GaussNewton {
    layers: Vec<Layer>,
    /// Classes × digits.
    probabilities: Tensor,
    damping: f64,
}

/// The part of a layer in the chain rule. Digits are along the last axis in elementwise products,
/// because long inner loops are fast.
struct Layer {
    /// Digits × inputs.
    inputs: Tensor,
    n_outputs: i64,
    /// Present for each layer except the first.
    before: Option<Before>,
}

/// The dependence of a layer's outputs on the outputs of the layer before it.
struct Before {
    /// The weights without the bias.
    weights: Tensor,
    /// The derivative of tanh: outputs of the previous layer × digits.
    slopes: Tensor,
}

impl GaussNewton {
    pub(crate) fn new(network: &Network, digits: &Digits, damping: f64) -> GaussNewton {
        let pass = network.pass(digits, 0..digits.len());
        let probabilities = pass.scores().softmax(1, Kind::Double).tr().contiguous();
        let mut layers: Vec<Layer> = Vec::new();
        for (weights, inputs) in network.weights().iter().zip(pass.inputs) {
            let size = weights.size();
            let before = (!layers.is_empty()).then(|| {
                let activations = inputs.narrow(1, 0, size[1] - 1).tr().contiguous();
                let slopes = activations.ones_like() - activations.square();
                Before { weights: weights.narrow(1, 0, size[1] - 1), slopes }
            });
            layers.push(Layer { inputs, n_outputs: size[0], before });
        }
        GaussNewton { layers, probabilities, damping }
    }

    /// Returns the products with vectors, which are rows: vectors × parameters.
    pub(crate) fn times(&self, vectors: &Tensor) -> Tensor {
        let n_digits = self.probabilities.size()[1];
        // H of a digit is diag(p) − ppᵀ, where p contains the probabilities of its classes.
        let weighted = &self.probabilities * self.jacobian_times(vectors);
        let mean = weighted.sum_dim_intlist(1, true, Kind::Double);
        let mut by_outputs = (weighted - &self.probabilities * mean) / n_digits as f64;
        let mut products = Vec::new();
        for layer in self.layers.iter().rev() {
            let rows = by_outputs.view([-1, n_digits]);
            products.push(rows.matmul(&layer.inputs).view([vectors.size()[0], -1]));
            if let Some(Before { weights, slopes }) = &layer.before {
                by_outputs = weights.tr().matmul(&by_outputs) * slopes;
            }
        }
        products.reverse();
        Tensor::cat(&products, 1) + vectors * self.damping
    }

    /// Returns the change of the scores along each vector: vectors × classes × digits.
    fn jacobian_times(&self, vectors: &Tensor) -> Tensor {
        let mut scores = None;
        let mut start = 0;
        for Layer { inputs, n_outputs, before } in &self.layers {
            let n_inputs = inputs.size()[1];
            let own = vectors.narrow(1, start, n_outputs * n_inputs).reshape([-1, n_inputs]);
            start += n_outputs * n_inputs;
            let own = own.matmul(&inputs.tr()).view([vectors.size()[0], *n_outputs, -1]);
            scores = match (scores, before) {
                (Some(outputs), Some(Before { weights, slopes })) => {
                    Some(own + weights.matmul(&(outputs * slopes)))
                }
                _ => Some(own),
            };
        }
        scores.expect("a network has a layer")
    }
}
