//! The memory that a region is read into.

use std::io;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use lazy_core::{BlockBuffer, BlockPool, BoxError};

/// The size from which memory is mapped from the system in large pages, in bytes: 32 MiB. From this
/// size on, allocators map memory anyway.
pub(super) const LARGE_BYTES: usize = 32 << 20;

/// Memory that a read fills completely.
pub(super) enum Output {
    Small(Vec<u8>),
    /// Memory of a pool, which dropped blocks used before, and later blocks reuse.
    Pooled(BlockBuffer<u8>),
    /// Memory in large pages. The system takes longer to provide small pages one by one than the
    /// read takes to fill them.
    #[cfg(target_os = "linux")]
    Large(memmap2::MmapMut),
}

impl Output {
    /// Takes memory from a pool, or allocates it without a pool.
    pub(super) fn new(n_bytes: usize, pool: Option<&BlockPool<u8>>) -> Result<Output, BoxError> {
        match pool {
            Some(pool) => Ok(Output::Pooled(pool.buffer([n_bytes])?)),
            None => Ok(Output::zeroed(n_bytes)?),
        }
    }

    #[cfg(target_os = "linux")]
    fn zeroed(n_bytes: usize) -> io::Result<Output> {
        if n_bytes < LARGE_BYTES {
            return Ok(Output::Small(vec![0; n_bytes]));
        }
        let map = memmap2::MmapMut::map_anon(n_bytes)?;
        // If the system has no large pages, small pages work too.
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Output::Large(map))
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
            Output::Large(map) => Bytes::from_owner(map),
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
            Output::Large(map) => map,
        }
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Output::Small(bytes) => bytes,
            Output::Pooled(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Output::Large(map) => map,
        }
    }
}
