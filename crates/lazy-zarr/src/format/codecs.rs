//! The zarrs codecs for the codecs of this crate, and the memory that they need.

use std::sync::Arc;

use lazy_core::DType;
use zarrs::array::codec::api::BytesToBytesCodecTraits;
use zarrs::array::codec::{
    BloscCodec, BloscCompressor as ZarrsCompressor, BloscShuffleMode, Crc32cCodec, GzipCodec,
    ZstdCodec,
};

use crate::error::{Error, Result};
use crate::settings::{BloscCompressor, Checksum, Codec, Shuffle};

impl Codec {
    pub(crate) fn zarrs_codecs(
        self,
        dtype: DType,
        checksum: Checksum,
    ) -> Result<Vec<Arc<dyn BytesToBytesCodecTraits>>> {
        let impossible = |source: lazy_core::BoxError| Error::metadata(source);
        let compressor: Option<Arc<dyn BytesToBytesCodecTraits>> = match self {
            Codec::None => None,
            Codec::Zstd { level } => Some(Arc::new(ZstdCodec::new(level, false))),
            Codec::Gzip { level } => {
                Some(Arc::new(GzipCodec::new(level).map_err(|error| impossible(error.into()))?))
            }
            Codec::Blosc { compressor, level, shuffle } => {
                let compressor = match compressor {
                    BloscCompressor::Lz4 => ZarrsCompressor::LZ4,
                    BloscCompressor::Zstd => ZarrsCompressor::Zstd,
                };
                let shuffle = match shuffle {
                    Shuffle::None => BloscShuffleMode::NoShuffle,
                    Shuffle::Byte => BloscShuffleMode::Shuffle,
                    Shuffle::Bit => BloscShuffleMode::BitShuffle,
                };
                let level = level.try_into().map_err(|_| impossible("the blosc level".into()))?;
                let codec = BloscCodec::new(compressor, level, None, shuffle, Some(dtype.size()))
                    .map_err(|error| impossible(error.into()))?;
                Some(Arc::new(codec))
            }
        };
        let checksum: Option<Arc<dyn BytesToBytesCodecTraits>> = match checksum {
            Checksum::None => None,
            Checksum::Crc32c => Some(Arc::new(Crc32cCodec::new())),
        };
        Ok(compressor.into_iter().chain(checksum).collect())
    }

    /// Returns the maximum size in bytes of an encoded chunk of `n_bytes` bytes.
    pub(crate) fn encoded_bytes(self, n_bytes: usize) -> usize {
        let growth = match self {
            Codec::None => 0,
            Codec::Zstd { .. } | Codec::Blosc { .. } => n_bytes / 128,
            Codec::Gzip { .. } => n_bytes / 7,
        };
        n_bytes.saturating_add(growth).saturating_add(256)
    }

    /// Returns the number of bytes that a thread allocates to encode a chunk of `n_bytes` bytes, in
    /// addition to its elements.
    pub(crate) fn encoding_bytes(self, n_bytes: usize, checksum: Checksum) -> usize {
        let encoded = self.encoded_bytes(n_bytes);
        let compressing = match self {
            // Elements are stored without a conversion on little-endian machines.
            Codec::None if cfg!(target_endian = "little") => 0,
            Codec::None => encoded,
            Codec::Zstd { .. } | Codec::Blosc { .. } => encoded,
            // The buffer doubles when it is full, which copies it. The compressor needs memory for
            // its state, too.
            Codec::Gzip { .. } => encoded.saturating_mul(3).saturating_add(512 << 10),
        };
        compressing.saturating_add(match checksum {
            Checksum::None => 0,
            Checksum::Crc32c => encoded,
        })
    }
}
