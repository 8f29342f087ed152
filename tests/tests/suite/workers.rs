//! One array that several workers store: the same bits, each block computed once, whoever computes
//! which part, in any order, and however often workers are stopped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Codec, Durability, ErrorKind, Existing, MemoryStore, Resume, StoredArray, Target, ToZarr,
    UnfinishedWrite, WriteState, ZarrSink, store,
};
use lazy_chunks::{
    ArrayBlock, BlockIndex, Casting, Concatenate, Count, DType, Indexed, LazyChunkSequence,
    MeanVariance, NestedLazyChunkSequence, Number, Outcome, PartOutcome, Plan, Quantiles, Sum,
    Summary, TopK, Workers, report,
};
use lazy_tests::{Case, case, elements, files, names};
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

/// Returns a block of two rows with five elements each.
fn block(i: usize) -> ArrayBlock {
    elements(DType::Int32, 7, &[100, 5], &[2 * i, 0], &[2, 5])
}

/// Returns a sequence of `n` blocks, which counts the blocks that it computes and fails at one of
/// the calls.
fn counted(
    n: usize,
    computed: &AtomicUsize,
    fails_at: usize,
) -> LazyChunkSequence<'_, ArrayBlock, Indexed> {
    let compute = move |i| {
        if computed.load(Ordering::Relaxed) == fails_at {
            return Err("the task is preempted");
        }
        computed.fetch_add(1, Ordering::Relaxed);
        Ok(block(i))
    };
    LazyChunkSequence::try_from_fn(vec![2; n], compute).with_row_type(DType::Int32, [5])
}

const NEVER: usize = usize::MAX;

fn small(target: impl Into<Target>) -> ZarrSink {
    ZarrSink::new(target)
        .with_chunk_shape([2, 5])
        .with_writer_threads(1)
        .with_durability(Durability::None)
        .with_resume("the job")
}

fn finished<O>(outcome: Outcome<O>) -> O {
    match outcome {
        Outcome::Finished { output, .. } => output,
        _ => panic!("the worker has not published the array"),
    }
}

/// Sums, moments, quantiles and extrema: the bits are those of one worker that computes all parts,
/// and exact statistics are those of a pass without a plan.
#[test]
fn statistics_depend_on_the_plan_alone() {
    let directory = tempfile::tempdir().unwrap();
    let statistics = || (Sum, MeanVariance.per_column(), TopK::new(3), Quantiles::new([0.1, 0.5]));
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let plan = |name: &str, n_parts| {
        let reducers = (small(directory.path().join(name)), statistics());
        Plan::of(&sequence, reducers).with_parts(n_parts).create().unwrap()
    };
    let words = |statistics| format!("{statistics:?}");
    let without = words(sequence.compute(statistics()).unwrap());
    for n_parts in 1..8 {
        let name = format!("{n_parts}.zarr");
        let alone = finished(plan(&name, n_parts).work(&Workers::alone()).unwrap()).1;
        // The array is published, so its statistics are computed from it.
        computed.store(0, Ordering::Relaxed);
        let again = plan(&name, n_parts).finish().unwrap().1;
        assert_eq!(computed.load(Ordering::Relaxed), 0);
        let expected = words(alone);
        assert_eq!(words(again), expected);
        if n_parts == 1 {
            assert_eq!(expected, without);
        }
        let shared = format!("{n_parts} shared.zarr");
        for number in (0..n_parts).rev() {
            let plan = plan(&shared, n_parts);
            let part = plan.parts()[number].clone();
            assert!(matches!(plan.run(&part).unwrap(), PartOutcome::Finished(_)));
            assert!(matches!(plan.run(&part).unwrap(), PartOutcome::FinishedBefore));
        }
        assert_eq!(words(plan(&shared, n_parts).finish().unwrap().1), expected);
    }
}

