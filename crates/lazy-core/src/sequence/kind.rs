//! What a sequence's producer can do, as a type.

use std::sync::Arc;

use crate::stream::{Failure, Mapped, Produce, ProduceIndexed};

/// Blocks come in order from an iterator; their sizes are unknown until they are seen.
#[derive(Clone, Copy, Debug)]
pub enum Streamed {}

/// Any block of a grid can be computed in any order, on the thread that owns the sequence.
#[derive(Clone, Copy, Debug)]
pub enum Indexed {}

/// Any block of a grid can be computed in any order, on any thread.
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
/// The trait is sealed.
pub trait Kind: sealed::KindOfProducer {}

/// The kinds that know their grid and compute any block: [`Indexed`] and [`SharedIndexed`].
///
/// The trait is sealed.
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
    ($Kind:ident, $($bounds:tt)+) => {
        impl sealed::KindOfProducer for $Kind {
            type Producer<'a, T: 'a> = dyn $($bounds)+ + 'a;

            fn producer<'s, 'a: 's, T: 'a>(
                producer: &'s Self::Producer<'a, T>,
            ) -> &'s (dyn Produce<T> + 's) {
                producer
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

kind!(Streamed, Produce<T>);
kind!(Indexed, ProduceIndexed<T>);
kind!(SharedIndexed, ProduceIndexed<T> + Send + Sync);
indexed_kind!(Indexed);
indexed_kind!(SharedIndexed);
