//! Guards for reading untrusted arrays. Sizes are checked before memory is allocated, checksums are
//! checked, and panics of other crates are caught.

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lazy_core::{BoxError, DType, panic_message};

use crate::error::{ReadError, Result, foreign};
use crate::memory::fits_memory;

/// Returns the size of a dense array in bytes, saturating.
pub(super) fn n_bytes(dtype: DType, shape: impl IntoIterator<Item = usize>) -> u128 {
    let element = dtype.size() as u128;
    shape.into_iter().fold(element, |bytes, size| bytes.saturating_mul(size as u128))
}

/// Checks that memory can hold a chunk, and that the numbers of elements and bytes of the array and
/// its shards do not overflow.
pub(super) fn check_units(
    target: &str,
    dtype: DType,
    shape: &[usize],
    chunk_shape: &[usize],
    shard_shape: Option<&[usize]>,
) -> Result<()> {
    let refuse = |unit, shape: &[usize], bytes| {
        Err(ReadError::ChunkMemory {
            target: target.to_owned(),
            unit,
            shape: shape.to_vec(),
            bytes,
        }
        .into())
    };
    // A shard need not fit in memory, since its chunks can be read one by one.
    if let Some(shard_shape) = shard_shape {
        let bytes = n_bytes(dtype, shard_shape.iter().copied());
        if bytes > isize::MAX as u128 {
            return refuse("shard", shard_shape, bytes);
        }
    }
    // The last chunk along an axis may extend beyond the array's end.
    let unit_shape = shard_shape.unwrap_or(chunk_shape);
    let is_counted = |(size, unit): (&usize, &usize)| {
        size.checked_add(*unit).is_some_and(|end| isize::try_from(end).is_ok())
    };
    if !shape.iter().zip(unit_shape).all(is_counted) {
        let source = format!("the shape {shape:?} is too large for indices");
        return Err(ReadError::Open { target: target.to_owned(), source: source.into() }.into());
    }
    let bytes = n_bytes(dtype, chunk_shape.iter().copied());
    if fits_memory(bytes) { Ok(()) } else { refuse("chunk", chunk_shape, bytes) }
}

/// Calls a function of another crate, which may panic on untrusted input, and turns a panic into an
/// error.
pub(super) fn caught<T, E: Into<BoxError>>(
    function: impl FnOnce() -> Result<T, E>,
) -> Result<T, BoxError> {
    match catch_unwind(AssertUnwindSafe(function)) {
        Ok(result) => result.map_err(foreign),
        Err(payload) => Err(format!("panicked: {}", panic_message(&*payload)).into()),
    }
}

pub(super) fn sizes(shape: &[NonZeroU64]) -> Vec<u64> {
    shape.iter().map(|size| size.get()).collect()
}

pub(super) fn as_usize(shape: &[u64]) -> Result<Vec<usize>, BoxError> {
    Ok(shape.iter().map(|&size| usize::try_from(size)).collect::<Result<_, _>>()?)
}
