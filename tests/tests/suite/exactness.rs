//! Results of integers are integers, exactly, in every result and every stored array; quantiles are
//! exact or within their error in rank.

use std::fmt::Debug;
use std::sync::Arc;

use lazy_chunks::zarr::{MemoryStore, StoreResult, Target};
use lazy_chunks::{
    ArgMax, ArgMin, ArrayBlock, BottomK, Casting, DType, Element, Extremum, Indexed,
    LazyChunkSequence, Max, Min, NamedArrays, Number, Quantiles, SaveState, StateOf, Statistic,
    Sum, Summary, TopK,
};
use lazy_tests::{Visitor, every_sketch, every_statistic};
use proptest::prelude::*;

/// An array of 4 columns, one or two rows at a time.
fn rows_of_four<A: Element>(elements: &[A]) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    let blocks: Vec<ArrayBlock> = elements
        .chunks(8)
        .map(|rows| ArrayBlock::from_vec([rows.len() / 4, 4], rows.to_vec()).unwrap())
        .collect();
    let sizes: Vec<usize> = blocks.iter().map(|block| block.shape()[0]).collect();
    LazyChunkSequence::from_fn(sizes, move |i| blocks[i].clone())
}

/// Stores a result, and returns the first of its arrays.
fn stored<S>(sequence: &LazyChunkSequence<'_, ArrayBlock, Indexed>, statistic: S) -> ArrayBlock
where
    S: Statistic<Output: NamedArrays>,
{
    let target = Target::from(Arc::new(MemoryStore::new()));
    let target = if S::Output::NAMES[0].is_empty() { target } else { target.member("group") };
    let (_, arrays) = sequence.compute(StoreResult::new(statistic, target)).unwrap();
    arrays[0].read().unwrap()
}

/// Returns the dtype and the elements of a stored array of integers.
fn integers(block: &ArrayBlock) -> (DType, Vec<i128>) {
    let elements = match block.dtype() {
        DType::Int64 => block.as_slice::<i64>().unwrap().iter().map(|x| (*x).into()).collect(),
        DType::UInt64 => block.as_slice::<u64>().unwrap().iter().map(|x| (*x).into()).collect(),
        dtype => panic!("the result is {dtype}"),
    };
    (block.dtype(), elements)
}

/// Returns the integer that a number is.
fn integer(number: &Number) -> i128 {
    match number {
        Number::Signed(integer) => (*integer).into(),
        Number::Unsigned(integer) => (*integer).into(),
        Number::Float(float) => panic!("{float} is no integer"),
    }
}

/// Checks all statistics that return elements, of the whole array, of rows and of columns.
fn check_extremes<A: Element + Into<i128>>(elements: &[A]) {
    let sequence = rows_of_four(elements);
    let dtype = match A::DTYPE {
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => DType::Int64,
        _ => DType::UInt64,
    };
    let elements: Vec<i128> = elements.iter().map(|element| (*element).into()).collect();
    let sorted = |mut elements: Vec<i128>| {
        elements.sort_unstable();
        elements
    };
    let of_all = sorted(elements.clone());
    let (least, most) = (of_all[0], of_all[of_all.len() - 1]);
    let ascending = of_all[..3].to_vec();
    let descending: Vec<i128> = of_all.iter().rev().take(3).copied().collect();

    let quantiles = Quantiles::new([0.0, 0.5, 1.0]);
    let of_quantiles = vec![least, of_all[(of_all.len() - 1) / 2], most];
    let (min, max, argmin, argmax, top, bottom, found) = sequence
        .compute((Min, Max, ArgMin, ArgMax, TopK::new(3), BottomK::new(3), quantiles.clone()))
        .unwrap();
    let values = |of: &[Extremum]| of.iter().map(|one| integer(&one.value)).collect::<Vec<_>>();
    assert_eq!((integer(&min), integer(&max)), (least, most));
    assert_eq!((values(&[argmin, argmax])), [least, most]);
    assert_eq!((values(&top), values(&bottom)), (descending.clone(), ascending.clone()));
    assert_eq!(found.iter().map(integer).collect::<Vec<_>>(), of_quantiles);

    let expect = |block: ArrayBlock, expected: &[i128]| {
        assert_eq!(integers(&block), (dtype, expected.to_vec()), "{}", A::DTYPE);
    };
    expect(stored(&sequence, Min), &[least]);
    expect(stored(&sequence, Max), &[most]);
    expect(stored(&sequence, ArgMin), &[least]);
    expect(stored(&sequence, ArgMax), &[most]);
    expect(stored(&sequence, TopK::new(3)), &descending);
    expect(stored(&sequence, BottomK::new(3)), &ascending);
    expect(stored(&sequence, quantiles.clone()), &of_quantiles);
    expect(stored(&sequence, Max.ignoring_nan()), &[most]);

    let rows: Vec<Vec<i128>> = elements.chunks(4).map(|row| sorted(row.to_vec())).collect();
    let columns: Vec<Vec<i128>> =
        (0..4).map(|j| sorted(elements.iter().skip(j).step_by(4).copied().collect())).collect();
    for (cells, of_rows) in [(rows, true), (columns, false)] {
        macro_rules! each {
            ($summary:expr) => {
                if of_rows {
                    stored(&sequence, $summary.per_row())
                } else {
                    stored(&sequence, $summary.per_column())
                }
            };
        }
        let first: Vec<i128> = cells.iter().map(|cell| cell[0]).collect();
        let last: Vec<i128> = cells.iter().map(|cell| cell[cell.len() - 1]).collect();
        let two = |of: fn(&[i128]) -> [i128; 2]| -> Vec<i128> {
            cells.iter().flat_map(|cell| of(cell)).collect()
        };
        expect(each!(Min), &first);
        expect(each!(Max), &last);
        expect(each!(ArgMin), &first);
        expect(each!(ArgMax), &last);
        expect(each!(BottomK::new(2)), &two(|cell| [cell[0], cell[1]]));
        expect(each!(TopK::new(2)), &two(|cell| [cell[cell.len() - 1], cell[cell.len() - 2]]));
        expect(each!(Quantiles::new([0.0, 1.0])), &two(|cell| [cell[0], cell[cell.len() - 1]]));
    }
}

#[test]
fn extremes_and_quantiles_of_integers_are_exact_in_every_result_and_stored_array() {
    // The neighbours of the extremes have the same nearest float in 64 bits.
    macro_rules! check {
        ($($A:ty)*) => {
            $(
                let (least, most) = (<$A>::MIN, <$A>::MAX);
                check_extremes::<$A>(&[
                    1, least + 1, most, 0, least, most - 1, most - 2, least + 2, 3, most, 7, least,
                ]);
                // The dtype of a result does not depend on the elements.
                check_extremes::<$A>(&[0, 1, 2, 3, 4, 5, 6, 7]);
                check_extremes::<$A>(&[most, most, most, most - 1, most, 1, 1, most]);
            )*
        };
    }
    check!(i8 i16 i32 i64 u8 u16 u32 u64);
}

#[test]
fn the_stored_dtype_follows_from_the_dtype_even_without_elements() {
    for (dtype, expected) in [
        (DType::Bool, DType::UInt64),
        (DType::UInt8, DType::UInt64),
        (DType::Int16, DType::Int64),
        (DType::Float32, DType::Float64),
    ] {
        let of_shape = |shape: [usize; 2]| {
            let block = ArrayBlock::from_vec(shape, Vec::<u8>::new()).unwrap();
            let block = block.cast(dtype, Casting::Unsafe).unwrap();
            LazyChunkSequence::from_fn([shape[0]], move |_| block.clone())
        };
        let (no_rows, no_columns) = (of_shape([0, 3]), of_shape([3, 0]));
        for (block, shape) in [
            (stored(&no_rows, Max.per_row()), [0]),
            (stored(&no_rows, ArgMin.per_row()), [0]),
            (stored(&no_rows, Sum.per_row()), [0]),
            (stored(&no_rows, Sum.per_column()), [3]),
            (stored(&no_rows, Sum), [1]),
            (stored(&no_columns, Min.per_column()), [0]),
            (stored(&no_columns, Sum.per_row()), [3]),
        ] {
            assert_eq!((block.dtype(), block.shape()), (expected, &shape[..]), "{dtype}");
        }
        // Quantiles of no elements are NaN.
        let nothing = stored(&no_rows, Quantiles::new([0.5]).per_column());
        assert_eq!((nothing.dtype(), nothing.shape()), (DType::Float64, &[3, 1][..]));
        // A declared dtype suffices.
        let no_blocks = LazyChunkSequence::from_fn([0; 0], |_| -> ArrayBlock { unreachable!() })
            .with_row_type(dtype, [3]);
        assert_eq!(stored(&no_blocks, Max.per_row()).dtype(), expected);
    }
}

#[test]
fn sums_of_integers_are_exact_as_long_as_64_bits_hold_them() {
    let unsigned = rows_of_four(&[u64::MAX, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(
        integers(&stored(&unsigned, Sum.per_row())),
        (DType::UInt64, vec![u64::MAX.into(), 10])
    );
    assert_eq!(unsigned.compute(Sum).unwrap(), 2.0_f64.powi(64), "the nearest float");
    let small = rows_of_four(&[1_u8, 2, 3, 4]);
    assert_eq!(integers(&stored(&small, Sum)), (DType::UInt64, vec![10]));
    let bools = rows_of_four(&[true, false, true, true]);
    assert_eq!(integers(&stored(&bools, Sum)), (DType::UInt64, vec![3]));
    assert_eq!(bools.compute(Sum).unwrap(), Number::Unsigned(3));

    let signed = rows_of_four(&[i64::MIN, 1, 0, 0, i64::MAX, 0, 0, -1]);
    let sums = vec![i128::from(i64::MIN) + 1, i128::from(i64::MAX) - 1];
    assert_eq!(integers(&stored(&signed, Sum.per_row())), (DType::Int64, sums));
    // A sum beyond int64 is exact as uint64, if all others fit as well.
    let large = rows_of_four(&[i64::MAX, 2, 0, 0, 1, 0, 0, 0]);
    let sums = vec![i128::from(i64::MAX) + 2, 1];
    assert_eq!(integers(&stored(&large, Sum.per_row())), (DType::UInt64, sums));
    // Otherwise all of them are floats.
    let both = rows_of_four(&[i64::MAX, 2, 0, 0, -1, 0, 0, 0]);
    let sums = stored(&both, Sum.per_row());
    assert_eq!(sums.as_slice::<f64>().unwrap(), [2.0_f64.powi(63), -1.0]);
    // The result itself keeps every sum that 64 bits hold.
    let sums = both.compute(Sum.per_row()).unwrap();
    assert_eq!((sums[0], sums[1]), (Number::Unsigned((1 << 63) + 1), Number::Signed(-1)));
    let beyond = rows_of_four(&[i64::MIN, i64::MIN, 0, 0]).compute(Sum).unwrap();
    assert_eq!(beyond, Number::Float(-(2.0_f64.powi(64))));
}

/// Returns the sequence of these elements as one column, in blocks of these sizes.
fn column<A: Element>(
    elements: &[A],
    sizes: &[usize],
) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    let mut rest = elements;
    let mut blocks = Vec::new();
    for size in sizes {
        let (block, later) = rest.split_at((*size).min(rest.len()));
        blocks.push(ArrayBlock::from_vec([block.len(), 1], block.to_vec()).unwrap());
        rest = later;
    }
    blocks.push(ArrayBlock::from_vec([rest.len(), 1], rest.to_vec()).unwrap());
    let sizes: Vec<usize> = blocks.iter().map(|block| block.shape()[0]).collect();
    LazyChunkSequence::from_fn(sizes, move |i| blocks[i].clone())
}

const QUANTILES: [f64; 7] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.999, 1.0];

/// Checks that each quantile is an element whose rank differs by at most `error`.
fn check_ranks(found: &[Number], elements: &[Number], error: u64) {
    let mut sorted = elements.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    for (quantile, found) in QUANTILES.iter().zip(found) {
        let rank = (quantile * (sorted.len() - 1) as f64) as u64;
        let first = sorted.partition_point(|element| element < found) as u64;
        let end = sorted.partition_point(|element| element <= found) as u64;
        assert!(first < end, "{found} is an element");
        let error = if [0.0, 1.0].contains(quantile) { 0 } else { error };
        assert!(first <= rank + error && rank < end + error, "{first}..{end} for {rank}");
    }
}

#[test]
fn quantiles_far_from_zero_are_as_good_as_any() {
    const N: usize = 50_000;
    let mixed = |i: usize| (i * 7919) % N;
    // Kelvins of a room, and nanoseconds of a day in 2025. Their relative differences are tiny.
    let kelvins: Vec<f32> = (0..N).map(|i| 293.0 + mixed(i) as f32 * 1e-4).collect();
    let times: Vec<i64> = (0..N).map(|i| 1_764_336_000_000_000_000 + mixed(i) as i64).collect();
    let quantiles = Quantiles::new(QUANTILES).with_exact_len(1000).with_rank_error(0.005);
    let found = column(&kelvins, &[777; 60]).compute(quantiles.clone()).unwrap();
    let numbers: Vec<Number> = kelvins.iter().map(|kelvin| (*kelvin).into()).collect();
    check_ranks(found.as_slice().unwrap(), &numbers, N as u64 / 200);
    let found = column(&times, &[777; 60]).compute(quantiles.per_column()).unwrap();
    let numbers: Vec<Number> = times.iter().map(|time| (*time).into()).collect();
    check_ranks(found.as_slice().unwrap(), &numbers, N as u64 / 200);
}

proptest! {
    #[test]
    fn quantiles_of_few_elements_are_exact_for_any_cut(
        elements in prop::collection::vec(any::<f64>(), 1..400),
        sizes in prop::collection::vec(0..60_usize, 0..12),
        exact_len in 400..500_usize,
    ) {
        let quantiles = Quantiles::new(QUANTILES).with_exact_len(exact_len).with_rank_error(0.4);
        let sequence = column(&elements, &sizes);
        let found = sequence.compute((&quantiles, quantiles.clone().ignoring_nan())).unwrap();
        if elements.iter().any(|element| element.is_nan()) {
            prop_assert!(found.0.iter().all(|number| number.to_f64().is_nan()));
        }
        let numbers: Vec<Number> =
            elements.iter().filter(|x| !x.is_nan()).map(|x| (*x).into()).collect();
        if !numbers.is_empty() {
            check_ranks(found.1.as_slice().unwrap(), &numbers, 0);
        }
    }

    #[test]
    fn quantiles_of_many_elements_are_within_their_error_for_any_cut(
        elements in prop::collection::vec(any::<u64>(), 1..2000),
        modulus in prop::option::of(1..300_u64),
        sizes in prop::collection::vec(0..400_usize, 0..12),
        rank_error in 0.02..0.5_f64,
    ) {
        let elements: Vec<u64> = elements.iter().map(|x| modulus.map_or(*x, |m| x % m)).collect();
        let numbers: Vec<Number> = elements.iter().map(|element| (*element).into()).collect();
        let error = (rank_error * elements.len() as f64) as u64;
        let quantiles =
            Quantiles::new(QUANTILES).with_exact_len(0).with_rank_error(rank_error);
        let sequence = column(&elements, &sizes);
        let found = sequence.compute(&quantiles).unwrap();
        check_ranks(found.as_slice().unwrap(), &numbers, error);
        // Parts that are merged have the same error.
        let states: Vec<_> = (0..sequence.grid().n_blocks())
            .map(|i| {
                let block = sequence.block(i).unwrap();
                LazyChunkSequence::new(move || [block.clone()])
                    .compute(StateOf::new(&quantiles))
                    .unwrap()
            })
            .collect();
        let merged = quantiles.finish_saved(states).unwrap();
        check_ranks(merged.as_slice().unwrap(), &numbers, error);
        prop_assert_eq!(found, merged);
    }
}

/// Checks that the dtypes of stored results do not depend on the elements.
struct SameDTypes;

impl Visitor for SameDTypes {
    type Error = std::convert::Infallible;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), Self::Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        // Every result has at least one element, and is printed with its kind of number.
        let found = [[0_i32, 1, 2, 3], [-5, -6, -7, -8], [i32::MIN, i32::MAX, 0, 0]]
            .map(|elements| format!("{:?}", rows_of_four(&elements).compute(&statistic).unwrap()));
        for kind in ["Signed", "Unsigned", "Float("] {
            let has = found.each_ref().map(|text| text.contains(kind));
            assert!(has == [has[0]; 3], "{}: {found:?}", statistic.name());
        }
        Ok(())
    }
}

#[test]
fn the_kind_of_a_number_does_not_depend_on_the_elements() {
    let Ok(()) = every_statistic(&mut SameDTypes, 1);
    let Ok(()) = every_sketch(&mut SameDTypes);
}
