//! The map of a pass, and the errors of maps and runs.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lazy_core::{
    ArrayBlock, BlockIndex, BlockMap, BlockPosition, BoxedReducer, DType, Error, LazyChunkSequence,
    MemoryLimit, Reducer, Result, Run, SequenceSpec, report,
};

use crate::{ROWS, never, on_one_thread_and_on_two, part, rows, sums};

/// A reducer that counts how often its map is made.
struct Made<'m> {
    n_made: &'m AtomicUsize,
    threads: &'m Mutex<Vec<thread::ThreadId>>,
}

struct MadeMap<'m> {
    /// Makes the map neither `Clone` nor `Send`.
    _local: std::marker::PhantomData<std::sync::MutexGuard<'m, ()>>,
    threads: &'m Mutex<Vec<thread::ThreadId>>,
}

impl BlockMap for MadeMap<'_> {
    type Partial = usize;

    fn partial(&self, _: BlockPosition, _: &ArrayBlock) -> Result<usize> {
        self.threads.lock().unwrap().push(thread::current().id());
        Ok(std::ptr::from_ref(self).addr())
    }
}

/// Checks that one map computed all contributions.
struct OneMap(Option<usize>);

impl Run for OneMap {
    type Partial = usize;
    type Output = ();

    fn merge(&mut self, _: BlockPosition, map: usize) -> Result<()> {
        assert_eq!(*self.0.get_or_insert(map), map);
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

impl<'m> Reducer for Made<'m> {
    type Map = MadeMap<'m>;
    type Run = OneMap;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(MadeMap<'m>, OneMap)> {
        self.n_made.fetch_add(1, Ordering::Relaxed);
        let map = MadeMap { _local: std::marker::PhantomData, threads: self.threads };
        Ok((map, OneMap(None)))
    }
}

#[test]
fn the_map_of_a_pass_is_made_once_and_shared_by_all_threads() {
    const N_THREADS: usize = 3;
    let (n_made, threads) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let made = || Made { n_made: &n_made, threads: &threads };
    let barrier = std::sync::Barrier::new(N_THREADS);
    let on_threads = LazyChunkSequence::from_fn([1; N_THREADS], |i| {
        // Each thread has a block, and computes its contribution.
        barrier.wait();
        part(i, 1, 0, 4)
    })
    .with_threads(N_THREADS);
    let check = |n_maps: usize, n_threads: usize| {
        assert_eq!(n_made.swap(0, Ordering::Relaxed), n_maps);
        let ids: HashSet<_> = threads.lock().unwrap().drain(..).collect();
        assert_eq!(ids.len(), n_threads);
    };
    for _ in 0..2 {
        on_threads.compute(made()).unwrap();
        check(1, N_THREADS);
    }
    on_threads.compute((made(), vec![made()], Some(made()))).unwrap();
    check(3, N_THREADS);
    on_threads.compute(made().of(sums, None)).unwrap();
    check(1, N_THREADS);
    on_threads.compute(BoxedReducer::new(made(), |()| ())).unwrap();
    check(1, N_THREADS);
    on_threads.compute(MemoryLimit::new(1, made())).unwrap();
    check(1, N_THREADS);
    on_threads.clone().streamed().compute(made()).unwrap();
    check(1, N_THREADS);
    LazyChunkSequence::from_fn(ROWS, rows).compute(made()).unwrap();
    check(1, 1);
}

#[test]
fn errors_of_maps_and_runs_name_the_block_unless_they_are_of_their_own() {
    struct Refuses {
        in_map: bool,
        error: fn() -> Error,
    }

    impl BlockMap for Refuses {
        type Partial = usize;

        fn partial(&self, at: BlockPosition, _: &ArrayBlock) -> Result<usize> {
            if self.in_map && at.index == BlockIndex::Block(1) {
                Err((self.error)())
            } else {
                Ok(0)
            }
        }
    }

    impl Run for Refuses {
        type Partial = usize;
        type Output = ();

        fn merge(&mut self, at: BlockPosition, _: usize) -> Result<()> {
            if !self.in_map && at.index == BlockIndex::Block(1) {
                Err((self.error)())
            } else {
                Ok(())
            }
        }

        fn commit(self) -> Result<()> {
            Ok(())
        }
    }

    impl Reducer for Refuses {
        type Map = Refuses;
        type Run = Refuses;
        type Output = ();

        fn start(self, _: &SequenceSpec) -> Result<(Refuses, Refuses)> {
            let Refuses { in_map, error } = self;
            Ok((Refuses { in_map, error }, Refuses { in_map, error }))
        }
    }

    let of_a_block = || Error::dtype_mismatch(DType::Bool, DType::UInt8);
    let of_its_own = || Error::other("too dull");
    for in_map in [false, true] {
        on_one_thread_and_on_two(
            || Refuses { in_map, error: of_a_block },
            never,
            |output| {
                let expected = format!("block 1 could not be reduced: {}", of_a_block());
                assert_eq!(report(&output.unwrap_err()), expected);
            },
        );
        on_one_thread_and_on_two(
            || Refuses { in_map, error: of_its_own },
            never,
            |output| assert_eq!(report(&output.unwrap_err()), "too dull"),
        );
    }
}
