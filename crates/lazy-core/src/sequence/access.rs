//! The access of a sequence: what its producer can do, as a type.

use std::sync::Arc;

use super::producer::{AnyProducer, SharedProducer, chain_rule};
use crate::BlockGrid;
use crate::stream::{
    BandRule, Chained, Derived, Failure, InStep, JoinedBands, Mapped, PairRule, Paired, Produce,
    ProduceIndexed, Rule, ZipRule,
};

/// Access in order: the blocks come from an iterator, and their sizes are unknown in advance.
///
/// # Example
///
/// It is the default, so the type of a field or an argument need not name it:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::LazyChunkSequence;
///
/// struct Experiment<'a> {
///     losses: LazyChunkSequence<'a, Vec<f64>>,
/// }
///
/// let lines = vec!["0.5 0.25".to_owned(), "0.125".to_owned()];
/// let parse = |line: &String| line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>();
/// let experiment = Experiment {
///     losses: LazyChunkSequence::try_new(|| lines.iter().map(parse)),
/// };
/// assert_eq!(experiment.losses.collect()?.concat(), [0.5, 0.25, 0.125]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Streamed {}

/// Random access on one thread: any block of a grid can be computed in any order, on the thread
/// that owns the sequence.
///
/// # Example
///
/// For functions that use values that cannot leave their thread, such as an [`Rc`](std::rc::Rc):
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// use lazy_chunks::{LocalIndexed, LazyChunkSequence};
///
/// let computed = Rc::new(RefCell::new(Vec::new()));
/// let log = Rc::clone(&computed);
/// let sequence: LazyChunkSequence<'_, usize, LocalIndexed> =
///     LazyChunkSequence::from_local_fn([10, 10, 10], move |i| {
///         log.borrow_mut().push(i);
///         i * i
///     });
/// assert_eq!(sequence.block(2)?, 4);
/// assert_eq!(*computed.borrow(), [2]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum LocalIndexed {}

/// Random access on any thread: any block of a grid can be computed in any order, on any thread.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::thread;
///
/// use lazy_chunks::{LazyChunkSequence, Indexed};
///
/// let sequence: LazyChunkSequence<'_, u64, Indexed> =
///     LazyChunkSequence::from_fn([1; 8], |i| (1..=i as u64).product());
///
/// // Two threads each compute a block of one sequence.
/// let (left, right) = thread::scope(|scope| {
///     let left = scope.spawn(|| sequence.block(6));
///     let right = scope.spawn(|| sequence.block(7));
///     (left.join().unwrap(), right.join().unwrap())
/// });
/// assert_eq!((left?, right?), (720, 5040));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Indexed {}

/// The access of a sequence, which tells what its producer can do: [`Streamed`], [`LocalIndexed`]
/// or [`Indexed`].
///
/// The compiler rejects what the access does not allow. A streamed sequence cannot compute single
/// blocks:
///
/// ```compile_fail
/// # extern crate lazy_core as lazy_chunks;
/// let streamed = lazy_chunks::LazyChunkSequence::new(|| [1, 2, 3]);
/// streamed.block(1);
/// ```
///
/// An indexed sequence requires a function that other threads can call:
///
/// ```compile_fail
/// # extern crate lazy_core as lazy_chunks;
/// let cell = std::cell::Cell::new(0);
/// lazy_chunks::LazyChunkSequence::from_fn([1, 1], |_| cell.get());
/// ```
///
/// Functions can be generic over the access:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Access, LazyChunkSequence};
/// use ndarray::Array1;
///
/// fn halved<K: Access>(
///     sequence: LazyChunkSequence<'_, Array1<f64>, K>,
/// ) -> LazyChunkSequence<'_, Array1<f64>, K> {
///     sequence.map(|block| block / 2.0)
/// }
///
/// // The access is kept, so single blocks can still be computed.
/// let sequence = LazyChunkSequence::from_fn([2, 3], |i| Array1::ones(i + 2));
/// assert_eq!(halved(sequence).block(1)?.to_vec(), [0.5; 3]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
///
/// The trait cannot be implemented outside this crate.
pub trait Access: sealed::AccessOfProducer {}

