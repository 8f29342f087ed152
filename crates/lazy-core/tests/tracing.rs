//! Events that evaluations report to a `tracing` subscriber.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::thread::{self, ThreadId, sleep};
use std::time::Duration;

use lazy_core::{
    ArrayBlock, BlockPosition, Blocks, Concatenate, Error, Fold, LazyChunkSequence, MeanVariance,
    NdarrayConverter, NestedLazyChunkSequence, Reducer, Result, Run, SequenceAggregator,
    SequenceSpec,
};
use ndarray::{Array2, array};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A span or an event, with its fields as text.
#[derive(Clone, Debug)]
struct Entry {
    metadata: &'static Metadata<'static>,
    /// The index in the log of the span that contains it.
    parent: Option<usize>,
    fields: BTreeMap<&'static str, String>,
}

impl Entry {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> f64 {
        self.fields[name].parse().unwrap()
    }

    fn message(&self) -> &str {
        &self.fields["message"]
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    entered: HashMap<ThreadId, Vec<usize>>,
}

impl Log {
    /// Returns the spans that this thread has entered.
    fn entered(&mut self) -> &mut Vec<usize> {
        self.entered.entry(thread::current().id()).or_default()
    }
}

/// A subscriber that keeps all spans and events up to a level.
struct Listener {
    level: Level,
    log: Arc<Mutex<Log>>,
}

impl Listener {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn push(&self, mut entry: Entry, is_root: bool, parent: Option<&Id>) -> usize {
        let mut log = self.log();
        entry.parent = match parent {
            Some(parent) => Some(place(parent)),
            None if is_root => None,
            None => log.entered().last().copied(),
        };
        log.entries.push(entry);
        log.entries.len() - 1
    }
}

/// Returns the index of a span. Identifiers begin at 1.
fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let (metadata, fields) = (span.metadata(), BTreeMap::new());
        let mut entry = Entry { metadata, parent: None, fields };
        span.record(&mut entry);
        Id::from_u64(self.push(entry, span.is_root(), span.parent()) as u64 + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let (metadata, fields) = (event.metadata(), BTreeMap::new());
        let mut entry = Entry { metadata, parent: None, fields };
        event.record(&mut entry);
        self.push(entry, event.is_root(), event.parent());
    }

    fn enter(&self, span: &Id) {
        self.log().entered().push(place(span));
    }

    fn exit(&self, span: &Id) {
        assert_eq!(self.log().entered().pop(), Some(place(span)));
    }
}

/// Returns the entries up to a level while `run` runs, and checks that all spans were left.
fn heard_at(level: Level, run: impl FnOnce()) -> Vec<Entry> {
    let log = Arc::default();
    tracing::subscriber::with_default(Listener { level, log: Arc::clone(&log) }, run);
    let log = log.lock().unwrap();
    assert!(log.entered.values().all(Vec::is_empty));
    log.entries.clone()
}

fn heard(run: impl FnOnce()) -> Vec<Entry> {
    heard_at(Level::TRACE, run)
}

/// Returns the only event, and checks that it belongs to the only span.
fn only_event(run: impl FnOnce()) -> Entry {
    let [span, event] = <[_; 2]>::try_from(heard(run)).unwrap();
    assert!(span.metadata.is_span() && event.metadata.is_event());
    assert_eq!(event.parent, Some(0));
    event
}

fn three_blocks() -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::new(|| (0..3).map(|i| Array2::from_elem((2, 5), i as f32)))
        .convert(NdarrayConverter)
}

/// Takes this many blocks, and then fails if `fails` is true.
struct Take {
    n_blocks: usize,
    fails: bool,
}

impl<T> SequenceAggregator<T> for Take {
    type Output = ();

    fn aggregate(self, blocks: Blocks<'_, T>) -> Result<()> {
        for block in blocks.take(self.n_blocks) {
            drop(block?);
        }
        if self.fails { Err(Error::other("too dull")) } else { Ok(()) }
    }
}

#[test]
fn a_reduction_has_a_span_and_ends_with_an_event() {
    let entries = heard(|| drop(three_blocks().with_len(3).compute(MeanVariance)));
    let [span, event] = <[_; 2]>::try_from(entries).unwrap();

    assert_eq!((span.metadata.name(), *span.metadata.level()), ("evaluation", Level::DEBUG));
    assert_eq!((span.field("cut"), span.field("n_bands")), (Some("rows"), Some("3")));
    assert_eq!(span.parent, None);

    assert_eq!(*event.metadata.level(), Level::DEBUG);
    assert!(event.metadata.target().starts_with("lazy_core"));
    assert_eq!(event.message(), "evaluation completed");
    assert_eq!((event.field("blocks"), event.field("bytes")), (Some("3"), Some("120")));
    assert_eq!((event.field("outcome"), event.field("error")), (Some("completed"), None));
    assert!(event.number("producer_seconds") <= event.number("seconds"));
}

