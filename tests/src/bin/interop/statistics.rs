//! Writes arrays that are hard to summarize, and all their statistics, which NumPy computes again.

use std::fs;
use std::path::Path;

use anyhow::Result;
use half::f16;
use lazy_chunks::zarr::{StoreResult, Target, ToZarr, ZarrSink};
use lazy_chunks::{
    ArgMax, ArgMin, ArrayBlock, BlockSizes, BottomK, Count, Covariance, Histogram, Indexed,
    LazyChunkSequence, Max, MeanVariance, Min, NamedArrays, NestedLazyChunkSequence, Norm,
    Quantiles, Statistic, Sum, Summary, TopK,
};
use ndarray::{Array2, s};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The edges, the quantiles and their error in rank, which `numpy_statistics.py` repeats.
const EDGES: [f64; 5] = [-1e300, -1.0, 0.0, 0.5, 1e9];
const QUANTILES: [f64; 5] = [0.0, 0.1, 0.5, 0.999, 1.0];
const RANK_ERROR: f64 = 0.05;

pub(crate) fn run(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let arrays = arrays();
    for (name, array) in &arrays {
        write(&directory.join(name), array)?;
    }
    println!("wrote the statistics of {} arrays", arrays.len());
    Ok(())
}

/// Returns arrays with their names.
fn arrays() -> Vec<(&'static str, ArrayBlock)> {
    let mut rng = SmallRng::seed_from_u64(12);
    let mut noise =
        |shape: (usize, usize)| Array2::from_shape_simple_fn(shape, || rng.random::<f64>());
    let block = |array: Array2<f64>| ArrayBlock::from_array(array);
    let shape = (300, 23);

    let mut with_nan = noise(shape);
    with_nan.slice_mut(s![17, ..]).fill(f64::NAN);
    with_nan.slice_mut(s![.., 3]).fill(f64::NAN);
    with_nan.slice_mut(s![40..90;7, 5..9]).fill(f64::NAN);
    let mut infinite = noise(shape) - 0.5;
    infinite[[10, 2]] = f64::INFINITY;
    infinite[[200, 2]] = f64::INFINITY;
    infinite[[30, 4]] = f64::NEG_INFINITY;
    infinite[[250, 6]] = f64::INFINITY;
    infinite[[250, 7]] = f64::NEG_INFINITY;
    let ties = noise(shape).mapv(|x| (4.0 * x) as i32);
    let magnitudes = noise(shape).mapv(|x| 10.0_f64.powf(80.0 * (x - 0.5)) * (x - 0.4).signum());
    let images = noise((75, 28)).into_shape_with_order((75, 7, 4)).expect("the same elements");
    let integers = noise(shape).mapv(|x| ((x - 0.5) * 1.8e19) as i64);
    vec![
        ("noise", block(noise(shape) - 0.5)),
        ("large-offset", block(noise(shape) + 1e9)),
        ("larger-offset", block(noise(shape).mapv(|x| 1e15 + (8.0 * x).floor()))),
        ("offset-float32", ArrayBlock::from_array(noise(shape).mapv(|x| (1e6 + x) as f32))),
        ("tiny-variance", block(noise(shape) * 1e-150)),
        ("constant", block(Array2::from_elem(shape, 0.1))),
        ("magnitudes", block(magnitudes)),
        ("nan", block(with_nan)),
        ("infinite", block(infinite)),
        ("ties", ArrayBlock::from_array(ties)),
        ("int64", ArrayBlock::from_array(integers)),
        ("uint8", ArrayBlock::from_array(noise(shape).mapv(|x| (256.0 * x) as u8))),
        ("bool", ArrayBlock::from_array(noise(shape).mapv(|x| x < 0.3))),
        // The sum is too large for a float16.
        ("float16", ArrayBlock::from_array(noise(shape).mapv(|x| f16::from_f64(60_000.0 * x)))),
        ("one-row", block(noise((1, 40)))),
        ("one-column", block(noise((700, 1)))),
        ("three-axes", ArrayBlock::from_array(images)),
        ("no-rows", block(noise((0, 5)))),
        ("empty-rows", block(noise((6, 0)))),
    ]
}

/// Stores an array and its statistics, computed from both types of sequences and on several
/// threads.
fn write(directory: &Path, array: &ArrayBlock) -> Result<()> {
    let [n_rows, n_columns, ref trailing @ ..] = array.shape()[..] else {
        unreachable!("each array has at least two axes")
    };
    let row_shape = &array.shape()[1..];
    let n_trailing: usize = trailing.iter().product();
    let group = Target::from(directory);
    let part = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let size = array.dtype().size() * n_trailing;
        let bytes = array.data();
        let rows_of = rows.clone().flat_map(|row| {
            let start = (row * n_columns + columns.start) * size;
            bytes[start..start + columns.len() * size].iter().copied()
        });
        let data: Vec<u8> = rows_of.collect();
        let shape = [&[rows.len(), columns.len()], trailing].concat();
        ArrayBlock::new(array.dtype(), shape, data.into())
    };
    let rows = BlockSizes::uniform(n_rows, 37);
    let columns = BlockSizes::uniform(n_columns, 10);
    let flat = LazyChunkSequence::try_from_fn(rows.clone(), |i| part(rows.range(i), 0..n_columns))
        .with_row_type(array.dtype(), row_shape)
        .with_threads(3);
    let nested = NestedLazyChunkSequence::try_from_fn(rows.clone(), columns.clone(), |i, j| {
        part(rows.range(i), columns.range(j))
    })
    .with_row_type(array.dtype(), row_shape)
    .with_threads(2);
    flat.to_zarr(ZarrSink::new(group.member("data")))?;
    let shape = [n_rows, n_columns];
    let store = Store { group, flat, nested, shape, n_axes: array.shape().len() };
    store.all()
}

