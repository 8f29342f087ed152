//! Interrupted writes that are resumed: the result is the same as without an interruption, and a
//! block is computed again only if one of its chunks is not complete.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{Durability, Error, ErrorKind, Result, Resume, StoredArray, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockIndex, Casting, Concatenate, DType, Indexed, LazyChunkSequence, MeanVariance,
    Moments, NdarrayConverter, NestedLazyChunkSequence, Progress, Reducer, RowType, report,
};
use lazy_tests::interrupted::staging;
use lazy_tests::{Case, case, files, names, zeros};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// The blocks of a case, as an indexed sequence that records the computed ones.
enum Blocks<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

type Log = Mutex<Vec<(usize, usize)>>;

impl<'a> Blocks<'a> {
    fn new(case: &'a Case, log: &'a Log, n_threads: usize) -> Blocks<'a> {
        let block = move |i, j| {
            log.lock().unwrap().push((i, j));
            case.block(i, j)
        };
        Blocks::of(case, block, n_threads)
    }

    fn of(
        case: &Case,
        block: impl Fn(usize, usize) -> ArrayBlock + Send + Sync + 'a,
        n_threads: usize,
    ) -> Blocks<'a> {
        match case.columns.clone() {
            None => {
                let sequence = LazyChunkSequence::from_fn(case.rows.clone(), move |i| block(i, 0));
                Blocks::Flat(sequence.with_threads(n_threads))
            }
            Some(columns) => {
                let sequence = NestedLazyChunkSequence::from_fn(case.rows.clone(), columns, block);
                Blocks::Nested(sequence.with_threads(n_threads))
            }
        }
    }

    /// Returns the same blocks with an observer that stops the pass after this many of them.
    fn stopped_after(&self, n_blocks: usize) -> Blocks<'a> {
        let stop = stop_after(n_blocks);
        match self {
            Blocks::Flat(sequence) => Blocks::Flat(sequence.clone().with_observer(stop)),
            Blocks::Nested(sequence) => Blocks::Nested(sequence.clone().with_observer(stop)),
        }
    }

    /// Returns the same blocks with a declared row type.
    fn declared(self, case: &Case) -> Blocks<'a> {
        let (dtype, row_shape) = (case.dtype, &case.shape()[1..]);
        match self {
            Blocks::Flat(sequence) => Blocks::Flat(sequence.with_row_type(dtype, row_shape)),
            Blocks::Nested(sequence) => Blocks::Nested(sequence.with_row_type(dtype, row_shape)),
        }
    }

    fn compute<R: Reducer>(&self, reducer: R, case: &Case) -> Result<R::Output> {
        let (dtype, row_shape) = (case.dtype, &case.shape()[1..]);
        // A sequence without blocks needs a declared row type.
        let output = match self {
            Blocks::Flat(sequence) if case.rows.is_empty() => {
                sequence.clone().with_row_type(dtype, row_shape).compute(reducer)
            }
            Blocks::Nested(sequence) if case.rows.is_empty() => {
                sequence.clone().with_row_type(dtype, row_shape).compute(reducer)
            }
            Blocks::Flat(sequence) => sequence.compute(reducer),
            Blocks::Nested(sequence) => sequence.compute(reducer),
        };
        output.map_err(Error::from)
    }
}

/// One of two versions of the blocks of a case. They differ in the first element of the block at
/// `changed`.
#[derive(Clone, Copy, Debug)]
struct Version<'a> {
    case: &'a Case,
    changed: (usize, usize),
    is_second: bool,
}

impl<'a> Version<'a> {
    fn block(self, i: usize, j: usize) -> ArrayBlock {
        let block = self.case.block(i, j);
        if !self.is_second || self.changed != (i, j) || block.n_elements() == 0 {
            return block;
        }
        let mut data = block.data().to_vec();
        data[0] ^= 1;
        ArrayBlock::new(block.dtype(), block.shape(), data.into()).unwrap()
    }

    fn blocks(self, n_threads: usize) -> Blocks<'a> {
        Blocks::of(self.case, move |i, j| self.block(i, j), n_threads)
    }

    fn sink(self, directory: &TempDir) -> ZarrSink {
        let revision = if self.is_second { "2" } else { "1" };
        sink(self.case, directory).with_resume(Resume::new("the case").with_revision(revision))
    }
}

