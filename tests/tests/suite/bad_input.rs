//! Bad input: the error names the block, the expected and the actual value, and the target is
//! unchanged.

use std::cell::Cell;
use std::sync::Arc;

use lazy_chunks::zarr::{MemoryStore, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BottomK, Concatenate, Covariance, DType, Histogram, LazyChunkSequence,
    MeanVariance, NdarrayConverter, NestedLazyChunkSequence, Quantiles, Statistic, Sum, Summary,
    TopK, report,
};
use lazy_tests::{assert_not_stored, flat, nested, zeros};
use ndarray::{Array1, Array2, Array3};

/// Asserts that storing to every kind of target fails with this message, and that concatenating
/// fails with it too. Also asserts that nothing is left behind: no array, no staging directory, and
/// existing arrays are unchanged.
macro_rules! assert_refused {
    ($sequence:expr, $message:expr) => {{
        let (sequence, message): (_, &str) = (&$sequence, $message);
        assert_eq!(report(&sequence.compute(Concatenate).unwrap_err()), message);
        assert_not_stored(sequence, ZarrSink::new, message);
        // With chunks of single elements, some chunks are written before the error occurs.
        let tiny_chunks = |target: Target| ZarrSink::new(target).with_chunk_bytes(1);
        assert_not_stored(sequence, tiny_chunks, message);
    }};
}

#[test]
fn an_empty_sequence_without_a_row_type_is_an_error() {
    let message = "the sequence has no blocks, so its shape and dtype are unknown";
    assert_refused!(flat(&[]), message);
    assert_refused!(nested(&[]), message);

    for stored in [
        flat(&[]).with_row_type(DType::Int16, [4, 2]).to_zarr(Arc::new(MemoryStore::new())),
        nested(&[]).with_row_type(DType::Int16, [4, 2]).to_zarr(Arc::new(MemoryStore::new())),
    ] {
        let stored = stored.unwrap();
        assert_eq!((stored.dtype(), stored.shape()), (DType::Int16, &[0, 4, 2][..]));
        assert_eq!(stored.read().unwrap().n_elements(), 0);
    }
}

#[test]
fn an_empty_band_is_an_error() {
    assert_refused!(
        nested(&[&[&[1, 2]], &[], &[&[1, 2]]]),
        "band 1 has no blocks; every band needs at least one block"
    );
    assert_refused!(nested(&[&[]]), "band 0 has no blocks; every band needs at least one block");
}

#[test]
fn a_block_without_the_cut_axes_is_an_error() {
    assert_refused!(
        flat(&[&[]]),
        "block 0 has shape [], but a block of this sequence needs at least 1 axis"
    );
    assert_refused!(
        nested(&[&[&[2, 2], &[2]]]),
        "block (0, 1) has shape [2], but a block of this sequence needs at least 2 axes"
    );
}

#[test]
fn a_different_trailing_shape_is_an_error() {
    assert_refused!(
        flat(&[&[1, 4], &[1, 5]]),
        "block 1 has shape [1, 5], but its sizes from axis 1 on must be [4], as in the first block"
    );
    assert_refused!(
        flat(&[&[1, 4], &[4]]),
        "block 1 has shape [4], but its sizes from axis 1 on must be [4], as in the first block"
    );
    assert_refused!(
        nested(&[&[&[1, 4, 3]], &[&[1, 4, 2]]]),
        "block (1, 0) has shape [1, 4, 2], but its sizes from axis 2 on must be [3], as in the \
         first block"
    );
    assert_refused!(
        flat(&[&[1, 4]]).with_row_type(DType::Float32, [3]),
        "block 0 has shape [1, 4], but its sizes from axis 1 on must be [3], as declared"
    );
}

#[test]
fn a_different_dtype_is_an_error() {
    let mixed = [zeros(&[1, 2]), ArrayBlock::from_vec([1, 2], vec![0_f64; 2]).unwrap()];
    assert_refused!(
        LazyChunkSequence::new(|| mixed.clone()),
        "block 1 has dtype float64, but it must be float32, as in the first block"
    );
    assert_refused!(
        NestedLazyChunkSequence::new(|| [mixed.clone()]),
        "block (0, 1) has dtype float64, but it must be float32, as in the first block"
    );
    assert_refused!(
        flat(&[&[1, 2]]).with_row_type(DType::Int8, [2]),
        "block 0 has dtype float32, but it must be int8, as declared"
    );
}