/// A worker that is preempted again and again computes each block once, if chunks are blocks.
#[test]
fn a_part_resumes_where_it_was_preempted() {
    let directory = tempfile::tempdir().unwrap();
    for fails_every in 1..6 {
        let path = directory.path().join(format!("{fails_every}.zarr"));
        let computed = AtomicUsize::new(0);
        let mut n_attempts = 0;
        let (array, sum) = loop {
            let sequence = counted(12, &computed, fails_every * (n_attempts + 1));
            let plan = Plan::of(&sequence, (small(&path), Sum)).with_parts(4).create().unwrap();
            n_attempts += 1;
            match plan.work(&Workers::alone()) {
                Ok(outcome) => break finished(outcome),
                Err(error) => assert_eq!(error.kind(), lazy_chunks::ErrorKind::Producer),
            }
        };
        assert_eq!(computed.load(Ordering::Relaxed), 12);
        assert!(n_attempts > 12 / fails_every - 1, "{n_attempts}");
        let expected = counted(12, &computed, NEVER).compute(Concatenate).unwrap();
        assert_eq!(array.read().unwrap(), expected);
        assert_eq!(sum, counted(12, &computed, NEVER).compute(Sum).unwrap());
        assert_eq!(names(&path), ["c", "zarr.json"]);
    }
}

/// Errors name blocks by their place in the whole sequence.
#[test]
fn errors_of_a_part_name_the_block_of_the_sequence() {
    let directory = tempfile::tempdir().unwrap();
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, 0);
    let path = directory.path().join("a.zarr");
    let plan = Plan::of(&sequence, small(&path)).with_parts(4).create().unwrap();
    let error = plan.run(&plan.parts()[2]).unwrap_err();
    assert_eq!(error.block(), Some(BlockIndex::Block(6)));
    assert_eq!(error.to_string(), "the producer failed at block 6");
}

/// A worker with another plan fails before its first block, and its error names the first difference.
#[test]
fn a_plan_that_differs_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    Plan::of(&sequence, (small(&path), Sum)).with_parts(4).create().unwrap();
    let said = |error: lazy_chunks::Error| report(&error);
    let refused = |expected: &str, error: lazy_chunks::Error| {
        let said = said(error);
        assert!(said.contains(expected), "{said}");
    };
    let of = |sink| Plan::of(&sequence, (sink, Sum)).with_parts(4).create().unwrap_err();
    refused(
        "its key changed from \"the job\" to \"another\"",
        of(small(&path).with_resume("another")),
    );
    refused("its chunk and shard settings changed", of(small(&path).with_chunk_shape([1, 5])));
    refused("its codecs changed", of(small(&path).with_codec(Codec::Gzip { level: 1 })));
    refused("its attributes changed", of(small(&path).with_attribute("a", 1)));
    refused(
        "its revision changed from none to \"2\"",
        of(small(&path).with_resume(Resume::new("the job").with_revision("2"))),
    );
    let parts = Plan::of(&sequence, (small(&path), Sum)).with_parts(3).create().unwrap_err();
    refused("its parts changed from 4 parts to 3 parts", parts);
    let other = Plan::of(&sequence, (small(&path), Count)).with_parts(4).create().unwrap_err();
    refused("its reducers changed", other);
    let other = counted(11, &computed, NEVER);
    let other = Plan::of(&other, (small(&path), Sum)).with_parts(4).create().unwrap_err();
    refused("its block sizes along axis 0 changed from 12 × 2 to 11 × 2", other);
    // A write of one process neither resumes nor removes it.
    for sink in [small(&path), ZarrSink::new(&path)] {
        let error = sequence.to_zarr(sink).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
        assert_eq!(error.resume_key(), Some("the job"));
    }
    assert_eq!(computed.load(Ordering::Relaxed), 0);
    assert_eq!(names(&path), [".lazy.1"]);
}

