//! Producers that yield blocks in order: the source traits, closures, and their steps.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::{Failure, Produce, Step, Steps};
use crate::BoxError;

/// A producer that yields the blocks of a sequence in order.
///
/// A closure that returns an iterator needs no source
/// ([`LazyChunkSequence::new`](crate::LazyChunkSequence::new)). Implement a source if the iterator
/// borrows from the producer itself.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, Source};
///
/// struct Files { lines: Vec<String> }
///
/// impl Source for Files {
///     type Block = Vec<f64>;
///     type Error = std::num::ParseFloatError;
///
///     fn blocks(&self) -> impl Iterator<Item = Result<Vec<f64>, Self::Error>> {
///         self.lines.iter().map(|line| line.split(' ').map(str::parse).collect())
///     }
/// }
///
/// let files = Files { lines: vec!["1 2".to_owned(), "3".to_owned()] };
/// let sequence = LazyChunkSequence::from_source(files);
/// assert_eq!(sequence.collect()?, [vec![1.0, 2.0], vec![3.0]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait Source {
    /// The type of the blocks: an array block, or any tensor type.
    type Block;
    /// The type of errors.
    type Error: Into<BoxError>;

    /// Starts an evaluation. Returns an iterator over the blocks in order, which computes each
    /// block on demand.
    fn blocks(&self) -> impl Iterator<Item = Result<Self::Block, Self::Error>>;
}

/// A producer that yields the bands of a nested sequence in order, each as an iterator of blocks.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::convert::Infallible;
///
/// use lazy_chunks::{NestedLazyChunkSequence, NestedSource};
///
/// struct Products { left: Vec<i32>, right: Vec<i32> }
///
/// impl NestedSource for Products {
///     type Block = i32;
///     type Error = Infallible;
///
///     fn bands(
///         &self,
///     ) -> impl Iterator<
///         Item = Result<impl Iterator<Item = Result<i32, Infallible>>, Infallible>,
///     > {
///         self.left.iter().map(|a| Ok(self.right.iter().map(move |b| Ok(a * b))))
///     }
/// }
///
/// let products = Products { left: vec![1, 2], right: vec![3, 4, 5] };
/// let sequence = NestedLazyChunkSequence::from_source(products);
/// assert_eq!(sequence.collect()?, [[3, 4, 5], [6, 8, 10]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait NestedSource {
    /// The type of the blocks: an array block, or any tensor type.
    type Block;
    /// The type of errors, of bands and of blocks.
    type Error: Into<BoxError>;

    /// Starts an evaluation. Returns an iterator over the bands in order, and in each over its
    /// blocks.
    fn bands(
        &self,
    ) -> impl Iterator<Item = Result<impl Iterator<Item = Result<Self::Block, Self::Error>>, Self::Error>>;
}

/// A closure that returns an iterator, as a source.
pub(crate) struct FnSource<F, I> {
    start: F,
    iterator: PhantomData<fn() -> I>,
}

impl<F, I> FnSource<F, I> {
    pub(crate) fn new(start: F) -> FnSource<F, I> {
        FnSource { start, iterator: PhantomData }
    }
}

impl<F, I> Source for FnSource<F, I>
where
    F: Fn() -> I,
    I: IntoIterator,
{
    type Block = I::Item;
    type Error = Infallible;

    fn blocks(&self) -> impl Iterator<Item = Result<I::Item, Infallible>> {
        (self.start)().into_iter().map(Ok)
    }
}

impl<F, O, I> NestedSource for FnSource<F, O>
where
    F: Fn() -> O,
    O: IntoIterator<Item = I>,
    I: IntoIterator,
{
    type Block = I::Item;
    type Error = Infallible;

    fn bands(
        &self,
    ) -> impl Iterator<Item = Result<impl Iterator<Item = Result<I::Item, Infallible>>, Infallible>>
    {
        (self.start)().into_iter().map(|band| Ok(band.into_iter().map(Ok)))
    }
}

/// A closure that returns an iterator of results, as a source.
pub(crate) struct TryFnSource<F, I> {
    start: F,
    iterator: PhantomData<fn() -> I>,
}

impl<F, I> TryFnSource<F, I> {
    pub(crate) fn new(start: F) -> TryFnSource<F, I> {
        TryFnSource { start, iterator: PhantomData }
    }
}

impl<F, I, T, E> Source for TryFnSource<F, I>
where
    F: Fn() -> I,
    I: IntoIterator<Item = Result<T, E>>,
    E: Into<BoxError>,
{
    type Block = T;
    type Error = E;

    fn blocks(&self) -> impl Iterator<Item = Result<T, E>> {
        (self.start)().into_iter()
    }
}

impl<F, O, I, T, E> NestedSource for TryFnSource<F, O>
where
    F: Fn() -> O,
    O: IntoIterator<Item = Result<I, E>>,
    I: IntoIterator<Item = Result<T, E>>,
    E: Into<BoxError>,
{
    type Block = T;
    type Error = E;

    fn bands(&self) -> impl Iterator<Item = Result<impl Iterator<Item = Result<T, E>>, E>> {
        (self.start)().into_iter().map(|band| band.map(IntoIterator::into_iter))
    }
}

/// A [`Source`] as a producer.
pub(crate) struct Blocks<S>(pub(crate) S);

impl<S: Source> Produce<S::Block> for Blocks<S> {
    fn steps(&self) -> Box<dyn Steps<S::Block> + '_> {
        Box::new(BlockSteps { blocks: self.0.blocks(), in_band: false })
    }
}

struct BlockSteps<I> {
    blocks: I,
    /// True if the last step was a block whose band has not ended yet.
    in_band: bool,
}

impl<T, E, I> Steps<T> for BlockSteps<I>
where
    E: Into<BoxError>,
    I: Iterator<Item = Result<T, E>>,
{
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        if std::mem::take(&mut self.in_band) {
            return Some(Ok(Step::EndBand));
        }
        let block = self.blocks.next()?;
        self.in_band = true;
        Some(block.map(Step::Block).map_err(producer_failure))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn skip_band(&mut self) {}
}

/// A [`NestedSource`] as a producer.
pub(crate) struct Bands<S>(pub(crate) S);

impl<S: NestedSource> Produce<S::Block> for Bands<S> {
    fn steps(&self) -> Box<dyn Steps<S::Block> + '_> {
        Box::new(BandSteps { bands: self.0.bands(), band: None, skipping: false })
    }
}

struct BandSteps<O, I> {
    bands: O,
    band: Option<I>,
    skipping: bool,
}

impl<T, E, O, I> Steps<T> for BandSteps<O, I>
where
    E: Into<BoxError>,
    O: Iterator<Item = Result<I, E>>,
    I: Iterator<Item = Result<T, E>>,
{
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        if std::mem::take(&mut self.skipping) {
            self.band = None;
            return Some(Ok(Step::EndBand));
        }
        if self.band.is_none() {
            match self.bands.next()? {
                Ok(band) => self.band = Some(band),
                Err(error) => return Some(Err(producer_failure(error))),
            }
        }
        match self.band.as_mut().and_then(Iterator::next) {
            Some(block) => Some(block.map(Step::Block).map_err(producer_failure)),
            None => {
                self.band = None;
                Some(Ok(Step::EndBand))
            }
        }
    }

    fn in_band(&self) -> bool {
        self.band.is_some()
    }

    fn skip_band(&mut self) {
        self.skipping = true;
    }
}

fn producer_failure(error: impl Into<BoxError>) -> Failure {
    Failure::Producer(error.into())
}
