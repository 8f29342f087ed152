//! Computes the influence of training digits on test predictions, and uses it to find wrong labels.
//!
//! The example flips some labels and fits a logistic regression to them. Then, one block at a time:
//!
//! 1. It computes and stores the influence factors H⁻¹∇ℓ of the test digits.
//! 2. It computes the influence values, test × train, from the stored factors, and stores and
//!    reduces them in one pass.
//! 3. It computes and stores the training digits' influence on their own prediction. Ranked by it,
//!    the digits with flipped labels come first.
//!
//! The three arrays are members of one group, which xarray opens as a dataset. This file makes lazy
//! sequences from the model; `shared/experiment.rs` computes and stores them.
//!
//! `cargo run --release -p lazy-chunks --example influence [DIRECTORY] [--in-memory]`
//!
//! Ctrl-C stops the program cleanly, and the same command resumes from the stored chunks. Several
//! processes that run the same command share the work, under Slurm, `mpirun` or any other engine
//! that [`Workers`](lazy_chunks::Workers) knows, or in a shell:
//!
//! `for i in 0 1 2 3; do LAZY_WORKER=$i/4 target/release/examples/influence & done; wait`
//!
//! With `--in-memory`, the example also aggregates the values in memory and writes them to
//! `values.f64` uncompressed, so that they can be compared with the stored array.

mod logistic;
#[path = "../shared/mod.rs"]
mod shared;

use std::error::Error;
use std::process::ExitCode;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{
    ArrayBlock, Indexed, LazyChunkSequence, NdarrayConverter, NestedLazyChunkSequence,
};
use ndarray::{Array2, Axis};

use logistic::LogisticRegression;
use shared::digits::Digits;
use shared::experiment::{Experiment, batches};
use shared::stop;

const L2: f64 = 1e-3;
/// One thread per core. The stored bytes do not depend on the number of threads.
const ALL_CORES: usize = 0;

fn main() -> ExitCode {
    stop::run(find_flipped_labels)
}

fn find_flipped_labels() -> Result<(), Box<dyn Error>> {
    let experiment = Experiment::from_arguments("target/influence", &[("l2", L2)])?;
    let Experiment { train, test, .. } = &experiment;
    let model = LogisticRegression::fit(train, L2)?;
    experiment.report_fit(model.n_parameters(), &model.predictions(test));

    let factors =
        experiment.store_factors(&influence_factors(&model, test), model.n_parameters())?;
    let values = experiment.store_values(&influence_values(&model, train, &factors)?)?;
    experiment.find_flipped(&self_influence(&model, train), &values)
}

/// Returns the influence factors of digits: digits × parameters.
fn influence_factors<'a>(
    model: &'a LogisticRegression,
    digits: &'a Digits,
) -> LazyChunkSequence<'a, ArrayBlock, Indexed> {
    LazyChunkSequence::from_rows(batches(digits.len()), |rows| model.factors(digits, rows))
        .convert(NdarrayConverter)
        .with_threads(ALL_CORES)
}

/// Returns the influence of each training digit on the loss of each test digit, test × train, from
/// factors that are read one batch at a time. A positive value means that the training digit makes
/// the loss smaller.
fn influence_values<'a>(
    model: &'a LogisticRegression,
    train: &'a Digits,
    factors: &StoredArray,
) -> Result<NestedLazyChunkSequence<'a, ArrayBlock, Indexed>, Box<dyn Error>> {
    let factors = factors.sequence(batches(factors.shape()[0]))?;
    let factors = factors.to_tensors::<Array2<f64>, _>(NdarrayConverter).shorten();
    let gradients =
        LazyChunkSequence::from_rows(batches(train.len()), |rows| model.gradients(train, rows));
    // Each batch of factors is read once. All gradients are kept, so each is computed once, too.
    let n_kept = gradients.grid().n_blocks();
    let values = factors.outer(gradients, n_kept, |factors, gradients| factors.dot(&gradients.t()));
    Ok(values.convert(NdarrayConverter).with_threads(ALL_CORES))
}

/// Returns the influence of digits on their own loss.
fn self_influence<'a>(
    model: &'a LogisticRegression,
    digits: &'a Digits,
) -> LazyChunkSequence<'a, ArrayBlock, Indexed> {
    let blocks = LazyChunkSequence::from_rows(batches(digits.len()), |rows| {
        let factors = model.factors(digits, rows.clone());
        (factors * model.gradients(digits, rows)).sum_axis(Axis(1))
    });
    blocks.convert(NdarrayConverter).with_threads(ALL_CORES)
}
