//! Messages of errors with those of their causes.

use std::error::Error as StdError;

/// Returns the message of an error, followed by the messages of its causes, separated by colons.
///
/// The message of an error does not include its cause, which is its
/// [`source`](std::error::Error::source). Print errors with this function unless your error library
/// prints whole chains, as `anyhow` does.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, report};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::try_new(|| [Ok(array![1.0, 2.0]), Err("the device is gone")])
///     .convert(NdarrayConverter);
/// let error = sequence.compute(MeanVariance).unwrap_err();
/// assert_eq!(error.to_string(), "the producer failed at block 1");
/// assert_eq!(report(&error), "the producer failed at block 1: the device is gone");
/// ```
#[must_use]
pub fn report(error: &dyn StdError) -> String {
    let mut said = error.to_string();
    for cause in error.source().into_iter().flat_map(causes) {
        said.push_str(&format!(": {cause}"));
    }
    said
}

/// Yields an error, its cause, the cause of the cause, and so on.
pub(super) fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
