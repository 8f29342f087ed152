//! The arrays to write: every pair of settings occurs in one of them.

use lazy_chunks::DType;
use lazy_chunks::zarr::{BloscCompressor, Checksum, Codec, Shuffle};
use lazy_tests::{Case, Chunks, Shards};

use crate::fill::Fill;

/// A shape, its cut into blocks, and its explicit chunks and shards.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    rows: &'static [usize],
    columns: Option<&'static [usize]>,
    trailing: &'static [usize],
    chunks: &'static [usize],
    /// The number of chunks along each axis of a shard.
    shards: &'static [usize],
}

/// One to four axes. Arrays end with a chunk and a shard, inside them, and before the end of the
/// first.
const SHAPES: [Shape; 6] = [
    Shape {
        name: "line",
        rows: &[100, 101, 102],
        columns: None,
        trailing: &[],
        chunks: &[64],
        shards: &[2],
    },
    Shape {
        name: "edges",
        rows: &[10, 20, 7],
        columns: Some(&[4, 25]),
        trailing: &[],
        chunks: &[8, 10],
        shards: &[2, 2],
    },
    Shape {
        name: "whole",
        rows: &[16, 16],
        columns: None,
        trailing: &[24],
        chunks: &[8, 6],
        shards: &[2, 2],
    },
    Shape {
        name: "volume",
        rows: &[5, 4],
        columns: None,
        trailing: &[8, 7],
        chunks: &[4, 3, 7],
        shards: &[2, 2, 1],
    },
    Shape {
        name: "small",
        rows: &[2, 1],
        columns: Some(&[2, 3]),
        trailing: &[2, 1],
        chunks: &[4, 5, 1, 2],
        shards: &[1, 2, 3, 1],
    },
    Shape {
        name: "empty",
        rows: &[0],
        columns: None,
        trailing: &[5],
        chunks: &[4, 3],
        shards: &[2, 2],
    },
];

/// Bands of many blocks of equal sizes.
const MANY: Shape = Shape {
    name: "many",
    rows: &[3; 40],
    columns: Some(&[2, 2, 2, 5]),
    trailing: &[2],
    chunks: &[],
    shards: &[],
};

/// The sizes of automatic chunks and shards in bytes, for arrays of a few kilobytes.
const CHUNK_BYTES: usize = 600;
const SHARD_BYTES: usize = 2500;

/// An array to write.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) dtype: DType,
    pub(crate) codec: Codec,
    pub(crate) checksum: Checksum,
    pub(crate) shape: &'static Shape,
    has_automatic_chunks: bool,
    shards: Sharding,
    pub(crate) fill: Fill,
    pub(crate) is_in_group: bool,
    /// True if each block is a chunk of a rectilinear grid.
    pub(crate) is_of_blocks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharding {
    None,
    Explicit,
    Automatic,
}

const SHARDINGS: [Sharding; 3] = [Sharding::None, Sharding::Explicit, Sharding::Automatic];
const CHECKSUMS: [Checksum; 2] = [Checksum::None, Checksum::Crc32c];

/// One dtype of each size.
const DTYPE_OF_SIZE: [DType; 5] =
    [DType::UInt8, DType::Float16, DType::Float32, DType::Int64, DType::Complex128];

fn codecs() -> Vec<Codec> {
    let mut codecs = vec![Codec::None, Codec::Zstd { level: 3 }, Codec::Gzip { level: 5 }];
    for compressor in [BloscCompressor::Lz4, BloscCompressor::Zstd] {
        for shuffle in [Shuffle::None, Shuffle::Byte, Shuffle::Bit] {
            codecs.push(Codec::Blosc { compressor, level: 5, shuffle });
        }
    }
    codecs
}

/// Returns every dtype with every codec, where each dtype occurs with every value of the other
/// settings; and one dtype of each size with every codec, checksum and sharding, where the rest is
/// random.
pub(crate) fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for (c, codec) in codecs().into_iter().enumerate() {
        settings.extend(DType::ALL.into_iter().enumerate().map(|(d, dtype)| Setting {
            dtype,
            codec,
            checksum: CHECKSUMS[(c / 4 + d) % 2],
            shape: &SHAPES[(c + d) % SHAPES.len()],
            has_automatic_chunks: (c + d / 2).is_multiple_of(2),
            shards: SHARDINGS[(c / 3 + d) % 3],
            fill: Fill::ALL[(c + d) % Fill::ALL.len()],
            is_in_group: (c / 2 + d).is_multiple_of(2),
            is_of_blocks: false,
        }));
    }

    // Knuth's linear congruential generator, which gives the same numbers everywhere.
    let mut state = 1_u64;
    let mut draw = |n: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for codec in codecs() {
        for dtype in DTYPE_OF_SIZE {
            for checksum in CHECKSUMS {
                settings.extend(SHARDINGS.map(|shards| Setting {
                    dtype,
                    codec,
                    checksum,
                    shape: &SHAPES[draw(SHAPES.len())],
                    has_automatic_chunks: draw(3) == 0,
                    shards,
                    fill: Fill::ALL[draw(Fill::ALL.len())],
                    is_in_group: draw(2) == 0,
                    is_of_blocks: false,
                }));
            }
        }
    }
    settings
}

