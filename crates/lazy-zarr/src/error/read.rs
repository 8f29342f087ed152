//! Errors of opening and reading an array.

use std::ops::Range;

use lazy_core::BoxError;

use super::{ErrorKind, Facts};
use crate::defect::DefectKind;

/// A stored array could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The metadata holds something that is not supported.
    #[error("cannot open {target}")]
    Open { target: String, source: BoxError },
    /// The metadata is JSON, but an entry is missing or invalid, or entries contradict each other.
    #[error("cannot open {target}: its metadata is invalid")]
    Malformed { target: String, source: BoxError },
    #[error("cannot open {target}: its data type {data_type} is not supported")]
    UnsupportedDataType { target: String, data_type: String },
    #[error("the region {region:?} does not lie within the array of shape {shape:?}")]
    OutOfBounds { region: Vec<Range<usize>>, shape: Vec<usize> },
    #[error(
        "the block sizes along axis {axis} add up to {actual}, but the array has {}",
        match shape.get(*axis) {
            Some(1) => "1 element along it".to_owned(),
            Some(size) => format!("{size} elements along it"),
            None => "no such axis".to_owned(),
        }
    )]
    BlockSizes { axis: usize, actual: usize, shape: Vec<usize> },
    #[error("there is no axis {axis} in the array of shape {shape:?}")]
    NoAxis { axis: usize, shape: Vec<usize> },
    /// `chunk` is the index of a chunk, or of a shard in an array with shards.
    #[error("could not read chunk {chunk:?} (key {key}) of {target}")]
    Chunk {
        target: String,
        chunk: Vec<usize>,
        key: String,
        #[source]
        defect: DefectKind,
    },
    #[error("could not read the region {region:?} of {target}")]
    Region { target: String, region: Vec<Range<usize>>, source: BoxError },
    /// `unit` is `chunk` or `shard`.
    #[error(
        "cannot open {target}: memory cannot hold a {unit} of shape {shape:?}, which has {bytes} \
         bytes"
    )]
    ChunkMemory { target: String, unit: &'static str, shape: Vec<usize>, bytes: u128 },
    #[error("memory cannot hold the region {region:?} of {target}, which has {bytes} bytes")]
    RegionMemory { target: String, region: Vec<Range<usize>>, bytes: u128 },
    #[error("memory cannot hold the sizes of the {n_chunks} chunks of {target} along axis {axis}")]
    SizesMemory { target: String, axis: usize, n_chunks: u64 },
}

impl ReadError {
    pub(super) fn facts(&self) -> Facts<'_> {
        use ReadError as E;
        let of = |kind, target| Facts { target: Some(target), ..Facts::of(kind) };
        match self {
            E::Open { target, .. } | E::UnsupportedDataType { target, .. } => {
                of(ErrorKind::Unsupported, target)
            }
            E::Malformed { target, .. } => of(ErrorKind::Corrupt, target),
            E::OutOfBounds { .. } | E::BlockSizes { .. } | E::NoAxis { .. } => {
                Facts::of(ErrorKind::InvalidRegion)
            }
            E::Chunk { target, chunk, key, defect } => {
                let kind = match defect {
                    // The bytes that could not be read may still be correct.
                    DefectKind::Unreadable { .. } => ErrorKind::Io,
                    _ => ErrorKind::Corrupt,
                };
                Facts {
                    chunk: Some(chunk),
                    key: Some(key),
                    defect: Some(defect),
                    ..of(kind, target)
                }
            }
            E::Region { target, .. } => of(ErrorKind::Io, target),
            E::ChunkMemory { target, .. }
            | E::RegionMemory { target, .. }
            | E::SizesMemory { target, .. } => of(ErrorKind::Memory, target),
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            ReadError::Chunk { defect: DefectKind::Missing, .. } => {
                "if another program removed it because it held only the fill value, read with \
                 `MissingChunks::FillValue`"
            }
            ReadError::RegionMemory { .. } => "read it in parts",
            _ => return None,
        })
    }
}
