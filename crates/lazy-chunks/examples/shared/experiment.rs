//! The part that both examples share: storing the sequences of a model, and finding the wrong
//! labels.

use std::error::Error;
use std::path::PathBuf;

use lazy_chunks::zarr::{Existing, StoredArray, Target, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockSizes, Concatenate, DType, LazyChunkSequence, MeanVariance,
    NestedLazyChunkSequence, Plan, RandomAccess, Summary, TopK, Workers,
};
use ndarray::Array1;

use super::digits::Digits;
use super::picture;
use super::stop::CANCEL;

const N_TRAIN: usize = 1400;
/// 5 % of the training labels.
const N_FLIPPED: usize = 70;
/// The seed of all random choices.
pub(crate) const SEED: u64 = 1998;
/// The number of digits whose gradients are in memory at a time.
const BATCH: usize = 64;
/// Small chunks, for arrays of a few MiB.
const CHUNK_BYTES: usize = 512 << 10;

/// Returns the batches of digits that the blocks cover.
pub(crate) fn batches(n_digits: usize) -> BlockSizes {
    BlockSizes::uniform(n_digits, BATCH)
}

/// The digits, and the settings of the arrays that are stored about them.
pub(crate) struct Experiment {
    /// The digits to fit a model to, some with a flipped label.
    pub(crate) train: Digits,
    /// The digits to predict.
    pub(crate) test: Digits,
    /// Which of several processes this one is, if they run the experiment together.
    workers: Workers,
    directory: PathBuf,
    in_memory: bool,
    attributes: Vec<(&'static str, f64)>,
    /// The key of the writes: everything that the arrays depend on, except their attributes.
    job: String,
}

impl Experiment {
    /// Returns the experiment of a program with the arguments `[DIRECTORY] [--in-memory]`. Each
    /// array gets the attributes, which describe the model.
    pub(crate) fn from_arguments(
        default_directory: &str,
        attributes: &[(&'static str, f64)],
    ) -> Result<Experiment, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let in_memory = arguments.iter().any(|argument| argument == "--in-memory");
        let directory = arguments.iter().find(|argument| !argument.starts_with("--"));
        let directory = PathBuf::from(directory.map_or(default_directory, String::as_str));
        std::fs::create_dir_all(&directory)?;
        let (mut train, test) = Digits::load(N_TRAIN, SEED)?;
        train.flip_labels(N_FLIPPED, SEED);
        let job = format!(
            "{default_directory} of version {}, {N_TRAIN} digits, {N_FLIPPED} labels flipped, \
             seed {SEED}",
            env!("CARGO_PKG_VERSION"),
        );
        let workers = Workers::from_env()?;
        println!("this is {workers}");
        let attributes = attributes.to_vec();
        Ok(Experiment { train, test, workers, directory, in_memory, attributes, job })
    }

    /// Prints the size of the fitted model and the accuracy of its predictions of the test digits.
    pub(crate) fn report_fit(&self, n_parameters: usize, predictions: &[usize]) {
        println!(
            "fitted {n_parameters} parameters to {N_TRAIN} digits, {N_FLIPPED} of them with a \
             flipped label; {:.1} % of the test digits are predicted right",
            100.0 * self.test.accuracy(predictions)
        );
    }

    /// Stores the influence factors of the test digits: test × parameters.
    pub(crate) fn store_factors<K: RandomAccess>(
        &self,
        factors: &LazyChunkSequence<'_, ArrayBlock, K>,
        n_parameters: usize,
    ) -> Result<StoredArray, Box<dyn Error>> {
        let sink = self.sink("factors", &["test", "parameter"]);
        let factors = factors.clone().with_row_type(DType::Float64, [n_parameters]);
        let factors = factors.with_observer(&CANCEL);
        let stored = Plan::of(&factors, sink).create()?.compute(&self.workers)?;
        println!("stored the factors: {:?} {}", stored.shape(), stored.dtype());
        Ok(stored)
    }

    /// Stores the influence values, test × train, and summarizes them in the same pass.
    pub(crate) fn store_values<K: RandomAccess>(
        &self,
        values: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
    ) -> Result<StoredArray, Box<dyn Error>> {
        let sink = self.sink("values", &["test", "train"]);
        let values = values.clone().with_row_type(DType::Float64, [N_TRAIN]);
        let values = values.with_observer(&CANCEL);
        let reducers = (MeanVariance, TopK::new(3).per_row(), sink);
        let (moments, most_helpful, stored) =
            Plan::of(&values, reducers).create()?.compute(&self.workers)?;
        println!(
            "stored the values: {:?} {}, mean {:.3}, standard deviation {:.3}; most helpful to \
             test digit 0: training digits {}",
            stored.shape(),
            stored.dtype(),
            moments.mean,
            moments.standard_deviation(0),
            most_helpful.indices.row(0)
        );
        if self.in_memory {
            let values = values.compute(Concatenate)?;
            std::fs::write(self.directory.join("values.f64"), values.data())?;
        }
        Ok(stored)
    }

    /// Stores the training digits' influence on their own loss, ranks the digits by it, and prints
    /// how many of the first have a flipped label. A digit has much self-influence if only its own
    /// label supports it. Draws the picture, and prints where everything is.
    pub(crate) fn find_flipped<K: RandomAccess>(
        &self,
        self_influence: &LazyChunkSequence<'_, ArrayBlock, K>,
        values: &StoredArray,
    ) -> Result<(), Box<dyn Error>> {
        let sink = self.sink("self_influence", &["train"]);
        let self_influence = self_influence.clone().with_row_type(DType::Float64, []);
        let self_influence = self_influence.with_observer(&CANCEL);
        let stored = Plan::of(&self_influence, sink).create()?.compute(&self.workers)?;
        let self_influence: Array1<f64> = stored.read()?.to_array()?;
        let mut suspicious: Vec<usize> = (0..N_TRAIN).collect();
        suspicious.sort_by(|&a, &b| self_influence[b].total_cmp(&self_influence[a]));
        for percent in [5, 10] {
            let n = N_TRAIN * percent / 100;
            let n_found = suspicious[..n].iter().filter(|&&i| self.train.is_flipped(i)).count();
            println!(
                "{n_found:3} of the {N_FLIPPED} flipped labels are in the top {percent:2} % of \
                 self-influence; {:.1} would be there by chance",
                N_FLIPPED as f64 * percent as f64 / 100.0
            );
        }
        let directory = std::path::absolute(&self.directory)?;
        let picture = directory.join("influence.png");
        picture::draw(&picture, &self.train, &self.test, &suspicious, values)?;
        println!(
            "\nThe picture is {}.\nThe arrays are members of {group}. To open them in Python:\n\n    \
             pip install zarr xarray\n    python3 -c 'import xarray; \
             print(xarray.open_zarr(\"{group}\", consolidated=False))'",
            picture.display(),
            group = directory.join("influence.zarr").display(),
        );
        Ok(())
    }

    /// Returns a sink with the settings that all arrays of the group share. An interrupted write
    /// resumes.
    fn sink(&self, name: &str, dimensions: &[&str]) -> ZarrSink {
        let group = Target::from(self.directory.join("influence.zarr"));
        let sink = ZarrSink::new(group.member(name))
            .with_existing(Existing::Replace)
            .with_dimension_names(dimensions.iter().copied())
            .with_chunk_bytes(CHUNK_BYTES)
            .with_resume(&self.job);
        self.attributes.iter().fold(sink, |sink, &(name, value)| sink.with_attribute(name, value))
    }
}
