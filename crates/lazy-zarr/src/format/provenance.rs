//! The provenance in the metadata of an array: the program, the block grid and a checksum.

use lazy_core::{BlockGrid, BlockIndex, BlockPosition, Cut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::layout::BlockRuns;

/// The name of the attribute.
pub(crate) const ATTRIBUTE: &str = "provenance";

const PROGRAM: &str = env!("CARGO_PKG_NAME");
/// The member of the attribute by which a resumable write recognizes the array that it would store.
const DIGEST: &str = "job_xxh3";
/// The member by which workers recognize the array of their plan, if its key has a revision.
const REVISION: &str = "revision_xxh3";
/// The members with the sizes of the blocks along axis 0 and axis 1.
const ROWS: &str = "block_rows";
const COLUMNS: &str = "block_columns";

/// The member of the attribute that lists the rows of resumable writes, as [`StoredRows`].
const APPENDS: &str = "stored_rows";

/// The maximum number of runs that are recorded, so that neither memory nor metadata grows with the
/// number of blocks.
const MOST_RUNS: usize = 256;

/// Adds a block of this size, unless there are too many runs already.
fn record(runs: &mut BlockRuns, size: usize) {
    if runs.n_runs() <= MOST_RUNS {
        runs.push(size);
    }
}

/// Records the block grid while blocks arrive.
#[derive(Debug)]
pub(crate) struct Provenance {
    cut: Cut,
    rows: BlockRuns,
    /// The columns of the first band. `open_columns` are the columns of the band in progress. Both
    /// are unused unless axis 1 is cut.
    columns: Option<BlockRuns>,
    open_columns: BlockRuns,
    /// True if all bands have the same column blocks.
    is_regular: bool,
}

impl Provenance {
    pub(crate) fn new(cut: Cut) -> Provenance {
        Provenance {
            cut,
            rows: BlockRuns::default(),
            columns: None,
            open_columns: BlockRuns::default(),
            is_regular: true,
        }
    }

    /// Returns the record of all blocks of a grid.
    pub(crate) fn of_grid(grid: &BlockGrid) -> Provenance {
        let columns = grid.columns().map(BlockRuns::of);
        Provenance {
            rows: BlockRuns::of(grid.rows()),
            columns: columns.filter(|_| grid.rows().n_blocks() > 0),
            ..Provenance::new(grid.cut())
        }
    }

    /// Records a block of this shape.
    pub(crate) fn add(&mut self, at: BlockPosition, shape: &[usize]) {
        if matches!(at.index, BlockIndex::Block(_) | BlockIndex::NestedBlock(_, 0)) {
            self.end_band();
            record(&mut self.rows, shape[0]);
        }
        if self.cut == Cut::RowsAndColumns {
            record(&mut self.open_columns, shape[1]);
        }
    }

    fn end_band(&mut self) {
        if self.open_columns.n_runs() == 0 {
            return;
        }
        let columns = self.columns.get_or_insert_with(|| self.open_columns.clone());
        self.is_regular &= *columns == self.open_columns;
        self.open_columns.clear();
    }

    /// Returns the attribute of an array that these blocks were appended to, after the last block.
    /// `present` is the attribute before. `is_own` tells whether this crate wrote the metadata.
    /// Returns `None` if the attribute stays as it is.
    pub(crate) fn appended(&mut self, present: Option<&Value>, is_own: bool) -> Option<Value> {
        self.end_band();
        let mut attribute = present.filter(|_| is_own)?.clone();
        let members = attribute.as_object_mut()?;
        members.insert(CHECKSUM.to_owned(), NO_CHECKSUM.into());
        // It describes the write of an array that had fewer rows.
        members.remove(DIGEST);
        members.remove(REVISION);
        let runs = |value: &Value| serde_json::from_value::<BlockRuns>(value.clone()).ok();
        let mut rows = members.remove(ROWS).as_ref().and_then(runs);
        let has_blocks = rows.as_ref().is_none_or(|rows| rows.n_runs() > 0);
        if let Some(rows) = &mut rows {
            rows.extend(&self.rows);
        }
        if let Some(rows) = rows.filter(|rows| rows.n_runs() <= MOST_RUNS) {
            members.insert(ROWS.to_owned(), json!(rows));
        }
        let columns = members.remove(COLUMNS).as_ref().and_then(runs);
        let own = self.columns.as_ref().filter(|columns| columns.n_runs() <= MOST_RUNS);
        // Arrays and writes without blocks have no columns.
        let all = match (&columns, own) {
            (None, Some(own)) if !has_blocks => Some(own),
            (Some(columns), None) if self.rows.n_runs() == 0 => Some(columns),
            (Some(columns), Some(own)) if columns == own => Some(own),
            _ => None,
        };
        if let Some(columns) = all.filter(|_| self.is_regular) {
            members.insert(COLUMNS.to_owned(), json!(columns));
        }
        Some(attribute)
    }

    /// Returns the attribute, after the last block. It contains no time, host or path, so that
    /// equal input gives equal bytes. It contains the digest of the write if the write is
    /// resumable.
    pub(crate) fn attribute(&mut self, digest: Option<String>) -> Value {
        self.end_band();
        let mut attribute = json!({
            "program": PROGRAM,
            "version": env!("CARGO_PKG_VERSION"),
            CHECKSUM: NO_CHECKSUM,
        });
        let columns = self.columns.as_ref().filter(|_| self.is_regular);
        for (name, runs) in [(ROWS, Some(&self.rows)), (COLUMNS, columns)] {
            if let Some(runs) = runs.filter(|runs| runs.n_runs() <= MOST_RUNS) {
                attribute[name] = json!(runs);
            }
        }
        if let Some(digest) = digest {
            attribute[DIGEST] = digest.into();
        }
        attribute
    }
}

/// The rows that a resumable write has stored in an array. It is written as a list of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRows(
    /// The index of the first row.
    pub(crate) usize,
    /// The index behind the last row.
    pub(crate) usize,
    /// The hash of the key.
    pub(crate) String,
    /// The digest of the key, and of the number and the type of the rows.
    pub(crate) String,
);