#[test]
fn a_band_of_several_heights_is_an_error() {
    assert_refused!(
        nested(&[&[&[2, 1], &[2, 2], &[3, 1]]]),
        "block (0, 2) has 3 rows, but the first block of its band has 2"
    );
}

#[test]
fn bands_of_several_widths_are_an_error() {
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 3]], &[&[1, 4]]]),
        "band 1 has 4 columns, but it must have 5, as in the first band"
    );
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 3]], &[&[1, 4], &[1, 2], &[1, 9]]]),
        "band 1 has at least 6 columns, but it must have 5, as in the first band"
    );
    assert_refused!(
        nested(&[&[&[1, 2]]]).with_row_type(DType::Float32, [3]),
        "band 0 has 2 columns, but it must have 3, as declared"
    );
}

#[test]
fn a_block_that_does_not_fit_the_grid_is_an_error() {
    assert_refused!(
        LazyChunkSequence::from_fn([2, 3], |_| zeros(&[2, 4])),
        "block 1 has shape [2, 4], but it must have 3 rows, as declared"
    );
    assert_refused!(
        NestedLazyChunkSequence::from_fn([2], [3, 1], |_, _| zeros(&[2, 3])),
        "block (0, 1) has shape [2, 3], but it must have 2 rows and 1 column, as declared"
    );
}

#[test]
fn a_row_type_that_does_not_fit_the_grid_is_an_error() {
    let sequence = NestedLazyChunkSequence::from_fn([2], [3, 1], |_, _| zeros(&[2, 3]));
    assert_refused!(
        sequence.clone().with_row_type(DType::Float32, [5]),
        "the declared row shape [5] does not match the grid, which has 4 columns"
    );
    assert_refused!(
        sequence.with_row_type(DType::Float32, []),
        "the declared row shape [] does not match a nested sequence, whose rows have columns"
    );
}

#[test]
fn a_different_number_of_blocks_than_declared_is_an_error() {
    assert_refused!(
        flat(&[&[1, 2], &[1, 2]]).with_len(3),
        "the sequence ended after 2 blocks, but 3 were declared"
    );
    assert_refused!(
        flat(&[&[1, 2], &[1, 2]]).with_len(1),
        "the sequence has more blocks than the 1 declared"
    );
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 2]]]).with_len(2),
        "the sequence ended after 1 bands, but 2 were declared"
    );
    assert_refused!(
        nested(&[&[&[1, 2]], &[&[1, 2]]]).with_len(1),
        "the sequence has more bands than the 1 declared"
    );
    assert!(
        flat(&[&[1]]).with_len(2).collect().is_err(),
        "`collect` checks the number of blocks as well"
    );
    assert!(nested(&[&[&[1, 1]]]).with_len(2).collect().is_err());
}

#[test]
fn a_producers_error_names_its_block() {
    for failing in 0..3 {
        let block = move |i| match i {
            i if i == failing => Err(format!("no sample {i}")),
            _ => Ok(zeros(&[2, 3])),
        };
        let message = format!("the producer failed at block {failing}: no sample {failing}");
        assert_refused!(LazyChunkSequence::try_new(move || (0..3).map(block)), &message);
        assert_refused!(LazyChunkSequence::try_from_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::try_from_local_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::new(|| 0..3).try_map(block), &message);

        for failing_band in 0..3 {
            let block = move |i, j| if i == failing_band { block(j) } else { block(3) };
            let message = format!(
                "the producer failed at block ({failing_band}, {failing}): no sample {failing}"
            );
            assert_refused!(
                NestedLazyChunkSequence::try_new(move || {
                    (0..3).map(move |i| Ok((0..3).map(move |j| block(i, j))))
                }),
                &message
            );
            let sequence = NestedLazyChunkSequence::try_from_fn([2; 3], [3; 3], block);
            assert_refused!(sequence, &message);
            let error = sequence.block(failing_band, failing).unwrap_err();
            assert_eq!(report(&error), message);
        }
        assert_refused!(
            NestedLazyChunkSequence::try_new(move || {
                (0..3).map(move |i| match i {
                    i if i == failing => Err("no such band"),
                    _ => Ok([Ok(zeros(&[2, 3]))]),
                })
            }),
            &format!("the producer failed at band {failing}: no such band")
        );
    }
}

