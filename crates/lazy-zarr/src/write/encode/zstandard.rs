//! Compression by Zstandard.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::BoxError;
use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use crate::memory::{Buffer, BufferPool};

/// The most bytes of a block of Zstandard, just below its usual size of 128 KiB.
///
/// With the usual size, it cuts blocks where their contents change, searches more, and takes up to
/// 1.8 times as long at its default level, for noise that becomes no smaller.
const LARGEST_BLOCK: u32 = 127 << 10;

/// Compresses chunks. The contexts of the compressor are kept for the chunks that follow, because
/// a new one costs as much as 20 KB of a chunk.
#[derive(Debug)]
pub(super) struct Zstandard {
    level: i32,
    idle: Mutex<Vec<Context>>,
}

/// The context of a compressor.
struct Context(CCtx<'static>);

impl Zstandard {
    pub(super) fn new(level: i32) -> Zstandard {
        Zstandard { level, idle: Mutex::default() }
    }

    /// Compresses a chunk. In one piece, it is compressed where it is: otherwise the compressor
    /// would copy it into a window, and search in two parts of the window at once.
    pub(super) fn compress(&self, chunk: &[u8], memory: &BufferPool) -> Result<Bytes, BoxError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut context = match kept {
            Some(context) => context,
            None => Context::new(self.level)?,
        };
        let mut compressed = Buffer::new(compress_bound(chunk.len()), Some(memory))?;
        let n_bytes = context.0.compress2(&mut *compressed, chunk).map_err(describe)?;
        idle().push(context);
        Ok(compressed.into_bytes().slice(..n_bytes))
    }
}

impl Context {
    fn new(level: i32) -> Result<Context, BoxError> {
        let mut context = CCtx::try_create().ok_or("there is not enough memory")?;
        for parameter in
            [CParameter::CompressionLevel(level), CParameter::MaxBlockSize(LARGEST_BLOCK)]
        {
            context.set_parameter(parameter).map_err(describe)?;
        }
        Ok(Context(context))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").finish_non_exhaustive()
    }
}

fn describe(code: usize) -> BoxError {
    get_error_name(code).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::{Checksum, Codec};

    fn elements(n_bytes: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let words = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> (8 + seed % 16)).to_le_bytes()
        });
        words.flatten().take(n_bytes).collect()
    }

    proptest! {
        #[test]
        fn a_compressed_chunk_has_its_size_and_its_bytes(
            n_bytes in prop_oneof![0..300_usize, 0..400_000_usize, Just(127 << 10), Just(1 << 17)],
            seed in 0..100_u32,
            level in prop_oneof![-7..5_i32, Just(9), Just(16)],
        ) {
            let elements = elements(n_bytes, seed);
            let (zstandard, memory) = (Zstandard::new(level), BufferPool::default());
            let compressed = zstandard.compress(&elements, &memory).unwrap();
            // With a context that has compressed something else, too.
            zstandard.compress(&elements[n_bytes / 3..], &memory).unwrap();
            prop_assert_eq!(&zstandard.compress(&elements, &memory).unwrap(), &compressed);
            let limit = Codec::Zstd { level }.encoded_bytes(n_bytes);
            prop_assert!(compressed.len() <= limit, "{} > {limit}", compressed.len());
            let size = zstd::zstd_safe::get_frame_content_size(&compressed).unwrap();
            prop_assert_eq!(size, Some(n_bytes as u64));
            prop_assert_eq!(zstd::bulk::decompress(&compressed, n_bytes).unwrap(), elements);
        }
    }

    #[test]
    fn a_compressor_takes_no_more_memory_than_counted() {
        let zeros = vec![0; (1 << 30) + 1];
        for level in (-7..=22).chain([-131_072]) {
            for n_bytes in (0..=30).map(|log| (1_usize << log) + 1).chain([1 << 13, 1 << 23]) {
                let mut context = Context::new(level).unwrap();
                // It allocates everything at its start, and then there is no room for the result.
                let mut no_room = [0; 8];
                context.0.compress2(&mut no_room, &zeros[..n_bytes]).unwrap_err();
                let actual = context.0.sizeof();
                let codec = Codec::Zstd { level };
                let counted =
                    codec.encoding_bytes(n_bytes, Checksum::None) - codec.encoded_bytes(n_bytes);
                assert!(
                    actual <= counted && counted <= 2 * actual + (1 << 21),
                    "level {level}, {n_bytes} bytes: {actual}, counted as {counted}",
                );
            }
        }
    }
}
