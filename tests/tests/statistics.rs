//! States of statistics: they can be made anywhere, saved, and merged in the order of their blocks.

use lazy_chunks::{
    ArgMax, ArrayBlock, BlockPosition, LazyChunkSequence, Location, MeanVariance,
    NestedLazyChunkSequence, SharedIndexed, Statistic, TopK,
};
use proptest::prelude::*;

/// An array of 12 × 10 small integers, some of them equal, cut into blocks of 3 × 5.
fn block(seed: u32, i: usize, j: usize) -> ArrayBlock {
    let element = |row: usize, column: usize| {
        let mixed = (seed ^ (row * 31 + column * 17) as u32).wrapping_mul(2_654_435_761);
        (mixed >> 24) as i32 % 50
    };
    let elements = (0..15).map(|k| element(3 * i + k / 5, 5 * j + k % 5)).collect();
    ArrayBlock::from_vec([3, 5], elements).unwrap()
}

/// Computes a statistic in parts, which begin at these blocks: each pushes its blocks into a state of
/// its own, which is saved, loaded and merged.
fn in_parts<S: Statistic>(statistic: &S, seed: u32, starts: &[usize]) -> S::Output {
    let ends = starts.iter().skip(1).copied().chain([8]);
    let mut merged = statistic.empty();
    for (start, end) in starts.iter().zip(ends) {
        let mut part = statistic.empty();
        for index in *start..end {
            let (i, j) = (index / 2, index % 2);
            let location = Location::NestedBlock(i, j);
            let at = BlockPosition { location, row: 3 * i, column: 5 * j };
            statistic.push(&mut part, at, &block(seed, i, j)).unwrap();
        }
        if *start < end {
            let saved = serde_json::to_string(&part).unwrap();
            part = serde_json::from_str(&saved).unwrap();
        }
        statistic.merge(&mut merged, part).unwrap();
    }
    statistic.finish(merged).unwrap()
}

proptest! {
    #[test]
    fn parts_merge_to_the_whole(
        seed in any::<u32>(),
        starts in prop::collection::vec(0..=8_usize, 0..4),
    ) {
        let mut starts = [&[0], &starts[..]].concat();
        starts.sort_unstable();
        let sequence =
            NestedLazyChunkSequence::from_fn([3; 4], [5; 2], |i, j| block(seed, i, j));
        let statistics = (MeanVariance, ArgMax::per_row(), TopK::per_row(4));
        let (moments, largest, top) = sequence.compute(statistics).unwrap();

        let parts = in_parts(&MeanVariance, seed, &starts);
        prop_assert_eq!(parts.count, moments.count);
        prop_assert!((parts.mean - moments.mean).abs() < 1e-12);
        prop_assert!((parts.variance(1) - moments.variance(1)).abs() < 1e-10);
        prop_assert_eq!(in_parts(&ArgMax::per_row(), seed, &starts), largest);
        prop_assert_eq!(in_parts(&TopK::per_row(4), seed, &starts), top);
    }
}

#[test]
fn states_out_of_order_are_refused() {
    let statistic = ArgMax::per_row();
    let state = |i: usize| {
        let mut state = statistic.empty();
        let at = BlockPosition { location: Location::Block(i), row: 3 * i, column: 0 };
        statistic.push(&mut state, at, &block(0, i, 0)).unwrap();
        state
    };
    let mut merged = state(1);
    assert_eq!(
        statistic.merge(&mut merged, state(0)).unwrap_err().to_string(),
        "states per row: rows 3..6 cannot be followed by rows from 0; merge states in the order \
         of their blocks"
    );
    assert!(statistic.merge(&mut merged, state(3)).is_err(), "rows 6..9 are missing");
    assert!(statistic.merge(&mut merged, state(2)).is_ok());
}

#[test]
fn a_vector_of_reducers_is_a_reducer() {
    let sequence = LazyChunkSequence::from_fn([3; 4], |i| block(1, i, 0));
    let top = sequence.compute((1..4).map(TopK::per_row).collect::<Vec<_>>()).unwrap();
    assert_eq!(top.len(), 3);
    for (k, top) in (1..4).zip(&top) {
        assert_eq!(top.indices.dim(), (12, k));
        assert_eq!(top.indices.column(0), sequence.compute(ArgMax::per_row()).unwrap().indices);
    }
}

#[test]
fn shared_sequences_go_to_any_thread() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let sequence: LazyChunkSequence<'_, _, SharedIndexed> =
        shared(LazyChunkSequence::from_fn([3; 4], |i| block(2, i, 0)));
    let last = std::thread::scope(|scope| scope.spawn(|| sequence.block(3)).join().unwrap());
    assert_eq!(last.unwrap(), block(2, 3, 0));
}
