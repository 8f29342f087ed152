//! Finds the training samples that influence test samples most, as samples arrive day by day.
//!
//! 1. One pass computes the gradients of the day's samples. It appends them, their norms, and
//!    random projections of them in float16 to stored arrays, and merges the moments of all days.
//! 2. A second pass multiplies the stored projections, test × train, and stores the products with
//!    the 20 largest and some quantiles of each row.
//!
//! `cargo run --release -p lazy-chunks --example attribution [DIRECTORY] [N_TRAIN]`
//!
//! The first day has 20,000 training samples by default, the second day a quarter as many, and the
//! test a tenth. If Ctrl-C stops the program, the same command resumes.

mod model;
#[path = "../shared/stop.rs"]
mod stop;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{error::Error, fs::File, ops::Range, process::ExitCode};

use lazy_chunks::zarr::store_result;
use lazy_chunks::{Casting, Indexed, RowType, SaveState, StateOf, prelude::*};
use model::{N_PARAMETERS, gradients, pseudorandom};
use ndarray::{Array2, Axis, Ix2, s};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Projections<'a> = LazyChunkSequence<'a, Array2<f32>, Indexed>;

const N_COMPONENTS: usize = 256;
/// The number of samples in a block.
const BATCH: usize = 250;
/// The memory for training projections that are read once. The others are read for each test block.
const SHARED_BYTES: u64 = 1 << 20;
/// The memory limit for the statistics and the write of the products.
const PASS_BYTES: u64 = 512 << 20;

fn main() -> ExitCode {
    stop::run(|| {
        let mut arguments = std::env::args().skip(1);
        let directory = arguments.next().map_or("target/attribution".into(), PathBuf::from);
        let n_train: usize = arguments.next().map_or(Ok(20_000), |argument| argument.parse())?;
        append(&directory, "test", 2_000_000, 0..n_train / 10)?;
        for day in [0..n_train, n_train..n_train + n_train / 4] {
            append(&directory, "train", 1_000_000, day)?;
            compare(&directory)?;
        }
        Ok(())
    })
}

/// Appends rows to the arrays of a set of samples, whose row 0 is the sample `first`.
fn append(directory: &Path, set: &str, first: usize, rows: Range<usize>) -> Result {
    let group = Target::from(directory.join("attribution.zarr")).member(set);
    let sink = |name, axes: &[&str], chunk_shape: &[usize]| {
        ZarrSink::new(group.member(name))
            .with_existing(Existing::Append)
            // With the same key, the rows are appended only once.
            .with_resume(format!("gradients of version 1, rows {rows:?} from {first}"))
            .with_dimension_names(axes.iter().copied())
            .with_chunk_shape(chunk_shape)
    };
    let projection = pseudorandom(0..N_PARAMETERS, N_COMPONENTS) / (N_COMPONENTS as f32).sqrt();
    let project = |block: &ArrayBlock| Ok(block.as_array::<f32, Ix2>()?.dot(&projection).into());
    let norm = |block: &ArrayBlock| {
        let gradients = block.as_array::<f32, Ix2>()?;
        Ok(gradients.map_axis(Axis(1), |gradient| gradient.dot(&gradient).sqrt()).into())
    };
    let row_type = |shape: Vec<usize>| Some(RowType { dtype: DType::Float32, shape });
    let moments = MeanVariance.per_column();

    let (n_computed, n_restored) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let sequence = LazyChunkSequence::from_rows(BlockSizes::uniform(rows.len(), BATCH), |block| {
        n_computed.fetch_add(1, Relaxed);
        let start = first + rows.start + block.start;
        gradients(start..start + block.len())
    })
    .convert(NdarrayConverter)
    .with_row_type(DType::Float32, [N_PARAMETERS])
    .with_threads(0)
    .with_observer((&stop::CANCEL, |pass: &Progress| n_restored.store(pass.restored, Relaxed)));
    let (.., state) = sequence.compute((
        sink("gradients", &["sample", "parameter"], &[BATCH, N_PARAMETERS]),
        sink("norms", &["sample"], &[4 * BATCH]).of(norm, row_type(vec![])),
        sink("projections", &["sample", "component"], &[4 * BATCH, N_COMPONENTS])
            .with_dtype(DType::Float16)
            .of(project, row_type(vec![N_COMPONENTS])),
        StateOf::new(moments).from_row(rows.start),
    ))?;
    let (n_computed, n_blocks) = (n_computed.load(Relaxed), sequence.grid().n_blocks());
    assert_eq!(n_computed + n_restored.load(Relaxed), n_blocks, "a block is computed only once");
    println!("{set}, rows {rows:?}: computed {n_computed} of {n_blocks} blocks");

    // The state of all rows up to this day. A repeated run merges the same states.
    let state_at = |row: usize| directory.join(format!("{set}-moments-{row}.cbor"));
    let mut states = vec![state];
    if rows.start > 0 {
        states.insert(0, ciborium::from_reader(File::open(state_at(rows.start))?)?);
    }
    let state = moments.merge_saved(states)?;
    ciborium::into_writer(&state, File::create(state_at(rows.end))?)?;
    let sink = ZarrSink::new(group.member("moments")).with_existing(Existing::Replace);
    store_result(&moments.finish_saved([state])?, sink)?;
    Ok(())
}

