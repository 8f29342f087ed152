//! Tests that compare the example's calculus with slower methods.

use ndarray::s;
use tch::{Device, Kind, Tensor};

use crate::conjugate_gradients::solve;
use crate::gauss_newton::GaussNewton;
use crate::logistic::LogisticRegression;
use crate::network::{Network, tensor_of};
use crate::shared::digits::{Digits, N_CLASSES};

const OPTIONS: (Kind, Device) = (Kind::Double, Device::Cpu);

/// For a logistic regression, the Gauss-Newton matrix is the Hessian. The closed form uses the
/// Cholesky factors of the Hessian.
#[test]
fn factors_agree_with_the_closed_form_of_logistic_regression() {
    const L2: f64 = 1e-3;
    let digits = few_digits(300);
    let model = LogisticRegression::fit(&digits, L2).unwrap();
    let network = Network::new([tensor_of(&model.weights)]);
    assert_eq!(network.n_parameters(), model.n_parameters());
    assert_eq!(network.predictions(&digits).unwrap(), model.predictions(&digits));

    let gradients = network.gradients(&digits, 100..140);
    let expected = tensor_of(&model.gradients(&digits, 100..140));
    assert_close(&gradients, &expected, 1e-13);

    let curvature = GaussNewton::new(&network, &digits, L2);
    let expected = tensor_of(&model.factors(&digits, 100..140));
    for (tolerance, agreement) in [(1e-6, 1e-5), (1e-12, 1e-10)] {
        let factors = solve(|rows| curvature.times(rows), &gradients, tolerance).unwrap();
        assert_close(&factors, &expected, agreement);
    }
}

#[test]
fn gradients_equal_a_backward_pass_per_digit() {
    let (digits, network) = (few_digits(20), small_network());
    let log_probabilities = network.pass(&digits, 5..20).scores().log_softmax(1, Kind::Double);
    let expected = (5..20).map(|i| {
        let label = digits.labels[i] as i64;
        derivative(&-log_probabilities.get(i as i64 - 5).get(label), &network)
    });
    let expected = Tensor::stack(&expected.collect::<Vec<_>>(), 0);
    assert_close(&network.gradients(&digits, 5..20), &expected, 1e-13);
}

#[test]
fn products_equal_the_explicit_matrix() {
    const DAMPING: f64 = 0.25;
    let (digits, network) = (few_digits(20), small_network());
    let n_parameters = network.n_parameters() as i64;
    let mut expected = DAMPING * Tensor::eye(n_parameters, OPTIONS);
    let scores = network.pass(&digits, 0..20).scores();
    for scores in scores.unbind(0) {
        let rows = (0..N_CLASSES as i64).map(|class| derivative(&scores.get(class), &network));
        let jacobian = Tensor::stack(&rows.collect::<Vec<_>>(), 0);
        let p = scores.detach().softmax(0, Kind::Double);
        let hessian = p.diag(0) - p.outer(&p);
        expected += jacobian.tr().matmul(&hessian).matmul(&jacobian) / 20.0;
    }
    let curvature = tch::no_grad(|| GaussNewton::new(&network, &digits, DAMPING));
    let products = curvature.times(&Tensor::eye(n_parameters, OPTIONS));
    assert_close(&products, &expected, 1e-13);
}

#[test]
fn solutions_meet_the_tolerance() {
    let (digits, network) = (few_digits(100), small_network());
    let curvature = tch::no_grad(|| GaussNewton::new(&network, &digits, 1e-2));
    // Right-hand sides of different sizes, one of them zero.
    let scales = Tensor::from_slice(&[1e-6, 0.0, 1e6, 1.0]).unsqueeze(1);
    let right = network.gradients(&digits, 0..4) * scales;
    let solutions = solve(|rows| curvature.times(rows), &right, 1e-6).unwrap();
    let residuals = curvature.times(&solutions) - &right;
    let norms = |rows: &Tensor| {
        Vec::<f64>::try_from(rows.square().sum_dim_intlist(1, false, Kind::Double).sqrt()).unwrap()
    };
    for (residual, right) in norms(&residuals).into_iter().zip(norms(&right)) {
        assert!(residual <= 1.001e-6 * right, "{residual} of {right}");
    }
    assert_eq!(norms(&solutions)[1], 0.0);
}

#[test]
fn a_system_without_a_solution_is_an_error() {
    let right = Tensor::ones([2, 3], OPTIONS);
    let error = solve(|rows| rows * f64::NAN, &right, 1e-6).unwrap_err();
    assert!(error.starts_with("after 1000 steps of conjugate gradients"), "{error}");
}

#[test]
fn training_is_repeatable_and_ends_near_a_minimum() {
    const L2: f64 = 1e-2;
    let digits = few_digits(100);
    let [first, second] = [(); 2].map(|()| Network::train(&digits, 4, L2, 7).unwrap());
    assert_eq!(first.weights(), second.weights());
    let weights: Vec<_> = first.weights().iter().map(|part| part.flatten(0, -1)).collect();
    let gradient = first.gradients(&digits, 0..100).mean_dim(0, false, Kind::Double);
    let norm = (gradient + L2 * Tensor::cat(&weights, 0)).norm().double_value(&[]);
    assert!(norm < 1e-3, "the gradient's norm is {norm:e}");
}

/// Returns digits with every fourth pixel and the constant 1; every tenth label is flipped.
fn few_digits(n: usize) -> Digits {
    let (digits, _) = Digits::load(n, 7).unwrap();
    let inputs = digits.inputs.slice(s![.., ..;4]).to_owned();
    assert!(inputs.column(16).iter().all(|&input| input == 1.0));
    let mut digits = Digits { inputs, ..digits };
    digits.flip_labels(n / 10, 7);
    digits
}

/// Returns a network with few weights. They are not random, since another test seeds libtorch's
/// generator.
fn small_network() -> Network {
    let sizes = [[3, 17], [N_CLASSES as i64, 4]];
    Network::new(sizes.map(|size| {
        let n_weights: i64 = size.iter().product();
        let weights = Tensor::arange(n_weights, OPTIONS).square().sin();
        weights.view(size).set_requires_grad(true)
    }))
}

/// Returns the derivative of a number with respect to the parameters, by a separate backward pass.
fn derivative(number: &Tensor, network: &Network) -> Tensor {
    let by_weights = Tensor::run_backward(&[number], network.weights(), true, false);
    let parts: Vec<_> = by_weights.iter().map(|part| part.flatten(0, -1)).collect();
    Tensor::cat(&parts, 0)
}

/// Checks that the largest difference is at most `tolerance` times the largest number.
#[track_caller]
fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(actual.size(), expected.size());
    let difference = ((actual - expected).abs().max() / expected.abs().max()).double_value(&[]);
    assert!(difference <= tolerance, "the relative difference is {difference:e}");
}
