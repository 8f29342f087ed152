//! Computes the influence of training digits on the predictions of a network trained in libtorch.
//!
//! This example does the same as the example `influence`, for a network with a hidden layer. It
//! treats the network's curvature as too large for memory. One block at a time:
//!
//! 1. It computes and stores the influence factors (G + λ)⁻¹∇ℓ of the test digits. Autograd
//!    computes the gradients, and conjugate gradients solve for the factors, with products of the
//!    Gauss-Newton matrix G.
//! 2. It computes the influence values, test × train, from the stored factors, which it reads back
//!    as tensors. It stores and reduces the values in one pass.
//! 3. It computes and stores the training digits' influence on their own prediction. Ranked by it,
//!    the digits with flipped labels come first.
//!
//! Tensors cannot be shared between threads, so these sequences compute each block on the thread
//! that asks for it.
//!
//! `cargo run --release --example influence_tch --features tch [-- DIRECTORY --in-memory]`
//!
//! Ctrl-C stops the program cleanly, and the same command resumes from the stored chunks.

mod conjugate_gradients;
mod gauss_newton;
#[cfg(test)]
#[path = "../influence/logistic.rs"]
mod logistic;
mod network;
#[path = "../shared/mod.rs"]
mod shared;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::process::ExitCode;

use lazy_chunks::LazyChunkSequence;
use lazy_chunks::tch::TchConverter;
use tch::{Kind, Tensor};

use conjugate_gradients::solve;
use gauss_newton::GaussNewton;
use network::Network;
use shared::experiment::{Experiment, SEED, batches};
use shared::stop;

const N_HIDDEN: usize = 12;
const L2: f64 = 1e-3;
/// Added to the regularization. It bounds the factors, and the number of steps to find them, in
/// directions with almost no curvature.
const DAMPING: f64 = 1e-2;
/// The largest residual, relative to the gradient.
const TOLERANCE: f64 = 1e-5;

fn main() -> ExitCode {
    stop::run(find_flipped_labels)
}

fn find_flipped_labels() -> Result<(), Box<dyn Error>> {
    // With more threads, they wait for each other at each of many small steps, for long if other
    // programs run, and the last bits depend on the number of threads.
    tch::set_num_threads(1);
    let attributes = [("l2", L2), ("damping", DAMPING), ("tolerance", TOLERANCE)];
    let experiment = Experiment::from_arguments("target/influence_tch", &attributes)?;
    let Experiment { train, test, .. } = &experiment;
    let network = &Network::train(train, N_HIDDEN, L2, SEED as i64)?;
    experiment.report_fit(network.n_parameters(), &network.predictions(test)?);

    let curvature = GaussNewton::new(network, train, L2 + DAMPING);
    let factors_of = |gradients: &Tensor| solve(|rows| curvature.times(rows), gradients, TOLERANCE);

    let (rows, columns) = (batches(test.len()), batches(train.len()));
    let factors = LazyChunkSequence::try_from_local_rows(rows.clone(), |rows| {
        factors_of(&network.gradients(test, rows))
    });
    let factors = factors.convert(TchConverter::new());
    let stored = experiment.store_factors(&factors, network.n_parameters())?;

    let factors = stored.sequence(rows)?.to_tensors::<Tensor, _>(TchConverter::new());
    let factors = factors.map_local(|factors| factors).shorten();
    let gradients =
        LazyChunkSequence::from_local_rows(columns.clone(), |rows| network.gradients(train, rows));
    // Each batch of factors is read once. All gradients are kept, so each is computed once, too.
    let n_kept = gradients.grid().n_blocks();
    let values = factors
        .outer_local(gradients, n_kept, |factors, gradients| factors.matmul(&gradients.tr()));
    let stored = experiment.store_values(&values.convert(TchConverter::new()))?;

    let self_influence = LazyChunkSequence::try_from_local_rows(columns, |rows| {
        let gradients = network.gradients(train, rows);
        let factors = factors_of(&gradients)?;
        Ok::<_, String>((factors * gradients).sum_dim_intlist(1, false, Kind::Double))
    });
    experiment.find_flipped(&self_influence.convert(TchConverter::new()), &stored)
}
