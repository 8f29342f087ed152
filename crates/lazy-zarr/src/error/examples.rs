//! Examples of all errors.

use std::io;
use std::path::PathBuf;

use lazy_core::{BlockIndex, BoxError, DType};

use super::{AccessError, Error, ReadError, ResumeError, SettingError, TargetError, WriteError};
use crate::defect::DefectKind;
use crate::objects::StoreError;

/// Returns an error of each case, and several for some kinds.
pub(crate) fn all() -> Vec<Error> {
    let mut errors = vec![Error::from(lazy_core::Error::empty_sequence())];
    errors.extend(access().into_iter().map(Error::from));
    errors.extend(targets().into_iter().map(Error::from));
    errors.extend(writes().into_iter().map(Error::from));
    errors.extend(resumes().into_iter().map(Error::from));
    errors.extend(settings().into_iter().map(Error::from));
    errors.extend(reads().into_iter().map(Error::from));
    errors
}

const REASON: &str = "it is so";

fn text() -> String {
    "x".to_owned()
}

fn target() -> String {
    "a.zarr".to_owned()
}

fn url() -> String {
    "s3://bucket/a".to_owned()
}

fn path() -> PathBuf {
    "a.zarr/.lazy.1/record".into()
}

fn io_error() -> io::Error {
    io::Error::other("the disk is on fire")
}

fn cause() -> BoxError {
    io_error().into()
}

fn access() -> Vec<AccessError> {
    vec![
        AccessError::Examine { path: path(), source: io_error() },
        AccessError::Store { key: text(), source: cause() },
        AccessError::Store {
            key: "z".into(),
            source: StoreError::Denied("no entry".into()).into(),
        },
        AccessError::InvalidMetadata { path: text(), source: cause() },
        AccessError::UnknownNode { path: text() },
        AccessError::LongMetadata { path: text(), n_bytes: 2, limit: 1 },
    ]
}

fn targets() -> Vec<TargetError> {
    use TargetError as E;
    vec![
        E::UnknownScheme { url: "ftp://a".into(), scheme: "ftp".into() },
        E::InvalidUrl { url: "file:/a".into(), reason: REASON },
        E::InvalidUrl { url: "s3:///a".into(), reason: REASON },
        E::FeatureOff { url: url(), scheme: "s3".into(), feature: "s3" },
        #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
        E::StoreOption { url: url(), key: "regoin".into(), reason: REASON },
        #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
        E::OpenStore { url: url(), source: cause() },
        #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
        E::NoCredentials { url: url() },
        E::InvalidStorePath { path: text(), reason: text() },
        E::InvalidName { name: "a/b".into(), reason: REASON },
        E::InvalidName { name: text(), reason: REASON },
        E::InvalidPath { path: path(), reason: REASON },
        E::Exists { target: target() },
        E::ExistsOfOther { target: target() },
        E::ExistsOfUnknown { target: target() },
        E::Differs { target: target(), at: BlockIndex::Block(3) },
        E::RowsDiffer { target: target(), at: BlockIndex::Block(3) },
        E::RowsOfOther { target: target() },
        E::IsGroup { target: target() },
        E::IsFile { target: target() },
        E::NotZarr { target: target() },
        E::InArray { target: target(), array: text() },
        E::InConsolidatedGroup { action: "write", target: target(), group: "groups/g".into() },
        E::InConsolidatedGroup { action: "remove", target: target(), group: "groups/g".into() },
        E::InV2Group { target: target(), group: text() },
        E::NotAGroup { target: target(), place: text(), actual: "a file" },
        E::NoConditions { target: target() },
        E::NotAppendable { target: target(), reason: REASON },
        E::UnknownKeys { target: target() },
        E::NotFound { target: target() },
        E::BrokenLink { link: "link".into() },
        E::NotAnArray { target: target(), reason: REASON, members: Vec::new() },
        E::NotAnArray { target: target(), reason: REASON, members: vec!["b".into()] },
        E::NotAnArray { target: target(), reason: REASON, members: vec!["b".into(), "c".into()] },
        E::NoGroup { target: target(), reason: "it is a Zarr array" },
        E::NoGroup { target: target(), reason: "it is a file" },
        E::ReadOnlyGroup { target: target() },
        E::NotRemovable { target: target(), reason: REASON },
        E::Replaced { target: target() },
        E::PlanGone { target: target() },
        E::Removed { target: target() },
    ]
}

