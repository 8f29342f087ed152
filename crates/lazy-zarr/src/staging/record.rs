//! The record of a write, by which a later write can tell whether it is the same write.

use std::collections::BTreeSet;

use lazy_core::{BlockGrid, DType, RowType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::Result;
use crate::format::KeySpace;
use crate::format::provenance::StoredRows;
use crate::layout::{BlockRuns, Layout};
use crate::settings::{LayoutSettings, Resume};

/// The identity of a write: everything that its bytes depend on, except the input of the blocks,
/// which the key of the caller identifies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The version of the format of the record.
    version: u32,
    #[serde(rename = "job")]
    pub(crate) key: String,
    /// The revisions of the key that stored chunks. If there are several, the revision of each
    /// chunk is unknown, and no chunk is trusted.
    revisions: BTreeSet<Option<String>>,
    /// The sizes of the blocks along the cut axes.
    block_rows: BlockRuns,
    block_columns: Option<BlockRuns>,
    pub(crate) dtype: DType,
    /// The dtype of the blocks, if they are cast to another dtype.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cast_from: Option<DType>,
    /// The shape of the array without axis 0.
    pub(crate) row_shape: Vec<usize>,
    /// The settings of the caller, from which the layout was made.
    settings: LayoutSettings,
    pub(crate) layout: Layout,
    /// The metadata of the array.
    array: Value,
    /// The number of rows of the array that the write appends to, if it appends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appended_rows: Option<usize>,
}

const VERSION: u32 = 2;

/// A property in which two writes differ.
pub(crate) struct Difference {
    pub(crate) what: &'static str,
    pub(crate) kept: String,
    pub(crate) now: String,
}

impl Record {
    /// Returns the record of a write of an array with this metadata, whose rows have this type.
    pub(crate) fn new(
        resume: &Resume,
        grid: &BlockGrid,
        settings: &LayoutSettings,
        layout: &Layout,
        row_type: RowType,
        metadata: &str,
    ) -> Record {
        Record {
            version: VERSION,
            key: resume.key.clone(),
            revisions: [resume.revision.clone()].into(),
            block_rows: BlockRuns::of(grid.rows()),
            block_columns: grid.columns().map(BlockRuns::of),
            dtype: row_type.dtype,
            cast_from: None,
            row_shape: row_type.shape,
            settings: settings.clone(),
            layout: layout.clone(),
            array: serde_json::from_str(metadata).expect("metadata is JSON"),
            appended_rows: None,
        }
    }

    /// Returns the record of a write that appends the rows to an array of `n_rows` rows.
    pub(crate) fn with_appended_rows(self, n_rows: usize) -> Record {
        Record { appended_rows: Some(n_rows), ..self }
    }

    /// Returns the number of rows of the array that the write appends to, if it appends.
    pub(crate) fn appended_rows(&self) -> Option<u64> {
        self.appended_rows.map(|n_rows| n_rows as u64)
    }

    /// Returns true if the write has no rows.
    pub(crate) fn has_no_rows(&self) -> bool {
        self.block_rows.total() == Some(0)
    }

    /// Returns the record of the same write with blocks of this dtype, which are cast.
    pub(crate) fn with_blocks_of(self, dtype: DType) -> Record {
        Record { cast_from: Some(dtype).filter(|from| *from != self.dtype), ..self }
    }

    /// Returns the dtype of the blocks before they are cast.
    pub(crate) fn dtype_of_blocks(&self) -> DType {
        self.cast_from.unwrap_or(self.dtype)
    }

    /// Returns true if the blocks are cast to another dtype, so that the chunks do not have them.
    pub(crate) fn is_cast(&self) -> bool {
        self.cast_from.is_some()
    }

    /// Returns the block grid.
    pub(crate) fn grid(&self) -> BlockGrid {
        let rows = self.block_rows.sizes();
        match &self.block_columns {
            Some(columns) => BlockGrid::rows_and_columns(rows, columns.sizes()),
            None => BlockGrid::rows_only(rows),
        }
    }

