//! Compression by Zstandard.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::BoxError;
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective::{self, ZSTD_e_continue, ZSTD_e_end};
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, compress_bound, get_error_name,
};

/// The bytes that the compressor is given at once, a block of Zstandard.
///
/// Given a whole chunk, it cuts blocks where their contents change, searches more, and takes up to
/// 1.4 times as long at its default level, for noise that becomes no smaller.
const PIECE: usize = 128 << 10;

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

    /// Compresses slices that follow one another. The result does not depend on how they are cut.
    pub(super) fn compress(&self, slices: &[&[u8]]) -> Result<Bytes, BoxError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut context = match kept {
            Some(context) => context,
            None => Context::new(self.level)?,
        };
        let compressed = context.compress(slices)?;
        idle().push(context);
        Ok(compressed.into())
    }
}

impl Context {
    fn new(level: i32) -> Result<Context, BoxError> {
        let mut context = CCtx::try_create().ok_or("there is not enough memory")?;
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(describe)?;
        Ok(Context(context))
    }

    fn compress(&mut self, slices: &[&[u8]]) -> Result<Vec<u8>, BoxError> {
        let n_bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut compressed = Vec::new();
        compressed.try_reserve_exact(compress_bound(n_bytes))?;
        self.0.reset(ResetDirective::SessionOnly).map_err(describe)?;
        // The size is stored, and the compressor needs less memory for a small chunk.
        self.0.set_pledged_src_size(Some(n_bytes as u64)).map_err(describe)?;
        let mut output = OutBuffer::around(&mut compressed);
        let mut n_left = n_bytes;
        for slice in slices {
            for piece in slice.chunks(PIECE) {
                n_left -= piece.len();
                // If a chunk of one piece were passed at once, it would be compressed in another
                // way.
                let (first, last) = piece.split_at(if n_left == 0 { piece.len() / 2 } else { 0 });
                let directive = if n_left == 0 { ZSTD_e_end } else { ZSTD_e_continue };
                self.push(&mut output, first, ZSTD_e_continue)?;
                self.push(&mut output, last, directive)?;
            }
        }
        if n_bytes == 0 {
            self.push(&mut output, &[], ZSTD_e_end)?;
        }
        Ok(compressed)
    }

    fn push(
        &mut self,
        output: &mut OutBuffer<'_, Vec<u8>>,
        piece: &[u8],
        directive: ZSTD_EndDirective,
    ) -> Result<(), BoxError> {
        let mut input = InBuffer::around(piece);
        loop {
            let n_to_flush = self.0.compress_stream2(output, &mut input, directive);
            let n_to_flush = n_to_flush.map_err(describe)?;
            if input.pos() == piece.len() && (directive == ZSTD_e_continue || n_to_flush == 0) {
                return Ok(());
            }
        }
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
        fn the_compressed_bytes_do_not_depend_on_the_slices(
            n_bytes in prop_oneof![0..300_usize, 0..400_000_usize, Just(PIECE), Just(2 * PIECE)],
            seed in 0..100_u32,
            level in prop_oneof![-7..5_i32, Just(9), Just(16)],
            cuts in prop::collection::vec(0.0..1.0_f64, 0..5),
        ) {
            let elements = elements(n_bytes, seed);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| (cut * n_bytes as f64) as usize).collect();
            cuts.extend([0, n_bytes]);
            cuts.sort_unstable();
            let slices: Vec<_> = cuts.windows(2).map(|cut| &elements[cut[0]..cut[1]]).collect();

            let zstandard = Zstandard::new(level);
            let whole = zstandard.compress(&[&elements]).unwrap();
            prop_assert_eq!(&zstandard.compress(&slices).unwrap(), &whole);
            prop_assert_eq!(&Zstandard::new(level).compress(&slices).unwrap(), &whole);
            let limit = Codec::Zstd { level }.encoded_bytes(n_bytes);
            prop_assert!(whole.len() <= limit, "{} > {limit}", whole.len());
            let size = zstd::zstd_safe::get_frame_content_size(&whole).unwrap();
            prop_assert_eq!(size, Some(n_bytes as u64));
            prop_assert_eq!(zstd::bulk::decompress(&whole, n_bytes).unwrap(), elements);
        }
    }

    #[test]
    fn a_compressor_takes_no_more_memory_than_counted() {
        for level in (-7..=22).chain([-131_072]) {
            for n_bytes in (0..=30).map(|log| (1_usize << log) + 1).chain([1 << 13, 1 << 23]) {
                let mut context = Context::new(level).unwrap();
                context.0.set_pledged_src_size(Some(n_bytes as u64)).unwrap();
                // It allocates everything at its start.
                let mut output = Vec::with_capacity(1 << 10);
                let mut output = OutBuffer::around(&mut output);
                context.push(&mut output, &[0], ZSTD_e_continue).unwrap();
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