fn writes() -> Vec<WriteError> {
    use WriteError as E;
    let in_the_way = io::ErrorKind::AlreadyExists.into();
    vec![
        E::Locked { target: target(), holder: "process 7".into() },
        E::Locked { target: target(), holder: super::THIS_PROCESS.into() },
        E::MaybeLocked { target: target(), holder: "process 7".into() },
        E::MaybeClaimed { target: target(), holder: "process 7".into() },
        E::MaybePublished { target: target(), source: "no answer".into() },
        E::Conflict { target: target(), key: "a/zarr.json".into() },
        E::TakenOver { target: target() },
        E::ChunksLost { target: target(), missing: None, expected: 2, found: 1 },
        E::ChunksLost { target: target(), missing: Some(text()), expected: 2, found: 1 },
        E::NotWritable { target: target(), directory: path(), source: io_error() },
        E::NotWritable { target: target(), directory: path(), source: in_the_way },
        E::Write { path: path(), source: io_error() },
        E::Publish { target: target(), source: io_error() },
        E::Flush { target: target(), source: io_error() },
        E::Unflushed { target: target(), source: io_error() },
        E::ReplacedAtOnce { target: target() },
        E::LastRowsChanged { target: target() },
        E::Thread { source: io_error() },
        E::MemoryLimit { target: target(), needed: 2, limit: 1 },
        E::MemoryLeft { target: target(), needed: 2, left: 1 },
        E::WriterPanicked { chunk: vec![2, 3], message: text() },
        E::Encode { chunk: vec![2, 3], source: cause() },
        E::Metadata { source: cause() },
    ]
}

fn resumes() -> Vec<ResumeError> {
    let mismatch = ResumeError::Mismatch {
        target: target(),
        directory: path(),
        what: "key",
        expected: text(),
        actual: text(),
    };
    vec![
        ResumeError::NotResumable { target: target(), reason: REASON },
        mismatch,
        ResumeError::Unfinished { target: target(), directory: path(), key: text() },
        ResumeError::Planned { target: target(), directory: path(), key: text() },
        ResumeError::NoPlan { target: target() },
        ResumeError::PlanMismatch {
            target: target(),
            directory: path(),
            what: "dtype",
            expected: text(),
            actual: text(),
        },
        ResumeError::NotPlannable { target: target(), action: REASON },
        ResumeError::InvalidRecord { path: path(), reason: text() },
    ]
}

fn settings() -> Vec<SettingError> {
    use SettingError as E;
    let shape = || vec![2, 3];
    vec![
        E::ChunkRank { unit: "chunk", shape: shape(), n_axes: 1 },
        E::ChunkRank { unit: "shard", shape: vec![2], n_axes: 2 },
        E::ChunkShape { unit: "chunk", shape: shape(), reason: REASON },
        E::ChunkShape { unit: "shard", shape: shape(), reason: REASON },
        E::ShardShape { shard_shape: shape(), chunk_shape: shape() },
        E::IrregularBlocks { band: 2 },
        E::TooManyBlocks { most: 1 },
        E::ShardsOfBlocks,
        E::NoKey { target: target() },
        E::ChunkTooLarge { codec: "blosc", limit: 1, actual: 2 },
        E::DimensionNames { names: vec![text()], n_axes: 2 },
        E::FillValueDType { expected: DType::Bool, actual: DType::Int8 },
        E::Attribute { name: text(), reason: text() },
        E::AppendedResult { target: target() },
        E::NotOfArray { target: target(), setting: "codec", expected: text(), actual: text() },
        E::NotRowsOfArray { target: target(), expected: text(), actual: text() },
        E::RowTypeUnknown,
        E::BlockShape { block_shape: shape(), row_shape: vec![4], n_cut: 1 },
        E::OutOfRange { setting: "gzip level", value: 10, range: "from 0 to 9" },
    ]
}

fn reads() -> Vec<ReadError> {
    use ReadError as E;
    let (shape, region) = (|| vec![2, 3], || vec![0..1, 0..3]);
    let mut errors = vec![
        E::Open { target: target(), source: cause() },
        E::Malformed { target: target(), source: cause() },
        E::UnsupportedDataType { target: target(), data_type: text() },
        E::OutOfBounds { region: region(), shape: shape() },
        E::BlockSizes { axis: 0, actual: 1, shape: shape() },
        E::NoAxis { axis: 2, shape: shape() },
        E::Region { target: target(), region: region(), source: cause() },
        E::ChunkMemory { target: target(), unit: "chunk", shape: shape(), bytes: 1 },
        E::RegionMemory { target: target(), region: region(), bytes: 1 },
        E::SizesMemory { target: target(), axis: 0, n_chunks: 1 },
    ];
    let defects = [
        DefectKind::Missing,
        DefectKind::Truncated { expected: 2, actual: 1 },
        DefectKind::Corrupt { source: cause() },
        DefectKind::Unreadable { source: cause() },
    ];
    errors.extend(defects.map(|defect| E::Chunk {
        target: target(),
        chunk: vec![0, 0],
        key: "c/0/0".into(),
        defect,
    }));
    errors
}
