//! The description of written arrays, which the reading program gets.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use lazy_chunks::DType;
use lazy_chunks::zarr::Target;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const FILE_NAME: &str = "manifest.json";

/// The arrays and groups of a directory. All paths are relative to it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) arrays: Vec<Entry>,
    pub(crate) groups: Vec<Group>,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) path: String,
    /// True if a peer consolidates its metadata before it is read here.
    pub(crate) is_consolidated: bool,
}

/// An array and its expected contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// The path of the array's group, if it has one.
    pub(crate) group: Option<String>,
    /// The name of the element type, or the writer's name for it if this library has none.
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) chunks: Vec<usize>,
    pub(crate) shards: Option<Vec<usize>>,
    /// The sizes of the chunks, or shards, along each axis of a rectilinear grid. The last ones may
    /// lie beyond the array.
    pub(crate) sizes: Option<Vec<Vec<usize>>>,
    /// The names of the bytes-to-bytes codecs, in order.
    pub(crate) codecs: Vec<String>,
    /// The fill value's little-endian bytes in hexadecimal.
    pub(crate) fill: String,
    pub(crate) dimension_names: Option<Vec<Option<String>>>,
    pub(crate) attributes: Map<String, Value>,
    /// The file of the elements' little-endian bytes in C order.
    pub(crate) elements: String,
    /// The error of the reader, if it cannot read the array.
    pub(crate) error: Option<Unreadable>,
}

/// The error of an array that cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    /// The name of the variant.
    pub(crate) kind: String,
    /// A part of its message.
    pub(crate) message: String,
}

impl Manifest {
    pub(crate) fn read(directory: &Path) -> Result<Manifest> {
        let path = directory.join(FILE_NAME);
        let json = fs::read(&path).with_context(|| format!("no manifest at {}", path.display()))?;
        Ok(serde_json::from_slice(&json)?)
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        Ok(fs::write(directory.join(FILE_NAME), serde_json::to_vec_pretty(self)?)?)
    }
}

impl Entry {
    /// Returns the element type, or `None` if this library has no such type.
    pub(crate) fn dtype(&self) -> Option<DType> {
        DType::from_name(&self.dtype)
    }
}

/// Returns the target of a path in a manifest: a member of the outermost group, whose name ends in
/// `.zarr`, or an array without a group.
pub(crate) fn target(directory: &Path, path: &str) -> Target {
    match path.split_once(".zarr/") {
        None => Target::from(directory.join(path)),
        Some((group, members)) => {
            let group = Target::from(directory.join(format!("{group}.zarr")));
            members.split('/').fold(group, |group, member| group.member(member))
        }
    }
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