/// The access of sequences that have a grid and can compute any block: [`LocalIndexed`] and
/// [`Indexed`].
///
/// The trait cannot be implemented outside this crate.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{RandomAccess, LazyChunkSequence, Result};
///
/// /// Returns the first and the last block, for a quick look before hours are spent on all blocks.
/// fn first_and_last<T, K: RandomAccess>(
///     sequence: &LazyChunkSequence<'_, T, K>,
/// ) -> Result<[T; 2]> {
///     Ok([sequence.block(0)?, sequence.block(sequence.grid().n_blocks() - 1)?])
/// }
///
/// let sequence = LazyChunkSequence::from_fn([100; 50], |i| 100 * i);
/// assert_eq!(first_and_last(&sequence)?, [0, 4900]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait RandomAccess: Access + sealed::RandomAccessOfProducer {}

/// The access that lets several threads compute blocks: [`Indexed`].
///
/// The trait cannot be implemented outside this crate.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, OnThreads, Result};
///
/// fn collect_on_all_cores<T, K: OnThreads>(
///     sequence: LazyChunkSequence<'_, T, K>,
/// ) -> Result<Vec<T>> {
///     sequence.with_threads(0).collect()
/// }
///
/// assert_eq!(collect_on_all_cores(LazyChunkSequence::from_fn([1, 1], |i| i))?, [0, 1]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
///
/// Threads for a streamed sequence do not compile:
///
/// ```compile_fail
/// # extern crate lazy_core as lazy_chunks;
/// let _ = lazy_chunks::LazyChunkSequence::new(|| [1, 2]).with_threads(2);
/// ```
#[diagnostic::on_unimplemented(
    message = "several threads cannot compute the blocks of a `{Self}` sequence",
    note = "make the sequence with `from_fn` or `try_from_fn`, whose function any thread may call",
    note = "`map_local` and `from_local_fn` make sequences that stay on one thread"
)]
pub trait OnThreads: Access {}

impl OnThreads for Indexed {}

impl Access for Streamed {}
impl Access for LocalIndexed {}
impl Access for Indexed {}
impl RandomAccess for LocalIndexed {}
impl RandomAccess for Indexed {}

mod sealed {
    use super::{AnyProducer, Failure, PairRule, Produce, ProduceIndexed, Rule, SharedProducer};
    use crate::BlockGrid;

    pub trait AccessOfProducer: 'static {
        /// The type-erased producer.
        type Producer<'a, T: 'a>: Clone;
        /// The access of a sequence after a function that must stay on its thread.
        type Local: super::Access;

        fn producer<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> &'s (dyn Produce<T> + 's);

        /// Returns the producer if any thread may call it.
        fn shared<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> Option<&'s SharedProducer<'a, T>>;

        fn mapped<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
            producer: Self::Producer<'a, T>,
            function: F,
        ) -> Self::Producer<'b, U>
        where
            F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b;

        fn mapped_locally<'a: 'b, 'b, T: 'a, U: 'b, F>(
            producer: Self::Producer<'a, T>,
            function: F,
        ) -> <Self::Local as AccessOfProducer>::Producer<'b, U>
        where
            F: Fn(T) -> Result<U, Failure> + 'b;

        fn streamed<'a, T: 'a>(producer: Self::Producer<'a, T>) -> AnyProducer<'a, T>;

        fn shortened<'a: 'b, 'b, T: 'a>(producer: Self::Producer<'a, T>) -> Self::Producer<'b, T>;

        /// Returns the bands of several producers, one producer after the other. Their numbers of
        /// bands are given if they are known, and the grid if all have one.
        fn chained<'a, T: Send + 'a>(
            parts: Vec<(Self::Producer<'a, T>, Option<usize>)>,
            grid: Option<&BlockGrid>,
        ) -> Self::Producer<'a, T>;

        /// Returns pairs of the blocks of two producers; the grid is that of both, if they have
        /// one.
        fn zipped<'a, T: Send + 'a, U: Send + 'a>(
            left: Self::Producer<'a, T>,
            right: Self::Producer<'a, U>,
            grid: Option<&BlockGrid>,
        ) -> Self::Producer<'a, (T, U)>;

        /// Returns the bands of a producer, each joined into one block. The grid is that of the
        /// producer, if it has one.
        fn joined<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
            producer: Self::Producer<'a, T>,
            grid: Option<&BlockGrid>,
            join: F,
        ) -> Self::Producer<'b, U>
        where
            F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'b;
    }

    pub trait RandomAccessOfProducer: AccessOfProducer {
        /// Returns the blocks of a grid that a rule makes out of the blocks of a producer.
        fn derived<'a: 'b, 'b, T: 'a, U: Send + 'b, R>(
            producer: Self::Producer<'a, T>,
            grid: &BlockGrid,
            rule: R,
        ) -> Self::Producer<'b, U>
        where
            R: Rule<T, U> + Send + Sync + 'b;

        /// Returns the blocks of a grid that a rule makes out of the blocks of two producers.
        fn paired<'a, T: 'a, U: 'a, V: Send + 'a, R>(
            left: Self::Producer<'a, T>,
            right: Self::Producer<'a, U>,
            grid: &BlockGrid,
            rule: R,
        ) -> Self::Producer<'a, V>
        where
            R: PairRule<T, U, V> + Send + Sync + 'a;

        fn indexed<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> &'s (dyn ProduceIndexed<T> + 's);
    }
}

