//! How chunks are encoded, in our words and in those of Zarr.

use lazy_chunks::zarr::Codec;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    None,
    /// Zstandard at the level that zarr-python has by default.
    Zstd,
    /// What a sink encodes with when nothing is said.
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

    /// The Zarr metadata of the codecs from bytes to bytes. What this workspace stores has the same.
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

    /// Of the Zarr metadata.
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

    /// Whether a CRC-32C follows each encoded chunk.
    pub(crate) fn has_checksum(self) -> bool {
        self == Encoding::Default
    }
}
