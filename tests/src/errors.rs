//! Errors that share a kind.

use lazy_chunks::zarr::{Error, ErrorKind};

/// Returns true if a process is certainly writing the target.
#[must_use]
pub fn is_locked(error: &Error) -> bool {
    error.kind() == ErrorKind::InUse && error.holder().is_some() && !error.may_be_stale()
}

/// Returns true if another write took over from the write that failed.
#[must_use]
pub fn is_taken_over(error: &Error) -> bool {
    error.kind() == ErrorKind::InUse && error.holder().is_none()
}
