//! Direct reads of chunks whose files contain the elements as they are in memory.

use std::io::{self, IoSliceMut};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::codec::api::{ArrayToBytesCodecTraits, CodecMetadataOptions, CodecTraits};
use zarrs::array::codec::{BytesCodec, BytesCodecConfiguration};
use zarrs::array::{CodecChain, Endianness};
use zarrs::metadata::ConfigurationSerialize;

use super::part::{Part, Span};
use super::places::Pieces;
use crate::defect::MISSING;
use crate::fs::FileSystem;
use crate::layout::overlap::n_elements;
use crate::memory::LARGE_BYTES;
use crate::read::untrusted::n_bytes;
use crate::store::Origin;

/// The largest gap between two runs that are read together, in bytes. Reading the gap takes no
/// longer than opening the file again.
const GAP: usize = 16 << 10;

/// The most bytes that are read at once, if they span several runs.
const MOST_AT_ONCE: usize = 8 << 20;

/// The location of the chunk files.
#[derive(Clone)]
pub(in crate::read) struct Direct {
    file_system: Arc<dyn FileSystem>,
    directory: PathBuf,
    dtype: DType,
}

impl Direct {
    /// Returns the location of the chunk files, if they contain the unencoded elements.
    pub(in crate::read) fn of(
        codecs: &CodecChain,
        dtype: DType,
        origin: &Origin,
    ) -> Option<Direct> {
        let Origin::Directory { file_system, path, .. } = origin else { return None };
        let is_alone =
            codecs.array_to_array_codecs().is_empty() && codecs.bytes_to_bytes_codecs().is_empty();
        (is_alone && is_native(&**codecs.array_to_bytes_codec(), dtype)).then(|| Direct {
            file_system: Arc::clone(file_system),
            directory: path.clone(),
            dtype,
        })
    }

    /// Reads a part of a chunk into new memory, if the part is one run of the file and smaller than
    /// 32 MiB. Returns `None` if the part is better read directly into the output. `absent` is the
    /// element of a missing chunk, or `None` if a missing chunk is an error.
    pub(super) fn read(
        &self,
        part: &Part,
        span: &Span,
        absent: Option<&[u8]>,
    ) -> Result<Option<Bytes>, BoxError> {
        let mut runs = part.runs(self.dtype);
        let n_bytes = self.dtype.size() * n_elements(&part.extent);
        let first = runs.next().filter(|_| runs.length() == n_bytes && n_bytes < LARGE_BYTES);
        let Some((start, _)) = first else { return Ok(None) };
        check_span(self.dtype, part, span)?;
        let length = n_bytes + usize::from(is_all(part, span));
        match self.read_bytes(span, start, length) {
            Ok(bytes) => check_length(bytes.len(), n_bytes).map(|()| Some(bytes)),
            Err(error) => {
                let fill = fill_instead(absent, error.into())?;
                Ok(Some(fill.repeat(n_bytes / fill.len()).into()))
            }
        }
    }

    /// Reads a part of a chunk directly into the output.
    pub(super) fn fill(
        &self,
        part: &Part,
        span: &Span,
        pieces: &mut Pieces<'_>,
        absent: Option<&[u8]>,
    ) -> Result<(), BoxError> {
        check_span(self.dtype, part, span)?;
        if let Err(error) = self.fill_from(span, part, pieces) {
            pieces.repeat(fill_instead(absent, error)?);
        }
        Ok(())
    }

    fn fill_from(&self, span: &Span, part: &Part, pieces: &mut Pieces<'_>) -> Result<(), BoxError> {
        let runs = part.runs(self.dtype);
        let length = runs.length();
        let mut runs = runs.map(|(start, _)| start);
        while let Some(start) = runs.next() {
            let (mut end, mut n_more) = (start + length, 0);
            for next in runs.clone() {
                if next - end > GAP || next + length - start > MOST_AT_ONCE {
                    break;
                }
                (end, n_more) = (next + length, n_more + 1);
            }
            if n_more == 0 {
                let mut slices = pieces.slices(length);
                let mut more = [0];
                if is_all(part, span) {
                    slices.push(IoSliceMut::new(&mut more));
                }
                let (path, offset) = (self.path(span), span.offset + start as u64);
                check_length(self.file_system.read_into(&path, offset, &mut slices)?, length)?;
                pieces.advance(length);
                continue;
            }
            let bytes = self.read_bytes(span, start, end - start)?;
            check_length(bytes.len(), end - start)?;
            for run in std::iter::once(start).chain(runs.by_ref().take(n_more)) {
                pieces.copy(&bytes[run - start..run - start + length]);
            }
        }
        Ok(())
    }

    fn read_bytes(&self, span: &Span, start: usize, length: usize) -> io::Result<Bytes> {
        self.file_system.read(&self.path(span), span.offset + start as u64, Some(length as u64))
    }

    fn path(&self, span: &Span) -> PathBuf {
        self.directory.join(span.key.as_str())
    }
}

/// Returns true if the part is the whole file.
fn is_all(part: &Part, span: &Span) -> bool {
    part.is_whole() && span.length.is_none()
}

/// Checks that a chunk of a shard has as many bytes as its elements.
fn check_span(dtype: DType, part: &Part, span: &Span) -> Result<(), BoxError> {
    let expected = n_bytes(dtype, part.shape.iter().copied());
    match span.length {
        Some(actual) if u128::from(actual) != expected => {
            Err(format!("a chunk of the shard has {actual} bytes instead of {expected}").into())
        }
        _ => Ok(()),
    }
}

/// Returns true if chunks with these codecs must be read whole, whatever part is requested: unless
/// their elements lie in the file one after the other.
pub(in crate::read) fn reads_whole(codecs: &CodecChain) -> bool {
    let is_plain = codecs.array_to_bytes_codec().as_any().is::<BytesCodec>();
    !is_plain || !codecs.bytes_to_bytes_codecs().is_empty()
}

/// Returns true if a codec leaves elements as they are in memory.
fn is_native(codec: &dyn ArrayToBytesCodecTraits, dtype: DType) -> bool {
    let Some(codec) = codec.as_any().downcast_ref::<BytesCodec>() else { return false };
    let configuration = codec.configuration_v3(&CodecMetadataOptions::default());
    let configuration = configuration.map(BytesCodecConfiguration::try_from_configuration);
    let Some(Ok(BytesCodecConfiguration::V1(configuration))) = configuration else { return false };
    dtype.size() == 1 || configuration.endian.is_some_and(Endianness::is_native)
}

/// Returns the element of a missing chunk, if an error says that the chunk is missing.
fn fill_instead(absent: Option<&[u8]>, error: BoxError) -> Result<&[u8], BoxError> {
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match absent {
        _ if !error.downcast_ref().is_some_and(is_missing) => Err(error),
        None => Err(MISSING.into()),
        Some(element) => Ok(element),
    }
}

/// Checks the length of what was read. For a whole chunk, one more byte is requested than expected,
/// to detect a file that is too long.
fn check_length(actual: usize, expected: usize) -> Result<(), BoxError> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("its length is not {expected} bytes").into())
    }
}
