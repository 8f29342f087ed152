//! The codec and the checksum of chunks.

use crate::error::{Result, SettingError};

/// The codec that encodes the bytes of a chunk. In a shard, each chunk is encoded separately.
///
/// Every codec takes every dtype and is lossless. All of them are in the Zarr v3 specification or
/// its registry, so common readers support them.
///
/// # Choosing a codec
///
/// Each cell gives the size relative to the raw size, then the speed in MB/s of storing in memory
/// and of reading back, on one thread, for 64 MiB in chunks of 8 MiB. The values are medians of
/// five runs, in which the codecs took turns on one machine. To measure on your machine, run
/// `cargo run --release -p lazy-zarr --example codecs`.
///
#[doc = include_str!("../../codecs.md")]
///
/// Computed floats are mostly noise, which hardly compresses. The compressible part is in the signs
/// and exponents, which a bit shuffle brings together. So the default is LZ4 at level 5 after
/// Blosc's bit shuffle. On float32 noise it is both smaller and faster than Zstandard without a
/// shuffle, and settings that are a few percent smaller take several times as long. It also does
/// well on smooth and integer data. [`Codec::None`] is faster still on fast disks.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{BloscCompressor, Codec, Shuffle, ZarrSink};
///
/// let small = Codec::Blosc {
///     compressor: BloscCompressor::Zstd,
///     level: 5,
///     shuffle: Shuffle::Byte,
/// };
/// let sink = ZarrSink::new("archive.zarr").with_codec(small);
/// # let _ = sink;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// No compression: the elements in little-endian order.
    None,
    /// Zstandard compression.
    Zstd {
        /// The compression level, from 1 (fastest) to 22. Level 0 is the library's default, and
        /// negative levels down to -131072 are faster still.
        level: i32,
    },
    /// DEFLATE compression in the gzip format. It is slow, but every reader supports it.
    Gzip {
        /// The compression level, from 0 (no compression) to 9.
        level: u32,
    },
    /// Blosc, which shuffles and then compresses. A chunk must be smaller than 2 GiB.
    Blosc {
        /// The compressor of the shuffled bytes.
        compressor: BloscCompressor,
        /// The compression level, from 0 (no compression) to 9.
        level: u8,
        /// The reordering of bytes before compression.
        shuffle: Shuffle,
    },
}

/// The compressor within [`Codec::Blosc`].
///
/// # Example
///
/// Uses a fast codec for arrays that are read again soon, and a small one for arrays that are kept:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{BloscCompressor, Codec, Shuffle};
/// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// # use lazy_chunks::zarr::{ToZarr, ZarrSink};
///
/// fn codec(is_kept: bool) -> Codec {
///     let (compressor, level) =
///         if is_kept { (BloscCompressor::Zstd, 7) } else { (BloscCompressor::Lz4, 3) };
///     Codec::Blosc { compressor, level, shuffle: Shuffle::Bit }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("kept.zarr");
/// # let sequence = LazyChunkSequence::new(|| [ndarray::array![1, 2, 3]]).convert(NdarrayConverter);
/// sequence.to_zarr(ZarrSink::new(&path).with_codec(codec(true)))?;
/// // The metadata names it, so readers need not be told.
/// assert!(std::fs::read_to_string(path.join("zarr.json"))?.contains(r#""cname": "zstd""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BloscCompressor {
    /// LZ4, which is fast.
    Lz4,
    /// Zstandard, which compresses well.
    Zstd,
}

/// The order in which [`Codec::Blosc`] compresses the bytes of a chunk's elements.
///
/// # Example
///
/// Measures the effect of a shuffle on certain data:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicU64, Ordering};
/// #
/// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Progress};
/// # use lazy_chunks::zarr::{MemoryStore, ToZarr};
/// use lazy_chunks::zarr::{BloscCompressor, Codec, Result, Shuffle, ZarrSink};
/// use ndarray::Array1;
///
/// fn stored_bytes(shuffle: Shuffle) -> Result<u64> {
///     let codec = Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle };
///     let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_codec(codec);
///     let n_bytes = AtomicU64::new(0);
///     LazyChunkSequence::new(|| [Array1::linspace(1.0, 2.0, 10_000)])
///         .convert(NdarrayConverter)
///         .with_observer(|progress: &Progress| n_bytes.store(progress.stored_bytes, Ordering::Relaxed))
///         .to_zarr(sink)?;
///     Ok(n_bytes.into_inner())
/// }
///
/// // 10 000 float64, whose signs, exponents and first digits vary little.
/// assert!(stored_bytes(Shuffle::Bit)? < stored_bytes(Shuffle::None)?);
/// # Ok::<(), lazy_chunks::zarr::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shuffle {
    /// The order of the elements, without a shuffle.
    None,
    /// The first bytes of all elements, then the second bytes, and so on.
    Byte,
    /// The first bits of all elements, then the second bits, and so on. It suits numbers in which
    /// some bits vary and others do not.
    Bit,
}

