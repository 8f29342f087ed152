//! The influence of training digits on test predictions, and what it says of their labels.
//!
//! Some labels are flipped, a logistic regression is fitted to them, and then, one block at a time:
//!
//! 1. the influence factors H⁻¹∇ℓ of the test digits are computed and stored;
//! 2. the influence values, test × train, are computed from the stored factors, and stored and
//!    reduced in one pass;
//! 3. the training digits' influence on their own prediction is computed and stored; ranked by it, the
//!    flipped ones come first.
//!
//! The three arrays are members of one group, which xarray opens as a dataset. Here the model becomes
//! lazy sequences; `shared/experiment.rs` has what is done with them.
//!
//! `cargo run --release --example influence [DIRECTORY] [--in-memory]`
//!
//! Ctrl-C stops it in order, and the same command goes on with what it stored.
//!
//! With `--in-memory` the values are aggregated in memory as well, and written to `values.f64` as
//! they are there, to compare the stored array with.

mod logistic;
#[path = "../shared/mod.rs"]
mod shared;

use std::error::Error;
use std::process::ExitCode;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{
    ArrayBlock, LazyChunkSequence, NdarrayConverter, NestedLazyChunkSequence, SharedIndexed,
};
use ndarray::{Array2, Axis};

use logistic::LogisticRegression;
use shared::digits::Digits;
use shared::experiment::{Experiment, batches};
use shared::stop;

const L2: f64 = 1e-3;
/// As many threads as there are cores. What is stored does not depend on their number.
const ALL_CORES: usize = 0;

fn main() -> ExitCode {
    stop::run(find_flipped_labels)
}

fn find_flipped_labels() -> Result<(), Box<dyn Error>> {
    let experiment = Experiment::from_arguments("target/influence", &[("l2", L2)])?;
    let Experiment { train, test, .. } = &experiment;
    let model = LogisticRegression::fit(train, L2)?;
    experiment.report_fit(model.n_parameters(), &model.predictions(test));

    let factors = experiment.store_factors(&influence_factors(&model, test))?;
    let values = experiment.store_values(&influence_values(&model, train, &factors)?)?;
    experiment.find_flipped(&self_influence(&model, train), &values)
}

/// The influence factors of digits: digits × parameters.
fn influence_factors<'a>(
    model: &'a LogisticRegression,
    digits: &'a Digits,
) -> LazyChunkSequence<'a, ArrayBlock, SharedIndexed> {
    let batches = batches(digits.len());
    LazyChunkSequence::from_fn(batches.clone(), move |i| model.factors(digits, batches.range(i)))
        .convert(NdarrayConverter)
        .with_threads(ALL_CORES)
}

/// The influence of each training digit on the loss of each test digit, test × train, from factors
/// that are read one batch at a time. Positive values are of digits that make the loss smaller.
fn influence_values<'a>(
    model: &'a LogisticRegression,
    train: &'a Digits,
    factors: &StoredArray,
) -> Result<NestedLazyChunkSequence<'a, ArrayBlock, SharedIndexed>, Box<dyn Error>> {
    let (rows, columns) = (batches(factors.shape()[0]), batches(train.len()));
    let factors = factors.sequence(rows.clone())?.to_tensors::<Array2<f64>, _>(NdarrayConverter);
    // A batch of factors is read for every block of its band. So each block can be had by itself, and a
    // run that goes on with an earlier one computes only those that are missing.
    let values = NestedLazyChunkSequence::try_from_fn(rows, columns.clone(), move |i, j| {
        let gradients = model.gradients(train, columns.range(j));
        factors.block(i).map(|factors| factors.dot(&gradients.t()))
    });
    Ok(values.convert(NdarrayConverter).with_threads(ALL_CORES))
}

/// The influence of digits on their own loss.
fn self_influence<'a>(
    model: &'a LogisticRegression,
    digits: &'a Digits,
) -> LazyChunkSequence<'a, ArrayBlock, SharedIndexed> {
    let batches = batches(digits.len());
    let blocks = LazyChunkSequence::from_fn(batches.clone(), move |i| {
        let factors = model.factors(digits, batches.range(i));
        (factors * model.gradients(digits, batches.range(i))).sum_axis(Axis(1))
    });
    blocks.convert(NdarrayConverter).with_threads(ALL_CORES)
}
