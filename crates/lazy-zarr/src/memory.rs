//! Asking for memory before it is needed.

/// Whether memory can hold so many bytes: they are asked for and given back at once, so that a failed
/// allocation does not end the process.
pub(crate) fn fits_memory(bytes: u128) -> bool {
    usize::try_from(bytes).is_ok_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

/// Asks for as much memory as is about to be used over and over again, and gives it back.
///
/// An allocator may learn from that how much of what is freed is worth keeping. That of glibc does; otherwise
/// it gives the memory of each chunk back to the system, which takes longer to hand it out anew, page by
/// page, than it takes to read a chunk or to copy one.
pub(crate) fn announce(bytes: u128) {
    // More than that it does not keep.
    const MOST: u128 = (32 << 20) - (64 << 10);
    std::hint::black_box(fits_memory(bytes.min(MOST)));
}
