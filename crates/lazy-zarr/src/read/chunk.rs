//! Checks of a single chunk or shard, which is read and decoded whole.

use std::borrow::Cow;
use std::num::NonZeroU64;

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::BytesRepresentation;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;

use super::array::StoredArray;
use super::gather::ChunkReader;
use super::missing::MissingChunks;
use super::untrusted::{as_usize, caught, n_bytes, sizes};
use crate::defect::{Defect, DefectKind};
use crate::error::{Error, ReadError, Result};
use crate::format::one_thread;
use crate::memory::fits_memory;

impl StoredArray {
    /// Returns the stored bytes of a chunk, or of a shard if there are shards, unless it is absent.
    pub(crate) fn stored_unit(&self, index: &[u64]) -> Result<Option<Bytes>> {
        let key = self.chunks.array.chunk_key(index);
        caught(|| self.chunks.store.get(&key)).map_err(|source| self.unreadable(index, source))
    }

    /// Returns the number of stored bytes of a chunk, or of a shard if there are shards, or 0 if it
    /// is absent.
    pub(crate) fn stored_unit_bytes(&self, index: &[u64]) -> Result<u64> {
        let key = self.chunks.array.chunk_key(index);
        let size = caught(|| self.chunks.store.size_key(&key));
        Ok(size.map_err(|source| self.unreadable(index, source))?.unwrap_or(0))
    }

    fn unreadable(&self, index: &[u64], source: BoxError) -> Error {
        ReadError::Chunk {
            target: self.target.clone(),
            chunk: index.iter().map(|&index| index as usize).collect(),
            key: self.chunks.array.chunk_key_encoding().encode(index).to_string(),
            defect: DefectKind::Unreadable { source },
        }
        .into()
    }
}

impl ChunkReader {
    /// Returns the defect of a chunk, if it has one.
    pub(super) fn defect(&self, index: &[u64]) -> Option<Defect> {
        let kind = self.check_chunk(index).err()?;
        Some(Defect {
            chunk: index.iter().map(|&index| index as usize).collect(),
            key: self.array.chunk_key_encoding().encode(index).to_string(),
            kind,
        })
    }

    /// Reads and decodes a chunk, and checks every checksum in it.
    fn check_chunk(&self, index: &[u64]) -> Result<(), DefectKind> {
        let corrupt = |source: BoxError| DefectKind::Corrupt { source };
        let shape = caught(|| self.array.chunk_shape(index)).map_err(corrupt)?;
        let shape_of_bytes = as_usize(&sizes(&shape)).map_err(corrupt)?;
        let bytes = n_bytes(self.dtype, shape_of_bytes);
        let unreadable = |source: BoxError| DefectKind::Unreadable { source };
        if !fits_memory(bytes) {
            let message = format!("it has {bytes} bytes, which memory cannot hold");
            return Err(unreadable(message.into()));
        }
        let Some(encoded) = self.encoded_chunk(index, &shape)? else { return Ok(()) };
        let decode = || {
            self.array.codecs().decode(
                Cow::Borrowed(&encoded),
                &shape,
                self.array.data_type(),
                self.array.fill_value(),
                &one_thread(),
            )
        };
        caught(|| decode().map(|_| ())).map_err(corrupt)
    }

    /// Returns the bytes of a chunk and checks their number, or `None` if the chunk stands for the
    /// fill value.
    fn encoded_chunk(
        &self,
        index: &[u64],
        shape: &[NonZeroU64],
    ) -> Result<Option<Bytes>, DefectKind> {
        let unreadable = |source: BoxError| DefectKind::Unreadable { source };
        let absent = || match self.missing {
            MissingChunks::FillValue => Ok(None),
            MissingChunks::Error => Err(DefectKind::Missing),
        };
        let key = self.array.chunk_key(index);
        let representation = caught(|| {
            let (data_type, fill_value) = (self.array.data_type(), self.array.fill_value());
            self.array.codecs().encoded_representation(shape, data_type, fill_value)
        });
        if let Ok(BytesRepresentation::FixedSize(expected)) = representation {
            let actual = caught(|| self.store.size_key(&key)).map_err(unreadable)?;
            match actual {
                None => return absent(),
                Some(actual) if actual < expected => {
                    return Err(DefectKind::Truncated { expected, actual });
                }
                Some(actual) if actual > expected => {
                    let message = format!("it has {actual} bytes instead of {expected}");
                    return Err(DefectKind::Corrupt { source: message.into() });
                }
                Some(_) => {}
            }
        }
        match caught(|| self.store.get(&key)).map_err(unreadable)? {
            Some(encoded) => Ok(Some(encoded)),
            None => absent(),
        }
    }
}