#[test]
fn nested_sequences_and_collecting_are_reported_too() {
    let sequence = NestedLazyChunkSequence::new(|| [[array![[1_u8]], array![[2]]]]);
    let event = only_event(|| drop(sequence.compute(Concatenate).unwrap()));
    assert_eq!((event.field("blocks"), event.field("bytes")), (Some("2"), Some("2")));
    let event = only_event(|| drop(sequence.collect().unwrap()));
    assert_eq!((event.field("blocks"), event.field("bytes")), (Some("2"), None));
    let entries = heard(|| drop(sequence.bands()));
    assert_eq!(entries[0].field("cut"), Some("rows and columns"));
    assert_eq!(entries[0].field("n_bands"), None);
}

#[test]
fn the_event_says_how_the_evaluation_ended() {
    let numbers = LazyChunkSequence::new(|| [1, 2, 3]);
    let failing = LazyChunkSequence::try_new(|| ["1", "2", "three"].map(str::parse::<i32>));
    let panicking = LazyChunkSequence::new(|| (0..3).map(|i| assert!(i < 2, "no")));
    let empty = three_blocks().with_len(4);
    let take = |n_blocks, fails| Take { n_blocks, fails };
    let invalid = "the producer failed at block 2: invalid digit found in string";
    type Run<'r> = &'r dyn Fn();
    let cases: [(&str, Run<'_>, u64, &str, Option<&str>); 10] = [
        ("collected", &|| drop(numbers.collect()), 3, "completed", None),
        ("iterated", &|| numbers.blocks().for_each(drop), 3, "completed", None),
        ("all taken", &|| drop(numbers.compute(take(4, false))), 3, "completed", None),
        ("left early", &|| drop(numbers.blocks().next()), 1, "abandoned", None),
        ("two taken", &|| drop(numbers.compute(take(2, false))), 2, "abandoned", None),
        ("dull", &|| drop(numbers.compute(take(1, true))), 1, "failed", Some("too dull")),
        (
            "dull at the end",
            &|| drop(numbers.compute(take(4, true))),
            3,
            "failed",
            Some("too dull"),
        ),
        ("failing", &|| drop(failing.collect()), 2, "failed", Some(invalid)),
        (
            "panicking",
            &|| drop(panicking.collect()),
            2,
            "failed",
            Some("the producer panicked at block 2: no"),
        ),
        (
            "too few",
            &|| drop(empty.compute(MeanVariance)),
            3,
            "failed",
            Some("the sequence ended after 3 blocks, but 4 were declared"),
        ),
    ];
    for (name, run, n_blocks, outcome, error) in cases {
        let event = only_event(run);
        assert_eq!(event.number("blocks"), n_blocks as f64, "{name}");
        assert_eq!(event.field("outcome"), Some(outcome), "{name}");
        assert_eq!(event.field("error"), error, "{name}");
        assert_eq!(*event.metadata.level(), Level::DEBUG, "{name}");
    }
}

#[test]
fn events_of_the_producer_are_inside_the_span() {
    let sequence = LazyChunkSequence::new(|| {
        tracing::info!("start");
        (0..2).map(|_| tracing::info!("block"))
    });
    let parents = |entries: Vec<Entry>| {
        let events = entries.into_iter().filter(|entry| entry.metadata.is_event());
        events.map(|entry| (entry.message().to_owned(), entry.parent)).collect::<Vec<_>>()
    };
    let expected = |own_parent| {
        let message = |text: &str, parent| (text.to_owned(), parent);
        vec![
            message("start", Some(0)),
            message("block", Some(0)),
            message("own", own_parent),
            message("block", Some(0)),
            message("own", own_parent),
            message("evaluation completed", Some(0)),
        ]
    };

    // Between two blocks, an iterator's user is outside the span, and an aggregator inside it.
    let iterated = heard(|| sequence.blocks().for_each(|_| tracing::info!("own")));
    assert_eq!(parents(iterated), expected(None));

    struct Talks;

    impl SequenceAggregator<()> for Talks {
        type Output = ();

        fn aggregate(self, mut blocks: Blocks<'_, ()>) -> Result<()> {
            blocks.try_for_each(|block| block.map(|()| tracing::info!("own")))
        }
    }

    assert_eq!(parents(heard(|| sequence.compute(Talks).unwrap())), expected(Some(0)));
}

#[test]
fn events_of_all_threads_are_inside_the_span() {
    let barrier = Barrier::new(3);
    let sequence = LazyChunkSequence::from_fn([1; 3], |_| {
        // Each thread has a block.
        barrier.wait();
        tracing::info!("block");
        ArrayBlock::from_array(array![1.0])
    });
    let reducer = Fold::new(
        "a talk",
        |_: &mut (), _: BlockPosition, _: &ArrayBlock| {
            tracing::info!("own");
            Ok(())
        },
        |(), ()| {},
    );
    let entries = heard(|| sequence.with_threads(3).compute(reducer).unwrap());
    assert_eq!(entries.len(), 1 + 3 + 3 + 1);
    assert!(entries[1..].iter().all(|entry| entry.parent == Some(0)));
    let event = entries.last().unwrap();
    assert_eq!((event.field("blocks"), event.field("bytes")), (Some("3"), Some("24")));
    assert_eq!(event.message(), "evaluation completed");
    assert!(event.number("producer_seconds") > 0.0);
}

#[test]
fn aggregators_on_threads_are_reported_like_those_on_one() {
    let barrier = Barrier::new(3);
    let sequence = LazyChunkSequence::from_fn([1; 3], |_| {
        barrier.wait();
        tracing::info!("block");
        sleep(Duration::from_millis(1));
    })
    .with_threads(3);
    let collect = || drop(sequence.collect().unwrap());
    let take = || sequence.compute(Take { n_blocks: 4, fails: false }).unwrap();
    for entries in [heard(collect), heard(take)] {
        assert_eq!(entries.len(), 1 + 3 + 1);
        assert!(entries[1..].iter().all(|entry| entry.parent == Some(0)));
        let event = entries.last().unwrap();
        assert_eq!((event.field("blocks"), event.field("bytes")), (Some("3"), None));
        assert_eq!(event.message(), "evaluation completed");
        // The time of all threads together.
        assert!(event.number("producer_seconds") >= 3e-3);
    }
    let failing =
        LazyChunkSequence::try_from_fn([1; 9], |i| if i == 4 { Err("no") } else { Ok(i) })
            .with_threads(2);
    let event = only_event(|| drop(failing.collect()));
    assert_eq!((event.field("blocks"), event.field("outcome")), (Some("4"), Some("failed")));
    assert_eq!(event.field("error"), Some("the producer failed at block 4: no"));
    let event = only_event(|| failing.compute(Take { n_blocks: 2, fails: false }).unwrap());
    assert_eq!((event.field("blocks"), event.field("outcome")), (Some("2"), Some("abandoned")));
}

#[test]
fn the_event_counts_restored_blocks() {
    /// Restores the first two blocks.
    struct FirstTwo;

    impl Reducer for FirstTwo {
        type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
        type Run = FirstTwo;
        type Output = ();

        fn start(self, _: &SequenceSpec) -> Result<(Self::Map, FirstTwo)> {
            Ok((|_, _| Ok(()), self))
        }
    }

    impl Run for FirstTwo {
        type Partial = ();
        type Output = ();

        fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
            Ok((at.row < 2).then(|| ArrayBlock::from_array(array![0_u8])))
        }

        fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
            Ok(())
        }

        fn commit(self) -> Result<()> {
            Ok(())
        }
    }

    let sequence = LazyChunkSequence::from_fn([1; 5], |_| ArrayBlock::from_array(array![0_u8]));
    for n_threads in 1..3 {
        let sequence = sequence.clone().with_threads(n_threads);
        let event = only_event(|| sequence.compute(FirstTwo).unwrap());
        assert_eq!((event.field("blocks"), event.field("restored")), (Some("5"), Some("2")));
        assert_eq!(event.field("bytes"), Some("5"));
        let event = only_event(|| sequence.streamed().compute(FirstTwo).unwrap());
        assert_eq!((event.field("blocks"), event.field("restored")), (Some("5"), Some("2")));
    }
}