    /// Returns the metadata of the array.
    pub(crate) fn metadata(&self) -> &Value {
        &self.array
    }

    /// Returns the key space of the chunks.
    pub(crate) fn keys(&self) -> Option<KeySpace> {
        KeySpace::of_metadata(self.array.to_string().as_bytes())
    }

    /// Returns the key and the revision of a write whose chunks have one revision.
    pub(crate) fn resume(&self) -> Resume {
        let revision = self.revisions.iter().flatten().next().cloned();
        Resume { revision, ..Resume::new(self.key.clone()) }
    }

    /// Returns true if all chunks have the revision of the write `now`.
    pub(crate) fn is_of_revision_of(&self, now: &Record) -> bool {
        self.revisions == now.revisions
    }

    /// Returns the record of a write that adds chunks of the revision of `now` to the chunks of
    /// this one.
    pub(crate) fn with_revisions_of(&self, now: &Record) -> Record {
        let revisions = self.revisions.union(&now.revisions).cloned().collect();
        Record { revisions, ..self.clone() }
    }

    /// Returns a digest of the properties that a complete array shares with this write.
    ///
    /// The digest excludes the key space, which differs from version to version. If the key has a
    /// revision, the digest also excludes the key and the revision, because the blocks are compared
    /// instead.
    pub(crate) fn digest(&self) -> String {
        let mut record = self.clone();
        if record.revisions.iter().any(Option::is_some) {
            record.key.clear();
            record.revisions.clear();
        }
        if let Some(array) = record.array.as_object_mut() {
            array.remove("chunk_key_encoding");
        }
        format!("{:032x}", xxh3_128(record.to_text().as_bytes()))
    }

    /// Returns true if each block is a chunk.
    pub(crate) fn is_of_blocks(&self) -> bool {
        self.settings.is_of_blocks()
    }

    /// Returns the number of chunks along each axis, or the number of shards in an array with
    /// shards.
    pub(crate) fn n_chunks(&self) -> Vec<u64> {
        let n_rows = self.n_rows().expect("a record whose rows overflow is not sound");
        if self.is_of_blocks() {
            let mut n_chunks = vec![1; 1 + self.row_shape.len()];
            n_chunks[0] = self.block_rows.n_not_empty() as u64;
            if let (Some(columns), Some(n)) = (&self.block_columns, n_chunks.get_mut(1)) {
                *n = columns.n_not_empty() as u64;
            }
            return n_chunks;
        }
        self.layout.n_units(&[&[n_rows], &self.row_shape[..]].concat())
    }

    /// Returns the number of rows of the array once it is published, unless it overflows.
    pub(crate) fn n_rows(&self) -> Option<usize> {
        self.block_rows.total()?.checked_add(self.appended_rows.unwrap_or(0))
    }

    /// Returns the record as text, with a checksum on a line of its own.
    pub(crate) fn to_text(&self) -> String {
        sealed(&serde_json::to_string_pretty(self).expect("a record is what JSON can hold"))
    }

    /// Parses a record. Returns `None` if the text is torn or damaged, and the reason if the text
    /// is intact but cannot be understood.
    pub(crate) fn from_text(text: &[u8]) -> Result<Option<Record>, String> {
        let Some(json) = whole(text) else { return Ok(None) };
        let json: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if json["version"] != VERSION {
            return Err(format!(
                "its version is {}, but only version {VERSION} is supported",
                json["version"]
            ));
        }
        let record: Record = serde_json::from_value(json).map_err(|error| error.to_string())?;
        if record.is_sound() {
            Ok(Some(record))
        } else {
            Err("its sizes do not form an array".to_owned())
        }
    }

    /// Returns true if the layout fits the array.
    pub(super) fn is_sound(&self) -> bool {
        let n_axes = 1 + self.row_shape.len();
        let unit_shape = self.layout.unit_shape();
        self.n_rows().is_some() && unit_shape.len() == n_axes && !unit_shape.contains(&0)
    }