/// Returns arrays in rectilinear grids: every codec with every checksum and every shape.
pub(crate) fn settings_of_blocks() -> Vec<Setting> {
    let shapes = SHAPES.iter().chain([&MANY]).cycle();
    let settings =
        codecs().into_iter().flat_map(|codec| CHECKSUMS.map(|checksum| (codec, checksum)));
    let of_blocks = settings.zip(shapes).zip(DTYPE_OF_SIZE.into_iter().cycle());
    of_blocks
        .zip(Fill::ALL.into_iter().cycle())
        .map(|((((codec, checksum), shape), dtype), fill)| Setting {
            dtype,
            codec,
            checksum,
            shape,
            has_automatic_chunks: true,
            shards: Sharding::None,
            fill,
            is_in_group: false,
            is_of_blocks: true,
        })
        .collect()
}

impl Setting {
    /// Returns the array with its blocks and its storage settings.
    pub(crate) fn case(&self, seed: u64) -> Case {
        let Shape { rows, columns, trailing, chunks, shards, .. } = self.shape;
        let chunks = if self.has_automatic_chunks {
            Chunks::Automatic(CHUNK_BYTES)
        } else {
            Chunks::Explicit(chunks.to_vec())
        };
        let shards = match self.shards {
            Sharding::None => None,
            Sharding::Explicit => Some(Shards::Explicit(shards.to_vec())),
            Sharding::Automatic => Some(Shards::Automatic(SHARD_BYTES)),
        };
        Case {
            dtype: self.dtype,
            seed,
            rows: rows.to_vec(),
            columns: columns.map(<[usize]>::to_vec),
            trailing: trailing.to_vec(),
            chunks,
            shards,
            codec: self.codec,
            checksum: self.checksum,
            n_threads: 1,
        }
    }

    /// Returns the names of the bytes-to-bytes codecs, in order.
    pub(crate) fn codec_names(&self) -> Vec<String> {
        let codec = match self.codec {
            Codec::None => None,
            Codec::Zstd { .. } => Some("zstd"),
            Codec::Gzip { .. } => Some("gzip"),
            Codec::Blosc { .. } => Some("blosc"),
            codec => unreachable!("{codec:?} is not in the matrix"),
        };
        let checksum = (self.checksum == Checksum::Crc32c).then_some("crc32c");
        codec.into_iter().chain(checksum).map(str::to_owned).collect()
    }

    /// Returns a short name that contains all settings.
    pub(crate) fn name(&self) -> String {
        let codec = match self.codec {
            Codec::Blosc { compressor, shuffle, .. } => {
                format!("blosc-{compressor:?}-{shuffle:?}").to_lowercase()
            }
            Codec::None => "none".to_owned(),
            _ => self.codec_names()[0].clone(),
        };
        let checksum = if self.checksum == Checksum::Crc32c { "-crc32c" } else { "" };
        let chunks = match self {
            Setting { is_of_blocks: true, .. } => "-blocks",
            Setting { has_automatic_chunks: true, .. } => "-autochunks",
            _ => "",
        };
        let shards = match self.shards {
            Sharding::None => "",
            Sharding::Explicit => "-shards",
            Sharding::Automatic => "-autoshards",
        };
        let fill = format!("{:?}", self.fill).to_lowercase();
        let Setting { dtype, shape, .. } = self;
        format!("{dtype}-{codec}{checksum}-{}{chunks}{shards}-{fill}", shape.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_of_settings_occurs() {
        let settings = settings();
        let columns: Vec<Vec<String>> = settings
            .iter()
            .map(|setting| {
                vec![
                    setting.dtype.to_string(),
                    format!("{:?}", setting.codec),
                    format!("{:?}", setting.checksum),
                    setting.shape.name.to_owned(),
                    setting.has_automatic_chunks.to_string(),
                    format!("{:?}", setting.shards),
                    format!("{:?}", setting.fill),
                    setting.is_in_group.to_string(),
                ]
            })
            .collect();
        let n_values = |i: usize| columns.iter().map(|row| &row[i]).collect::<BTreeSet<_>>().len();
        for i in 0..columns[0].len() {
            for j in 0..i {
                let pairs: BTreeSet<_> = columns.iter().map(|row| (&row[i], &row[j])).collect();
                assert_eq!(pairs.len(), n_values(i) * n_values(j), "settings {i} and {j}");
            }
        }
    }
}
