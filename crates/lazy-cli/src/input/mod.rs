//! Blocks out of a stream, of files, or of Zarr arrays.

mod error;
mod files;
mod grid;
mod layout;
mod npy;
mod npz;
mod piece;
mod source;
mod stored;
mod stream;
mod unchanged;

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use globset::{Glob, GlobMatcher};
use lazy_chunks::{
    ArrayBlock, Cut, DType, LazyChunkSequence, NestedLazyChunkSequence, Reducer, SharedIndexed,
};

pub(crate) use error::InputError;
pub(crate) use files::safetensors_dtype;
pub(crate) use npy::header as npy_header;
pub(crate) use stored::unit;

use crate::arguments;
use crate::failure::{Failure, Result};
use crate::stop;
use grid::PieceGrid;
use piece::Piece;
use source::{check_regular, unreadable};
use stored::Stored;
use stream::Stream;
use unchanged::Unchanged;

/// What there is to be stored or summarized.
#[derive(Debug)]
pub(crate) struct Input {
    blocks: Blocks,
    /// What the blocks are of; none of a stream, which is gone when it was read.
    grid: Option<Arc<PieceGrid>>,
    n_blocks: Option<usize>,
    shape_of_blocks: Arc<OnceLock<ShapeOfBlocks>>,
}

/// What the memory of a pass depends on.
#[derive(Clone, Debug)]
pub(crate) struct ShapeOfBlocks {
    pub(crate) cut: Cut,
    pub(crate) dtype: DType,
    /// The array's shape without axis 0, of a stream of bands as far as it is known.
    pub(crate) row_shape: Vec<usize>,
    /// The shape of the largest block; of a stream, of the first.
    pub(crate) block: Vec<usize>,
    /// How many blocks are alive at once, beside those that a write holds on to.
    pub(crate) n_alive: usize,
}

