//! The memory that a region is read into.

use std::io;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use lazy_core::{BlockBuffer, BlockPool, BoxError};

#[cfg(target_os = "linux")]
use super::large::{LargeBuffer, LargePool};

/// The size from which memory is mapped from the system in large pages, in bytes: 32 MiB. From this
/// size on, allocators map memory anyway.
pub(super) const LARGE_BYTES: usize = 32 << 20;

/// The same for memory that is used again, which is mapped once: the size of a large page.
#[cfg(target_os = "linux")]
const LARGE_IN_POOL: usize = 2 << 20;

/// Memory that later blocks use again when the blocks in it are dropped.
#[derive(Default)]
pub(super) struct OutputPool {
    small: BlockPool<u8>,
    #[cfg(target_os = "linux")]
    large: LargePool,
}

/// Memory that a read fills completely.
pub(super) enum Output {
    Small(Vec<u8>),
    /// Memory of a pool.
    Pooled(BlockBuffer<u8>),
    /// Memory in large pages. The system takes longer to provide small pages one by one than the
    /// read takes to fill them.
    #[cfg(target_os = "linux")]
    Large(LargeBuffer),
}

impl Output {
    /// Takes memory from a pool, or allocates it without a pool.
    pub(super) fn new(n_bytes: usize, pool: Option<&OutputPool>) -> Result<Output, BoxError> {
        match pool {
            #[cfg(target_os = "linux")]
            Some(pool) if n_bytes >= LARGE_IN_POOL => {
                Ok(Output::Large(pool.large.buffer(n_bytes)?))
            }
            Some(pool) => Ok(Output::Pooled(pool.small.buffer([n_bytes])?)),
            None => Ok(Output::zeroed(n_bytes)?),
        }
    }

    #[cfg(target_os = "linux")]
    fn zeroed(n_bytes: usize) -> io::Result<Output> {
        if n_bytes < LARGE_BYTES {
            return Ok(Output::Small(vec![0; n_bytes]));
        }
        // The pool of one buffer.
        Ok(Output::Large(LargePool::default().buffer(n_bytes)?))
    }

    #[cfg(not(target_os = "linux"))]
    fn zeroed(n_bytes: usize) -> io::Result<Output> {
        Ok(Output::Small(vec![0; n_bytes]))
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Output::Small(bytes) => bytes.into(),
            Output::Pooled(buffer) => Bytes::from_owner(buffer),
            #[cfg(target_os = "linux")]
            Output::Large(buffer) => Bytes::from_owner(buffer),
        }
    }
}

impl Deref for Output {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Output::Small(bytes) => bytes,
            Output::Pooled(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Output::Large(buffer) => buffer.as_ref(),
        }
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Output::Small(bytes) => bytes,
            Output::Pooled(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Output::Large(buffer) => buffer.as_mut(),
        }
    }
}