impl sealed::AccessOfProducer for Streamed {
    type Producer<'a, T: 'a> = AnyProducer<'a, T>;
    type Local = Streamed;

    fn producer<'s, 'a: 's, T: 'a>(producer: &'s AnyProducer<'a, T>) -> &'s (dyn Produce<T> + 's) {
        match producer {
            AnyProducer::InOrder(producer) => &**producer,
            AnyProducer::Shared(shared) => &*shared.producer,
        }
    }

    fn shared<'s, 'a: 's, T: 'a>(
        producer: &'s AnyProducer<'a, T>,
    ) -> Option<&'s SharedProducer<'a, T>> {
        match producer {
            AnyProducer::InOrder(_) => None,
            AnyProducer::Shared(shared) => Some(shared),
        }
    }

    fn mapped<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: AnyProducer<'a, T>,
        function: F,
    ) -> AnyProducer<'b, U>
    where
        F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
    {
        match producer {
            AnyProducer::InOrder(producer) => {
                AnyProducer::InOrder(Arc::new(Mapped::new(producer, function)))
            }
            AnyProducer::Shared(shared) => AnyProducer::Shared(shared.mapped(function)),
        }
    }

    fn mapped_locally<'a: 'b, 'b, T: 'a, U: 'b, F>(
        producer: AnyProducer<'a, T>,
        function: F,
    ) -> AnyProducer<'b, U>
    where
        F: Fn(T) -> Result<U, Failure> + 'b,
    {
        AnyProducer::InOrder(match producer {
            AnyProducer::InOrder(producer) => Arc::new(Mapped::new(producer, function)),
            AnyProducer::Shared(shared) => Arc::new(Mapped::new(shared.producer, function)),
        })
    }

    fn streamed<'a, T: 'a>(producer: AnyProducer<'a, T>) -> AnyProducer<'a, T> {
        producer
    }

    fn shortened<'a: 'b, 'b, T: 'a>(producer: AnyProducer<'a, T>) -> AnyProducer<'b, T> {
        producer
    }

    fn chained<'a, T: Send + 'a>(
        parts: Vec<(AnyProducer<'a, T>, Option<usize>)>,
        grid: Option<&BlockGrid>,
    ) -> AnyProducer<'a, T> {
        let shared = |(part, n_bands): &(AnyProducer<'a, T>, _)| match part {
            AnyProducer::Shared(shared) => Some((shared.clone(), *n_bands)),
            AnyProducer::InOrder(_) => None,
        };
        if let Some(grid) = grid
            && let Some(parts) = parts.iter().map(shared).collect()
        {
            return AnyProducer::Shared(SharedProducer::chained(parts, grid));
        }
        let parts = parts.into_iter().map(|(part, n_bands)| (part.in_order(), n_bands));
        AnyProducer::InOrder(Arc::new(Chained::new(parts.collect())))
    }

    fn zipped<'a, T: Send + 'a, U: Send + 'a>(
        left: AnyProducer<'a, T>,
        right: AnyProducer<'a, U>,
        grid: Option<&BlockGrid>,
    ) -> AnyProducer<'a, (T, U)> {
        match (left, right, grid) {
            (AnyProducer::Shared(left), AnyProducer::Shared(right), Some(grid)) => {
                AnyProducer::Shared(left.zipped(right, grid))
            }
            (left, right, _) => {
                AnyProducer::InOrder(Arc::new(InStep::new(left.in_order(), right.in_order())))
            }
        }
    }

    fn joined<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: AnyProducer<'a, T>,
        grid: Option<&BlockGrid>,
        join: F,
    ) -> AnyProducer<'b, U>
    where
        F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'b,
    {
        match (producer, grid) {
            (AnyProducer::Shared(shared), Some(grid)) => {
                AnyProducer::Shared(shared.joined(grid, join))
            }
            (producer, _) => {
                AnyProducer::InOrder(Arc::new(JoinedBands::new(producer.in_order(), join)))
            }
        }
    }
}

