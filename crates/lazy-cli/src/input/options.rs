//! The options of an input.

use globset::{Error, Glob, GlobMatcher};

use crate::location::Location;

/// The options of an input, as plain data.
#[derive(Debug)]
pub(crate) struct InputOptions {
    pub(crate) origin: Origin,
    /// The number of rows that the input must have.
    pub(crate) rows: Option<u64>,
    /// The number of blocks that the input must have.
    pub(crate) blocks: Option<u64>,
    /// The number of blocks side by side in a grid. None if all blocks lie below one another.
    pub(crate) n_columns: Option<usize>,
    /// True if each input becomes one row.
    pub(crate) stack: bool,
    /// True if no block is cut, however large it is, and the blocks of a Zarr array are its chunks.
    pub(crate) keeps_blocks: bool,
    /// The number of threads. None for as many as there are cores.
    pub(crate) n_threads: Option<usize>,
}

/// The place that blocks come from.
#[derive(Debug)]
pub(crate) enum Origin {
    StandardInput,
    /// The standard output of a shell command.
    Command(String),
    Paths(Paths),
}

impl Origin {
    /// Returns true if the blocks can be read only once.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self, Origin::Paths(_))
    }
}

/// Files, folders and Zarr arrays, at paths and URLs.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) paths: Vec<Location>,
    /// True to sort the paths in natural order, false to keep them in the given order.
    pub(crate) sort: bool,
    /// The arrays to read of a file that holds several.
    pub(crate) selection: Selection,
}

/// A choice of the arrays in a file: all of them, or those whose names match a pattern.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pattern: Option<GlobMatcher>,
}

impl Selection {
    pub(crate) fn new(pattern: Option<&str>) -> Result<Selection, Error> {
        let pattern = pattern.map(Glob::new).transpose()?;
        Ok(Selection { pattern: pattern.map(|pattern| pattern.compile_matcher()) })
    }

    /// Returns true if the array of this name is chosen.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }

    /// Returns true if every array is chosen, because there is no pattern.
    pub(super) fn is_all(&self) -> bool {
        self.pattern.is_none()
    }

    pub(super) fn pattern(&self) -> Option<String> {
        self.pattern.as_ref().map(|pattern| pattern.glob().glob().to_owned())
    }
}
