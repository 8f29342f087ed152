//! Statistics that share a pass receive a large block piece by piece.

use std::fmt::Debug;

use lazy_core::{
    ArgMax, ArgMin, ArrayBlock, BottomK, BoxedReducer, Count, Covariance, Histogram,
    LazyChunkSequence, Max, MeanVariance, Min, Norm, Quantiles, Statistic, Sum, Summary, TopK,
};
use ndarray::Array2;

/// The numbers of rows of three columns: no piece, less than one, one, and several with a rest.
const ROWS: [usize; 6] = [0, 1, 5461, 5462, 10_923, 40_001];

type Sequence = LazyChunkSequence<'static, ArrayBlock, lazy_core::Indexed>;

fn sequence(element: impl Fn(usize) -> ArrayBlock + Send + Sync + 'static) -> Sequence {
    LazyChunkSequence::from_fn(ROWS, element)
}

/// Float elements that are added in another order with other bits, and some NaN.
fn floats(i: usize) -> ArrayBlock {
    ArrayBlock::from_array(Array2::from_shape_fn((ROWS[i], 3), |(row, column)| {
        let x = (row * 31 + column * 17 + i) as f32;
        if row % 9973 == 5 { f32::NAN } else { (x * 0.7).sin() * 10_f32.powi(row as i32 % 9 - 4) }
    }))
}

fn integers(i: usize) -> ArrayBlock {
    ArrayBlock::from_array(Array2::from_shape_fn((ROWS[i], 3), |(row, column)| {
        ((row * 7919 + column * 104_729 + i) % 65_537) as i32 - 30_000
    }))
}

/// Checks that statistics that share a pass have the bits that they have alone.
fn check(sequence: &Sequence) {
    fn alone<S>(sequence: &Sequence, statistic: S) -> String
    where
        S: Statistic<Output: Debug>,
    {
        format!("{:?}", sequence.compute(statistic).unwrap())
    }
    macro_rules! share {
        ($($statistic:expr),+ $(,)?) => {
            let shared: Vec<String> =
                sequence.compute(vec![$(BoxedReducer::new($statistic, |it| format!("{it:?}"))),+]).unwrap();
            assert_eq!(shared, [$(alone(sequence, $statistic)),+]);
        };
    }
    share!(
        Sum,
        MeanVariance,
        Count,
        Min,
        Max,
        ArgMin,
        ArgMax,
        TopK::new(10),
        BottomK::new(3),
        Norm::L1,
        Norm::L2,
        Norm::LInf,
        Sum.ignoring_nan(),
        MeanVariance.ignoring_nan(),
        ArgMax.ignoring_nan(),
        Count.ignoring_nan(),
        TopK::new(4).ignoring_nan(),
        Quantiles::new([0.1, 0.5]).ignoring_nan(),
        Histogram::new([-1.0, 0.0, 2.5]).ignoring_nan(),
        Sum.per_row(),
        MeanVariance.per_column(),
        Covariance,
    );
    let shared = sequence.compute((MeanVariance, (TopK::new(10), Sum), Max.per_column())).unwrap();
    let (moments, (top, sum), largest) = shared;
    assert_eq!(format!("{moments:?}"), alone(sequence, MeanVariance));
    assert_eq!(format!("{top:?}"), alone(sequence, TopK::new(10)));
    assert_eq!(format!("{sum:?}"), alone(sequence, Sum));
    assert_eq!(format!("{largest:?}"), alone(sequence, Max.per_column()));
}

#[test]
fn statistics_have_the_same_bits_alone_and_together() {
    for sequence in [sequence(floats), sequence(integers)] {
        for n_threads in [1, 3] {
            check(&sequence.clone().with_threads(n_threads));
        }
    }
}

#[test]
fn a_block_of_any_number_of_pieces_is_its_elements() {
    for n_rows in ROWS {
        let elements = Array2::from_shape_fn((n_rows, 3), |(i, j)| (3 * i + j) as u32);
        let sum = elements.iter().map(|x| u64::from(*x)).sum::<u64>();
        let n_elements = elements.len() as u64;
        let sequence =
            LazyChunkSequence::from_fn([n_rows], move |_| ArrayBlock::from_array(elements.clone()));
        assert_eq!(sequence.compute((Sum, Count)).unwrap(), (sum.into(), n_elements));
        if n_elements > 0 {
            let (first, last) = sequence.compute((ArgMin, ArgMax)).unwrap();
            assert_eq!((first.row, first.index), (0, 0));
            assert_eq!((last.row, last.index), (n_rows as u64 - 1, 2));
        }
    }
}
