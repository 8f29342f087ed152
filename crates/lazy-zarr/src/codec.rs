//! How the bytes of a chunk are encoded.

use std::sync::Arc;

use lazy_core::DType;
use zarrs::array::codec::api::BytesToBytesCodecTraits;
use zarrs::array::codec::{
    BloscCodec, BloscCompressor as ZarrsCompressor, BloscShuffleMode, Crc32cCodec, GzipCodec,
    ZstdCodec,
};

use crate::{Error, Result};

/// How the bytes of a chunk are encoded; of each chunk by itself, when chunks lie in shards.
///
/// All of them take every dtype, and all of them are lossless and in the Zarr v3 specification or
/// its registry, so that the usual readers have them.
///
/// # Which one
///
/// Each cell is the size as a part of the raw size, then the MB/s of storing in memory and of reading
/// back, on one thread, for 64 MiB in chunks of 8 MiB; medians of five runs in which the codecs took
/// turns on one machine. `cargo run --release -p lazy-zarr --example codecs` measures them on yours.
///
#[doc = include_str!("../codecs.md")]
///
/// Floats that come out of a computation are mostly noise, and nothing makes noise much smaller: what
/// can be had is in their signs and exponents, which shuffling the bits brings together. So the default
/// is LZ4 at level 5 behind Blosc's bit shuffle. On float32 noise it is both smaller and faster than
/// Zstandard without a shuffle; what is smaller by a few percent takes several times as long; and it
/// does well where data is smooth or integer. [`Codec::None`] is faster still where disks are.
///
/// # Example
///
/// ```
/// use lazy_zarr::{BloscCompressor, Codec, Shuffle, ZarrSink};
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
    /// As they are, little-endian.
    None,
    /// Compressed by Zstandard.
    Zstd {
        /// The compression level: from 1, the fastest, to 22; 0 is the library's default, and
        /// negative levels, down to -131072, are faster still.
        level: i32,
    },
    /// Compressed by DEFLATE in the format of gzip: slow, and read by everything.
    Gzip {
        /// The compression level: from 0, which stores, to 9.
        level: u32,
    },
    /// Shuffled and compressed by Blosc. A chunk has less than 2 GiB.
    Blosc {
        /// What compresses the shuffled bytes.
        compressor: BloscCompressor,
        /// The compression level: from 0, which stores, to 9.
        level: u8,
        /// How bytes are put in another order beforehand.
        shuffle: Shuffle,
    },
}

/// What compresses within [`Codec::Blosc`].
///
/// # Example
///
/// Fast for an array that is read again soon, small for one that is kept:
///
/// ```
/// use lazy_zarr::{BloscCompressor, Codec, Shuffle};
/// # use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// # use lazy_zarr::{ToZarr, ZarrSink};
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
    /// LZ4: fast.
    Lz4,
    /// Zstandard: small.
    Zstd,
}

/// The order in which [`Codec::Blosc`] compresses the bytes of a chunk's elements.
///
/// # Example
///
/// What a shuffle gains for data like one's own, an observer hears:
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// #
/// # use lazy_core::{LazyChunkSequence, NdarrayConverter, Progress};
/// # use lazy_zarr::{MemoryStore, ToZarr};
/// use lazy_zarr::{BloscCompressor, Codec, Result, Shuffle, ZarrSink};
/// use ndarray::Array1;
///
/// fn stored_bytes(shuffle: Shuffle) -> Result<u64> {
///     let codec = Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle };
/// #   let last = Arc::new(Mutex::new(Progress::default()));
/// #   let heard = Arc::clone(&last);
///     let sink = ZarrSink::new(Arc::new(MemoryStore::new()))
///         .with_codec(codec)
///         .with_observer(move |progress: &Progress| *heard.lock().unwrap() = *progress);
///     LazyChunkSequence::new(|| [Array1::linspace(1.0, 2.0, 10_000)])
///         .convert(NdarrayConverter)
///         .to_zarr(sink)?;
///     let progress = last.lock().unwrap();
///     Ok(progress.stored_bytes)
/// }
///
/// // 10 000 float64, whose signs, exponents and first digits vary little.
/// assert!(stored_bytes(Shuffle::Bit)? < stored_bytes(Shuffle::None)?);
/// # Ok::<(), lazy_zarr::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shuffle {
    /// That of the elements.
    None,
    /// The first bytes of all elements, then the second bytes, and so on.
    Byte,
    /// The first bits of all elements, then the second bits, and so on: for numbers of which some bits
    /// vary and others do not.
    Bit,
}

