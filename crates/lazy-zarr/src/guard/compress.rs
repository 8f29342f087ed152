//! Compressing with state that is used again.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use zarrs::array::codec::api::{CodecMetadataOptions, CodecTraits};
use zarrs::array::codec::{ZstdCodec, ZstdCodecConfiguration};
use zarrs::metadata::ConfigurationSerialize;
use zstd::bulk::Compressor;

/// Compresses as a codec of Zstandard does, to the same bytes. The codec makes a compressor for each chunk;
/// this has one for each thread, which matters where chunks are small.
pub(super) struct ZstdEncoder {
    level: i32,
    has_checksum: bool,
    /// The compressors that nobody uses at the moment.
    free: Mutex<Vec<Compressor<'static>>>,
}

impl ZstdEncoder {
    /// None where the codec does not say how it compresses.
    pub(super) fn of(codec: &ZstdCodec) -> Option<ZstdEncoder> {
        let configuration = codec.configuration_v3(&CodecMetadataOptions::default())?;
        match ZstdCodecConfiguration::try_from_configuration(configuration).ok()? {
            ZstdCodecConfiguration::V1(configuration) => Some(ZstdEncoder {
                level: configuration.level.into(),
                has_checksum: configuration.checksum,
                free: Mutex::default(),
            }),
            _ => None,
        }
    }

    pub(super) fn encode(&self, decoded: &[u8]) -> io::Result<Vec<u8>> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut compressor = match taken {
            Some(compressor) => compressor,
            None => {
                let mut compressor = Compressor::new(self.level)?;
                compressor.include_checksum(self.has_checksum)?;
                compressor
            }
        };
        let encoded = compressor.compress(decoded)?;
        free().push(compressor);
        Ok(encoded)
    }
}

impl fmt::Debug for ZstdEncoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ZstdEncoder")
            .field("level", &self.level)
            .field("has_checksum", &self.has_checksum)
            .finish_non_exhaustive()
    }
}
