//! The statistic keeps its laws, and invalid use fails before the first block.

use std::sync::Arc;

use lazy_chunks::zarr::{ErrorKind, MemoryStore, StoredArray, ZarrSink};
use lazy_chunks::{
    ArrayBlock, DType, LazyChunkSequence, MeanVariance, NdarrayConverter, NestedLazyChunkSequence,
    SaveState, StateOf, Statistic, report,
};
use ndarray::{Array2, array};
use outside_custom::{Counts, Histogram};

const EDGES: [f64; 4] = [-1.0, 0.0, 0.5, 4.0];

/// Blocks with values on the edges, between them, outside, and with NaN.
fn blocks() -> Vec<ArrayBlock> {
    let values = [
        array![[-1.0, -0.5], [0.0, 0.25]],
        array![[0.5, 3.9], [4.0, f64::NAN]],
        array![[f64::INFINITY, -9.0], [1.0, 2.0]],
    ];
    values.map(ArrayBlock::from_array).to_vec()
}

#[test]
fn edges_belong_to_the_bin_above() {
    let sequence = LazyChunkSequence::new(blocks);
    let counts = sequence.compute(Histogram::new(EDGES)).unwrap();
    assert_eq!(counts, Counts { bins: vec![2, 2, 4], outside: 4 });
}

/// Every worker computes a part of the blocks and sends its state as JSON.
#[test]
fn states_of_any_parts_make_the_whole() {
    let histogram = Histogram::new(EDGES);
    let whole = LazyChunkSequence::new(blocks).compute(&histogram).unwrap();
    let work = |part: &[ArrayBlock]| {
        let part = LazyChunkSequence::new(|| part.to_vec()).with_row_type(DType::Float64, [2]);
        serde_json::to_string(&part.compute(StateOf::new(&histogram)).unwrap()).unwrap()
    };
    let blocks = blocks();
    for cut in 0..=blocks.len() {
        let (front, back) = blocks.split_at(cut);
        let states = [front, back].map(|part| serde_json::from_str(&work(part)).unwrap());
        assert_eq!(histogram.finish_saved(states).unwrap(), whole, "cut before block {cut}");
    }
}

#[test]
fn states_of_another_histogram_are_refused() {
    let (histogram, other) = (Histogram::new(EDGES), Histogram::new([0.0, 1.0]));
    let error = histogram.finish_saved([other.save(other.empty())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot load a state of `the histogram of [0.0, 1.0]` into `the histogram of [-1.0, 0.0, \
         0.5, 4.0]`"
    );
    let damaged = histogram.save(other.empty());
    let error = histogram.finish_saved([damaged]).unwrap_err();
    assert_eq!(error.kind(), lazy_chunks::ErrorKind::SavedState, "{error}");
}

/// Blocks that are never computed.
fn never() -> impl Iterator<Item = Array2<f64>> {
    std::iter::from_fn(|| unreachable!("a block was computed"))
}

#[test]
fn wrong_edges_are_found_before_the_first_block() {
    for edges in [vec![], vec![1.0], vec![0.0, 0.0], vec![1.0, 0.0], vec![0.0, f64::NAN]] {
        let reducers = || (MeanVariance, Histogram::new(edges.clone()));
        let flat = LazyChunkSequence::new(never).convert(NdarrayConverter);
        let flat = flat.compute(reducers()).unwrap_err();
        let nested = NestedLazyChunkSequence::new(|| [never()]).convert(NdarrayConverter);
        assert_eq!(nested.compute(reducers()).unwrap_err().to_string(), flat.to_string());
        let problem = "the edges must be two or more, ascending";
        assert_eq!(flat.to_string(), format!("the histogram of {edges:?}: {problem}"));
    }
}

#[test]
fn a_declared_dtype_is_refused_before_the_first_block() {
    let sequence = LazyChunkSequence::new(never)
        .convert(NdarrayConverter)
        .with_row_type(DType::Complex64, [2]);
    let error = sequence.compute((Histogram::new(EDGES), MeanVariance)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the histogram of [-1.0, 0.0, 0.5, 4.0] cannot handle dtype complex64, only \
         bool, integers and floats"
    );
}

#[test]
fn a_refused_block_leaves_no_array_behind() {
    let store = Arc::new(MemoryStore::new());
    let complex = LazyChunkSequence::new(|| {
        [ArrayBlock::new(DType::Complex64, [1, 2], vec![0; 16].into()).expect("16 bytes")]
    });
    let reducers = (ZarrSink::new(store.clone()), Histogram::new(EDGES));
    let error = complex.compute(reducers).unwrap_err();
    assert_eq!(
        report(&error),
        "block 0 could not be reduced: the histogram of [-1.0, 0.0, 0.5, 4.0] cannot handle dtype \
         complex64, only bool, integers and floats"
    );
    assert_eq!(StoredArray::open(store).unwrap_err().kind(), ErrorKind::NotFound);
}