#[derive(Debug)]
enum Blocks {
    Flat(LazyChunkSequence<'static, ArrayBlock, SharedIndexed>),
    Nested(NestedLazyChunkSequence<'static, ArrayBlock, SharedIndexed>),
    Stream(LazyChunkSequence<'static, ArrayBlock>),
    NestedStream(NestedLazyChunkSequence<'static, ArrayBlock>),
}

impl Input {
    /// Opens the input, and checks all that can be found out without its elements.
    ///
    /// Where whole rows are needed, blocks have all columns as long as there is no grid.
    pub(crate) fn open(arguments: &arguments::Input, whole_rows: bool) -> Result<Input> {
        let n_columns = arguments.grid.map(|n_columns| n_columns as usize);
        if arguments.inputs.iter().any(|path| is_stream(path)) {
            if arguments.inputs.len() > 1 {
                let problem =
                    "standard input (`-`) cannot be joined with other inputs; give it alone";
                return Err(Failure::Usage(problem.to_owned()));
            }
            return Ok(Stream::open(n_columns)?);
        }
        let pieces = pieces(arguments, whole_rows)?;
        let grid = PieceGrid::new(pieces, n_columns)?;
        let n_threads = match arguments.threads {
            Some(n_threads) => n_threads.into(),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(grid.into_input(n_threads))
    }

    /// Evaluates all blocks, once. If a file changes meanwhile, the reducer is not finished.
    pub(crate) fn compute<R: Reducer>(&self, reducer: R) -> Result<R::Output> {
        let reducer = (Unchanged(self.grid.clone()), reducer);
        let ((), output) = match &self.blocks {
            Blocks::Flat(sequence) => sequence.compute(reducer),
            Blocks::Nested(sequence) => sequence.compute(reducer),
            Blocks::Stream(sequence) => sequence.compute(reducer),
            Blocks::NestedStream(sequence) => sequence.compute(reducer),
        }?;
        Ok(output)
    }

    /// What the blocks depend on, where they can be had again. Each file is looked at for it.
    pub(crate) fn job(&self) -> Result<Option<String>> {
        Ok(self.grid.as_ref().map(|grid| grid.job()).transpose()?)
    }

    /// How many blocks there are, where that is known.
    pub(crate) fn n_blocks(&self) -> Option<usize> {
        self.n_blocks
    }

    /// What the blocks are like: of a stream, when the first has come.
    pub(crate) fn shape_of_blocks(&self) -> Arc<OnceLock<ShapeOfBlocks>> {
        Arc::clone(&self.shape_of_blocks)
    }
}

/// The arrays of a file that are asked for.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pattern: Option<GlobMatcher>,
}

impl Selection {
    fn new(pattern: Option<&str>) -> Result<Selection> {
        let pattern = pattern.map(Glob::new).transpose().map_err(|error| {
            Failure::Usage(format!("the pattern of --tensors makes no sense: {error}"))
        })?;
        Ok(Selection { pattern: pattern.map(|pattern| pattern.compile_matcher()) })
    }

    fn has(&self, name: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    }

    fn pattern(&self) -> Option<String> {
        self.pattern.as_ref().map(|pattern| pattern.glob().glob().to_owned())
    }
}

pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Orders names as a reader does: `part-10` comes behind `part-9`.
fn natural_order(a: &str, b: &str) -> Ordering {
    // Names such as `a01` and `a1` are equal in natural order.
    natord::compare(a, b).then_with(|| a.cmp(b))
}

/// All arrays of all inputs, in their order.
fn pieces(arguments: &arguments::Input, whole_rows: bool) -> Result<Vec<Piece>> {
    let selection = Selection::new(arguments.tensors.as_deref())?;
    let mut paths = Vec::new();
    for input in &arguments.inputs {
        paths.extend(expand(input)?);
    }
    if !arguments.as_given {
        paths.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
    }
    let mut pieces = Vec::new();
    for path in &paths {
        if stop::is_asked_for() {
            return Err(Failure::Stopped("stopped before the first block".to_owned()));
        }
        match kind(path) {
            Some(Kind::Npy) => pieces.push(Piece::InFile(files::open_npy(path, whole_rows)?)),
            Some(Kind::Npz) => {
                pieces.extend(npz::open(path, &selection)?.into_iter().map(Piece::Member));
            }
            Some(Kind::Safetensors) => {
                let arrays = files::open_safetensors(path, &selection, whole_rows)?;
                pieces.extend(arrays.into_iter().map(Piece::InFile));
            }
            Some(Kind::Zarr) => {
                pieces.push(Piece::Stored(Box::new(Stored::open(path, whole_rows)?)));
            }
            None => {
                let name = path.display().to_string();
                return Err(InputError::UnknownKind { name }.into());
            }
        }
    }
    Ok(pieces)
}

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Npy,
    Npz,
    Safetensors,
    Zarr,
}

fn kind(path: &Path) -> Option<Kind> {
    if path.is_dir() { Some(Kind::Zarr) } else { kind_by_name(path) }
}

fn kind_by_name(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "npy" => Some(Kind::Npy),
        "npz" => Some(Kind::Npz),
        "safetensors" => Some(Kind::Safetensors),
        _ => None,
    }
}

/// The files of a folder that are input, or the path itself.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let of_path = |source| unreadable(path, source);
    let metadata = fs::metadata(path).map_err(of_path)?;
    if !metadata.is_dir() {
        check_regular(path, &metadata)?;
        return Ok(vec![path.to_owned()]);
    }
    for name in [".zarray", "zarr.json"] {
        let metadata = path.join(name);
        if metadata.try_exists().map_err(|source| unreadable(&metadata, source))? {
            return Ok(vec![path.to_owned()]);
        }
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(of_path)? {
        let entry = entry.map_err(of_path)?.path();
        if kind_by_name(&entry).is_some() {
            // Nothing that is named as input is left out.
            let metadata = fs::metadata(&entry).map_err(|source| unreadable(&entry, source))?;
            check_regular(&entry, &metadata)?;
            found.push(entry);
        }
    }
    if found.is_empty() {
        return Err(InputError::NoFiles { name: path.display().to_string() }.into());
    }
    found.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_comes_behind_nine() {
        let mut names = ["part-10.npy", "part-9.npy", "part-1.npy", "part-01.npy", "a/part-2.npy"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["a/part-2.npy", "part-01.npy", "part-1.npy", "part-9.npy", "part-10.npy"]
        );
    }
}
