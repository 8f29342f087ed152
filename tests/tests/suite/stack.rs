//! Stacking of blocks into rows: the result is ndarray's, for every kind of sequence.

use lazy_chunks::{ArrayBlock, Concatenate, DType, ErrorKind, LazyChunkSequence, Sum, Summary};
use ndarray::{Array, IxDyn};

fn block(shape: &[usize], i: usize) -> ArrayBlock {
    let first = 1000 * i;
    let n_elements = shape.iter().product::<usize>();
    let elements = (first..first + n_elements).map(|x| x as i32).collect();
    ArrayBlock::from_array(Array::from_shape_vec(IxDyn(shape), elements).unwrap())
}

#[test]
fn every_kind_stacks_blocks_of_any_axes() {
    for shape in [&[][..], &[3], &[3, 4], &[2, 0], &[2, 3, 4]] {
        for n_blocks in 1..4 {
            let rows: Vec<_> = (0..n_blocks).map(|i| block(shape, i).into_row()).collect();
            let elements = rows.iter().flat_map(|row| row.as_slice::<i32>().unwrap()).copied();
            let shape_of_all = [&[n_blocks], shape].concat();
            let expected = ArrayBlock::from_vec(shape_of_all, elements.collect()).unwrap();
            let heights = vec![shape.first().copied().unwrap_or(1); n_blocks];
            let streamed =
                LazyChunkSequence::new(|| (0..n_blocks).map(|i| block(shape, i))).stack();
            let local = LazyChunkSequence::from_local_fn(heights.clone(), |i| block(shape, i));
            let shared = LazyChunkSequence::from_fn(heights, |i| block(shape, i)).with_threads(2);
            assert_eq!(streamed.compute(Concatenate).unwrap(), expected);
            assert_eq!(local.stack().compute(Concatenate).unwrap(), expected);
            let shared = shared.stack();
            assert_eq!(shared.compute(Concatenate).unwrap(), expected);
            assert_eq!(shared.grid().rows().total(), n_blocks);
            assert_eq!(shared.block(0).unwrap(), rows[0]);
            assert_eq!(
                streamed.compute((Sum, Sum.per_row())).unwrap(),
                shared.compute((Sum, Sum.per_row())).unwrap()
            );
        }
    }
}

#[test]
fn stacking_keeps_a_row_type_if_the_grid_gives_all_shapes() {
    let declared = |heights: &[usize]| {
        LazyChunkSequence::from_fn(heights.to_vec(), |i| block(&[3, 4], i))
            .with_row_type(DType::Int32, [4])
            .stack()
    };
    let equal = declared(&[3, 3]);
    let row = equal.spec().row_type().unwrap();
    assert_eq!((row.dtype, &row.shape[..]), (DType::Int32, &[3, 4][..]));
    assert_eq!(equal.compute(Sum.per_row()).unwrap().len(), 2);
    assert_eq!(declared(&[3, 2]).spec().row_type(), None);
    assert_eq!(LazyChunkSequence::new(|| [block(&[3], 0)]).stack().spec().row_type(), None);
}

#[test]
fn stacking_blocks_of_different_shapes_is_an_error() {
    let lengths = [3, 3, 4];
    let sequence = LazyChunkSequence::new(move || lengths.map(|length| block(&[length], 0)));
    let error = sequence.stack().compute(Concatenate).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
}
