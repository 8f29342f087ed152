//! Memory: how much is available, and buffers that are used again.

mod buffer;
#[cfg(target_os = "linux")]
mod large;

pub(crate) use buffer::{Buffer, BufferPool, LARGE_BYTES};

/// Returns true if this number of bytes can be allocated. It allocates them and frees them at once.
/// A failed allocation does not end the process.
pub(crate) fn fits_memory(bytes: u128) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

/// Allocates and frees memory that is about to be used repeatedly.
///
/// Some allocators learn from this how much freed memory to keep. The allocator of glibc is one of
/// them. Otherwise it returns the memory of each chunk to the system, and getting it back page by
/// page takes longer than reading or copying a chunk.
pub(crate) fn announce(bytes: u128) {
    // The allocator keeps no more than this.
    const MOST: u128 = (32 << 20) - (64 << 10);
    std::hint::black_box(fits_memory(bytes.min(MOST)));
}
