//! The rows of the version that a write appends to.

use crate::format::KeySpace;
use crate::store::node::PresentRows;

/// The rows of the version that a write appends to, and the rows of chunks that the write stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AppendedRows {
    /// The number of rows of the present version.
    pub(crate) n_rows: u64,
    /// The index along axis 0 of the first row of chunks that the write stores.
    pub(crate) first: u64,
    /// The number of rows of chunks of the present version.
    pub(crate) n_present: u64,
}

impl AppendedRows {
    /// Returns the rows of a write that stores rows behind the present ones.
    pub(crate) fn behind(present: PresentRows) -> AppendedRows {
        AppendedRows {
            n_rows: present.n_rows,
            first: present.n_rows / present.unit_rows,
            n_present: present.n_rows.div_ceil(present.unit_rows),
        }
    }

    /// Returns true if a chunk has rows of the present version, so that it is kept elsewhere until
    /// the new rows are published.
    pub(crate) fn is_kept_apart(&self, keys: KeySpace, key: &str) -> bool {
        keys.first_index(key).is_some_and(|row| row < self.n_present)
    }
}