/// Returns the indices of all blocks, in order.
fn places(case: &Case) -> Vec<(usize, usize)> {
    let n_columns = case.blocks_per_band();
    (0..case.rows.len()).flat_map(|i| (0..n_columns).map(move |j| (i, j))).collect()
}

/// Returns the keys of the chunks that a block touches, each with true if all rows of the chunk lie
/// within the array.
fn touched(case: &Case, unit_shape: &[usize], (i, j): (usize, usize)) -> Vec<(String, bool)> {
    let shape = case.shape();
    let mut start = vec![0; shape.len()];
    let mut extent = shape.clone();
    start[0] = case.rows[..i].iter().sum();
    extent[0] = case.rows[i];
    if let Some(columns) = &case.columns {
        start[1] = columns[..j].iter().sum();
        extent[1] = columns[j];
    }
    if extent.contains(&0) {
        return vec![];
    }
    let first: Vec<_> = start.iter().zip(unit_shape).map(|(start, unit)| start / unit).collect();
    let n: Vec<_> = (0..shape.len())
        .map(|axis| (start[axis] + extent[axis]).div_ceil(unit_shape[axis]) - first[axis])
        .collect();
    let indices = ndarray::indices(n).into_iter().map(|index| {
        let index = ndarray::Dimension::slice(&index);
        let index: Vec<_> = index.iter().zip(&first).map(|(i, first)| i + first).collect();
        let words: Vec<_> = index.iter().map(ToString::to_string).collect();
        (format!("c/{}", words.join("/")), (index[0] + 1) * unit_shape[0] <= shape[0])
    });
    indices.collect()
}

fn unit_shape(stored: &StoredArray) -> Vec<usize> {
    stored.shard_shape().unwrap_or(stored.chunk_shape()).to_vec()
}

/// A change of a chunk between two writes.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(Index, u8),
    Truncate(Index),
    Extend,
    Remove,
    /// The chunk is rewritten with the same bytes.
    Nothing,
}

impl Damage {
    fn inflict(self, path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        match self {
            Damage::Flip(place, bit) => {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
            }
            Damage::Truncate(length) => bytes.truncate(length.index(bytes.len())),
            Damage::Extend => bytes.push(0),
            Damage::Nothing => {}
            Damage::Remove => return std::fs::remove_file(path).unwrap(),
        }
        std::fs::write(path, bytes).unwrap();
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        any::<Index>().prop_map(Damage::Truncate),
        Just(Damage::Extend),
        Just(Damage::Remove),
        Just(Damage::Nothing),
    ]
}

fn array_in(directory: &Path) -> PathBuf {
    directory.join("a.zarr")
}

/// Returns the keys of the chunks that an unfinished write has stored.
fn stored_keys(directory: &Path) -> BTreeSet<String> {
    if !array_in(directory).exists() {
        return BTreeSet::new();
    }
    let keys = files(&array_in(directory)).into_iter().map(|(path, _)| path.display().to_string());
    keys.filter(|key| !key.starts_with('.')).collect()
}

fn sink(case: &Case, directory: &TempDir) -> ZarrSink {
    case.sink(directory.path().join("a.zarr"))
        .with_resume("the case")
        .with_durability(Durability::None)
}

