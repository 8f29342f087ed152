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
//! The three arrays are members of one group, which xarray opens as a dataset.
//!
//! `cargo run --release --example influence [DIRECTORY] [--in-memory]`
//!
//! With `--in-memory` the values are aggregated in memory as well, and written to `values.f64` as
//! they are there, to compare the stored array with.

mod digits;
mod logistic;
mod picture;

use std::error::Error;
use std::path::PathBuf;

use lazy_chunks::zarr::{Existing, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockSizes, Concatenate, LazyChunkSequence, MeanVariance, NdarrayConverter,
    NestedLazyChunkSequence, NestedSource, SharedIndexed, TopK,
};
use ndarray::{Array1, Array2, Axis};

use digits::Digits;
use logistic::LogisticRegression;

const N_TRAIN: usize = 1400;
/// 5 % of the training labels.
const N_FLIPPED: usize = 70;
const L2: f64 = 1e-3;
const SEED: u64 = 1998;
/// Digits whose gradients are in memory at a time.
const BATCH: usize = 64;
/// Small chunks, for arrays of a few MiB.
const CHUNK_BYTES: usize = 512 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let in_memory = arguments.iter().any(|argument| argument == "--in-memory");
    let directory = arguments.iter().find(|argument| !argument.starts_with("--"));
    let directory = PathBuf::from(directory.map_or("target/influence", String::as_str));
    std::fs::create_dir_all(&directory)?;

    let (mut train, test) = Digits::load(N_TRAIN, SEED)?;
    train.flip_labels(N_FLIPPED, SEED);
    let model = LogisticRegression::fit(&train, L2)?;
    println!(
        "fitted {} parameters to {N_TRAIN} digits, {N_FLIPPED} of them with a flipped label; \
         {:.1} % of the test digits are predicted right",
        model.n_parameters(),
        100.0 * model.accuracy(&test)
    );

    let group = Target::from(directory.join("influence.zarr"));
    let factors = store_factors(&model, &test, &group)?;
    let values = influence_values(&model, &train, &factors)?;
    let stored = store_values(&values, &group)?;
    if in_memory {
        let values = values.compute(Concatenate)?;
        std::fs::write(directory.join("values.f64"), values.data())?;
    }

    let suspicious = rank_by_self_influence(&model, &train, &group)?;
    for percent in [5, 10] {
        let n = N_TRAIN * percent / 100;
        let n_found = suspicious[..n].iter().filter(|&&i| train.is_flipped(i)).count();
        println!(
            "{n_found:3} of the {N_FLIPPED} flipped labels are in the top {percent:2} % of \
             self-influence; {:.1} would be there by chance",
            N_FLIPPED as f64 * percent as f64 / 100.0
        );
    }

    let picture = directory.join("influence.png");
    picture::draw(&picture, &train, &test, &suspicious, &stored)?;
    let directory = std::path::absolute(&directory)?;
    println!(
        "\nThe picture is {}.\nThe arrays are members of {}. To open them in Python:\n\n    \
         pip install zarr xarray\n    python3 -c 'import xarray; \
         print(xarray.open_zarr(\"{}\", consolidated=False))'",
        directory.join("influence.png").display(),
        directory.join("influence.zarr").display(),
        directory.join("influence.zarr").display(),
    );
    Ok(())
}

/// What every array of the group has in common.
fn sink(group: &Target, name: &str, dimensions: &[&str]) -> ZarrSink {
    ZarrSink::new(group.clone().member(name))
        .with_existing(Existing::Replace)
        .with_dimension_names(dimensions.iter().copied())
        .with_chunk_bytes(CHUNK_BYTES)
        .with_attribute("l2", L2)
}

/// Stores the influence factors of the test digits: test × parameters.
fn store_factors(
    model: &LogisticRegression,
    test: &Digits,
    group: &Target,
) -> Result<StoredArray, Box<dyn Error>> {
    let batches = BlockSizes::uniform(test.len(), BATCH);
    let factors =
        LazyChunkSequence::from_fn(batches.clone(), |i| model.factors(test, batches.range(i)));
    let sink = sink(group, "factors", &["test", "parameter"]);
    let stored = factors.convert(NdarrayConverter).to_zarr(sink)?;
    println!("stored the factors: {:?} {}", stored.shape(), stored.dtype());
    Ok(stored)
}

/// The influence of each training digit on the loss of each test digit, test × train, from factors
/// that are read one batch at a time. Positive values are of digits that make the loss smaller.
fn influence_values<'a>(
    model: &'a LogisticRegression,
    train: &'a Digits,
    factors: &StoredArray,
) -> Result<NestedLazyChunkSequence<'a, ArrayBlock>, Box<dyn Error>> {
    let rows = BlockSizes::uniform(factors.shape()[0], BATCH);
    let columns = BlockSizes::uniform(train.len(), BATCH);
    let factors = factors.sequence(rows)?.to_tensors::<Array2<f64>, _>(NdarrayConverter);
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

/// Stores the values, and summarizes them in the same pass.
fn store_values(
    values: &NestedLazyChunkSequence<'_, ArrayBlock>,
    group: &Target,
) -> Result<StoredArray, Box<dyn Error>> {
    let sink = sink(group, "values", &["test", "train"]);
    let (moments, most_helpful, stored) = values.compute((MeanVariance, TopK::per_row(3), sink))?;
    println!(
        "stored the values: {:?} {}, mean {:.3}, standard deviation {:.3}; most helpful to test \
         digit 0: training digits {}",
        stored.shape(),
        stored.dtype(),
        moments.mean,
        moments.standard_deviation(0),
        most_helpful.indices.row(0)
    );
    Ok(stored)
}

/// Stores the training digits' influence on their own loss, and ranks them by it, the largest first. A
/// digit that only its own label speaks for has much of it.
fn rank_by_self_influence(
    model: &LogisticRegression,
    train: &Digits,
    group: &Target,
) -> Result<Vec<usize>, Box<dyn Error>> {
    let batches = BlockSizes::uniform(train.len(), BATCH);
    let blocks = LazyChunkSequence::from_fn(batches.clone(), |i| {
        let factors = model.factors(train, batches.range(i));
        (factors * model.gradients(train, batches.range(i))).sum_axis(Axis(1))
    });
    let sink = sink(group, "self_influence", &["train"]);
    let (self_influence, _) = blocks.convert(NdarrayConverter).compute((Concatenate, sink))?;
    let self_influence: Array1<f64> = self_influence.to_array()?;
    let mut ranked: Vec<usize> = (0..train.len()).collect();
    ranked.sort_by(|&a, &b| self_influence[b].total_cmp(&self_influence[a]));
    Ok(ranked)
}
