//! One array that several workers store: the same bits, each block computed once, whoever computes
//! which part, in any order, and however often workers are stopped.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{Durability, ToZarr, ZarrSink};
use lazy_chunks::{
    LazyChunkSequence, NestedLazyChunkSequence, Outcome, PartOutcome, Plan, Workers,
};
use lazy_tests::{Case, case, files, names};
use proptest::prelude::*;

/// Calls a function with the sequence of a case, whose blocks are counted.
macro_rules! with_sequence {
    ($case:expr, $computed:expr, |$sequence:ident| $body:expr) => {{
        let (case, computed) = ($case, $computed);
        let (dtype, row_shape) = (case.dtype, case.shape()[1..].to_vec());
        let block = |i: usize, j: usize| {
            let block = case.block(i, j);
            // A block without elements can be restored without a chunk.
            computed.fetch_add(usize::from(block.n_elements() > 0), Ordering::Relaxed);
            block
        };
        match case.columns.clone() {
            None => {
                let $sequence = LazyChunkSequence::from_fn(case.rows.clone(), |i| block(i, 0))
                    .with_row_type(dtype, row_shape)
                    .with_threads(case.n_threads.max(1));
                $body
            }
            Some(columns) => {
                let $sequence = NestedLazyChunkSequence::from_fn(case.rows.clone(), columns, block)
                    .with_row_type(dtype, row_shape)
                    .with_threads(case.n_threads.max(1));
                $body
            }
        }
    }};
}

fn sink(case: &Case, path: &Path) -> ZarrSink {
    case.sink(path).with_durability(Durability::None).with_resume("the job")
}

proptest! {
    /// The array of a plan is the array that one process stores, chunk for chunk, and each block is
    /// computed once.
    #[test]
    fn the_array_of_a_plan_is_the_array_of_one_process(
        case in case(),
        n_parts in 1..9_usize,
        n_workers in 1..4_usize,
        order in Just((0..9_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (alone, path) = (directory.path().join("alone.zarr"), directory.path().join("a.zarr"));
        let computed = AtomicUsize::new(0);
        with_sequence!(&case, &computed, |sequence| {
            sequence.to_zarr(sink(&case, &alone)).unwrap();
            let n_blocks = computed.swap(0, Ordering::Relaxed);
            // Each worker runs some of the parts, in any order.
            for number in order {
                let plan =
                    Plan::of(&sequence, sink(&case, &path)).with_parts(n_parts).create().unwrap();
                if let Some(part) = plan.parts().get(number) {
                    let outcome = plan.run(part).unwrap();
                    prop_assert!(matches!(outcome, PartOutcome::Finished(_)), "{outcome:?}");
                }
            }
            for worker in 0..n_workers {
                let plan =
                    Plan::of(&sequence, sink(&case, &path)).with_parts(n_parts).create().unwrap();
                let workers = Workers::new(worker, n_workers).unwrap();
                match (worker, plan.work(&workers).unwrap()) {
                    (0, Outcome::Finished { output, .. }) => {
                        prop_assert_eq!(output.read().unwrap(), case.array());
                    }
                    (0, outcome) => prop_assert!(false, "{:?}", outcome),
                    (_, outcome) => prop_assert!(matches!(outcome, Outcome::FinishedBefore)),
                }
            }
            prop_assert_eq!(computed.load(Ordering::Relaxed), n_blocks);
        });
        prop_assert_eq!(files(&path), files(&alone));
        prop_assert_eq!(names(directory.path()), ["a.zarr", "alone.zarr"]);
    }
}
