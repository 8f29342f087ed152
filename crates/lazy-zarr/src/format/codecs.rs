//! The zarrs codecs for the codecs of this crate, and the memory that they need.

use std::sync::Arc;

use lazy_core::DType;
use serde_json::{Value, json};
use zarrs::array::codec::api::{BytesToBytesCodecTraits, CodecMetadataOptions};
use zarrs::array::codec::{
    BloscCodec, BloscCompressor as ZarrsCompressor, BloscShuffleMode, Crc32cCodec, GzipCodec,
    ZstdCodec,
};
use zarrs::plugin::ZarrVersion;

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

    /// Returns the codec and the checksum of a sink whose array has these codecs in its metadata,
    /// if there are such.
    pub(crate) fn of_metadata(codecs: &[Value], dtype: DType) -> Option<(Codec, Checksum)> {
        let of_chunk = match codecs {
            [sharding] if name(sharding) == Some("sharding_indexed") => {
                let configuration = &sharding["configuration"];
                let of_index = configuration["index_codecs"].as_array()?;
                let is_own = of_index.iter().map(name).eq([Some("bytes"), Some("crc32c")])
                    && of_index[0]["configuration"]["endian"] == "little"
                    && configuration["index_location"] == "end";
                configuration["codecs"].as_array().filter(|_| is_own)?
            }
            codecs => codecs,
        };
        let (bytes, of_bytes) = of_chunk.split_first()?;
        let is_little = dtype.size() == 1 || bytes["configuration"]["endian"] == "little";
        if name(bytes) != Some("bytes") || !is_little {
            return None;
        }
        let (compressor, checksum) = match of_bytes {
            [compressor @ .., last] if name(last) == Some("crc32c") => {
                (compressor, Checksum::Crc32c)
            }
            compressor => (compressor, Checksum::None),
        };
        let codec = match compressor {
            [] => Codec::None,
            [compressor] => Codec::of_compressor(compressor)?,
            _ => return None,
        };
        // The codec must write the same metadata.
        let own = codec.zarrs_codecs(dtype, checksum).ok()?;
        let is_same = own.len() == of_bytes.len()
            && own.iter().zip(of_bytes).all(|(own, codec)| has_metadata(&**own, codec));
        is_same.then_some((codec, checksum))
    }

    fn of_compressor(compressor: &Value) -> Option<Codec> {
        let configuration = &compressor["configuration"];
        let level = |name: &str| configuration[name].as_i64();
        match name(compressor)? {
            "zstd" => Some(Codec::Zstd { level: level("level")?.try_into().ok()? }),
            "gzip" => Some(Codec::Gzip { level: level("level")?.try_into().ok()? }),
            "blosc" => {
                let compressor = match configuration["cname"].as_str()? {
                    "lz4" => BloscCompressor::Lz4,
                    "zstd" => BloscCompressor::Zstd,
                    _ => return None,
                };
                let shuffle = match configuration["shuffle"].as_str()? {
                    "noshuffle" => Shuffle::None,
                    "shuffle" => Shuffle::Byte,
                    "bitshuffle" => Shuffle::Bit,
                    _ => return None,
                };
                let level = level("clevel")?.try_into().ok()?;
                Some(Codec::Blosc { compressor, level, shuffle })
            }
            _ => None,
        }
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
            Codec::Zstd { level } => encoded.saturating_add(zstandard_bytes(level, n_bytes)),
            Codec::Blosc { compressor: BloscCompressor::Lz4, .. } => encoded,
            // Blosc passes at most a mebibyte at once, and has its own levels.
            Codec::Blosc { compressor: BloscCompressor::Zstd, level, .. } => {
                let level = if level < 9 { 2 * i32::from(level) - 1 } else { 22 };
                encoded.saturating_add(zstandard_bytes(level, n_bytes.min(1 << 20)))
            }
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

/// Returns the most bytes of a compressor of Zstandard that compresses a chunk of `n_bytes` bytes
/// where it is: its tables, and the sequences of a block.
fn zstandard_bytes(level: i32, n_bytes: usize) -> usize {
    // Those for large chunks, in KiB, rounded up. A test compares them with the library.
    let largest = match level {
        ..=-1 => 534,
        0 | 3 => 1_270,
        1 => 566,
        2 => 758,
        4 => 2_550,
        5..=6 => 3_062,
        7..=8 => 5_622,
        9 => 10_742,
        10..=11 => 20_982,
        12 => 41_462,
        13 => 33_270,
        14 => 49_654,
        15 => 66_038,
        16 => 33_416,
        17 => 49_800,
        18 => 50_428,
        19 => 83_196,
        20 => 165_116,
        21 => 328_956,
        22.. => 722_252,
    };
    // The tables do not exceed those that a small chunk needs.
    let of_chunk = n_bytes.checked_next_power_of_two().unwrap_or(usize::MAX).saturating_mul(19);
    // The blocks of Blosc are a little larger.
    of_chunk.saturating_add(512 << 10).min((largest + 8) << 10)
}

/// Returns the name of a codec in the metadata of an array.
fn name(codec: &Value) -> Option<&str> {
    codec.as_str().or(codec["name"].as_str())
}

/// Returns true if a codec has this metadata.
fn has_metadata(codec: &dyn BytesToBytesCodecTraits, metadata: &Value) -> bool {
    let configuration = codec.configuration(ZarrVersion::V3, &CodecMetadataOptions::default());
    let own = serde_json::to_value(configuration.unwrap_or_default()).unwrap_or_default();
    let expected = match &metadata["configuration"] {
        Value::Null => &json!({}),
        configuration => configuration,
    };
    codec.name(ZarrVersion::V3).as_deref() == name(metadata) && own == *expected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, KeySpace};
    use crate::layout::Layout;
    use crate::settings::FillElement;

    #[test]
    fn codecs_are_known_by_their_metadata() {
        let codecs = [
            Codec::default(),
            Codec::None,
            Codec::Zstd { level: -3 },
            Codec::Gzip { level: 9 },
            Codec::Blosc { compressor: BloscCompressor::Zstd, level: 0, shuffle: Shuffle::None },
        ];
        for dtype in DType::ALL {
            for (codec, checksum, shard_shape) in codecs.into_iter().flat_map(|codec| {
                [Checksum::None, Checksum::Crc32c].into_iter().flat_map(move |checksum| {
                    [None, Some(vec![4])].map(|shard_shape| (codec, checksum, shard_shape))
                })
            }) {
                let format = Format {
                    dtype,
                    layout: Layout { chunk_shape: vec![2], shard_shape },
                    edges: None,
                    keys: KeySpace::Nested,
                    codec,
                    checksum,
                    fill: FillElement::default_of(dtype),
                    dimension_names: None,
                    attributes: serde_json::Map::new(),
                };
                let metadata = serde_json::to_value(format.metadata(&[9]).unwrap()).unwrap();
                let named = metadata["codecs"].as_array().unwrap();
                assert_eq!(Codec::of_metadata(named, dtype), Some((codec, checksum)), "{named:?}");
            }
        }
    }

    #[test]
    fn codecs_of_other_programs_are_unknown() {
        let bytes = json!({"name": "bytes", "configuration": {"endian": "little"}});
        for codecs in [
            json!([]),
            json!([{"name": "bytes", "configuration": {"endian": "big"}}]),
            json!(["bytes"]),
            json!([{"name": "transpose", "configuration": {"order": [1, 0]}}, bytes]),
            json!([bytes, {"name": "zstd", "configuration": {"level": 3, "checksum": true}}]),
            json!([bytes, "crc32c", "crc32c"]),
            json!([bytes, {"name": "lz4"}]),
        ] {
            let codecs = codecs.as_array().unwrap();
            assert_eq!(Codec::of_metadata(codecs, DType::Int32), None, "{codecs:?}");
        }
    }
}
