//! What a sequence's producer can do, as a type.

use std::sync::Arc;

use crate::stream::{Failure, Mapped, Produce, ProduceIndexed};

/// Blocks come in order from an iterator; their sizes are unknown until they are seen.
///
/// # Example
///
/// It is the default, so it need not be named in the type of a field or an argument:
///
/// ```
/// use lazy_core::LazyChunkSequence;
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Streamed {}

/// Any block of a grid can be computed in any order, on the thread that owns the sequence.
///
/// # Example
///
/// For functions that use what cannot leave its thread, such as an [`Rc`](std::rc::Rc):
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// use lazy_core::{Indexed, LazyChunkSequence};
///
/// let computed = Rc::new(RefCell::new(Vec::new()));
/// let log = Rc::clone(&computed);
/// let sequence: LazyChunkSequence<'_, usize, Indexed> =
///     LazyChunkSequence::from_local_fn([10, 10, 10], move |i| {
///         log.borrow_mut().push(i);
///         i * i
///     });
/// assert_eq!(sequence.block(2)?, 4);
/// assert_eq!(*computed.borrow(), [2]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Indexed {}

/// Any block of a grid can be computed in any order, on any thread.
///
/// # Example
///
/// ```
/// use std::thread;
///
/// use lazy_core::{LazyChunkSequence, SharedIndexed};
///
/// let sequence: LazyChunkSequence<'_, u64, SharedIndexed> =
///     LazyChunkSequence::from_fn([1; 8], |i| (1..=i as u64).product());
///
/// // Two threads compute a block each of one sequence.
/// let (left, right) = thread::scope(|scope| {
///     let left = scope.spawn(|| sequence.block(6));
///     let right = scope.spawn(|| sequence.block(7));
///     (left.join().unwrap(), right.join().unwrap())
/// });
/// assert_eq!((left?, right?), (720, 5040));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum SharedIndexed {}

/// What a sequence's producer can do: [`Streamed`], [`Indexed`] or [`SharedIndexed`].
///
/// What a kind cannot do does not compile: a streamed sequence has no single blocks,
///
/// ```compile_fail
/// let streamed = lazy_core::LazyChunkSequence::new(|| [1, 2, 3]);
/// streamed.block(1);
/// ```
///
/// and only a shared one is made of what other threads may use.
///
/// ```compile_fail
/// let cell = std::cell::Cell::new(0);
/// lazy_core::LazyChunkSequence::from_fn([1, 1], |_| cell.get());
/// ```
///
/// What all kinds can do is written once:
///
/// ```
/// use lazy_core::{Kind, LazyChunkSequence};
/// use ndarray::Array1;
///
/// fn halved<K: Kind>(
///     sequence: LazyChunkSequence<'_, Array1<f64>, K>,
/// ) -> LazyChunkSequence<'_, Array1<f64>, K> {
///     sequence.map(|block| block / 2.0)
/// }
///
/// // The kind is kept, so single blocks are still to be had.
/// let sequence = LazyChunkSequence::from_fn([2, 3], |i| Array1::ones(i + 2));
/// assert_eq!(halved(sequence).block(1)?.to_vec(), [0.5; 3]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
///
/// The trait is sealed.
pub trait Kind: sealed::KindOfProducer {}

/// The kinds that know their grid and compute any block: [`Indexed`] and [`SharedIndexed`].
///
/// The trait is sealed.
///
/// # Example
///
/// ```
/// use lazy_core::{IndexedKind, LazyChunkSequence, Result};
///
/// /// A quick look, before hours are spent on all blocks.
/// fn first_and_last<T, K: IndexedKind>(sequence: &LazyChunkSequence<'_, T, K>) -> Result<[T; 2]> {
///     Ok([sequence.block(0)?, sequence.block(sequence.grid().n_blocks() - 1)?])
/// }
///
/// let sequence = LazyChunkSequence::from_fn([100; 50], |i| 100 * i);
/// assert_eq!(first_and_last(&sequence)?, [0, 4900]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub trait IndexedKind: Kind + sealed::KindOfIndexedProducer {}

impl Kind for Streamed {}
impl Kind for Indexed {}
impl Kind for SharedIndexed {}
impl IndexedKind for Indexed {}
impl IndexedKind for SharedIndexed {}

mod sealed {
    use super::{Arc, Failure, Produce, ProduceIndexed};

    pub trait KindOfProducer: 'static {
        /// The type-erased producer.
        type Producer<'a, T: 'a>: ?Sized + Produce<T> + 'a;

        fn producer<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> &'s (dyn Produce<T> + 's);

        /// The producer, where any thread may call it.
        fn shared<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> Option<&'s (dyn ProduceIndexed<T> + Send + Sync + 's)>;

        fn mapped<'a: 'b, 'b, T: 'a, U: 'b, F>(
            producer: Arc<Self::Producer<'a, T>>,
            function: F,
        ) -> Arc<Self::Producer<'b, U>>
        where
            F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b;
    }

    pub trait KindOfIndexedProducer: KindOfProducer {
        fn indexed<'s, 'a: 's, T: 'a>(
            producer: &'s Self::Producer<'a, T>,
        ) -> &'s (dyn ProduceIndexed<T> + 's);
    }
}

macro_rules! kind {
    ($Kind:ident, $shared:expr, $($bounds:tt)+) => {
        impl sealed::KindOfProducer for $Kind {
            type Producer<'a, T: 'a> = dyn $($bounds)+ + 'a;

            fn producer<'s, 'a: 's, T: 'a>(
                producer: &'s Self::Producer<'a, T>,
            ) -> &'s (dyn Produce<T> + 's) {
                producer
            }

            fn shared<'s, 'a: 's, T: 'a>(
                producer: &'s Self::Producer<'a, T>,
            ) -> Option<&'s (dyn ProduceIndexed<T> + Send + Sync + 's)> {
                ($shared)(producer)
            }

            fn mapped<'a: 'b, 'b, T: 'a, U: 'b, F>(
                producer: Arc<Self::Producer<'a, T>>,
                function: F,
            ) -> Arc<Self::Producer<'b, U>>
            where
                F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
            {
                Arc::new(Mapped::new(producer, function))
            }
        }
    };
}

macro_rules! indexed_kind {
    ($Kind:ident) => {
        impl sealed::KindOfIndexedProducer for $Kind {
            fn indexed<'s, 'a: 's, T: 'a>(
                producer: &'s Self::Producer<'a, T>,
            ) -> &'s (dyn ProduceIndexed<T> + 's) {
                producer
            }
        }
    };
}

kind!(Streamed, |_| None, Produce<T>);
kind!(Indexed, |_| None, ProduceIndexed<T>);
kind!(SharedIndexed, Some, ProduceIndexed<T> + Send + Sync);
indexed_kind!(Indexed);
indexed_kind!(SharedIndexed);
