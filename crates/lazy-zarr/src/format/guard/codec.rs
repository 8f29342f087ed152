//! A guarded codec: what it allocates is bounded, and it decodes chunks only whole.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use zarrs::array::codec::api::{
    BytesPartialDecoderTraits, PartialDecoderCapability, PartialEncoderCapability,
};
use zarrs::array::codec::api::{BytesToBytesCodecTraits, CodecMetadataOptions, CodecTraits};
use zarrs::array::codec::{BloscCodec, Bz2Codec, Crc32cCodec, GzipCodec, ZlibCodec, ZstdCodec};
use zarrs::array::{
    ArrayBytesRaw, BytesRepresentation, CodecError, CodecOptions, RecommendedConcurrency,
};
use zarrs::metadata::Configuration;
use zarrs::plugin::{ExtensionName, ZarrVersion};

use super::decompress::{Format, decompress};
use super::whole::WholeDecoder;

/// What others need to add to a chunk at most, however small it is.
pub(super) const MARGIN: u64 = 64 << 10;

/// A codec that decodes a chunk to no more bytes than it can have, and only whole, so that a checksum is
/// checked whatever part of the chunk is asked for.
#[derive(Debug)]
pub(super) struct Guard {
    codec: Arc<dyn BytesToBytesCodecTraits>,
    method: Method,
    /// The bytes that come out at most, whatever is estimated.
    most: u64,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    /// By a decompressor that stops.
    Decompress(Format),
    /// The codec allocates what the header says, which can be looked at.
    Blosc,
    /// CRC-32C at the end, which the codec adds, and takes away, by copying all before it.
    Checksum,
    /// What comes out is no larger than what goes in: another checksum, a shuffle.
    Plain,
}

impl Guard {
    pub(super) fn new(codec: Arc<dyn BytesToBytesCodecTraits>, most: u64) -> Arc<Guard> {
        let any = codec.as_any();
        let method = if any.is::<ZstdCodec>() {
            Method::Decompress(Format::Zstd)
        } else if any.is::<GzipCodec>() {
            Method::Decompress(Format::Gzip)
        } else if any.is::<ZlibCodec>() {
            Method::Decompress(Format::Zlib)
        } else if any.is::<Bz2Codec>() {
            Method::Decompress(Format::Bzip2)
        } else if any.is::<BloscCodec>() {
            Method::Blosc
        } else if any.is::<Crc32cCodec>() && appends_checksum(&*codec) {
            Method::Checksum
        } else {
            Method::Plain
        };
        Arc::new(Guard { codec, method, most })
    }

    /// The bytes that the decoded chunk has at most.
    fn limit(&self, decoded: &BytesRepresentation) -> usize {
        let limit = match decoded {
            BytesRepresentation::FixedSize(n_bytes) => *n_bytes,
            // The bound is an estimate for this crate's own encoders; others may need more.
            BytesRepresentation::BoundedSize(n_bytes) => {
                n_bytes.saturating_mul(2).saturating_add(MARGIN).min(self.most)
            }
            BytesRepresentation::UnboundedSize => self.most,
        };
        limit.try_into().unwrap_or(usize::MAX)
    }
}

impl ExtensionName for Guard {
    fn name(&self, version: ZarrVersion) -> Option<Cow<'static, str>> {
        self.codec.name(version)
    }
}

impl CodecTraits for Guard {
    fn as_any(&self) -> &dyn Any {
        self
    }

    // It has no metadata of its own: that is written with the codec itself.
    fn configuration(&self, _: ZarrVersion, _: &CodecMetadataOptions) -> Option<Configuration> {
        None
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        PartialDecoderCapability { partial_read: false, partial_decode: false }
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        PartialEncoderCapability { partial_encode: false }
    }
}

impl BytesToBytesCodecTraits for Guard {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
        self
    }

    fn recommended_concurrency(
        &self,
        decoded: &BytesRepresentation,
    ) -> Result<RecommendedConcurrency, CodecError> {
        self.codec.recommended_concurrency(decoded)
    }

    fn encoded_representation(&self, decoded: &BytesRepresentation) -> BytesRepresentation {
        self.codec.encoded_representation(decoded)
    }

    fn encode<'a>(
        &self,
        decoded: ArrayBytesRaw<'a>,
        options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        match self.method {
            Method::Checksum => Ok(with_checksum(decoded)),
            _ => self.codec.encode(decoded, options),
        }
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        decoded: &BytesRepresentation,
        options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let limit = self.limit(decoded);
        match self.method {
            Method::Decompress(format) => Ok(Cow::Owned(decompress(format, &encoded, limit)?)),
            Method::Blosc => match blosc_decoded_bytes(&encoded) {
                Some(n_bytes) if n_bytes <= limit => self.codec.decode(encoded, decoded, options),
                Some(n_bytes) => Err(CodecError::Other(format!(
                    "it decompresses to {n_bytes} bytes; it must have at most {limit}"
                ))),
                None => Err(CodecError::Other("it is too short for a header of blosc".to_owned())),
            },
            Method::Checksum => without_checksum(encoded),
            Method::Plain => self.codec.decode(encoded, decoded, options),
        }
    }

    fn partial_decoder(
        self: Arc<Self>,
        input: Arc<dyn BytesPartialDecoderTraits>,
        decoded: &BytesRepresentation,
        _: &CodecOptions,
    ) -> Result<Arc<dyn BytesPartialDecoderTraits>, CodecError> {
        Ok(Arc::new(WholeDecoder { input, codec: self, decoded: *decoded }))
    }
}

/// Whether a codec of CRC-32C puts it at the end, as that of Zarr v3 does; there is one that puts it first.
fn appends_checksum(codec: &dyn BytesToBytesCodecTraits) -> bool {
    let bytes = b"where does it go?";
    let encoded = codec.encode(Cow::Borrowed(bytes), &CodecOptions::default());
    encoded.is_ok_and(|encoded| encoded.starts_with(bytes))
}

/// Bytes and their checksum, in the same memory where there is room.
fn with_checksum(decoded: ArrayBytesRaw<'_>) -> ArrayBytesRaw<'_> {
    let checksum = crc32c::crc32c(&decoded).to_le_bytes();
    let mut encoded = match decoded {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(decoded) => {
            let mut encoded = Vec::with_capacity(decoded.len() + checksum.len());
            encoded.extend_from_slice(decoded);
            encoded
        }
    };
    encoded.extend_from_slice(&checksum);
    Cow::Owned(encoded)
}

/// What is before a checksum that fits it, in the same memory.
fn without_checksum(encoded: ArrayBytesRaw<'_>) -> Result<ArrayBytesRaw<'_>, CodecError> {
    let Some((bytes, checksum)) = encoded.split_last_chunk::<4>() else {
        return Err(CodecError::Other("it is too short for a checksum".to_owned()));
    };
    if crc32c::crc32c(bytes).to_le_bytes() != *checksum {
        return Err(CodecError::InvalidChecksum);
    }
    let n_bytes = bytes.len();
    Ok(match encoded {
        Cow::Borrowed(encoded) => Cow::Borrowed(&encoded[..n_bytes]),
        Cow::Owned(mut encoded) => {
            encoded.truncate(n_bytes);
            Cow::Owned(encoded)
        }
    })
}

/// The bytes that a chunk has before Blosc, as its header says: the second of four words, little-endian.
fn blosc_decoded_bytes(encoded: &[u8]) -> Option<usize> {
    let header = encoded.get(..16)?;
    let word = header[4..8].try_into().ok()?;
    usize::try_from(u32::from_le_bytes(word)).ok()
}
