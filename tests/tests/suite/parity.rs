//! Parity with the array module of pyDVL's influence package, feature by feature.

use std::cell::Cell;
use std::sync::Arc;

use lazy_chunks::zarr::{Existing, MemoryStore, StoredArray, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, Bands, Blocks, Concatenate, Converter, DType, LazyChunkSequence, NdarrayConverter,
    NestedLazyChunkSequence, NestedSequenceAggregator, Result, SequenceAggregator, report,
};
use ndarray::{Array, Array1, Array2, Array3, array};

/// A custom tensor type: a matrix that knows its device.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    device: u8,
    values: Array2<f64>,
}

/// A custom converter, which places tensors on its device.
#[derive(Clone, Copy)]
struct TensorConverter {
    device: u8,
}

impl Converter<Tensor> for TensorConverter {
    fn to_array(&self, tensor: Tensor) -> Result<ArrayBlock> {
        NdarrayConverter.to_array(tensor.values)
    }

    fn to_tensor(&self, block: &ArrayBlock) -> Result<Tensor> {
        Ok(Tensor { device: self.device, values: NdarrayConverter.to_tensor(block)? })
    }
}

/// A custom aggregator: the largest trace, and the number of tensors.
struct LargestTrace;

fn larger(best: (f64, usize), tensor: &Tensor) -> (f64, usize) {
    (best.0.max(tensor.values.diag().sum()), best.1 + 1)
}

impl SequenceAggregator<Tensor> for LargestTrace {
    type Output = (f64, usize);

    fn aggregate(self, mut blocks: Blocks<'_, Tensor>) -> Result<(f64, usize)> {
        blocks.try_fold((f64::MIN, 0), |best, tensor| Ok(larger(best, &tensor?)))
    }
}

/// A custom nested aggregator, whose result is a list of strings.
struct DescribedBands;

impl NestedSequenceAggregator<Tensor> for DescribedBands {
    type Output = Vec<String>;

    fn aggregate_nested(self, mut bands: Bands<'_, Tensor>) -> Result<Vec<String>> {
        let mut described = Vec::new();
        while let Some(mut band) = bands.next_band()? {
            let (trace, n) = band.try_fold((f64::MIN, 0), |best, tensor| {
                Ok::<_, lazy_chunks::Error>(larger(best, &tensor?))
            })?;
            described.push(format!("{n} tensors, trace {trace}"));
        }
        Ok(described)
    }
}

fn tensor(value: f64) -> Tensor {
    Tensor { device: 0, values: Array2::from_elem((2, 2), value) }
}

fn sequence() -> LazyChunkSequence<'static, Tensor> {
    LazyChunkSequence::new(|| (0..3).map(|i| tensor(f64::from(i))))
}

fn nested() -> NestedLazyChunkSequence<'static, Tensor> {
    NestedLazyChunkSequence::new(|| {
        (0..2).map(|i| (0..3).map(move |j| tensor(f64::from(10 * i + j))))
    })
}

#[test]
fn converters_of_custom_types_and_of_ndarray_work_both_ways() {
    // Both directions, for a custom type.
    let there = sequence().convert(TensorConverter { device: 0 });
    assert_eq!(there.collect().unwrap()[2].as_slice::<f64>().unwrap(), [2.0; 4]);
    let back = there.to_tensors(TensorConverter { device: 7 }).collect().unwrap();
    assert_eq!(back[1], Tensor { device: 7, values: tensor(1.0).values });

    // ndarray's converter, for any dtype and dimension.
    fn round_trip<A, D>(array: &Array<A, D>)
    where
        A: lazy_chunks::Element,
        D: ndarray::Dimension,
    {
        let block = NdarrayConverter.to_array(array.clone()).unwrap();
        assert_eq!((block.dtype(), block.shape()), (A::DTYPE, array.shape()));
        let back: Array<A, D> = NdarrayConverter.to_tensor(&block).unwrap();
        assert_eq!(&back, array);
    }
    round_trip(&ndarray::arr0(true));
    round_trip(&Array1::<i8>::from_iter(-3..4));
    round_trip(&Array2::<u16>::from_shape_fn((3, 4), |(i, j)| (i * j) as u16));
    round_trip(&Array3::<half::bf16>::from_elem((1, 0, 2), half::bf16::ONE));
    round_trip(&Array3::<half::f16>::from_elem((2, 1, 2), half::f16::EPSILON).into_dyn());
    round_trip(
        &Array2::from_elem((2, 2), num_complex::Complex::new(1.0_f32, -2.0)).reversed_axes(),
    );
}