/// Adds the digest of a revision to the attribute of an array.
pub(crate) fn record_revision(attribute: &mut Value, digest: String) {
    attribute[REVISION] = digest.into();
}

/// Returns the digest of the revision of the plan that stored an array, from the attributes of the
/// array.
pub(crate) fn revision(attributes: &Map<String, Value>) -> Option<&str> {
    attributes.get(ATTRIBUTE)?.get(REVISION)?.as_str()
}

/// Adds the rows of a resumable write to the attribute of an array.
pub(crate) fn record_rows(attribute: &mut Value, rows: &StoredRows) {
    match &mut attribute[APPENDS] {
        Value::Array(appends) => appends.push(json!(rows)),
        appends => *appends = json!([rows]),
    }
}

/// Removes the rows that lie behind the end of an array of `n_rows` rows from its attribute:
/// another program has removed them. Returns true if there were any.
pub(crate) fn forget_rows_behind(attribute: &mut Value, n_rows: usize) -> bool {
    let Some(appends) = attribute.get_mut(APPENDS).and_then(Value::as_array_mut) else {
        return false;
    };
    let n_before = appends.len();
    appends.retain(|rows| {
        serde_json::from_value(rows.clone()).is_ok_and(|StoredRows(_, end, ..)| end <= n_rows)
    });
    appends.len() < n_before
}

/// Returns the rows that resumable writes have stored in an array of `n_rows` rows, the last first.
pub(crate) fn stored_rows(
    attributes: &Map<String, Value>,
    n_rows: usize,
) -> impl Iterator<Item = StoredRows> {
    let appends =
        attributes.get(ATTRIBUTE).and_then(|attribute| attribute.get(APPENDS)?.as_array());
    let appends = appends.into_iter().flatten().rev();
    let rows = appends.filter_map(|rows| serde_json::from_value::<StoredRows>(rows.clone()).ok());
    rows.filter(move |StoredRows(start, end, ..)| start <= end && *end <= n_rows)
}

