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
//! With `--in-memory` the values are aggregated in memory as well, and written to `values.f64` as
//! they are there, to compare the stored array with.

mod logistic;
#[path = "../shared/mod.rs"]
mod shared;

use std::error::Error;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{
    ArrayBlock, BlockSizes, LazyChunkSequence, NdarrayConverter, NestedLazyChunkSequence,
    NestedSource, SharedIndexed,
};
use ndarray::{Array2, Axis};

use logistic::LogisticRegression;
use shared::digits::Digits;
use shared::experiment::{Experiment, batches};

const L2: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
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
}

/// The influence of each training digit on the loss of each test digit, test × train, from factors
/// that are read one batch at a time. Positive values are of digits that make the loss smaller.
fn influence_values<'a>(
    model: &'a LogisticRegression,
    train: &'a Digits,
    factors: &StoredArray,
) -> Result<NestedLazyChunkSequence<'a, ArrayBlock>, Box<dyn Error>> {
    let factors = factors.sequence(batches(factors.shape()[0]))?;
    let factors = factors.to_tensors::<Array2<f64>, _>(NdarrayConverter);
    let columns = batches(train.len());
    let values = NestedLazyChunkSequence::from_source(Values { model, train, factors, columns });
    Ok(values.convert(NdarrayConverter))
}

/// The bands of the values: each reads a batch of factors once.
struct Values<'a> {
    model: &'a LogisticRegression,
    train: &'a Digits,
    factors: LazyChunkSequence<'static, Array2<f64>, SharedIndexed>,
    columns: BlockSizes,
}

impl NestedSource for Values<'_> {
    type Block = Array2<f64>;
    type Error = lazy_chunks::Error;

    fn bands(
        &self,
    ) -> impl Iterator<Item = lazy_chunks::Result<impl Iterator<Item = lazy_chunks::Result<Array2<f64>>>>>
    {
        self.factors.blocks().map(move |factors| {
            let factors = factors?;
            Ok((0..self.columns.n_blocks()).map(move |j| {
                let gradients = self.model.gradients(self.train, self.columns.range(j));
                Ok(factors.dot(&gradients.t()))
            }))
        })
    }
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
    blocks.convert(NdarrayConverter)
}
