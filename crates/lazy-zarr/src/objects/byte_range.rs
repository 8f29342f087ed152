//! Ranges of an object's bytes.

use std::ops::Range;

/// A range of the bytes of an object, for [`Store::get_ranges`](super::Store::get_ranges).
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::ByteRange;
///
/// assert_eq!(ByteRange::Bounded(2..5).within(10), 2..5);
/// assert_eq!(ByteRange::From(2).within(10), 2..10);
/// assert_eq!(ByteRange::Last(2).within(10), 8..10);
/// // A range ends with the object.
/// assert_eq!(ByteRange::Bounded(8..12).within(10), 8..10);
/// assert!(ByteRange::From(12).within(10).is_empty());
/// assert_eq!(ByteRange::Last(12).within(10), 0..10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ByteRange {
    /// The bytes from the first offset up to the second offset, exclusive.
    Bounded(Range<u64>),
    /// All bytes from the offset on.
    From(u64),
    /// The given number of bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// Returns the offsets of the bytes of the range that exist in an object of `size` bytes. The
    /// result is empty if the object ends before the range begins.
    #[must_use]
    pub fn within(&self, size: u64) -> Range<u64> {
        match self {
            ByteRange::Bounded(range) => {
                let end = range.end.min(size);
                range.start.min(end)..end
            }
            ByteRange::From(offset) => *offset.min(&size)..size,
            ByteRange::Last(length) => size.saturating_sub(*length)..size,
        }
    }
}