/// Returns true if an attribute `provenance` was written by this crate.
pub(crate) fn is_own(attribute: &Value) -> bool {
    let is_of_appends = |members: &Map<String, Value>| members.keys().eq([APPENDS]);
    attribute["program"] == PROGRAM || attribute.as_object().is_some_and(is_of_appends)
}

/// Returns the digest of the write that stored an array, from the attributes of the array.
pub(crate) fn digest(attributes: &Map<String, Value>) -> Option<&str> {
    attributes.get(ATTRIBUTE)?.get(DIGEST)?.as_str()
}

/// Returns the text of the metadata with its checksum inserted.
pub(crate) fn with_checksum(metadata: &str) -> String {
    let checksum = format!("{:08x}", crc32c::crc32c(metadata.as_bytes()));
    metadata.replacen(&checksum_line(NO_CHECKSUM), &checksum_line(&checksum), 1)
}

/// The result of comparing the metadata of an array with its checksum.
///
/// [`StoredArray::metadata_checksum`](crate::StoredArray::metadata_checksum) returns it.
///
/// # Example
///
/// A flipped bit changes the fill value, and the metadata is still valid:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MetadataChecksum, StoredArray, ToZarr};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// LazyChunkSequence::new(|| [array![1, 2, 3]]).convert(NdarrayConverter).to_zarr(&path)?;
/// assert_eq!(StoredArray::open(&path)?.metadata_checksum(), MetadataChecksum::Match);
///
/// let metadata = std::fs::read_to_string(path.join("zarr.json"))?;
/// let damaged = metadata.replace("\"fill_value\": 0", "\"fill_value\": 1");
/// std::fs::write(path.join("zarr.json"), damaged)?;
/// assert_eq!(StoredArray::open(&path)?.metadata_checksum(), MetadataChecksum::Mismatch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataChecksum {
    /// This crate wrote the metadata, and it is unchanged.
    Match,
    /// This crate wrote the metadata, and it has changed since: another program resized the array
    /// or set attributes, or the metadata is damaged.
    Mismatch,
    /// Another program wrote the metadata.
    Missing,
}

impl MetadataChecksum {
    /// Compares the text of the metadata of an array with its checksum.
    pub(crate) fn of(metadata: &[u8]) -> MetadataChecksum {
        let holds = |text: &str| metadata.windows(text.len()).any(|at| at == text.as_bytes());
        // A single flipped bit damages at most one of the two texts.
        let is_ours = || holds(CHECKSUM) || holds(&format!("\"{PROGRAM}\""));
        if is_as_written(metadata) {
            MetadataChecksum::Match
        } else if is_ours() {
            MetadataChecksum::Mismatch
        } else {
            MetadataChecksum::Missing
        }
    }
}

/// Returns true if the metadata text of an array is the text that this crate wrote after all chunks
/// were stored. Other programs that copy or change the array write another text.
fn is_as_written(metadata: &[u8]) -> bool {
    /// The path to the checksum. Parsing skips all other entries.
    #[derive(Deserialize)]
    struct Head {
        attributes: Attributes,
    }

    #[derive(Deserialize)]
    struct Attributes {
        provenance: Checksum,
    }

    #[derive(Deserialize)]
    struct Checksum {
        metadata_crc32c: String,
    }

    // A write that takes over changes the white space at the end, so that the metadata differ.
    let Ok(text) = std::str::from_utf8(metadata.trim_ascii_end()) else { return false };
    let Ok(head) = serde_json::from_str::<Head>(text) else { return false };
    let checksum = head.attributes.provenance.metadata_crc32c;
    let text_without = text.replacen(&checksum_line(&checksum), &checksum_line(NO_CHECKSUM), 1);
    format!("{:08x}", crc32c::crc32c(text_without.as_bytes())) == checksum
}

