//! A guarded codec. Its allocations are bounded, and it decodes only whole chunks.

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

/// The maximum number of bytes that other encoders add to a chunk, however small it is.
pub(super) const MARGIN: u64 = 64 << 10;

/// A codec that limits the size of a decoded chunk and decodes only whole chunks, so that checksums
/// are checked whatever part of a chunk is requested.
#[derive(Debug)]
pub(super) struct Guard {
    codec: Arc<dyn BytesToBytesCodecTraits>,
    method: Method,
    /// The maximum size in bytes of a decoded chunk, whatever the estimate.
    most: u64,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    /// Decompress with a decompressor that stops at the limit.
    Decompress(Format),
    /// Check the size in the header, which the codec allocates.
    Blosc,
    /// Add and remove the CRC-32C at the end without a copy. The codec itself copies all bytes
    /// before it.
    Checksum,
    /// Decode with the codec, whose output is not larger than its input: another checksum or a
    /// shuffle.
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

    /// Returns the maximum size in bytes of the decoded chunk.
    fn limit(&self, decoded: &BytesRepresentation) -> usize {
        let limit = match decoded {
            BytesRepresentation::FixedSize(n_bytes) => *n_bytes,
            // The bound is an estimate for the encoders of this crate. Other encoders may need
            // more.
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

    // A guard has no metadata of its own. The metadata comes from the codec itself.
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

/// Returns true if a CRC-32C codec puts the checksum at the end, as the codec of Zarr v3 does.
/// Another one puts it first.
fn appends_checksum(codec: &dyn BytesToBytesCodecTraits) -> bool {
    let bytes = b"where does it go?";
    let encoded = codec.encode(Cow::Borrowed(bytes), &CodecOptions::default());
    encoded.is_ok_and(|encoded| encoded.starts_with(bytes))
}

/// Returns the bytes followed by their checksum, in the same memory if there is room.
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

/// Returns the bytes before a matching checksum, in the same memory.
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

/// Returns the size in bytes of a decoded chunk according to its Blosc header. The size is the
/// second of four little-endian words.
fn blosc_decoded_bytes(encoded: &[u8]) -> Option<usize> {
    let header = encoded.get(..16)?;
    let word = header[4..8].try_into().ok()?;
    usize::try_from(u32::from_le_bytes(word)).ok()
}