#[test]
fn a_producers_panic_names_its_block() {
    for failing in 0..3 {
        let block = move |i| {
            assert!(i != failing, "no sample {i}");
            zeros(&[2, 3])
        };
        let message = format!("the producer panicked at block {failing}: no sample {failing}");
        assert_refused!(LazyChunkSequence::new(move || (0..3).map(block)), &message);
        assert_refused!(LazyChunkSequence::from_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::new(|| 0..3).map(block), &message);
        assert_refused!(
            NestedLazyChunkSequence::new(move || (0..2).map(move |_| (0..3).map(block))),
            &format!("the producer panicked at block (0, {failing}): no sample {failing}")
        );
        assert_refused!(
            NestedLazyChunkSequence::new(move || (0..3).map(move |i| [block(i)])),
            &format!("the producer panicked at band {failing}: no sample {failing}")
        );
    }
    assert_refused!(
        LazyChunkSequence::new(|| -> [ArrayBlock; 0] { panic!("no samples") }),
        "the producer panicked at block 0: no samples"
    );
    assert_refused!(
        NestedLazyChunkSequence::new(|| -> [[ArrayBlock; 0]; 0] { panic!("no samples") }),
        "the producer panicked at band 0: no samples"
    );
}

#[test]
fn a_producer_is_not_called_after_it_failed() {
    let calls = Cell::new(0);
    let sequence = LazyChunkSequence::try_new(|| {
        calls.set(0);
        std::iter::from_fn(|| {
            calls.set(calls.get() + 1);
            Some(if calls.get() == 3 { Err("it broke") } else { Ok(zeros(&[1, 1])) })
        })
    });
    let results: Vec<_> = sequence.blocks().take(10).map(|block| block.is_ok()).collect();
    assert_eq!((&results[..], calls.get()), (&[true, true, false][..], 3));
    assert!(sequence.to_zarr(Arc::new(MemoryStore::new())).is_err());
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_converters_error_names_its_block() {
    let sequence = LazyChunkSequence::new(|| [zeros(&[1, 2]), zeros(&[2])]);
    let arrays = sequence.to_tensors::<Array2<f32>, _>(NdarrayConverter);
    assert_eq!(
        report(&arrays.collect().unwrap_err()),
        "block 1 could not be converted: expected 2 axes, but the array has shape [2]"
    );
    let arrays = nested(&[&[&[1, 1]]]).to_tensors::<Array2<i32>, _>(NdarrayConverter);
    assert_eq!(
        report(&arrays.collect().unwrap_err()),
        "block (0, 0) could not be converted: expected dtype int32, but the array has dtype \
         float32; arrays are not cast"
    );
}

#[test]
fn a_failing_statistic_leaves_the_target_untouched() {
    let store = Arc::new(MemoryStore::new());
    let reducers = (ZarrSink::new(Arc::clone(&store)), TopK::new(4).per_row());
    assert_eq!(
        report(&flat(&[&[2, 3]]).compute(reducers).unwrap_err()),
        "block 0 could not be reduced: the 4 largest of each row: k exceeds the number of \
         elements, which is 3"
    );
    assert!(StoredArray::open(store).is_err());
}

#[test]
fn a_statistic_that_cannot_take_its_input_is_an_error() {
    let complex = Array1::from(vec![num_complex::Complex::new(1.0, 2.0)]);
    let sequence = LazyChunkSequence::new(|| [complex.clone()]).convert(NdarrayConverter);
    assert_eq!(
        report(&sequence.compute(MeanVariance).unwrap_err()),
        "block 0 could not be reduced: the mean and variance cannot handle dtype complex128, \
         only bool, integers and real floats"
    );

    let computed = Cell::new(false);
    let declared = LazyChunkSequence::new(|| {
        computed.set(true);
        [zeros(&[1, 3])]
    })
    .with_row_type(DType::Float32, [3]);
    assert!(declared.compute(TopK::new(4).per_row()).is_err());
    assert!(declared.compute(TopK::new(0).per_row()).is_err());
    assert!(!computed.get(), "a declared row type is checked before the first block");

    // Invalid settings are an error for every sequence, with or without a row type.
    fn refused<S: Statistic>(statistic: S, message: &str) {
        let sequence =
            LazyChunkSequence::new(|| -> [ArrayBlock; 0] { unreachable!("no block is computed") });
        let Err(error) = sequence.compute(statistic) else { panic!("{message}") };
        assert_eq!(report(&error), message);
    }
    refused(TopK::new(0), "the 0 largest: k must be at least 1, got 0");
    refused(
        BottomK::new(0).per_column(),
        "the 0 smallest of each column: k must be at least 1, got 0",
    );
    refused(Histogram::new([]), "a histogram: needs at least two edges, got 0");
    refused(
        Histogram::new([0.0, 1.0, 1.0]).per_row(),
        "the histogram between the edges [0.0, 1.0, 1.0] of each row: the edges must be \
         strictly increasing, but edge 2 is 1 and edge 1 is 1",
    );
    refused(
        Histogram::new([0.0, f64::NAN]),
        "a histogram: the edges must be strictly increasing, but edge 1 is NaN and edge 0 is 0",
    );
    refused(
        Quantiles::new([0.5, 1.5]),
        "the quantiles [0.5, 1.5] within 0.001 in rank: a quantile must be from 0 to 1, got 1.5",
    );
    refused(
        Quantiles::new([]),
        "the quantiles [] within 0.001 in rank: needs at least one quantile",
    );
    refused(
        Quantiles::new([0.5]).with_rank_error(0.0).ignoring_nan(),
        "the quantiles [0.5] within 0 in rank: the error in rank must be from 0.00001 to 0.5",
    );
    let never = || -> [[ArrayBlock; 1]; 1] { unreachable!("no block is computed") };
    let nested = NestedLazyChunkSequence::new(never);
    assert_eq!(
        report(&nested.compute(Covariance).unwrap_err()),
        "the covariance: needs whole rows, but the blocks are cut along axis 1, too"
    );
    let complex = nested.with_row_type(DType::Complex64, [3]);
    assert_eq!(
        report(&complex.compute(Sum.per_column()).unwrap_err()),
        "the sum of each column cannot handle dtype complex64, only bool, integers and \
         real floats"
    );

    let computed = Cell::new(0);
    let undeclared = LazyChunkSequence::new(|| {
        (0..3).map(|_| {
            computed.set(computed.get() + 1);
            zeros(&[1, 3])
        })
    });
    assert!(undeclared.compute(TopK::new(4).per_row()).is_err());
    assert_eq!(computed.get(), 1, "the first block has the length of a row");
}

#[test]
fn zero_row_blocks_contribute_nothing() {
    let stored = flat(&[&[0, 3], &[2, 3], &[0, 3], &[0, 3], &[1, 3], &[0, 3]])
        .to_zarr(Arc::new(MemoryStore::new()))
        .unwrap();
    assert_eq!(stored.read().unwrap(), zeros(&[3, 3]));
    let stored = nested(&[&[&[0, 3], &[0, 1]], &[&[2, 4]], &[&[0, 4]]])
        .to_zarr(Arc::new(MemoryStore::new()))
        .unwrap();
    assert_eq!(stored.read().unwrap(), zeros(&[2, 4]));
    let stored = flat(&[&[0, 3], &[0, 3]]).to_zarr(Arc::new(MemoryStore::new())).unwrap();
    assert_eq!(stored.shape(), [0, 3]);
    let blocks = LazyChunkSequence::new(|| vec![Array3::<i8>::zeros((0, 2, 2)); 2]);
    assert_eq!(blocks.compute(Concatenate).unwrap().dim(), (0, 2, 2));
}