/// The checksum that is stored with each chunk to detect changed bytes.
///
/// If chunks are compressed, the default is [`Crc32c`](Checksum::Crc32c): it takes hardly any time,
/// and a compressed chunk is read whole in any case. If chunks are not compressed, the default is
/// no checksum: a part of a chunk can then be read without the rest, whereas a checksum requires
/// reading the whole chunk.
///
/// The table shows the time of writing and reading with the checksum, relative to the time without,
/// for chunks of 8 MiB, on one thread and a file system in memory. Each cell has the results of two
/// runs, and each result is the best of 15 turns:
///
/// | codec | writing | reading |
/// |---|---|---|
/// | the default | 1.06, 1.04 | 1.08, 1.07 |
/// | Zstandard 1 | 1.05, 1.04 | 1.04, 1.04 |
/// | none | 1.11, 1.10 | 1.27, 1.28 |
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Checksum, Codec, ErrorKind, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path).with_codec(Codec::None).with_checksum(Checksum::Crc32c);
/// let stored =
///     LazyChunkSequence::new(|| [array![1_u8, 2, 3]]).convert(NdarrayConverter).to_zarr(sink)?;
///
/// // A bit of the only chunk turns over on its disk.
/// let mut bytes = std::fs::read(path.join("c/0"))?;
/// bytes[1] ^= 1;
/// std::fs::write(path.join("c/0"), bytes)?;
/// let error = stored.read().unwrap_err();
/// assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some("c/0")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// No checksum.
    None,
    /// A CRC-32C of four bytes over the encoded chunk. Readers check it.
    Crc32c,
}

impl Default for Codec {
    /// Returns Blosc: LZ4 at level 5 after a bit shuffle.
    fn default() -> Codec {
        Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle: Shuffle::Bit }
    }
}

/// The largest chunk that Blosc accepts, in bytes.
const BLOSC_MAX_BYTES: usize = i32::MAX as usize - 16;

impl Codec {
    /// Returns the default checksum for this codec.
    pub(crate) fn default_checksum(self) -> Checksum {
        match self {
            Codec::None => Checksum::None,
            _ => Checksum::Crc32c,
        }
    }

    /// Returns the codec in words.
    pub(crate) fn text(self) -> String {
        match self {
            Codec::None => "none".to_owned(),
            Codec::Zstd { level } => format!("Zstandard of level {level}"),
            Codec::Gzip { level } => format!("gzip of level {level}"),
            Codec::Blosc { compressor, level, shuffle } => {
                let compressor = match compressor {
                    BloscCompressor::Lz4 => "LZ4",
                    BloscCompressor::Zstd => "Zstandard",
                };
                let shuffle = match shuffle {
                    Shuffle::None => "no shuffle",
                    Shuffle::Byte => "a byte shuffle",
                    Shuffle::Bit => "a bit shuffle",
                };
                format!("Blosc with {compressor} of level {level} and {shuffle}")
            }
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let (setting, level, range, is_valid) = match self {
            Codec::None => return Ok(()),
            Codec::Zstd { level } => {
                ("zstd level", level.into(), "from -131072 to 22", (-131_072..=22).contains(&level))
            }
            Codec::Gzip { level } => ("gzip level", level.into(), "from 0 to 9", level <= 9),
            Codec::Blosc { level, .. } => ("blosc level", level.into(), "from 0 to 9", level <= 9),
        };
        if is_valid {
            Ok(())
        } else {
            Err(SettingError::OutOfRange { setting, value: level, range }.into())
        }
    }

    /// Checks the codec against the largest size of a chunk, in bytes.
    pub(crate) fn check_chunk(self, n_bytes: usize) -> Result<()> {
        match self {
            Codec::Blosc { .. } if n_bytes > BLOSC_MAX_BYTES => Err(SettingError::ChunkTooLarge {
                codec: "blosc",
                limit: BLOSC_MAX_BYTES,
                actual: n_bytes,
            }
            .into()),
            _ => Ok(()),
        }
    }
}