/// A write that several workers cannot share is refused before the first block.
#[test]
fn writes_that_cannot_be_shared_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let refused = |sink: ZarrSink| report(&Plan::of(&sequence, sink).create().unwrap_err());
    assert_eq!(
        refused(ZarrSink::new(&path)),
        format!("workers that share the write of {} need a key", path.display())
    );
    let append = refused(small(&path).with_existing(Existing::Append));
    assert!(append.starts_with("a plan of several workers cannot append rows"), "{append}");
    let unequal = LazyChunkSequence::from_fn([1, 2], block).with_row_type(DType::Int64, [4]);
    let sink = ZarrSink::new(&path).with_resume("the job").with_chunks_of_blocks();
    let of_blocks = report(&Plan::of(&unequal, sink).create().unwrap_err());
    let expected = "a plan of several workers cannot store blocks of unequal sizes as chunks";
    assert!(of_blocks.starts_with(expected), "{of_blocks}");
    let restarts = refused(small(&path).with_resume(Resume::new("the job").or_restart()));
    assert!(restarts.starts_with("a plan of several workers cannot start over"), "{restarts}");
    let error = Plan::of(&sequence, Sum).create().unwrap_err();
    assert_eq!(error.kind(), lazy_chunks::ErrorKind::InvalidSpec);
    let in_store = refused(small(MemoryStore::new()).with_unconditional_puts());
    assert!(in_store.contains("cannot use a store without conditional puts"), "{in_store}");
    let untyped = LazyChunkSequence::from_fn([2], block);
    let error = Plan::of(&untyped, small(&path)).create().unwrap_err();
    assert_eq!(
        (error.kind(), error.hint().as_deref()),
        (lazy_chunks::ErrorKind::InvalidSpec, Some("declare it with `with_row_type`"))
    );
    assert_eq!(names(directory.path()), [""; 0]);
}

