//! The memory that a region is read into, or a chunk is encoded into.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use lazy_core::{BlockBuffer, BlockPool, BoxError};

#[cfg(target_os = "linux")]
use super::large::{LargeBuffer, LargePool};

/// The size from which memory is mapped from the system in large pages, in bytes: 32 MiB. From this
/// size on, allocators map memory anyway.
pub(crate) const LARGE_BYTES: usize = 32 << 20;

/// The same for memory that is used again, which is mapped once: the size of a large page.
#[cfg(target_os = "linux")]
const LARGE_IN_POOL: usize = 2 << 20;

/// Memory that is used again when the bytes in it are dropped.
#[derive(Default)]
pub(crate) struct BufferPool {
    small: BlockPool<u8>,
    #[cfg(target_os = "linux")]
    large: LargePool,
}

/// Memory that is filled completely. Its bytes are unspecified before: zeros, or those of an earlier
/// buffer.
pub(crate) enum Buffer {
    Small(Vec<u8>),
    /// Memory of a pool.
    Pooled(BlockBuffer<u8>),
    /// Memory in large pages. The system takes longer to provide small pages one by one than a read
    /// takes to fill them.
    #[cfg(target_os = "linux")]
    Large(LargeBuffer),
}

impl Buffer {
    /// Takes memory from a pool, or allocates it without a pool.
    pub(crate) fn new(n_bytes: usize, pool: Option<&BufferPool>) -> Result<Buffer, BoxError> {
        match pool {
            #[cfg(target_os = "linux")]
            Some(pool) if n_bytes >= LARGE_IN_POOL => {
                Ok(Buffer::Large(pool.large.buffer(n_bytes)?))
            }
            Some(pool) => Ok(Buffer::Pooled(pool.small.buffer([n_bytes])?)),
            None => Ok(Buffer::zeroed(n_bytes)?),
        }
    }

    #[cfg(target_os = "linux")]
    fn zeroed(n_bytes: usize) -> io::Result<Buffer> {
        if n_bytes < LARGE_BYTES {
            return Ok(Buffer::Small(vec![0; n_bytes]));
        }
        // The pool of one buffer.
        Ok(Buffer::Large(LargePool::default().buffer(n_bytes)?))
    }

    #[cfg(not(target_os = "linux"))]
    fn zeroed(n_bytes: usize) -> io::Result<Buffer> {
        Ok(Buffer::Small(vec![0; n_bytes]))
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Buffer::Small(bytes) => bytes.into(),
            Buffer::Pooled(buffer) => Bytes::from_owner(buffer),
            #[cfg(target_os = "linux")]
            Buffer::Large(buffer) => Bytes::from_owner(buffer),
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Small(bytes) => bytes,
            Buffer::Pooled(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Buffer::Large(buffer) => buffer.as_ref(),
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Small(bytes) => bytes,
            Buffer::Pooled(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Buffer::Large(buffer) => buffer.as_mut(),
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BufferPool").finish_non_exhaustive()
    }
}