#[test]
fn custom_aggregators_aggregate_both_types_of_sequences() {
    assert_eq!(sequence().compute(LargestTrace).unwrap(), (4.0, 3));
    assert_eq!(
        nested().compute(DescribedBands).unwrap(),
        ["3 tensors, trace 4", "3 tensors, trace 24"]
    );
}

#[test]
fn collecting_returns_lists_of_tensors() {
    assert_eq!(sequence().collect().unwrap(), [0.0, 1.0, 2.0].map(tensor));
    assert_eq!(
        nested().collect().unwrap(),
        [[0.0, 1.0, 2.0].map(tensor), [10.0, 11.0, 12.0].map(tensor)]
    );
}

#[test]
fn concatenating_joins_both_types_of_sequences() {
    let flat = sequence().map(|tensor| tensor.values).compute(Concatenate).unwrap();
    assert_eq!(flat.dim(), (6, 2));
    assert_eq!(flat.column(1), array![0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    let joined = nested().map(|tensor| tensor.values).compute(Concatenate).unwrap();
    assert_eq!(joined.dim(), (4, 6));
    assert_eq!(joined.row(3), array![10.0, 10.0, 11.0, 11.0, 12.0, 12.0]);
}

#[test]
fn sequences_are_lazy_and_repeatable() {
    let started = Cell::new(0);
    let computed = Cell::new(0);
    let data = [1.0, 2.0, 3.0];
    // The producer borrows `data`.
    let sequence = LazyChunkSequence::new(|| {
        started.set(started.get() + 1);
        data.iter().map(|&value| {
            computed.set(computed.get() + 1);
            tensor(value)
        })
    })
    .with_len(3);
    let mapped = sequence.clone().map(|tensor| tensor.values);
    assert_eq!((started.get(), computed.get()), (0, 0));

    let first = mapped.blocks().next().unwrap().unwrap();
    assert_eq!(first, tensor(1.0).values);
    assert_eq!((started.get(), computed.get()), (1, 1), "only the requested block is computed");

    assert_eq!(sequence.collect().unwrap(), sequence.collect().unwrap());
    assert_eq!((started.get(), computed.get()), (3, 7));

    let stored = sequence
        .convert(TensorConverter { device: 0 })
        .to_zarr(Arc::new(MemoryStore::new()))
        .unwrap();
    assert_eq!((started.get(), computed.get()), (4, 10));
    assert_eq!(stored.shape(), [6, 2]);
}

#[test]
fn nested_sequences_compute_only_requested_blocks() {
    let computed = Cell::new(0);
    let count = |value| {
        computed.set(computed.get() + 1);
        value
    };
    let streamed =
        NestedLazyChunkSequence::new(|| (0..3).map(|i| (0..4).map(move |j| (i, j)).map(&count)));
    let indexed =
        NestedLazyChunkSequence::from_local_fn([1; 3], [1; 4], |i, j| count((i as i32, j as i32)));
    let first_of_each = |mut bands: Bands<'_, (i32, i32)>| {
        let mut first = Vec::new();
        while let Some(mut band) = bands.next_band().unwrap() {
            first.push(band.next().unwrap().unwrap());
        }
        first
    };
    assert_eq!(first_of_each(streamed.bands()), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(computed.replace(0), 3);
    assert_eq!(first_of_each(indexed.bands()), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(computed.replace(0), 3);
    assert_eq!(streamed.collect().unwrap()[2], [(2, 0), (2, 1), (2, 2), (2, 3)]);
}

#[test]
fn trailing_axes_are_not_cut() {
    let blocks = NestedLazyChunkSequence::new(|| {
        (0..2).map(|i| (0..3).map(move |j| Array::from_elem((2, 1, 4, 5), 3 * i + j)))
    });
    let array = blocks.compute(Concatenate).unwrap();
    assert_eq!(array.dim(), (4, 3, 4, 5));
    assert_eq!(array[[2, 1, 3, 4]], 4);
    let stored = blocks.convert(NdarrayConverter).to_zarr(Arc::new(MemoryStore::new())).unwrap();
    assert_eq!(stored.shape(), [4, 3, 4, 5]);
}

#[test]
fn to_zarr_stores_at_paths_urls_and_stores() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("with space.zarr");
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let blocks = sequence().convert(TensorConverter { device: 0 });
    let expected = blocks.compute(Concatenate).unwrap();

    // A path, the same place as a URL, and a store. Each write returns a handle.
    assert_eq!(blocks.to_zarr(&path).unwrap().read().unwrap(), expected);
    assert!(report(&blocks.to_zarr(url.as_str()).unwrap_err()).contains("already exists"));
    let replaced = nested().convert(TensorConverter { device: 0 });
    let sink = ZarrSink::new(url.as_str()).with_existing(Existing::Replace);
    assert_eq!(replaced.to_zarr(sink).unwrap().shape(), [4, 6]);
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [4, 6]);

    let store = Arc::new(MemoryStore::new());
    assert_eq!(blocks.to_zarr(Arc::clone(&store)).unwrap().read().unwrap(), expected);
    let replacing = ZarrSink::new(Arc::clone(&store)).with_existing(Existing::Replace);
    replaced.to_zarr(replacing).unwrap();
    assert_eq!(StoredArray::open(store).unwrap().shape(), [4, 6]);
}

#[test]
fn a_stored_array_gives_its_metadata_regions_and_sequences() {
    let store = Arc::new(MemoryStore::new());
    let sink = ZarrSink::new(Arc::clone(&store))
        .with_chunk_shape([3, 4])
        .with_dimension_names(["test", "train"])
        .with_fill_value(-1.0)
        .with_attribute("damping", 0.01)
        .with_attribute("model", serde_json::json!({"layers": [8, 10]}));
    nested().convert(TensorConverter { device: 0 }).to_zarr(sink).unwrap();

    let stored = StoredArray::open(store).unwrap();
    assert_eq!((stored.shape(), stored.dtype()), (&[4, 6][..], DType::Float64));
    assert_eq!(stored.chunk_shape(), [3, 4]);
    assert_eq!(stored.attributes()["damping"], 0.01);
    assert_eq!(stored.attributes()["model"]["layers"][1], 10);
    let attributes: Vec<_> = stored.attributes().keys().map(String::as_str).collect();
    assert_eq!(attributes, ["damping", "model", "provenance"]);
    let names = [Some("test".to_owned()), Some("train".to_owned())];
    assert_eq!(stored.dimension_names(), Some(&names[..]));
    assert_eq!(stored.fill_value().unwrap().as_slice::<f64>().unwrap(), [-1.0]);

    let whole: Array2<f64> = stored.read().unwrap().to_array().unwrap();
    assert_eq!(whole, nested().map(|tensor| tensor.values).compute(Concatenate).unwrap());
    let part = stored.read_region(&[1..3, 2..5]).unwrap();
    assert_eq!(part.to_array::<f64, _>().unwrap(), whole.slice(ndarray::s![1..3, 2..5]));

    // An indexed sequence of either type, also of custom tensors.
    let rows = stored.sequence([1, 3]).unwrap();
    assert_eq!(rows.block(1).unwrap().shape(), [3, 6]);
    let tensors = rows.to_tensors(TensorConverter { device: 3 });
    assert_eq!(tensors.block(0).unwrap().device, 3);
    let tiles = stored.nested_sequence([2, 2], [5, 1]).unwrap();
    assert_eq!(tiles.grid().n_blocks(), 4);
    assert_eq!(tiles.compute(Concatenate).unwrap(), stored.read().unwrap());
}