/// Resumes after damage, and checks which blocks are computed and the result.
fn check_going_on(
    case: &Case,
    directory: &TempDir,
    unit_shape: &[usize],
    expected: &[(PathBuf, Vec<u8>)],
    n_threads: usize,
) -> Result<(), TestCaseError> {
    let complete = complete_keys(directory.path());
    let log = Log::default();
    let blocks = Blocks::new(case, &log, n_threads);
    let (joined, stored) = blocks.compute((Concatenate, sink(case, directory)), case).unwrap();
    let missing: Vec<_> = places(case)
        .into_iter()
        .filter(|place| match &complete {
            None => true,
            Some(keys) => {
                touched(case, unit_shape, *place).iter().any(|(key, _)| !keys.contains(key))
            }
        })
        .collect();
    log.lock().unwrap().sort_unstable();
    prop_assert_eq!(&*log.lock().unwrap(), &missing);
    prop_assert_eq!(&joined, &case.array());
    prop_assert_eq!(&stored.read().unwrap(), &joined);
    prop_assert_eq!(&files(&directory.path().join("a.zarr")), expected);
    prop_assert_eq!(names(directory.path()), ["a.zarr"]);

    // A second write computes no block: it reads all of them.
    log.lock().unwrap().clear();
    let (joined, stored) = blocks.compute((Concatenate, sink(case, directory)), case).unwrap();
    prop_assert_eq!(&*log.lock().unwrap(), &[]);
    prop_assert_eq!(&joined, &case.array());
    prop_assert_eq!(&stored.read().unwrap(), &joined);
    prop_assert_eq!(&files(&directory.path().join("a.zarr")), expected);
    prop_assert_eq!(names(directory.path()), ["a.zarr"]);
    Ok(())
}

/// Returns the keys of the chunks that match the journal, or `None` if no write can be resumed.
fn complete_keys(directory: &Path) -> Option<BTreeSet<String>> {
    if !array_in(directory).exists() {
        return None;
    }
    let staging = staging(&array_in(directory));
    if !staging.join("record").exists() {
        return None;
    }
    let journal = std::fs::read_to_string(staging.join("journal")).unwrap_or_default();
    let noted = journal.lines().filter(|line| !line.is_empty()).map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (words[0].to_owned(), words[1].parse::<usize>().unwrap(), words[2].to_owned())
    });
    let is_whole = |key: &str, length: usize, hash: &str| {
        let bytes = std::fs::read(array_in(directory).join(key)).unwrap_or_default();
        bytes.len() == length && format!("{:016x}", xxh3_64(&bytes)) == hash
    };
    Some(
        noted
            .filter(|(key, length, hash)| is_whole(key, *length, hash))
            .map(|(key, ..)| key)
            .collect(),
    )
}

/// Removes the digest of the job from the metadata among the files of an array.
fn without_digest(mut files: Vec<(PathBuf, Vec<u8>)>) -> Vec<(PathBuf, Vec<u8>)> {
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path == Path::new("zarr.json")) {
        let mut metadata: Value = serde_json::from_slice(bytes).unwrap();
        let provenance = metadata["attributes"]["provenance"].as_object_mut().unwrap();
        for name in ["job_xxh3", "stored_rows"] {
            provenance.remove(name);
        }
        provenance.remove("metadata_crc32c");
        *bytes = metadata.to_string().into_bytes();
    }
    files
}

fn check(
    case: &Case,
    stops: &[Index],
    damages: &[(Index, Damage)],
    n_threads: usize,
) -> Result<(), TestCaseError> {
    let log = Log::default();
    let blocks = Blocks::new(case, &log, n_threads);
    let whole = TempDir::new().unwrap();
    let stored = blocks.compute(sink(case, &whole), case).unwrap();
    let expected = files(&whole.path().join("a.zarr"));
    let unit_shape = unit_shape(&stored);
    // A write without a resume key stores the same bytes, except for the digest of the job.
    let plain = TempDir::new().unwrap();
    blocks.compute(case.sink(plain.path().join("a.zarr")), case).unwrap();
    prop_assert_eq!(
        without_digest(files(&plain.path().join("a.zarr"))),
        without_digest(expected.clone())
    );

    let directory = TempDir::new().unwrap();
    let n_blocks = places(case).len();
    for (i, stop) in stops.iter().enumerate() {
        let stop = stop.index(n_blocks + 1);
        let stopped = blocks.stopped_after(stop).compute(sink(case, &directory), case);
        let kept = match stopped.as_ref().map_err(Error::sequence) {
            Err(Some(error)) if error.blocks_done() == Some(stop) => error.kept(),
            _ => return Err(TestCaseError::fail(format!("{stopped:?}"))),
        };
        // All complete chunks are stored, and no others.
        if i == 0 && array_in(directory.path()).exists() {
            let places = places(case);
            let late: BTreeSet<_> = places[stop..]
                .iter()
                .flat_map(|place| touched(case, &unit_shape, *place))
                .collect();
            let whole: BTreeSet<_> = places[..stop]
                .iter()
                .flat_map(|place| touched(case, &unit_shape, *place))
                .filter(|chunk| !late.contains(chunk) && chunk.1)
                .map(|(key, _)| key)
                .collect();
            prop_assert_eq!(&stored_keys(directory.path()), &whole);
        }
        // Those of earlier writes count, too.
        let stored = stored_keys(directory.path()).len() as u64;
        prop_assert_eq!(kept.iter().map(|kept| kept.chunks).sum::<u64>(), stored);
    }
    let keys: Vec<_> = stored_keys(directory.path()).into_iter().collect();
    for (place, damage) in damages.iter().filter(|_| !keys.is_empty()) {
        let path = array_in(directory.path()).join(&keys[place.index(keys.len())]);
        if path.exists() && std::fs::metadata(&path).unwrap().len() > 0 {
            damage.inflict(&path);
        }
    }
    check_going_on(case, &directory, &unit_shape, &expected, n_threads)
}

