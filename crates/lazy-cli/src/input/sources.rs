//! Notes for the user on how the input was understood.

use std::fmt::Display;

use crate::count::count;

/// The arrays and files of an input, with notes for the user.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(super) n_arrays: usize,
    /// The number of files and Zarr arrays.
    pub(super) n_files: usize,
    /// Notes that the user gets before the first block is read.
    pub(super) notes: Vec<String>,
}

impl Sources {
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns how much was read, such as ` from 3 arrays in 1 file`. It is empty for a stream.
    pub(crate) fn summary(&self) -> String {
        let arrays = count(self.n_arrays, "array");
        match (self.n_arrays, self.n_files) {
            (0, _) => String::new(),
            (n_arrays, n_files) if n_arrays == n_files => format!(" from {arrays}"),
            (_, n_files) => format!(" from {arrays} in {}", count(n_files, "file")),
        }
    }
}

/// Returns the note on entries of a folder or an archive that are not read.
pub(super) fn of_left_out(path: impl Display, left_out: &[String], n_found: usize) -> String {
    format!(
        "ignored {} of {} entries of {path}: {}",
        left_out.len(),
        left_out.len() + n_found,
        few(left_out),
    )
}

/// Returns the note for users who may have meant rows.
pub(super) fn of_vectors(n_vectors: usize, length: usize) -> String {
    format!(
        "{n_vectors} arrays of one axis, each of {length} elements, are joined to one of {}; use \
         --stack to make each of them a row",
        n_vectors.saturating_mul(length)
    )
}

/// Returns the note for users who may have expected natural order.
pub(super) fn of_alphabetical_order() -> String {
    "the inputs are read in the given order, which is alphabetical: part-10 before part-9; use \
     --sort for natural order"
        .to_owned()
}

/// Lists the first of several names.
pub(super) fn few(names: &[String]) -> String {
    const FEW: usize = 5;
    let more = if names.len() > FEW { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(FEW)].join(", "))
}
