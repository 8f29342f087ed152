//! Errors of settings that are invalid, or do not fit the array.

use lazy_core::DType;

use super::{ErrorKind, Facts};

/// A setting is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingError {
    /// `unit` is `chunk` or `shard`.
    #[error(
        "the {unit} shape {shape:?} has {}, but the array has {n_axes}",
        counted(shape.len(), "axis", "axes")
    )]
    ChunkRank { unit: &'static str, shape: Vec<usize>, n_axes: usize },
    #[error("invalid {unit} shape {shape:?}: {reason}")]
    ChunkShape { unit: &'static str, shape: Vec<usize>, reason: &'static str },
    #[error("the shard shape {shard_shape:?} is not a multiple of the chunk shape {chunk_shape:?}")]
    ShardShape { shard_shape: Vec<usize>, chunk_shape: Vec<usize> },
    #[error(
        "the blocks of band {band} do not have the columns of the first band, so they cannot be the \
         chunks of one grid"
    )]
    IrregularBlocks { band: usize },
    #[error("chunks of the shapes of blocks have at most {most} sizes along all axes")]
    TooManyBlocks { most: usize },
    #[error("workers that share the write of {target} need a key")]
    NoKey { target: String },
    #[error("chunks of the shapes of blocks cannot lie in shards")]
    ShardsOfBlocks,
    #[error("a chunk has {actual} bytes, but the codec {codec} takes at most {limit} bytes")]
    ChunkTooLarge { codec: &'static str, limit: usize, actual: usize },
    #[error(
        "got {} {names:?} for an array with {}",
        counted(names.len(), "dimension name", "dimension names"), counted(*n_axes, "axis", "axes")
    )]
    DimensionNames { names: Vec<String>, n_axes: usize },
    #[error("the fill value has dtype {actual}, but the array has dtype {expected}")]
    FillValueDType { expected: DType, actual: DType },
    #[error("cannot store the attribute {name:?}: {reason}")]
    Attribute { name: String, reason: String },
    #[error(
        "cannot append the result of a statistic to {target}: a pass that is repeated would append \
         it again"
    )]
    AppendedResult { target: String },
    #[error("cannot append to {target}: its {setting} is {expected}, not {actual}")]
    NotOfArray { target: String, setting: &'static str, expected: String, actual: String },
    #[error("cannot append rows of {actual} to {target}: its rows are {expected}")]
    NotRowsOfArray { target: String, expected: String, actual: String },
    #[error("the memory bound needs a row type, which the sequence does not declare")]
    RowTypeUnknown,
    #[error(
        "blocks of shape {block_shape:?} do not fit rows of shape {row_shape:?} in a sequence that \
         is cut along {}", counted(*n_cut, "axis", "axes")
    )]
    BlockShape { block_shape: Vec<usize>, row_shape: Vec<usize>, n_cut: usize },
    #[error("{setting} must be {range}, got {value}")]
    OutOfRange { setting: &'static str, value: i64, range: &'static str },
}

impl SettingError {
    pub(super) fn facts(&self) -> Facts<'_> {
        let setting = match self {
            SettingError::ChunkRank { unit: "shard", .. }
            | SettingError::ChunkShape { unit: "shard", .. }
            | SettingError::ShardShape { .. }
            | SettingError::ShardsOfBlocks => "shard shape",
            SettingError::ChunkRank { .. }
            | SettingError::ChunkShape { .. }
            | SettingError::IrregularBlocks { .. }
            | SettingError::TooManyBlocks { .. } => "chunk shape",
            SettingError::ChunkTooLarge { .. } => "chunk size",
            SettingError::DimensionNames { .. } => "dimension names",
            SettingError::FillValueDType { .. } => "fill value",
            SettingError::Attribute { .. } => "attribute",
            SettingError::AppendedResult { .. } => "existing",
            SettingError::NotOfArray { setting, .. } => setting,
            SettingError::NotRowsOfArray { .. } | SettingError::RowTypeUnknown => "row type",
            SettingError::BlockShape { .. } => "block shape",
            SettingError::NoKey { .. } => "resume",
            SettingError::OutOfRange { setting, .. } => setting,
        };
        let target = match self {
            SettingError::AppendedResult { target }
            | SettingError::NoKey { target }
            | SettingError::NotOfArray { target, .. }
            | SettingError::NotRowsOfArray { target, .. } => Some(&**target),
            _ => None,
        };
        Facts { setting: Some(setting), target, ..Facts::of(ErrorKind::InvalidSetting) }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            SettingError::ChunkTooLarge { .. } => {
                Some("use smaller chunks with `ZarrSink::with_chunk_shape`")
            }
            SettingError::AppendedResult { .. } => {
                Some("replace it with `Existing::Replace`, or append rows with `Reducer::of`")
            }
            SettingError::NotOfArray { .. } => {
                Some("leave out the setting: appended rows are stored like the rows of the array")
            }
            SettingError::NotRowsOfArray { .. } => Some("cast the rows with `cast`"),
            SettingError::NoKey { .. } => Some("name what is computed with `with_resume`"),
            SettingError::RowTypeUnknown => Some("declare it with `with_row_type`"),
            _ => None,
        }
    }
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
