//! A decoder that decodes the whole chunk, whatever part of it is requested.

use std::borrow::Cow;
use std::sync::Arc;

use zarrs::array::codec::api::{BytesPartialDecoderTraits, BytesToBytesCodecTraits};
use zarrs::array::{ArrayBytesRaw, BytesRepresentation, CodecError, CodecOptions};
use zarrs::storage::StorageError;
use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator, extract_byte_ranges};

/// Decodes the whole chunk for each part. The layer above in zarrs caches the whole chunk, which is
/// passed on without a copy.
pub(super) struct WholeDecoder {
    pub(super) input: Arc<dyn BytesPartialDecoderTraits>,
    pub(super) codec: Arc<dyn BytesToBytesCodecTraits>,
    pub(super) decoded: BytesRepresentation,
}

impl WholeDecoder {
    fn whole(&self, options: &CodecOptions) -> Result<Option<ArrayBytesRaw<'_>>, CodecError> {
        let Some(encoded) = self.input.decode(options)? else { return Ok(None) };
        self.codec.decode(encoded, &self.decoded, options).map(Some)
    }
}

impl BytesPartialDecoderTraits for WholeDecoder {
    fn exists(&self) -> Result<bool, StorageError> {
        self.input.exists()
    }

    fn size_held(&self) -> usize {
        self.input.size_held()
    }

    fn partial_decode(
        &self,
        region: ByteRange,
        options: &CodecOptions,
    ) -> Result<Option<ArrayBytesRaw<'_>>, CodecError> {
        if matches!(region, ByteRange::FromStart(0, None)) {
            return self.whole(options);
        }
        let regions = self.partial_decode_many(Box::new([region].into_iter()), options)?;
        Ok(regions.and_then(|mut regions| regions.pop()))
    }

    fn partial_decode_many(
        &self,
        regions: ByteRangeIterator<'_>,
        options: &CodecOptions,
    ) -> Result<Option<Vec<ArrayBytesRaw<'_>>>, CodecError> {
        let Some(whole) = self.whole(options)? else { return Ok(None) };
        let parts = extract_byte_ranges(&whole, regions)?;
        Ok(Some(parts.into_iter().map(Cow::Owned).collect()))
    }

    fn supports_partial_decode(&self) -> bool {
        false
    }
}
