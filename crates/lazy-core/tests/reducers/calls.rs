//! The order in which a pass calls reducers.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use lazy_core::{
    ArrayBlock, BlockPosition, BoxedReducer, Error, KeptChunks, LazyChunkSequence, MemoryLimit,
    Progress, Reducer, Result, Run, SequenceSpec, Sum, panic_message, report,
};

use crate::{ROWS, never, on_one_thread_and_on_two, rows};

/// The calls of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Start,
    Merge,
    Prepare,
    Commit,
    Abort,
    Drop,
}

use Call::{Abort, Commit, Drop as Dropped, Merge, Prepare, Start};

/// The calls of each run, by its name.
#[derive(Default)]
struct Calls(Mutex<Vec<(&'static str, Call)>>);

impl Calls {
    fn reducer(&self, name: &'static str) -> Recorder<'_> {
        Recorder { name, fails_at: None, calls: self }
    }

    fn failing(&self, name: &'static str, fails_at: Call) -> Recorder<'_> {
        Recorder { name, fails_at: Some(fails_at), calls: self }
    }

    fn take(&self) -> Vec<(&'static str, Call)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The calls of one run.
    fn of(calls: &[(&'static str, Call)], name: &str) -> Vec<Call> {
        calls.iter().filter(|call| call.0 == name).map(|call| call.1).collect()
    }
}

struct Recorder<'c> {
    name: &'static str,
    fails_at: Option<Call>,
    calls: &'c Calls,
}

impl Recorder<'_> {
    fn call(&self, call: Call) -> Result<()> {
        self.calls.0.lock().unwrap().push((self.name, call));
        if self.fails_at == Some(call) {
            return Err(Error::other(format!("{} fails", self.name)));
        }
        Ok(())
    }
}

impl<'c> Reducer for Recorder<'c> {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = RecorderRun<'c>;
    type Output = &'static str;

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, RecorderRun<'c>)> {
        self.call(Start)?;
        Ok((|_, _| Ok(()), RecorderRun(self)))
    }
}

struct RecorderRun<'c>(Recorder<'c>);

impl Run for RecorderRun<'_> {
    type Partial = ();
    type Output = &'static str;

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        self.0.call(Merge)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.call(Prepare)
    }

    fn commit(self) -> Result<&'static str> {
        self.0.call(Commit)?;
        Ok(self.0.name)
    }

    /// Adds a kept chunk to a cancellation.
    fn abort(self, error: Error) -> Error {
        let _ = self.0.call(Abort);
        let (target, directory) = (self.0.name.to_owned(), String::new());
        error.with_kept(KeptChunks { target, directory, chunks: 1 })
    }
}

impl Drop for RecorderRun<'_> {
    fn drop(&mut self) {
        let _ = self.0.call(Dropped);
    }
}

/// A pass with runs in tuples, vectors, options and boxes, and behind functions.
fn places<'c>(
    calls: &'c Calls,
    failing: Option<(&'static str, Call)>,
) -> impl Reducer<Output = impl Sized> + use<'c> {
    let reducer = |name| match failing {
        Some((bad, call)) if bad == name => calls.failing(name, call),
        _ => calls.reducer(name),
    };
    (
        reducer("first"),
        vec![reducer("in a vector"), reducer("last in a vector")],
        Some(reducer("optional")),
        None::<Sum>,
        BoxedReducer::new(reducer("boxed"), |name| name),
        MemoryLimit::new(1 << 20, reducer("limited")),
        reducer("behind").of(|block| Ok(block.clone()), None),
        (Sum, reducer("last")),
    )
}

const PLACES: [&str; 8] =
    ["first", "in a vector", "last in a vector", "optional", "boxed", "limited", "behind", "last"];