/// Values, their halves and their mean, from blocks that are computed on `n_threads` threads.
fn values(directory: &Path, n_computed: &AtomicUsize, stop: usize, n_threads: usize) -> Values {
    let sink = |name: &str| {
        ZarrSink::new(directory.join(name))
            .with_chunk_shape([4, 2])
            .with_durability(Durability::None)
            .with_resume("values")
    };
    LazyChunkSequence::from_fn([3; 8], |i| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        Array2::from_shape_fn((3, 2), |(row, column)| (3 * i + row) as f32 + column as f32 / 3.0)
    })
    .convert(NdarrayConverter)
    .with_threads(n_threads)
    .with_observer(stop_after(stop))
    .compute((sink("halves").with_dtype(DType::Float16), sink("values"), MeanVariance))
}

type Values = lazy_chunks::Result<(StoredArray, StoredArray, Moments)>;

/// The moments are those of the values, not of the halves.
#[test]
fn statistics_beside_a_cast_are_those_of_the_original_blocks() {
    let never = usize::MAX;
    let n_computed = AtomicUsize::new(0);
    let whole = TempDir::new().unwrap();
    let (halves, full, moments) = values(whole.path(), &n_computed, never, 1).unwrap();
    assert_eq!((full.dtype(), halves.dtype()), (DType::Float32, DType::Float16));
    assert_ne!(halves.sequence([24]).unwrap().compute(MeanVariance).unwrap(), moments);
    for stop in 0..=8 {
        for n_threads in 1..4 {
            let directory = TempDir::new().unwrap();
            values(directory.path(), &n_computed, stop, n_threads).unwrap_err();
            n_computed.store(0, Ordering::Relaxed);
            let (_, _, resumed) = values(directory.path(), &n_computed, never, n_threads).unwrap();
            assert_eq!(resumed, moments);
            assert_eq!(files(directory.path()), files(whole.path()));
            // Chunk `c` has the rows from `4 * c` on, and the last block that was stopped at is
            // complete only with its chunk.
            let n_restored = 3 * stop / 4 * 4 / 3;
            assert_eq!(n_computed.load(Ordering::Relaxed), 8 - n_restored, "{stop}");
        }
    }
}

