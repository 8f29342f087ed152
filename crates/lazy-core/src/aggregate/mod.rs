//! Aggregators, which consume the blocks of a sequence and return one result.

mod handed;

pub use handed::{Band, Bands, Blocks};

use crate::Result;

/// Consumes the blocks of a [`LazyChunkSequence`](crate::LazyChunkSequence) and returns one result.
///
/// Implement it for your own type, to aggregate blocks of your own tensor type. Every
/// [`Reducer`](crate::Reducer) is an aggregator of [`ArrayBlock`](crate::ArrayBlock)s.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Blocks, LazyChunkSequence, Result, SequenceAggregator};
///
/// struct Longest;
///
/// impl SequenceAggregator<String> for Longest {
///     type Output = Option<String>;
///
///     fn aggregate(self, blocks: Blocks<'_, String>) -> Result<Option<String>> {
///         let mut longest: Option<String> = None;
///         for block in blocks {
///             let block = block?;
///             if longest.as_ref().is_none_or(|best| block.len() > best.len()) {
///                 longest = Some(block);
///             }
///         }
///         Ok(longest)
///     }
/// }
///
/// let words = LazyChunkSequence::new(|| ["a", "sequence", "of", "words"].map(str::to_owned));
/// assert_eq!(words.compute(Longest)?.as_deref(), Some("sequence"));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate sequences of `{T}`",
    note = "reducers and statistics take sequences of `ArrayBlock`s: \
            call `.convert(converter)` first",
    note = "a tuple has at most eight reducers, and tuples nest: `((a, b), c)`"
)]
pub trait SequenceAggregator<T> {
    /// The type of the result.
    type Output;

    /// True for reducers, which compute the contributions of blocks on the threads of the sequence.
    #[doc(hidden)]
    const REDUCES: bool = false;

    /// Consumes the blocks. On one thread, each block is computed when the iterator is asked for
    /// it, and the others are never computed. On several
    /// [threads](crate::LazyChunkSequence::with_threads), blocks ahead of the iterator are computed
    /// too, as far as they may be in flight.
    ///
    /// # Errors
    ///
    /// Return an error of the iterator unchanged. Wrap an error of the aggregator in
    /// [`Error::other`](crate::Error::other).
    fn aggregate(self, blocks: Blocks<'_, T>) -> Result<Self::Output>;
}

/// Consumes the blocks of a [`NestedLazyChunkSequence`](crate::NestedLazyChunkSequence), one band
/// at a time, and returns one result.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Bands, NestedLazyChunkSequence, NestedSequenceAggregator, Result};
///
/// /// The sum of each band.
/// struct BandSums;
///
/// impl NestedSequenceAggregator<i32> for BandSums {
///     type Output = Vec<i32>;
///
///     fn aggregate_nested(self, mut bands: Bands<'_, i32>) -> Result<Vec<i32>> {
///         let mut sums = Vec::new();
///         while let Some(band) = bands.next_band()? {
///             sums.push(band.sum::<Result<i32>>()?);
///         }
///         Ok(sums)
///     }
/// }
///
/// let sequence = NestedLazyChunkSequence::new(|| [[1, 2], [3, 4]]);
/// assert_eq!(sequence.compute(BandSums)?, [3, 7]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate nested sequences of `{T}`",
    note = "reducers and statistics take sequences of `ArrayBlock`s: \
            call `.convert(converter)` first",
    note = "a tuple has at most eight reducers, and tuples nest: `((a, b), c)`"
)]
pub trait NestedSequenceAggregator<T> {
    /// The type of the result.
    type Output;

    /// True for reducers, which compute the contributions of blocks on the threads of the sequence.
    #[doc(hidden)]
    const REDUCES: bool = false;

    /// Consumes the bands. On one thread, each block is computed when its band is asked for it, and
    /// the others are never computed. On several
    /// [threads](crate::NestedLazyChunkSequence::with_threads), blocks ahead of the band are
    /// computed too, as far as they may be in flight.
    ///
    /// # Errors
    ///
    /// Return an error of the bands unchanged. Wrap an error of the aggregator in
    /// [`Error::other`](crate::Error::other).
    fn aggregate_nested(self, bands: Bands<'_, T>) -> Result<Self::Output>;
}