impl sealed::AccessOfProducer for LocalIndexed {
    type Producer<'a, T: 'a> = Arc<dyn ProduceIndexed<T> + 'a>;
    type Local = LocalIndexed;

    fn producer<'s, 'a: 's, T: 'a>(
        producer: &'s Self::Producer<'a, T>,
    ) -> &'s (dyn Produce<T> + 's) {
        &**producer
    }

    fn shared<'s, 'a: 's, T: 'a>(
        _: &'s Self::Producer<'a, T>,
    ) -> Option<&'s SharedProducer<'a, T>> {
        None
    }

    fn mapped<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: Self::Producer<'a, T>,
        function: F,
    ) -> Self::Producer<'b, U>
    where
        F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
    {
        Arc::new(Mapped::new(producer, function))
    }

    fn mapped_locally<'a: 'b, 'b, T: 'a, U: 'b, F>(
        producer: Self::Producer<'a, T>,
        function: F,
    ) -> Self::Producer<'b, U>
    where
        F: Fn(T) -> Result<U, Failure> + 'b,
    {
        Arc::new(Mapped::new(producer, function))
    }

    fn streamed<'a, T: 'a>(producer: Self::Producer<'a, T>) -> AnyProducer<'a, T> {
        AnyProducer::InOrder(producer)
    }

    fn shortened<'a: 'b, 'b, T: 'a>(producer: Self::Producer<'a, T>) -> Self::Producer<'b, T> {
        producer
    }

    fn chained<'a, T: Send + 'a>(
        parts: Vec<(Self::Producer<'a, T>, Option<usize>)>,
        grid: Option<&BlockGrid>,
    ) -> Self::Producer<'a, T> {
        let grid = grid.expect(HAS_GRID);
        let rule = chain_rule(&parts, grid);
        let parts = parts.into_iter().map(|(part, _)| part).collect();
        Arc::new(Derived::new(parts, grid, rule))
    }

    fn zipped<'a, T: Send + 'a, U: Send + 'a>(
        left: Self::Producer<'a, T>,
        right: Self::Producer<'a, U>,
        grid: Option<&BlockGrid>,
    ) -> Self::Producer<'a, (T, U)> {
        Arc::new(Paired::new(left, right, grid.expect(HAS_GRID), ZipRule))
    }

    fn joined<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: Self::Producer<'a, T>,
        grid: Option<&BlockGrid>,
        join: F,
    ) -> Self::Producer<'b, U>
    where
        F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'b,
    {
        let grid = grid.expect(HAS_GRID);
        let rule = BandRule::new(grid.blocks_per_band(), join);
        Arc::new(Derived::new(vec![producer], &BlockGrid::rows_only(grid.rows().clone()), rule))
    }
}

impl sealed::AccessOfProducer for Indexed {
    type Producer<'a, T: 'a> = SharedProducer<'a, T>;
    type Local = LocalIndexed;