/// Damage to what the workers have stored costs the parts concerned, and nothing else.
#[test]
fn damaged_parts_are_computed_again() {
    let all = |directory: &Path| -> Vec<PathBuf> {
        let all = files(directory).into_iter().map(|(path, _)| path);
        all.filter(|path| !["lock", "holder", "created"].iter().any(|name| path.ends_with(name)))
            .collect()
    };
    // The first two rows of chunks have rows of two parts each.
    let sink = |path: &Path| small(path).with_chunk_shape([9, 5]);
    let prepared = |path: &Path| {
        let computed = AtomicUsize::new(0);
        let sequence = counted(12, &computed, NEVER);
        let plan = Plan::of(&sequence, (sink(path), Sum)).with_parts(4).create().unwrap();
        for part in plan.parts() {
            plan.run(part).unwrap();
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let example = directory.path().join("example.zarr");
    prepared(&example);
    let damaged: Vec<_> =
        all(&example).into_iter().filter(|path| !path.ends_with("plan")).collect();
    assert!(damaged.iter().any(|path| path.starts_with(".lazy.1/done")), "{damaged:?}");
    assert!(damaged.iter().any(|path| path.starts_with(".lazy.1/fragments")), "{damaged:?}");
    let expected = {
        let computed = AtomicUsize::new(0);
        counted(12, &computed, NEVER).compute(Concatenate).unwrap()
    };
    for (i, file) in damaged.iter().enumerate() {
        for damage in ["remove", "cut", "flip"] {
            let path = directory.path().join(format!("{i} {damage}.zarr"));
            prepared(&path);
            let at = path.join(file);
            let mut bytes = std::fs::read(&at).unwrap();
            match damage {
                "remove" => std::fs::remove_file(&at).unwrap(),
                "cut" => std::fs::write(&at, &bytes[..bytes.len() / 2]).unwrap(),
                _ => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                    std::fs::write(&at, bytes).unwrap();
                }
            }
            let computed = AtomicUsize::new(0);
            let sequence = counted(12, &computed, NEVER);
            let plan = Plan::of(&sequence, (sink(&path), Sum)).with_parts(4).create().unwrap();
            let (array, _) = finished(plan.work(&Workers::alone()).unwrap());
            assert_eq!(array.read().unwrap(), expected, "{damage} {}", file.display());
            let n_computed = computed.load(Ordering::Relaxed);
            assert_eq!(n_computed, 3, "{damage} {}", file.display());
            assert_eq!(names(&path), ["c", "zarr.json"]);
        }
    }
}

/// Directories of a plan that another program has removed are created again, and what was in them
/// is computed again.
#[test]
fn directories_that_were_removed_are_created_again() {
    let directory = tempfile::tempdir().unwrap();
    for (name, n_computed) in [("done", 6), ("fragments", 6), ("parts", 0), ("all", 6)] {
        let path = directory.path().join(name);
        let computed = AtomicUsize::new(0);
        let sequence = counted(12, &computed, NEVER);
        let plan = || {
            let sink = small(&path).with_chunk_shape([9, 5]);
            Plan::of(&sequence, (sink, Sum)).with_parts(4).create().unwrap()
        };
        let first = plan();
        for part in &first.parts()[..2] {
            first.run(part).unwrap();
        }
        assert_eq!(computed.swap(0, Ordering::Relaxed), 6);
        for entry in std::fs::read_dir(path.join(".lazy.1")).unwrap() {
            let entry = entry.unwrap();
            let is_named = entry.file_name().to_str().unwrap().starts_with(name);
            if entry.file_type().unwrap().is_dir() && (is_named || name == "all") {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        assert_eq!(UnfinishedWrite::list(&path).unwrap().len(), 1);
        assert!(!first.status().unwrap().is_complete());
        let (array, _) = finished(plan().work(&Workers::alone()).unwrap());
        assert_eq!(array.read().unwrap(), sequence.compute(Concatenate).unwrap());
        // Two parts were missing, and the comparison computes all blocks.
        assert_eq!(computed.load(Ordering::Relaxed), 6 + n_computed + 12, "{name}");
        assert_eq!(names(&path), ["c", "zarr.json"]);
    }
}

/// The array of a plan whose key has a revision is known to later writes with that key.
#[test]
fn revisions_of_a_plan_are_known_to_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let sink = |revision: &str| {
        let resume = Resume::new("the job").with_revision(revision);
        small(&path).with_resume(resume)
    };
    let work = |revision: &str| {
        let plan = Plan::of(&sequence, sink(revision)).with_parts(4).create()?;
        plan.work(&Workers::alone())
    };
    let stored = finished(work("one").unwrap()).read().unwrap();
    computed.store(0, Ordering::Relaxed);
    assert!(matches!(work("one").unwrap(), Outcome::FinishedBefore));
    assert_eq!(computed.load(Ordering::Relaxed), 0);
    // One process compares the blocks, and appends none.
    for existing in [Existing::Fail, Existing::Append] {
        for revision in ["one", "two"] {
            let again = sequence.clone().to_zarr(sink(revision).with_existing(existing)).unwrap();
            assert_eq!(again.read().unwrap(), stored);
            assert_eq!(computed.swap(0, Ordering::Relaxed), 12);
        }
    }
    // Workers compare none.
    let error = lazy_chunks::zarr::Error::from(work("two").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Exists);
    // A part of the plan of another revision is refused, too.
    std::fs::remove_dir_all(&path).unwrap();
    let plan = Plan::of(&sequence, sink("one")).with_parts(4).create().unwrap();
    plan.run(&plan.parts()[0]).unwrap();
    let error = work("two").unwrap_err();
    let text = report(&error);
    assert!(text.contains("its revision changed from \"one\" to \"two\""), "{text}");
    finished(work("one").unwrap());
}

/// A plan can be finished from its target alone, and removed.
#[test]
fn a_plan_is_listed_finished_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("group.zarr");
    let path = root.join("a");
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let target = || Target::from(&root).member("a");
    let plan = || Plan::of(&sequence, (small(target()), Sum)).with_parts(4).create().unwrap();
    let listed = || match &UnfinishedWrite::list(&path).unwrap()[..] {
        [write] => write.clone(),
        writes => panic!("{writes:?}"),
    };
    let progress = || match listed().state() {
        WriteState::Shared { key, progress } => {
            assert_eq!(key, "the job");
            progress.clone()
        }
        state => panic!("{state:?}"),
    };
    for removes in [true, false] {
        for number in 0..3 {
            let plan = plan();
            plan.run(&plan.parts()[number]).unwrap();
            let now = progress();
            assert_eq!((now.parts, now.finished_parts), (4, number + 1));
            assert_eq!((now.blocks, now.finished_blocks), (12, 3 * (number + 1)));
            assert!(now.stored_bytes > 0 && now.workers.is_empty());
        }
        let error = listed().finish().unwrap_err();
        assert!(error.to_string().ends_with("1 of 4 parts is not finished: 3"), "{error}");
        let error = plan().finish().unwrap_err();
        assert_eq!(error.kind(), lazy_chunks::ErrorKind::Unfinished);
        if removes {
            listed().remove().unwrap();
            assert_eq!(UnfinishedWrite::list(&path).unwrap(), []);
        }
    }
    plan().run(&plan().parts()[3]).unwrap();
    let array = listed().finish().unwrap();
    let expected = sequence.compute(Concatenate).unwrap();
    assert_eq!(array.read().unwrap(), expected);
    assert_eq!(names(&root), ["a", "zarr.json"]);
    assert_eq!(names(&path), ["c", "zarr.json"]);
    assert!(matches!(plan().work(&Workers::alone()).unwrap(), Outcome::FinishedBefore));
    let (_, sum) = plan().finish().unwrap();
    assert_eq!(sum, sequence.compute(Sum).unwrap());
}

/// Several workers at the same time: each block is computed once, and all get the results.
#[test]
fn workers_share_a_plan_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    for (n_workers, n_parts) in [(2, 2), (4, 16), (3, 1), (8, 24)] {
        let path = directory.path().join(format!("{n_workers} {n_parts}.zarr"));
        let computed = AtomicUsize::new(0);
        let results = std::thread::scope(|scope| {
            let work = |i| {
                let (path, computed) = (&path, &computed);
                scope.spawn(move || {
                    let sequence = counted(24, computed, NEVER);
                    let reducers = (small(path).with_chunk_shape([3, 2]), MeanVariance);
                    let plan = Plan::of(&sequence, reducers).with_parts(n_parts).create().unwrap();
                    let (array, moments) =
                        plan.compute(&Workers::new(i, n_workers).unwrap()).unwrap();
                    (array.read().unwrap(), format!("{moments:?}"))
                })
            };
            let workers: Vec<_> = (0..n_workers).map(work).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(computed.load(Ordering::Relaxed), 24);
        let expected = counted(24, &computed, NEVER).compute(Concatenate).unwrap();
        for (array, moments) in &results {
            assert_eq!((array, moments), (&expected, &results[0].1));
        }
        assert_eq!(names(&path), ["c", "zarr.json"]);
    }
}

/// A plan replaces an array when all parts are finished. Workers that come late do not start over.
#[test]
fn a_plan_replaces_an_array_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let old = ArrayBlock::from_vec([2], vec![1.5_f64, 2.5]).unwrap();
    store(old.clone(), &path).unwrap();
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let sink = |key: &str| small(&path).with_existing(Existing::Replace).with_resume(key);
    let plan = |key: &str| Plan::of(&sequence, (sink(key), Sum)).with_parts(4).create().unwrap();
    for part in plan("one").parts() {
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), old);
        plan("one").run(part).unwrap();
    }
    let (array, _) = plan("one").finish().unwrap();
    let expected = array.read().unwrap();
    assert_eq!(computed.swap(0, Ordering::Relaxed), 12);
    // Late workers.
    assert!(matches!(plan("one").work(&Workers::alone()).unwrap(), Outcome::FinishedBefore));
    let late = plan("one");
    assert!(matches!(late.run(&late.parts()[2]).unwrap(), PartOutcome::FinishedBefore));
    assert_eq!(late.compute(&Workers::alone()).unwrap().0.read().unwrap(), expected);
    assert!(late.status().unwrap().is_published());
    assert_eq!(computed.load(Ordering::Relaxed), 0);
    // Another key, or another revision of it, is another array.
    for key in ["two", "one"] {
        finished(plan(key).work(&Workers::alone()).unwrap());
        assert_eq!(computed.swap(0, Ordering::Relaxed), 12);
    }
    let revised = small(&path).with_existing(Existing::Replace);
    let revised = revised.with_resume(Resume::new("one").with_revision("2"));
    let plan = Plan::of(&sequence, revised).with_parts(4).create().unwrap();
    finished(plan.work(&Workers::alone()).unwrap());
    assert_eq!(computed.swap(0, Ordering::Relaxed), 12);
}