#[test]
fn a_pass_that_succeeds_commits_all_runs_after_all_are_prepared() {
    let calls = Calls::default();
    on_one_thread_and_on_two(
        || places(&calls, None),
        never,
        |output| {
            assert!(output.is_ok());
            let calls = calls.take();
            for name in PLACES {
                let expected = [Start, Merge, Merge, Merge, Prepare, Commit, Dropped];
                assert_eq!(Calls::of(&calls, name), expected, "{name}");
            }
            let last_prepare = calls.iter().rposition(|call| call.1 == Prepare);
            let first_commit = calls.iter().position(|call| call.1 == Commit);
            assert!(last_prepare < first_commit, "{calls:?}");
            // Each step goes through the runs in their order.
            for step in [Start, Prepare, Commit] {
                let order = calls.iter().filter(|call| call.1 == step).map(|call| call.0);
                assert!(order.eq(PLACES), "{calls:?}");
            }
        },
    );
}

#[test]
fn a_pass_that_fails_aborts_every_run_once() {
    let calls = Calls::default();
    for bad in PLACES {
        for step in [Merge, Prepare] {
            on_one_thread_and_on_two(
                || places(&calls, Some((bad, step))),
                never,
                |output| {
                    let error = output.err().expect("a run fails");
                    assert_eq!(report(&error), format!("{bad} fails"));
                    let calls = calls.take();
                    for name in PLACES {
                        let calls = Calls::of(&calls, name);
                        assert_eq!(calls[calls.len() - 2..], [Abort, Dropped], "{name}: {calls:?}");
                        let n_aborts = calls.iter().filter(|call| **call == Abort).count();
                        assert_eq!(n_aborts, 1, "{name}: {calls:?}");
                        assert!(!calls.contains(&Commit), "{name}: {calls:?}");
                    }
                },
            );
        }
    }
}

#[test]
fn no_run_is_aborted_after_it_was_committed() {
    let calls = Calls::default();
    for bad in PLACES {
        for step in [Start, Commit] {
            on_one_thread_and_on_two(
                || places(&calls, Some((bad, step))),
                never,
                |output| {
                    let error = output.err().expect("a run fails");
                    assert_eq!(report(&error), format!("{bad} fails"));
                    let calls = calls.take();
                    let n_started = PLACES.iter().position(|name| *name == bad).unwrap();
                    for (i, name) in PLACES.into_iter().enumerate() {
                        let calls = Calls::of(&calls, name);
                        // Each run that has started is dropped.
                        let has_run = step == Commit || i < n_started;
                        assert_eq!(calls.last() == Some(&Dropped), has_run, "{name}: {calls:?}");
                        let is_committed = step == Commit && i <= n_started;
                        assert_eq!(calls.contains(&Commit), is_committed, "{name}: {calls:?}");
                        assert!(!is_committed || !calls.contains(&Abort), "{name}: {calls:?}");
                    }
                },
            );
        }
    }
}

#[test]
fn a_cancelled_pass_aborts_every_run_once() {
    let calls = Calls::default();
    for stop_after in 0..4 {
        let stop = move |progress: &Progress| {
            if progress.blocks == stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        on_one_thread_and_on_two(
            || places(&calls, None),
            stop,
            |output| {
                let error = output.err().expect("it is cancelled");
                assert_eq!(error.blocks_done(), Some(stop_after));
                // Each run has added its kept chunk.
                let kept = error.kept();
                assert!(kept.iter().map(|kept| kept.target.as_str()).eq(PLACES), "{kept:?}");
                let calls = calls.take();
                for name in PLACES {
                    let mut expected = vec![Start];
                    expected.extend(vec![Merge; stop_after]);
                    expected.extend([Abort, Dropped]);
                    assert_eq!(Calls::of(&calls, name), expected, "{name}");
                }
            },
        );
    }
}

#[test]
fn a_panic_aborts_no_run_but_drops_it() {
    let calls = Calls::default();
    let panics = |_: &ArrayBlock| -> Result<ArrayBlock> { panic!("no function") };
    for n_threads in 1..3 {
        let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_threads(n_threads);
        let reducer = || (calls.reducer("first"), Sum.of(panics, None));
        let panic = catch_unwind(AssertUnwindSafe(|| sequence.compute(reducer()))).unwrap_err();
        assert_eq!(panic_message(&*panic), "no function");
        assert_eq!(calls.take(), [("first", Start), ("first", Dropped)]);
    }
}