struct Store<'a> {
    group: Target,
    flat: LazyChunkSequence<'a, ArrayBlock, Indexed>,
    nested: NestedLazyChunkSequence<'a, ArrayBlock, Indexed>,
    shape: [usize; 2],
    n_axes: usize,
}

impl Store<'_> {
    fn all(&self) -> Result<()> {
        self.every_form("count", Count, true)?;
        self.every_form("sum", Sum, true)?;
        self.every_form("moments", MeanVariance, true)?;
        self.every_form("l1", Norm::L1, true)?;
        self.every_form("l2", Norm::L2, true)?;
        self.every_form("linf", Norm::LInf, true)?;
        self.every_form("histogram", Histogram::new(EDGES), true)?;
        self.every_form("quantiles", Quantiles::new(QUANTILES), true)?;
        let sketch = Quantiles::new(QUANTILES).with_exact_len(0).with_rank_error(RANK_ERROR);
        self.every_form("sketch", sketch, true)?;
        self.every_form("min", Min, false)?;
        self.every_form("max", Max, false)?;
        self.every_form("argmin", ArgMin, false)?;
        self.every_form("argmax", ArgMax, false)?;
        self.every_form("top", TopK::new(1), false)?;
        self.every_form("bottom", BottomK::new(1), false)?;
        if self.shape.iter().all(|size| *size >= 3) {
            self.every_form("top3", TopK::new(3), false)?;
            self.every_form("bottom3", BottomK::new(3), false)?;
        }
        self.of_rows("covariance", Covariance)?;
        self.products()?;
        self.beside()
    }

    /// Stores an array that names its axes and results of several arrays directly in one group,
    /// with results of the same statistic in groups below.
    fn beside(&self) -> Result<()> {
        let group = self.group.member("beside");
        self.flat.compute((
            StoreResult::new(MeanVariance.per_row(), &group),
            StoreResult::new(Histogram::new(EDGES), &group),
            StoreResult::new(MeanVariance.per_column(), group.member("moments")),
            StoreResult::new(MeanVariance, group.member("moments").member("all")),
            StoreResult::new(Norm::L2.per_row(), group.member("norms")),
            StoreResult::new(Covariance, group.member("covariances")),
        ))?;
        let names = ["sample", "feature", "color"].into_iter().take(self.n_axes);
        let sink = ZarrSink::new(group.member("data")).with_dimension_names(names);
        self.flat.to_zarr(sink)?;
        Ok(())
    }

    /// Stores matrices that are computed from covariances and not stored with them.
    fn products(&self) -> Result<()> {
        let covariances = self.flat.compute(Covariance)?;
        let products = [("gram", covariances.gram()), ("correlation", covariances.correlation())];
        for (name, product) in products {
            let member = self.group.member("flat").member(name);
            LazyChunkSequence::new(|| [ArrayBlock::from_array(product.clone())]).to_zarr(member)?;
        }
        Ok(())
    }

    /// Stores a summary of the whole array, of rows and of columns, each with and without NaN.
    fn every_form<S>(&self, name: &str, summary: S, has_value_of_nothing: bool) -> Result<()>
    where
        S: Summary,
    {
        let [n_rows, n_columns] = self.shape;
        if has_value_of_nothing || n_rows * n_columns > 0 {
            self.both(&format!("{name}-all"), &summary)?;
            self.both(&format!("{name}-all-numbers"), &summary.clone().ignoring_nan())?;
        }
        if has_value_of_nothing || n_rows == 0 || n_columns > 0 {
            self.both(&format!("{name}-rows"), &summary.clone().per_row())?;
            self.both(&format!("{name}-rows-numbers"), &summary.clone().ignoring_nan().per_row())?;
        }
        if has_value_of_nothing || n_columns == 0 || n_rows > 0 {
            self.both(&format!("{name}-columns"), &summary.clone().per_column())?;
            let of_numbers = summary.ignoring_nan().per_column();
            self.both(&format!("{name}-columns-numbers"), &of_numbers)?;
        }
        Ok(())
    }

    fn both<S: Statistic<Output: NamedArrays>>(&self, name: &str, statistic: &S) -> Result<()> {
        self.of_rows(name, statistic)?;
        let target = self.group.member("nested").member(name);
        // A nested sequence without columns has bands without blocks, which is an error.
        if self.shape[1] > 0 {
            self.nested.compute(StoreResult::new(statistic, target))?;
        }
        Ok(())
    }

    fn of_rows<S: Statistic<Output: NamedArrays>>(&self, name: &str, statistic: S) -> Result<()> {
        let target = self.group.member("flat").member(name);
        // For an array without rows, a declared row that is too short is not an error.
        if self.shape == [0, 0] {
            return Ok(());
        }
        self.flat.compute(StoreResult::new(statistic, target))?;
        Ok(())
    }
}