    /// Returns the first property in which a write that is to resume this one differs from it.
    pub(crate) fn difference(&self, now: &Record) -> Option<Difference> {
        fn differ<T: PartialEq>(
            what: &'static str,
            kept: &T,
            now: &T,
            show: impl Fn(&T) -> String,
        ) -> Option<Difference> {
            (kept != now).then(|| Difference { what, kept: show(kept), now: show(now) })
        }
        let json = |what: &'static str, kept: &Value, now: &Value| {
            differ(what, kept, now, ToString::to_string)
        };
        let member = |what, name: &str| json(what, &self.array[name], &now.array[name]);
        let no_columns = "not cut".to_owned();
        differ("key", &self.key, &now.key, |key| format!("{key:?}"))
            .or_else(|| {
                differ(
                    "block sizes along axis 0",
                    &self.block_rows,
                    &now.block_rows,
                    BlockRuns::to_string,
                )
            })
            .or_else(|| {
                differ(
                    "block sizes along axis 1",
                    &self.block_columns,
                    &now.block_columns,
                    |runs| runs.as_ref().map_or(no_columns.clone(), BlockRuns::to_string),
                )
            })
            .or_else(|| differ("dtype", &self.dtype, &now.dtype, DType::to_string))
            .or_else(|| {
                let (kept, now) = (self.dtype_of_blocks(), now.dtype_of_blocks());
                differ("dtype of the blocks", &kept, &now, DType::to_string)
            })
            .or_else(|| {
                differ("shape of a row", &self.row_shape, &now.row_shape, |shape| {
                    format!("{shape:?}")
                })
            })
            .or_else(|| {
                differ(
                    "chunk and shard settings",
                    &self.settings,
                    &now.settings,
                    ToString::to_string,
                )
            })
            .or_else(|| differ("layout", &self.layout, &now.layout, |layout| format!("{layout:?}")))
            .or_else(|| {
                differ("rows of the array", &self.appended_rows, &now.appended_rows, |n_rows| {
                    n_rows.map_or("a new array".to_owned(), |n_rows| n_rows.to_string())
                })
            })
            .or_else(|| member("codecs", "codecs"))
            .or_else(|| member("fill value", "fill_value"))
            .or_else(|| member("dimension names", "dimension_names"))
            .or_else(|| member("attributes", "attributes"))
            .or_else(|| json("metadata", &self.array, &now.array))
    }

    /// Returns the difference from the row type that a sequence declares before its first block.
    pub(crate) fn row_difference(
        &self,
        declared: Option<(DType, &Vec<usize>)>,
    ) -> Option<Difference> {
        let (dtype, row_shape) = declared?;
        let differs = dtype != self.dtype || *row_shape != self.row_shape;
        differs.then(|| Difference {
            what: "type of a row",
            kept: format!("{} {:?}", self.dtype, self.row_shape),
            now: format!("{dtype} {row_shape:?}"),
        })
    }
}

/// Returns the entry of `n_rows` rows of a resumable write from `start` on: the key, and a digest
/// of it, of the number of rows and their type, and of the dtype of the blocks before they are
/// cast. The sizes of the blocks do not matter, since rows are read back in blocks of any sizes.
pub(crate) fn stored_rows(
    resume: &Resume,
    (start, n_rows): (usize, usize),
    row_type: &RowType,
    dtype_of_blocks: DType,
) -> StoredRows {
    let identity = json!([resume.key, n_rows, row_type.dtype, row_type.shape, dtype_of_blocks]);
    let key = format!("{:016x}", xxh3_64(resume.key.as_bytes()));
    let digest = format!("{:032x}", xxh3_128(identity.to_string().as_bytes()));
    StoredRows(start, start.saturating_add(n_rows), key, digest)
}

/// Returns a text with its checksum on a line of its own.
pub(super) fn sealed(text: &str) -> String {
    format!("{text}\n{:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// Returns the text before the checksum if the checksum matches.
pub(super) fn whole(text: &[u8]) -> Option<&str> {
    let (json, checksum) = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.rsplit_once('\n')?;
    (checksum == format!("{:08x}", crc32c::crc32c(json.as_bytes()))).then_some(json)
}
