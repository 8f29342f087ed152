//! A network in libtorch: its training, its predictions, and the gradients of the losses of digits.

use std::ops::Range;

use ndarray::{ArrayRef2, s};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Reduction, TchError, Tensor};

use crate::shared::digits::{Digits, N_CLASSES};

/// A network of dense layers with tanh between them. The outputs of the last layer are the scores
/// of the classes, and the loss is the cross entropy of their softmax. So a network with a single
/// layer is a logistic regression.
///
/// A layer has a matrix of weights, outputs × inputs. The last input is a constant 1, for the bias.
/// The parameters are the weights of the first layer, row by row, followed by the weights of the
/// next.
pub(crate) struct Network {
    weights: Vec<Tensor>,
}

/// The inputs and outputs of each layer in one forward pass.
pub(crate) struct Pass {
    /// The inputs of each layer: digits × inputs.
    pub(crate) inputs: Vec<Tensor>,
    /// The outputs of each layer, before tanh: digits × outputs.
    outputs: Vec<Tensor>,
}

impl Network {
    /// Returns a network with these weights, a matrix for each layer.
    pub(crate) fn new(weights: impl Into<Vec<Tensor>>) -> Network {
        Network { weights: weights.into() }
    }

    /// Trains a network with one hidden layer: minimizes the mean loss plus `l2 / 2` times the
    /// squared norm of the weights, by Adam on all digits at once, with a rate that falls to zero.
    pub(crate) fn train(
        digits: &Digits,
        n_hidden: usize,
        l2: f64,
        seed: i64,
    ) -> Result<Network, TchError> {
        const N_STEPS: u32 = 1500;
        const FIRST_RATE: f64 = 0.03;
        tch::manual_seed(seed);
        let mut variables = nn::VarStore::new(Device::Cpu);
        let layers = [(n_hidden, digits.inputs.ncols()), (N_CLASSES, n_hidden + 1)];
        let network = Network::new(layers.map(|(n_outputs, n_inputs)| {
            let init = nn::Init::Randn { mean: 0.0, stdev: 1.0 / (n_inputs as f64).sqrt() };
            variables.root().var("weights", &[n_outputs as i64, n_inputs as i64], init)
        }));
        variables.double();
        let adam = nn::Adam { wd: l2, ..nn::Adam::default() };
        let mut adam = adam.build(&variables, FIRST_RATE)?;
        for step in 0..N_STEPS {
            adam.set_lr(FIRST_RATE * (1.0 - f64::from(step) / f64::from(N_STEPS)));
            let scores = network.pass(digits, 0..digits.len()).scores();
            adam.backward_step(&loss(&scores, digits, 0..digits.len(), Reduction::Mean));
        }
        Ok(Network::new(network.weights.iter().map(Tensor::detach).collect::<Vec<_>>()))
    }

    /// Returns the weights of each layer.
    pub(crate) fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// Returns the number of parameters.
    pub(crate) fn n_parameters(&self) -> usize {
        self.weights.iter().map(Tensor::numel).sum()
    }

    /// Returns the most probable class of each digit.
    pub(crate) fn predictions(&self, digits: &Digits) -> Result<Vec<usize>, TchError> {
        let scores = self.pass(digits, 0..digits.len()).scores();
        let classes = Vec::<i64>::try_from(scores.argmax(1, false))?;
        Ok(classes.into_iter().map(|class| class as usize).collect())
    }

    /// Returns the gradient of each digit's loss: digits × parameters.
    ///
    /// A digit's loss depends only on its own row of each layer's outputs. So one backward pass
    /// gives the gradients of all losses with respect to the outputs: they are the rows of the
    /// gradient of the sum of the losses. The gradient with respect to a layer's weights is the
    /// outer product with the layer's inputs.
    pub(crate) fn gradients(&self, digits: &Digits, range: Range<usize>) -> Tensor {
        let inputs = tensor_of(&digits.inputs.slice(s![range.clone(), ..]));
        let pass = self.pass_from(inputs.set_requires_grad(true));
        let loss = loss(&pass.scores(), digits, range, Reduction::Sum);
        let by_outputs = Tensor::run_backward(&[loss], &pass.outputs, false, false);
        let by_weights = by_outputs.iter().zip(&pass.inputs).map(|(by_outputs, inputs)| {
            (by_outputs.unsqueeze(2) * inputs.detach().unsqueeze(1)).flatten(1, -1)
        });
        Tensor::cat(&by_weights.collect::<Vec<_>>(), 1)
    }

    /// Runs the network on digits.
    pub(crate) fn pass(&self, digits: &Digits, range: Range<usize>) -> Pass {
        self.pass_from(tensor_of(&digits.inputs.slice(s![range, ..])))
    }

    fn pass_from(&self, inputs: Tensor) -> Pass {
        let one = inputs.narrow(1, -1, 1);
        let mut pass = Pass { inputs: vec![inputs], outputs: Vec::new() };
        for weights in &self.weights {
            if let Some(outputs) = pass.outputs.last() {
                pass.inputs.push(Tensor::cat(&[&outputs.tanh(), &one], 1));
            }
            let inputs = pass.inputs.last().expect("the first layer has inputs");
            pass.outputs.push(inputs.matmul(&weights.tr()));
        }
        pass
    }
}

impl Pass {
    /// Returns the scores of the classes: digits × classes.
    pub(crate) fn scores(&self) -> Tensor {
        self.outputs.last().expect("a network has a layer").shallow_clone()
    }
}

/// Copies an array into a tensor.
pub(crate) fn tensor_of(array: &ArrayRef2<f64>) -> Tensor {
    let (n_rows, n_columns) = array.dim();
    let numbers: Vec<f64> = array.iter().copied().collect();
    Tensor::from_slice(&numbers).view([n_rows as i64, n_columns as i64])
}

fn loss(scores: &Tensor, digits: &Digits, range: Range<usize>, reduction: Reduction) -> Tensor {
    const NOTHING_IGNORED: i64 = -100;
    let labels: Vec<i64> = digits.labels[range].iter().map(|&label| label as i64).collect();
    let labels = Tensor::from_slice(&labels);
    scores.cross_entropy_loss(&labels, None::<&Tensor>, reduction, NOTHING_IGNORED, 0.0)
}