/// The member of the attribute that holds the CRC-32C of the metadata. The checksum covers the
/// metadata with zeros in its place.
const CHECKSUM: &str = "metadata_crc32c";
const NO_CHECKSUM: &str = "00000000";

fn checksum_line(checksum: &str) -> String {
    format!("\"{CHECKSUM}\": \"{checksum}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the attribute for bands of blocks. Each band has a number of rows and the columns of
    /// its blocks.
    fn noted(cut: Cut, bands: &[(usize, &[usize])]) -> Value {
        let mut provenance = Provenance::new(cut);
        for (i, (n_rows, columns)) in bands.iter().enumerate() {
            for (j, n_columns) in columns.iter().enumerate() {
                let index = match cut {
                    Cut::Rows => BlockIndex::Block(i),
                    Cut::RowsAndColumns => BlockIndex::NestedBlock(i, j),
                };
                let at = BlockPosition { index, row: 0, column: 0 };
                provenance.add(at, &[*n_rows, *n_columns]);
            }
        }
        provenance.attribute(None)
    }

    #[test]
    fn the_block_grid_is_runs_of_equal_blocks() {
        let noted = |cut, bands: &[_]| noted(cut, bands);
        let flat = noted(Cut::Rows, &[(2, &[3]), (2, &[3]), (0, &[3]), (1, &[3])]);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            flat,
            json!({
                "program": "lazy-zarr",
                "version": version,
                "metadata_crc32c": "00000000",
                "block_rows": [[2, 2], [1, 0], [1, 1]],
            })
        );
        let nested = noted(Cut::RowsAndColumns, &[(2, &[3, 3, 1]), (1, &[3, 3, 1])]);
        assert_eq!(nested["block_rows"], json!([[1, 2], [1, 1]]));
        assert_eq!(nested["block_columns"], json!([[2, 3], [1, 1]]));
    }

    #[test]
    fn what_is_irregular_is_not_written_down() {
        for last in [&[3, 4][..], &[3], &[3, 3, 1, 0]] {
            let nested = noted(Cut::RowsAndColumns, &[(2, &[3, 3, 1]), (1, last)]);
            assert_eq!(nested.get("block_columns"), None);
            assert!(nested.get("block_rows").is_some());
        }
        let bands = |n| (0..n).map(|i| (i % 2, &[1][..])).collect::<Vec<_>>();
        assert!(noted(Cut::Rows, &bands(MOST_RUNS)).get("block_rows").is_some());
        assert_eq!(noted(Cut::Rows, &bands(MOST_RUNS + 1)).get("block_rows"), None);
        assert_eq!(noted(Cut::Rows, &bands(10 * MOST_RUNS)).get("block_rows"), None);
    }

    #[test]
    fn a_seal_is_broken_by_any_change() {
        let attributes = json!({ ATTRIBUTE: noted(Cut::Rows, &[(2, &[3])]), "other": "00000000" });
        let metadata = json!({ "shape": [2, 3], "attributes": attributes });
        let text = serde_json::to_string_pretty(&metadata).unwrap();
        assert_eq!(MetadataChecksum::of(text.as_bytes()), MetadataChecksum::Mismatch);
        let written = with_checksum(&text);
        assert_eq!(MetadataChecksum::of(written.as_bytes()), MetadataChecksum::Match);
        for i in 0..written.len() {
            let mut changed = written.clone().into_bytes();
            for bit in 0..8 {
                changed[i] ^= 1 << bit;
                assert_eq!(MetadataChecksum::of(&changed), MetadataChecksum::Mismatch, "{i}");
                changed[i] ^= 1 << bit;
            }
        }
        let rewritten: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(
            MetadataChecksum::of(rewritten.to_string().as_bytes()),
            MetadataChecksum::Mismatch
        );
        assert_eq!(MetadataChecksum::of(b"{}"), MetadataChecksum::Missing);
    }
}
