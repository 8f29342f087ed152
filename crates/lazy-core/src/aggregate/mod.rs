//! Aggregators: what consumes the blocks of a sequence and yields one result.

mod concatenate;
mod handed;

pub use concatenate::Concatenate;
pub use handed::{Band, Bands, Blocks};

use crate::Result;

/// Consumes the blocks of a [`LazyChunkSequence`](crate::LazyChunkSequence) and yields one result.
///
/// Implement it on a type of your own for your own tensor type. Every
/// [`Reducer`](crate::Reducer) is one for sequences of [`ArrayBlock`](crate::ArrayBlock)s.
///
/// # Example
///
/// ```
/// use lazy_core::{Blocks, LazyChunkSequence, Result, SequenceAggregator};
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate sequences of `{T}`",
    note = "reducers and statistics take sequences of `ArrayBlock`s: call `.convert(converter)` first"
)]
pub trait SequenceAggregator<T> {
    /// The result.
    type Output;

    /// Consumes the blocks. Each is computed when the iterator is asked for it; those that are not
    /// asked for are never computed.
    ///
    /// # Errors
    ///
    /// An error that the iterator yields is to be returned as it is; the aggregator's own become
    /// [`Error::other`](crate::Error::other).
    fn aggregate(self, blocks: Blocks<'_, T>) -> Result<Self::Output>;
}

/// Consumes the blocks of a [`NestedLazyChunkSequence`](crate::NestedLazyChunkSequence), one band
/// at a time, and yields one result.
///
/// # Example
///
/// ```
/// use lazy_core::{Bands, NestedLazyChunkSequence, NestedSequenceAggregator, Result};
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not aggregate nested sequences of `{T}`",
    note = "reducers and statistics take sequences of `ArrayBlock`s: call `.convert(converter)` first"
)]
pub trait NestedSequenceAggregator<T> {
    /// The result.
    type Output;

    /// Consumes the bands. Each block is computed when its band is asked for it; those that are
    /// not asked for are never computed.
    ///
    /// # Errors
    ///
    /// An error that the bands yield is to be returned as it is; the aggregator's own become
    /// [`Error::other`](crate::Error::other).
    fn aggregate_nested(self, bands: Bands<'_, T>) -> Result<Self::Output>;
}