/// Two sinks of one pass, of which one casts, and a statistic of the original blocks.
#[test]
fn several_sinks_share_a_plan() {
    let directory = tempfile::tempdir().unwrap();
    let computed = AtomicUsize::new(0);
    let sequence = counted(12, &computed, NEVER);
    let (expected, sum) = sequence.compute((Concatenate, Sum)).unwrap();
    let plan = |name: &str| {
        let root = directory.path().join(name);
        let one = small(root.join("one")).with_chunk_shape([9, 5]);
        let two = small(root.join("two")).with_chunk_shape([7, 2]).with_dtype(DType::Float64);
        Plan::of(&sequence, (one, Sum, two)).with_parts(4).create().unwrap()
    };
    let check = |(one, found, two): (StoredArray, Number, StoredArray), n_blocks: usize| {
        assert_eq!(one.read().unwrap(), expected);
        assert_eq!(two.read().unwrap(), expected.cast(DType::Float64, Casting::Safe).unwrap());
        assert_eq!((found, computed.swap(0, Ordering::Relaxed)), (sum, n_blocks));
    };
    computed.store(0, Ordering::Relaxed);
    check(finished(plan("a").work(&Workers::alone()).unwrap()), 12);
    check(plan("a").finish().unwrap(), 0);

    // A chunk or a fragment of either sink is lost: one part is computed again.
    let run_all = |name: &str| {
        let plan = plan(name);
        plan.parts().iter().for_each(|part| drop(plan.run(part).unwrap()));
        computed.store(0, Ordering::Relaxed);
    };
    run_all("example");
    let all = files(&directory.path().join("example"));
    let stored: Vec<_> = all
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            let path = path.to_string_lossy();
            path.contains("/c/") || path.contains("/fragments/")
        })
        .collect();
    assert!(stored.iter().any(|path| path.starts_with("one")), "{stored:?}");
    for (i, file) in stored.iter().enumerate() {
        let name = format!("lost {i}");
        run_all(&name);
        std::fs::remove_file(directory.path().join(&name).join(file)).unwrap();
        check(finished(plan(&name).work(&Workers::alone()).unwrap()), 3);
    }

    // The worker that finishes ends after it has published the first array.
    run_all("half");
    let first = directory.path().join("half/one");
    let unfinished = UnfinishedWrite::list(&first).unwrap().remove(0);
    // The records lie at the last sink.
    assert!(unfinished.finish().is_err());
    let one = directory.path().join("half/one");
    let blocked = one.join("zarr.json");
    std::fs::create_dir(&blocked).unwrap();
    plan("half").finish().unwrap_err();
    std::fs::remove_dir(&blocked).unwrap();
    check(plan("half").finish().unwrap(), 0);
}
