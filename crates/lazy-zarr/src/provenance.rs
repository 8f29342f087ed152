//! What an array's metadata says of how it came to be.

use lazy_core::{ArrayBlock, BlockPosition, Cut, Location};
use serde_json::{Map, Value, json};

/// The name of the attribute.
pub(crate) const ATTRIBUTE: &str = "provenance";

const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// The sizes of blocks along an axis, as runs of equal ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Runs {
    /// How many blocks, and their size.
    runs: Vec<[usize; 2]>,
}

/// More runs than this are not written down, so that neither memory nor metadata grow with the number
/// of blocks.
const MOST_RUNS: usize = 256;

impl Runs {
    fn push(&mut self, size: usize) {
        if let Some([n_blocks, last]) = self.runs.last_mut()
            && *last == size
        {
            *n_blocks += 1;
        } else if self.runs.len() <= MOST_RUNS {
            self.runs.push([1, size]);
        }
    }

    fn to_json(&self) -> Option<Value> {
        (self.runs.len() <= MOST_RUNS).then(|| json!(self.runs))
    }
}

/// Notes the block grid while blocks go by.
#[derive(Debug)]
pub(crate) struct Provenance {
    cut: Cut,
    rows: Runs,
    /// The columns of the first band and of the open one, when axis 1 is cut.
    columns: Option<Runs>,
    open_columns: Runs,
    /// Whether all bands have the same column blocks.
    is_regular: bool,
}

impl Provenance {
    pub(crate) fn new(cut: Cut) -> Provenance {
        Provenance {
            cut,
            rows: Runs::default(),
            columns: None,
            open_columns: Runs::default(),
            is_regular: true,
        }
    }

    pub(crate) fn add(&mut self, at: BlockPosition, block: &ArrayBlock) {
        if matches!(at.location, Location::Block(_) | Location::NestedBlock(_, 0)) {
            self.end_band();
            self.rows.push(block.shape()[0]);
        }
        if self.cut == Cut::RowsAndColumns {
            self.open_columns.push(block.shape()[1]);
        }
    }

    fn end_band(&mut self) {
        if self.open_columns.runs.is_empty() {
            return;
        }
        let columns = self.columns.get_or_insert_with(|| self.open_columns.clone());
        self.is_regular &= *columns == self.open_columns;
        self.open_columns.runs.clear();
    }

    /// The attribute, after the last block: no time, host or path, so that equal input makes equal
    /// bytes.
    pub(crate) fn attribute(&mut self, shape: &[usize]) -> Value {
        self.end_band();
        let mut attribute = json!({
            "program": PROGRAM,
            "version": env!("CARGO_PKG_VERSION"),
            "shape": shape,
        });
        let columns = self.columns.as_ref().filter(|_| self.is_regular);
        for (name, runs) in [("block_rows", Some(&self.rows)), ("block_columns", columns)] {
            if let Some(runs) = runs.and_then(Runs::to_json) {
                attribute[name] = runs;
            }
        }
        attribute
    }
}

/// The shape that an array had when this crate stored it, all chunks included; none when others did.
pub(crate) fn stored_shape(attributes: &Map<String, Value>) -> Option<Vec<usize>> {
    let attribute = attributes.get(ATTRIBUTE)?;
    if attribute["program"] != PROGRAM {
        return None;
    }
    serde_json::from_value(attribute["shape"].clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is noted of bands of blocks of one row or more and these columns.
    fn noted(cut: Cut, bands: &[(usize, &[usize])]) -> Value {
        let mut provenance = Provenance::new(cut);
        for (i, (n_rows, columns)) in bands.iter().enumerate() {
            for (j, n_columns) in columns.iter().enumerate() {
                let location = match cut {
                    Cut::Rows => Location::Block(i),
                    Cut::RowsAndColumns => Location::NestedBlock(i, j),
                };
                let at = BlockPosition { location, row: 0, column: 0 };
                let elements = vec![0_u8; n_rows * n_columns];
                let block = ArrayBlock::from_vec([*n_rows, *n_columns], elements).unwrap();
                provenance.add(at, &block);
            }
        }
        provenance.attribute(&[7, 8])
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
                "shape": [7, 8],
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
    fn the_stored_shape_is_this_crates_own() {
        let attributes = |value: Value| json!({ ATTRIBUTE: value }).as_object().unwrap().clone();
        let ours = noted(Cut::Rows, &[]);
        assert_eq!(stored_shape(&attributes(ours)), Some(vec![7, 8]));
        assert_eq!(stored_shape(&Map::new()), None);
        for other in [json!("me"), json!({"program": "me", "shape": [1]}), json!({"shape": [1]})] {
            assert_eq!(stored_shape(&attributes(other)), None);
        }
        let absurd = json!({"program": PROGRAM, "shape": [-1]});
        assert_eq!(stored_shape(&attributes(absurd)), None);
    }
}