/// Stores the products of all projections, test × train, with the top and quantiles of each row.
fn compare(directory: &Path) -> Result {
    let group = Target::from(directory.join("attribution.zarr"));
    let [n_test, n_train] = [0; 2].map(AtomicUsize::new);
    let test = projections(&group.member("test"), &n_test)?;
    let train = projections(&group.member("train"), &n_train)?;
    let (rows, columns) = (test.grid().n_blocks(), train.grid().n_blocks());
    let n_shared = train.spec().blocks_within(SHARED_BYTES).map_or(0, |n| n.min(columns));
    let quantiles = Quantiles::new([0.0, 0.01, 0.5, 0.99, 1.0]).with_rank_error(0.01);
    let (_, (top, _), _) = test
        .outer(train, n_shared, |test, train| test.dot(&train.t()))
        .convert(NdarrayConverter)
        .with_threads(0)
        .with_memory_limit(PASS_BYTES)
        .with_observer(&stop::CANCEL)
        .compute((
            ZarrSink::new(group.member("products"))
                .with_existing(Existing::Replace)
                .with_dimension_names(["test", "train"]),
            StoreResult::new(TopK::new(20).per_row(), group.member("top"))
                .with_existing(Existing::Replace),
            StoreResult::new(quantiles.per_row(), group.member("quantiles"))
                .with_existing(Existing::Replace)
                .with_dimension_names("", ["test", "quantile"]),
        ))?;
    let (n_test, n_train) = (n_test.load(Relaxed), n_train.load(Relaxed));
    let least = (rows, n_shared + (columns - n_shared) * rows);
    assert_eq!((n_test, n_train), least, "blocks are read as rarely as the memory allows");
    println!("read {rows} test blocks {n_test} times, {columns} training blocks {n_train} times");
    println!("most influential for test sample 0: {}", top.indices.slice(s![0, ..3]));
    Ok(())
}

/// Returns the stored projections of a set of samples, and counts the blocks that are read.
fn projections<'a>(set: &Target, n_reads: &'a AtomicUsize) -> Result<Projections<'a>> {
    let stored = StoredArray::open(set.member("projections"))?;
    let blocks = stored.sequence(BlockSizes::uniform(stored.shape()[0], BATCH))?;
    let blocks = blocks.cast(DType::Float32, Casting::Safe)?.to_tensors(NdarrayConverter);
    let counted = blocks.shorten().map(|block: Array2<f32>| {
        n_reads.fetch_add(1, Relaxed);
        block
    });
    Ok(counted.with_row_type(DType::Float32, [N_COMPONENTS]))
}
