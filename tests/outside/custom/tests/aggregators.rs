//! The aggregators and the reducer on unusual sequences.

use std::sync::Arc;

use lazy_chunks::zarr::{ErrorKind, MemoryStore, StoredArray, ZarrSink};
use lazy_chunks::{BlockIndex, LazyChunkSequence, NestedLazyChunkSequence, Stage, report};
use outside_custom::{BlockNorms, Drift, Jump, LargestRowSum, Ledger, Matrix, MatrixConverter};

fn ones(shape: [usize; 2]) -> Matrix {
    Matrix::from_fn(shape, |_, _| 1.0)
}

#[test]
fn nothing_has_no_largest_row() {
    let sequence = LazyChunkSequence::new(Vec::<Matrix>::new);
    assert_eq!(sequence.compute(LargestRowSum).unwrap(), None);
}

#[test]
fn matrices_of_another_width_are_named() {
    let sequence = LazyChunkSequence::new(|| [[2, 3], [2, 3], [2, 4]].map(ones));
    assert_eq!(
        sequence.compute(LargestRowSum).unwrap_err().to_string(),
        "block 2 has 4 columns, but the first one has 3"
    );
}

#[test]
fn the_producers_error_comes_through() {
    let sequence = NestedLazyChunkSequence::try_new(|| {
        [Ok::<_, String>([Ok(ones([2, 2])), Err("the model diverged".to_owned())])]
    });
    assert_eq!(
        report(&sequence.compute(BlockNorms).unwrap_err()),
        "the producer failed at block (0, 1): the model diverged"
    );
}

#[test]
fn blocks_without_elements_do_not_drift() {
    let sequence = LazyChunkSequence::new(|| [[1, 2], [0, 2], [3, 2]].map(ones));
    let jump = sequence.convert(MatrixConverter::default()).compute(Drift).unwrap();
    assert_eq!(jump, Jump { at: BlockIndex::Block(2), by: 0.0 });
}

#[test]
fn a_reducer_that_fails_at_the_end_keeps_the_sink_from_publishing() {
    let store = Arc::new(MemoryStore::new());
    let ledger = Arc::new(Ledger::default());
    let sequence = LazyChunkSequence::new(|| [ones([2, 2])])
        .convert(MatrixConverter::default())
        .with_observer(ledger.clone());
    let error = sequence.compute((ZarrSink::new(store.clone()), Drift)).unwrap_err();
    let message = "there is no drift without two blocks of at least one element each";
    assert_eq!(error.to_string(), message);
    assert_eq!(StoredArray::open(store).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ledger.entries().last().unwrap().stage, Stage::Aborted);
}
