//! The encodings of chunks, as codecs of this library and as metadata of Zarr.

use lazy_chunks::zarr::Codec;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    None,
    /// Zstandard at zarr-python's default level.
    Zstd,
    /// The default encoding of a sink.
    Default,
}

impl Encoding {
    pub(crate) const ALL: [Encoding; 3] = [Encoding::None, Encoding::Zstd, Encoding::Default];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Encoding::None => "none",
            Encoding::Zstd => "zstd",
            Encoding::Default => "default",
        }
    }

    /// Returns the Zarr metadata of the bytes-to-bytes codecs. Arrays that this workspace stores
    /// have the same.
    pub(crate) fn zarr_codecs(self) -> Value {
        let checksum = json!({"name": "crc32c"});
        match self {
            Encoding::None => json!([]),
            Encoding::Zstd => {
                let configuration = json!({"level": 0, "checksum": false});
                json!([{"name": "zstd", "configuration": configuration}])
            }
            Encoding::Default => {
                let configuration = json!({
                    "cname": "lz4", "clevel": 5, "shuffle": "bitshuffle", "typesize": 4, "blocksize": 0,
                });
                json!([{"name": "blosc", "configuration": configuration}, checksum])
            }
        }
    }

    /// Returns the encoding with this Zarr metadata.
    pub(crate) fn of(zarr_codecs: &Value) -> Option<Encoding> {
        Encoding::ALL.into_iter().find(|encoding| encoding.zarr_codecs() == *zarr_codecs)
    }

    pub(crate) fn codec(self) -> Codec {
        match self {
            Encoding::None => Codec::None,
            Encoding::Zstd => Codec::Zstd { level: 0 },
            Encoding::Default => Codec::default(),
        }
    }

    /// Returns true if a CRC-32C follows each encoded chunk.
    pub(crate) fn has_checksum(self) -> bool {
        self == Encoding::Default
    }
}