    fn producer<'s, 'a: 's, T: 'a>(
        producer: &'s SharedProducer<'a, T>,
    ) -> &'s (dyn Produce<T> + 's) {
        &*producer.producer
    }

    fn shared<'s, 'a: 's, T: 'a>(
        producer: &'s SharedProducer<'a, T>,
    ) -> Option<&'s SharedProducer<'a, T>> {
        Some(producer)
    }

    fn mapped<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: SharedProducer<'a, T>,
        function: F,
    ) -> SharedProducer<'b, U>
    where
        F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
    {
        producer.mapped(function)
    }

    fn mapped_locally<'a: 'b, 'b, T: 'a, U: 'b, F>(
        producer: SharedProducer<'a, T>,
        function: F,
    ) -> Arc<dyn ProduceIndexed<U> + 'b>
    where
        F: Fn(T) -> Result<U, Failure> + 'b,
    {
        Arc::new(Mapped::new(producer.producer, function))
    }

    fn streamed<'a, T: 'a>(producer: SharedProducer<'a, T>) -> AnyProducer<'a, T> {
        AnyProducer::Shared(producer)
    }

    fn shortened<'a: 'b, 'b, T: 'a>(producer: SharedProducer<'a, T>) -> SharedProducer<'b, T> {
        producer
    }

    fn chained<'a, T: Send + 'a>(
        parts: Vec<(SharedProducer<'a, T>, Option<usize>)>,
        grid: Option<&BlockGrid>,
    ) -> SharedProducer<'a, T> {
        SharedProducer::chained(parts, grid.expect(HAS_GRID))
    }

    fn zipped<'a, T: Send + 'a, U: Send + 'a>(
        left: SharedProducer<'a, T>,
        right: SharedProducer<'a, U>,
        grid: Option<&BlockGrid>,
    ) -> SharedProducer<'a, (T, U)> {
        left.zipped(right, grid.expect(HAS_GRID))
    }

    fn joined<'a: 'b, 'b, T: 'a, U: Send + 'b, F>(
        producer: SharedProducer<'a, T>,
        grid: Option<&BlockGrid>,
        join: F,
    ) -> SharedProducer<'b, U>
    where
        F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'b,
    {
        producer.joined(grid.expect(HAS_GRID), join)
    }
}

const HAS_GRID: &str = "an indexed sequence has a grid";

impl sealed::RandomAccessOfProducer for LocalIndexed {
    fn derived<'a: 'b, 'b, T: 'a, U: Send + 'b, R>(
        producer: Self::Producer<'a, T>,
        grid: &BlockGrid,
        rule: R,
    ) -> Self::Producer<'b, U>
    where
        R: Rule<T, U> + Send + Sync + 'b,
    {
        Arc::new(Derived::new(vec![producer], grid, rule))
    }

    fn paired<'a, T: 'a, U: 'a, V: Send + 'a, R>(
        left: Self::Producer<'a, T>,
        right: Self::Producer<'a, U>,
        grid: &BlockGrid,
        rule: R,
    ) -> Self::Producer<'a, V>
    where
        R: PairRule<T, U, V> + Send + Sync + 'a,
    {
        Arc::new(Paired::new(left, right, grid, rule))
    }

    fn indexed<'s, 'a: 's, T: 'a>(
        producer: &'s Self::Producer<'a, T>,
    ) -> &'s (dyn ProduceIndexed<T> + 's) {
        &**producer
    }
}

impl sealed::RandomAccessOfProducer for Indexed {
    fn derived<'a: 'b, 'b, T: 'a, U: Send + 'b, R>(
        producer: SharedProducer<'a, T>,
        grid: &BlockGrid,
        rule: R,
    ) -> SharedProducer<'b, U>
    where
        R: Rule<T, U> + Send + Sync + 'b,
    {
        producer.derived(grid, rule)
    }

    fn paired<'a, T: 'a, U: 'a, V: Send + 'a, R>(
        left: SharedProducer<'a, T>,
        right: SharedProducer<'a, U>,
        grid: &BlockGrid,
        rule: R,
    ) -> SharedProducer<'a, V>
    where
        R: PairRule<T, U, V> + Send + Sync + 'a,
    {
        SharedProducer::new(Paired::new(left.producer, right.producer, grid, rule))
    }

    fn indexed<'s, 'a: 's, T: 'a>(
        producer: &'s SharedProducer<'a, T>,
    ) -> &'s (dyn ProduceIndexed<T> + 's) {
        &*producer.producer
    }
}