/// What is stored with each chunk to tell later whether its bytes are what was written.
///
/// Where chunks are compressed, it is [`Crc32c`](Checksum::Crc32c) by default: it takes hardly any time, and a
/// compressed chunk is read whole in any case. Where they are not, there is none by default: reading a part
/// of a chunk takes that part alone then, and with a checksum the whole.
///
/// Writing and reading take so many times as long with it, for chunks of 8 MiB, on one thread and a file
/// system in memory; the best of 15 turns, in two runs:
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
/// use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{Checksum, Codec, Error, ToZarr, ZarrSink};
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
/// assert!(matches!(stored.read(), Err(Error::ReadChunk { key, .. }) if key == "c/0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// Nothing.
    None,
    /// Four bytes of CRC-32C over the encoded chunk. Readers check it.
    Crc32c,
}

impl Default for Codec {
    /// Blosc: LZ4 at level 5 behind bit shuffle.
    fn default() -> Codec {
        Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle: Shuffle::Bit }
    }
}

/// The largest chunk that Blosc takes, in bytes.
const BLOSC_MAX_BYTES: usize = i32::MAX as usize - 16;

impl Codec {
    /// The checksum where none is asked for.
    pub(crate) fn default_checksum(self) -> Checksum {
        match self {
            Codec::None => Checksum::None,
            _ => Checksum::Crc32c,
        }
    }

    pub(crate) fn check(self) -> Result<()> {
        let (setting, level, range, is_valid) = match self {
            Codec::None => return Ok(()),
            Codec::Zstd { level } => (
                "the zstd level",
                level.into(),
                "between -131072 and 22",
                (-131_072..=22).contains(&level),
            ),
            Codec::Gzip { level } => {
                ("the gzip level", level.into(), "between 0 and 9", level <= 9)
            }
            Codec::Blosc { level, .. } => {
                ("the blosc level", level.into(), "between 0 and 9", level <= 9)
            }
        };
        if is_valid { Ok(()) } else { Err(Error::Setting { setting, value: level, range }) }
    }

    /// Checks what can be said once it is known how large a chunk can be.
    pub(crate) fn check_chunk(self, n_bytes: usize) -> Result<()> {
        match self {
            Codec::Blosc { .. } if n_bytes > BLOSC_MAX_BYTES => Err(Error::ChunkTooLarge {
                codec: "blosc",
                limit: BLOSC_MAX_BYTES,
                actual: n_bytes,
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn zarrs_codecs(
        self,
        dtype: DType,
        checksum: Checksum,
    ) -> Result<Vec<Arc<dyn BytesToBytesCodecTraits>>> {
        let impossible = |source: lazy_core::BoxError| Error::Metadata { source };
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

    /// The bytes that an encoded chunk has at most.
    pub(crate) fn encoded_bytes(self, n_bytes: usize) -> usize {
        let growth = match self {
            Codec::None => 0,
            Codec::Zstd { .. } | Codec::Blosc { .. } => n_bytes / 128,
            Codec::Gzip { .. } => n_bytes / 7,
        };
        n_bytes.saturating_add(growth).saturating_add(256)
    }

    /// What a thread allocates to encode a chunk, beside its elements.
    pub(crate) fn encoding_bytes(self, n_bytes: usize, checksum: Checksum) -> usize {
        let encoded = self.encoded_bytes(n_bytes);
        let compressing = match self {
            // They are stored as they are, where that is what little-endian is.
            Codec::None if cfg!(target_endian = "little") => 0,
            Codec::None => encoded,
            Codec::Zstd { .. } | Codec::Blosc { .. } => encoded,
            // The buffer doubles as it fills, which moves it; and the compressor's own state.
            Codec::Gzip { .. } => encoded.saturating_mul(3).saturating_add(512 << 10),
        };
        compressing.saturating_add(match checksum {
            Checksum::None => 0,
            Checksum::Crc32c => encoded,
        })
    }
}