#[test]
fn a_resumed_write_of_another_dtype_is_an_error() {
    const ALL: usize = usize::MAX;
    let half = |sink: ZarrSink| sink.with_dtype(DType::Float16);
    let brain = |sink: ZarrSink| sink.with_dtype(DType::BFloat16);
    let same = |sink: ZarrSink| sink;
    for is_declared in [true, false] {
        let directory = TempDir::new().unwrap();
        let store = |dtype: DType, stop: usize, sink: fn(ZarrSink) -> ZarrSink| {
            let target = ZarrSink::new(directory.path().join("a.zarr")).with_chunk_shape([2, 2]);
            let blocks = LazyChunkSequence::from_fn([2; 3], |_| zeros(&[2, 2]));
            let blocks = blocks.cast(dtype, Casting::Safe)?.with_observer(stop_after(stop));
            let row = RowType { dtype, shape: vec![2] };
            let blocks =
                if is_declared { blocks.with_row_type(row.dtype, row.shape) } else { blocks };
            blocks.compute(sink(target.with_resume("zeros")))
        };
        store(DType::Float32, 1, half).unwrap_err();
        let undeclared = "its dtype of the blocks changed from float32 to float16";
        for (dtype, sink, difference) in [
            (DType::Float32, brain as fn(_) -> _, "its dtype changed from float16 to bfloat16"),
            (DType::Float64, half, "its dtype of the blocks changed from float32 to float64"),
            (
                DType::Float32,
                same,
                if is_declared { "its dtype changed from float16 to float32" } else { undeclared },
            ),
        ] {
            let message = report(&store(dtype, ALL, sink).unwrap_err());
            assert!(message.ends_with(difference), "{message}");
        }
        let stored = store(DType::Float32, ALL, half).unwrap();
        assert_eq!(stored.dtype(), DType::Float16);
        // The complete array is of this write only.
        let others =
            [(DType::Float64, half as fn(_) -> _), (DType::Float32, brain), (DType::Float32, same)];
        for (dtype, sink) in others {
            let error: Error = store(dtype, ALL, sink).unwrap_err().into();
            assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
        }
        store(DType::Float32, ALL, half).unwrap();
    }
}

