//! An array of the input. Any part of it can be read.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{ArrayBlock, BlockPool, BlockSizes, DType};

use super::InputError;
use super::files::InFile;
use super::npz::Member;
use super::source::SourceFile;
use super::stored::Stored;

/// The sizes of the blocks that an array is cut into along an axis.
#[derive(Clone, Debug)]
pub(crate) enum AtOnce {
    /// All blocks have this size, except the last one.
    Uniform(usize),
    Sizes(BlockSizes),
}

/// An array of the input.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An array in a file that stores elements uncompressed.
    InFile(InFile),
    /// An array in an archive.
    Member(Member),
    /// A Zarr array.
    Stored(Box<Stored>),
}

impl Piece {
    /// Returns the name of the file, with the array's name in it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Piece::InFile(array) => &array.name,
            Piece::Member(member) => &member.name,
            Piece::Stored(stored) => &stored.name,
        }
    }

    /// Returns the Zarr array. None for other arrays, and for a Zarr array that becomes a row.
    pub(crate) fn stored(&self) -> Option<&StoredArray> {
        match self {
            Piece::Stored(stored) => {
                (stored.shape == stored.array.shape()).then_some(&stored.array)
            }
            Piece::InFile(_) | Piece::Member(_) => None,
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Piece::InFile(array) => array.layout.dtype,
            Piece::Member(member) => member.layout.dtype,
            Piece::Stored(stored) => stored.array.dtype(),
        }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Piece::InFile(array) => &array.layout.shape,
            Piece::Member(member) => &member.layout.shape,
            Piece::Stored(stored) => &stored.shape,
        }
    }

    /// Returns the number of rows that are read at once.
    pub(crate) fn rows_at_once(&self) -> AtOnce {
        let n_rows = match self {
            Piece::InFile(array) => array.rows_at_once(),
            // A compressed member can be read only from start to end.
            Piece::Member(_) => self.shape()[0],
            Piece::Stored(stored) => return stored.at_once(0),
        };
        AtOnce::Uniform(n_rows.max(1))
    }

    /// Returns the number of columns that are read at once. None if all columns are.
    pub(crate) fn columns_at_once(&self) -> Option<AtOnce> {
        match self {
            Piece::Stored(stored) => (stored.shape.len() > 1).then(|| stored.at_once(1)),
            Piece::InFile(array) => array.columns_at_once().map(AtOnce::Uniform),
            Piece::Member(_) => None,
        }
    }

    /// Returns true if some of the columns can be read without the others.
    pub(crate) fn can_be_cut_along_columns(&self) -> bool {
        !matches!(self, Piece::Member(_))
    }

    /// Returns true if the file may hold several arrays.
    pub(crate) fn is_in_archive(&self) -> bool {
        match self {
            Piece::InFile(array) => array.is_in_archive,
            Piece::Member(_) => true,
            Piece::Stored(_) => false,
        }
    }

    /// Reads rows, with all columns if `columns` is none. Blocks of files use memory of the pool.
    pub(crate) fn read(
        &self,
        rows: Range<usize>,
        columns: Option<Range<usize>>,
        pool: &BlockPool<u8>,
    ) -> Result<ArrayBlock, InputError> {
        match self {
            Piece::InFile(array) => array.read(rows, columns, pool),
            Piece::Member(member) => member.read(pool),
            Piece::Stored(stored) => stored.read(rows, columns),
        }
    }

    /// Returns the path of the file, or of the Zarr array. None for an array in a store.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Piece::InFile(array) => Some(array.file.path()),
            Piece::Member(member) => Some(member.file().path()),
            Piece::Stored(stored) => stored.path(),
        }
    }

    /// Returns a text that changes when the file or the Zarr array changes.
    pub(crate) fn fingerprint(&self) -> Result<String, InputError> {
        match self {
            Piece::InFile(array) => Ok(array.file.fingerprint()),
            Piece::Member(member) => Ok(member.file().fingerprint()),
            Piece::Stored(stored) => stored.fingerprint(),
        }
    }

    /// Returns the file that must not change during the pass. None for a Zarr array, which the
    /// library checks at each read.
    pub(crate) fn source(&self) -> Option<&Arc<SourceFile>> {
        match self {
            Piece::InFile(array) => Some(&array.file),
            Piece::Member(member) => Some(member.file()),
            Piece::Stored(_) => None,
        }
    }
}