#[test]
fn an_evaluation_inside_a_producer_is_a_nested_span() {
    let inner = LazyChunkSequence::new(|| [1, 2]);
    let outer = LazyChunkSequence::try_new(|| std::iter::once_with(|| inner.collect()));
    let entries = heard(|| drop(outer.collect().unwrap()));
    let parents: Vec<_> = entries.iter().map(|entry| entry.parent).collect();
    // The outer span, the inner span, the event of the inner one, and the event of the outer one.
    assert_eq!(parents, [None, Some(0), Some(1), Some(0)]);
}

#[test]
fn the_producers_time_is_part_of_the_total_time() {
    const NAP: Duration = Duration::from_millis(5);
    let sleepy = LazyChunkSequence::new(|| std::iter::once_with(|| sleep(NAP)));
    let event = only_event(|| sleepy.blocks().for_each(|_| sleep(NAP)));
    let (in_producer, in_all) = (event.number("producer_seconds"), event.number("seconds"));
    assert!(in_producer >= NAP.as_secs_f64());
    assert!(in_all >= in_producer + NAP.as_secs_f64());
}

#[test]
fn nothing_is_reported_above_debug() {
    let failing = LazyChunkSequence::try_new(|| ["three"].map(str::parse::<i32>));
    let entries = heard_at(Level::INFO, || {
        three_blocks().compute(Concatenate).unwrap();
        failing.collect().unwrap_err();
    });
    assert!(entries.is_empty(), "{entries:?}");
}