/// Returns an observer that stops the pass after this many blocks.
fn stop_after(n_blocks: usize) -> impl Fn(&Progress) -> ControlFlow<()> {
    move |progress| {
        if progress.blocks == n_blocks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

proptest! {
    #[test]
    fn a_resumed_write_gives_the_same_bytes(
        case in case(),
        stops in prop::collection::vec(any::<Index>(), 0..4),
        damages in prop::collection::vec((any::<Index>(), damage()), 0..4),
        n_threads in 1..4_usize,
    ) {
        check(&case, &stops, &damages, n_threads)?;
    }

    /// Blocks change between writes, possibly back. The array has the blocks of the last write.
    #[test]
    fn chunks_of_another_revision_are_compared(
        case in case(),
        changed: Index,
        stops in prop::collection::vec((any::<Index>(), any::<bool>()), 0..4),
        last_is_second: bool,
        n_threads in 1..4_usize,
    ) {
        let places = places(&case);
        prop_assume!(!places.is_empty());
        let changed = places[changed.index(places.len())];
        let version = |is_second| Version { case: &case, changed, is_second };
        let last = version(last_is_second);
        let whole = TempDir::new().unwrap();
        let expected = last.blocks(n_threads).compute(last.sink(&whole), &case).unwrap();

        let directory = TempDir::new().unwrap();
        for (stop, is_second) in stops {
            let write = version(is_second);
            let blocks = write.blocks(n_threads).stopped_after(stop.index(places.len()));
            prop_assert!(blocks.compute(write.sink(&directory), &case).is_err());
        }
        // The second write finds a complete array.
        for _ in 0..2 {
            let (joined, stored) =
                last.blocks(n_threads).compute((Concatenate, last.sink(&directory)), &case).unwrap();
            prop_assert_eq!(&joined, &expected.read().unwrap());
            prop_assert_eq!(&stored.read().unwrap(), &joined);
            prop_assert_eq!(files(&array_in(directory.path())), files(&array_in(whole.path())));
            prop_assert_eq!(names(directory.path()), ["a.zarr"]);
        }

        let other = version(!last_is_second);
        let result = other.blocks(n_threads).compute(other.sink(&directory), &case);
        if other.block(changed.0, changed.1) == last.block(changed.0, changed.1) {
            result.unwrap();
        } else {
            let index = match case.columns {
                None => BlockIndex::Block(changed.0),
                Some(_) => BlockIndex::NestedBlock(changed.0, changed.1),
            };
            let differs = result.as_ref().is_err_and(|error| {
                error.kind() == ErrorKind::Exists && error.block() == Some(index)
            });
            prop_assert!(differs, "{result:?}");
        }
        prop_assert_eq!(files(&array_in(directory.path())), files(&array_in(whole.path())));
    }

    /// One sink stores the blocks as they are, and another one in another dtype. Each is resumed
    /// with the same bytes, and the other reducers receive the original blocks.
    #[test]
    fn a_sink_of_another_dtype_is_resumed(
        (case, layout) in (case(), case()),
        dtype in prop::sample::select(DType::ALL.to_vec()),
        (is_declared, cast_first) in any::<(bool, bool)>(),
        stops in prop::collection::vec(any::<Index>(), 0..3),
        damages in prop::collection::vec((any::<bool>(), any::<Index>(), damage()), 0..4),
        n_threads in 1..4_usize,
    ) {
        // The sinks have the same settings for half of the arrays, and others otherwise.
        let layout = if case.seed % 2 == 0 {
            case.clone()
        } else {
            Case { chunks: layout.chunks, shards: layout.shards, codec: layout.codec, ..case.clone() }
        };
        let log = Log::default();
        let blocks = Blocks::new(&case, &log, n_threads);
        let blocks = if is_declared { blocks.declared(&case) } else { blocks };
        let store = |blocks: &Blocks<'_>, [own, cast]: [&TempDir; 2]| {
            let own = (sink(&case, own), Concatenate);
            let cast = sink(&layout, cast).with_dtype(dtype).with_casting(Casting::Unsafe);
            let ((own, joined), cast) = if cast_first {
                let (cast, own) = blocks.compute((cast, own), &case)?;
                (own, cast)
            } else {
                blocks.compute((own, cast), &case)?
            };
            Ok::<_, Error>((own, cast, joined))
        };
        let new = || [TempDir::new().unwrap(), TempDir::new().unwrap()];
        let whole = new();
        let (own, cast, _) = store(&blocks, whole.each_ref()).unwrap();
        let units = [unit_shape(&own), unit_shape(&cast)];
        let expected = whole.each_ref().map(|directory| files(&array_in(directory.path())));
        prop_assert_eq!(cast.read().unwrap(), case.array().cast(dtype, Casting::Unsafe).unwrap());

        let directories = new();
        let all = places(&case);
        for stop in &stops {
            let stopped = blocks.stopped_after(stop.index(all.len() + 1));
            prop_assert!(store(&stopped, directories.each_ref()).is_err());
        }
        for (is_cast, place, damage) in damages {
            let directory = directories[usize::from(is_cast)].path();
            let keys: Vec<_> = stored_keys(directory).into_iter().collect();
            if keys.is_empty() {
                continue;
            }
            let path = array_in(directory).join(&keys[place.index(keys.len())]);
            if path.exists() && std::fs::metadata(&path).unwrap().len() > 0 {
                damage.inflict(&path);
            }
        }
        // Chunks of another dtype do not have the blocks.
        let complete = directories.each_ref().map(|directory| complete_keys(directory.path()));
        let is_missing = |place: &(usize, usize), i: usize| {
            complete[i].as_ref().is_none_or(|keys: &BTreeSet<String>| {
                touched(&case, &units[i], *place).iter().any(|(key, _)| !keys.contains(key))
            })
        };
        let is_same = dtype == case.dtype;
        let missing: Vec<_> = all
            .iter()
            .filter(|place| is_missing(place, 0) && (!is_same || is_missing(place, 1)))
            .copied()
            .collect();
        let check = |missing: &[(usize, usize)]| {
            log.lock().unwrap().clear();
            let (own, cast, joined) = store(&blocks, directories.each_ref()).unwrap();
            let mut computed = log.lock().unwrap().clone();
            computed.sort_unstable();
            prop_assert_eq!(&computed, missing);
            prop_assert_eq!(&joined, &case.array());
            prop_assert_eq!(&own.read().unwrap(), &joined);
            prop_assert_eq!(cast.read().unwrap(), joined.cast(dtype, Casting::Unsafe).unwrap());
            for (directory, expected) in directories.iter().zip(&expected) {
                prop_assert_eq!(&files(&array_in(directory.path())), expected);
                prop_assert_eq!(names(directory.path()), ["a.zarr"]);
            }
            Ok(())
        };
        check(&missing)?;
        // Both arrays are complete.
        check(&[])?;
        // Only one of them is.
        std::fs::remove_dir_all(array_in(directories[1].path())).unwrap();
        check(&[])?;
        std::fs::remove_dir_all(array_in(directories[0].path())).unwrap();
        check(if is_same { &[] } else { &all })?;
    }
}
