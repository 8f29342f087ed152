//! The compressors below the codecs, called without anything in between.

#![allow(
    unsafe_code,
    reason = "Blosc is a C library, and its wrapper in Rust is among what is measured"
)]

use anyhow::{Context, Result, ensure};
use blosc_src::{
    BLOSC_BITSHUFFLE, BLOSC_LZ4_COMPNAME, BLOSC_MAX_OVERHEAD, blosc_compress_ctx,
    blosc_decompress_ctx,
};

use crate::encoding::Encoding;

/// Encodes and decodes chunks, with state that is used again.
pub(super) enum Encoder {
    None,
    Zstd {
        compressor: zstd::bulk::Compressor<'static>,
        decompressor: zstd::bulk::Decompressor<'static>,
    },
    /// LZ4 at level 5 behind bit shuffle, with a CRC-32C.
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

    /// The bytes that an encoded chunk has at most.
    pub(super) fn most_bytes(&self, n_bytes: usize) -> usize {
        match self {
            Encoder::None => n_bytes,
            Encoder::Zstd { .. } => zstd::zstd_safe::compress_bound(n_bytes),
            Encoder::Blosc => n_bytes + BLOSC_MAX_OVERHEAD as usize + size_of::<u32>(),
        }
    }

    /// Encodes a chunk to the beginning of a buffer; returns how many bytes it has become.
    pub(super) fn encode(&mut self, chunk: &[u8], buffer: &mut [u8]) -> Result<usize> {
        match self {
            Encoder::None => {
                buffer[..chunk.len()].copy_from_slice(chunk);
                Ok(chunk.len())
            }
            Encoder::Zstd { compressor, .. } => Ok(compressor.compress_to_buffer(chunk, buffer)?),
            Encoder::Blosc => {
                // With more room than that, it lets incompressible chunks grow.
                let room = chunk.len() + BLOSC_MAX_OVERHEAD as usize;
                let encoded = &mut buffer[..room];
                // SAFETY: `chunk` can be read and `encoded` be written over their whole lengths, which are
                // what the library is told, and they do not overlap; the name ends with a zero.
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

    /// Decodes a chunk, of as many bytes as `chunk` has.
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
                let (encoded, checksum) = encoded.split_last_chunk::<4>().context("it is torn")?;
                ensure!(crc32c::crc32c(encoded).to_le_bytes() == *checksum, "it is corrupt");
                // SAFETY: these are the bytes that the library has made, and `chunk` can be written over
                // the length that it is told.
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
        ensure!(n_bytes == chunk.len(), "it has {n_bytes} bytes instead of {}", chunk.len());
        Ok(())
    }
}
