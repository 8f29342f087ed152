//! Direct calls of the compressors below the codecs.

#![allow(
    unsafe_code,
    reason = "Blosc is a C library, and its Rust wrapper is part of the measurement"
)]

use anyhow::{Context, Result, ensure};
use blosc_src::{
    BLOSC_BITSHUFFLE, BLOSC_LZ4_COMPNAME, BLOSC_MAX_OVERHEAD, blosc_compress_ctx,
    blosc_decompress_ctx,
};

use crate::encoding::Encoding;

/// Encodes and decodes chunks, with reused state.
pub(super) enum Encoder {
    None,
    Zstd {
        compressor: zstd::bulk::Compressor<'static>,
        decompressor: zstd::bulk::Decompressor<'static>,
    },
    /// LZ4 at level 5 after bit shuffle, followed by a CRC-32C.
    Blosc,
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> Result<Encoder> {
        Ok(match encoding {
            Encoding::None => Encoder::None,
            Encoding::Zstd => Encoder::Zstd {
                compressor: zstd::bulk::Compressor::new(0)?,
                decompressor: zstd::bulk::Decompressor::new()?,
            },
            Encoding::Default => Encoder::Blosc,
        })
    }

    /// Returns the largest size of an encoded chunk in bytes.
    pub(super) fn most_bytes(&self, n_bytes: usize) -> usize {
        match self {
            Encoder::None => n_bytes,
            Encoder::Zstd { .. } => zstd::zstd_safe::compress_bound(n_bytes),
            Encoder::Blosc => n_bytes + BLOSC_MAX_OVERHEAD as usize + size_of::<u32>(),
        }
    }

    /// Encodes a chunk to the beginning of a buffer, and returns the number of bytes.
    pub(super) fn encode(&mut self, chunk: &[u8], buffer: &mut [u8]) -> Result<usize> {
        match self {
            Encoder::None => {
                buffer[..chunk.len()].copy_from_slice(chunk);
                Ok(chunk.len())
            }
            Encoder::Zstd { compressor, .. } => Ok(compressor.compress_to_buffer(chunk, buffer)?),
            Encoder::Blosc => {
                // With a larger buffer, Blosc lets incompressible chunks grow.
                let room = chunk.len() + BLOSC_MAX_OVERHEAD as usize;
                let encoded = &mut buffer[..room];
                // SAFETY: `chunk` can be read and `encoded` can be written over the lengths that
                // are passed, and they do not overlap. The name ends with a zero byte.
                let n_bytes = unsafe {
                    blosc_compress_ctx(
                        5,
                        BLOSC_BITSHUFFLE as i32,
                        size_of::<f32>(),
                        chunk.len(),
                        chunk.as_ptr().cast(),
                        encoded.as_mut_ptr().cast(),
                        encoded.len(),
                        BLOSC_LZ4_COMPNAME.as_ptr().cast(),
                        0,
                        1,
                    )
                };
                let n_bytes = usize::try_from(n_bytes).context("Blosc failed")?;
                ensure!(n_bytes > 0, "Blosc needs a larger buffer");
                let checksum = crc32c::crc32c(&buffer[..n_bytes]).to_le_bytes();
                buffer[n_bytes..n_bytes + checksum.len()].copy_from_slice(&checksum);
                Ok(n_bytes + checksum.len())
            }
        }
    }

    /// Decodes a chunk of `chunk.len()` bytes.
    pub(super) fn decode(&mut self, encoded: &[u8], chunk: &mut [u8]) -> Result<()> {
        let n_bytes = match self {
            Encoder::None => {
                chunk.copy_from_slice(encoded);
                chunk.len()
            }
            Encoder::Zstd { decompressor, .. } => {
                decompressor.decompress_to_buffer(encoded, chunk)?
            }
            Encoder::Blosc => {
                let (encoded, checksum) =
                    encoded.split_last_chunk::<4>().context("the chunk is torn")?;
                ensure!(crc32c::crc32c(encoded).to_le_bytes() == *checksum, "the chunk is corrupt");
                // SAFETY: the library made these bytes, and `chunk` can be written over the length
                // that is passed.
                let n_bytes = unsafe {
                    blosc_decompress_ctx(
                        encoded.as_ptr().cast(),
                        chunk.as_mut_ptr().cast(),
                        chunk.len(),
                        1,
                    )
                };
                usize::try_from(n_bytes).context("Blosc failed")?
            }
        };
        ensure!(n_bytes == chunk.len(), "the chunk has {n_bytes} bytes, expected {}", chunk.len());
        Ok(())
    }
}
