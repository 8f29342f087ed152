//! Reducers, and the order in which a pass calls them.

mod calls;
mod divided;
mod functions;
mod maps;
mod optional;
mod pieces;

use std::ops::ControlFlow;

use lazy_core::{
    ArrayBlock, DType, LazyChunkSequence, NestedLazyChunkSequence, Progress, Reducer, Result,
    RowType,
};
use ndarray::{Array3, Ix3};

/// Rows of each band, and columns of each block of a band.
const ROWS: [usize; 3] = [2, 1, 3];
const COLUMNS: [usize; 2] = [3, 1];

/// A part of an array of shape [6, 4, 2] and dtype float32.
fn part(row: usize, n_rows: usize, column: usize, n_columns: usize) -> ArrayBlock {
    ArrayBlock::from_array(Array3::from_shape_fn((n_rows, n_columns, 2), |(i, j, k)| {
        ((31 * (row + i) + 7 * (column + j) + 3 * k) % 11) as f32 - 4.5
    }))
}

fn rows(i: usize) -> ArrayBlock {
    part(ROWS[..i].iter().sum(), ROWS[i], 0, COLUMNS.iter().sum())
}

fn nested_block(i: usize, j: usize) -> ArrayBlock {
    let (row, column) = (ROWS[..i].iter().sum(), COLUMNS[..j].iter().sum());
    part(row, ROWS[i], column, COLUMNS[j])
}

/// Sums over the last axis, as float64. The rows become `double()`.
fn sums(block: &ArrayBlock) -> Result<ArrayBlock> {
    let elements = block.as_array::<f32, Ix3>()?.mapv(f64::from);
    Ok(ArrayBlock::from_array(elements.sum_axis(ndarray::Axis(2))))
}

fn double() -> Option<RowType> {
    Some(RowType { dtype: DType::Float64, shape: vec![COLUMNS.iter().sum()] })
}

/// Applies a function to the blocks of every kind of sequence, and reduces them.
fn of_every_kind<R: Reducer>(
    function: Change,
    row_type: Option<&RowType>,
    reducer: impl Fn() -> R,
    mut check: impl FnMut(&str, Result<R::Output>),
) {
    macro_rules! evaluate {
        ($kind:literal, $sequence:expr) => {
            let sequence = $sequence.try_map(move |block| function(&block));
            let sequence = match row_type {
                Some(row_type) => sequence.with_row_type(row_type.dtype, row_type.shape.clone()),
                None => sequence,
            };
            check($kind, sequence.compute(reducer()));
        };
    }
    evaluate!("streamed", LazyChunkSequence::new(|| (0..3).map(rows)));
    let indexed = || LazyChunkSequence::from_fn(ROWS, rows);
    evaluate!("indexed", indexed());
    evaluate!("on threads", indexed().with_threads(3));
    evaluate!("streamed on threads", indexed().with_threads(2).streamed());
    evaluate!("local", LazyChunkSequence::from_local_fn(ROWS, rows));
    let bands = || (0..3).map(|i| (0..2).map(move |j| nested_block(i, j)));
    evaluate!("nested", NestedLazyChunkSequence::new(bands));
    let nested = || NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block);
    evaluate!("nested and indexed", nested());
    evaluate!("nested on threads", nested().with_threads(3));
}

fn original(block: &ArrayBlock) -> Result<ArrayBlock> {
    Ok(block.clone())
}

/// A function in front of a reducer.
type Change = fn(&ArrayBlock) -> Result<ArrayBlock>;

/// Evaluates three blocks, on one thread and on two.
fn on_one_thread_and_on_two<R: Reducer>(
    reducer: impl Fn() -> R,
    observer: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync + Copy,
    mut check: impl FnMut(Result<R::Output>),
) {
    let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_observer(observer);
    check(sequence.compute(reducer()));
    check(sequence.clone().with_threads(2).compute(reducer()));
    check(sequence.streamed().compute(reducer()));
}

fn never(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
