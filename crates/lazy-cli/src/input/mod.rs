//! Blocks out of a stream, of files, or of Zarr arrays.

mod error;
mod files;
mod grid;
mod identity;
mod layout;
mod npy;
mod npz;
mod piece;
mod producer;
mod size;
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
use lazy_chunks::zarr::{Resume, StoredArray};
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
use files::Cutting;
use grid::PieceGrid;
use piece::Piece;
use size::Size;
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
    sources: Sources,
    size: Size,
    /// A note for the user that is known only after the last block.
    later_note: Arc<OnceLock<String>>,
}

/// How the input was understood.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    n_arrays: usize,
    /// Files and Zarr arrays.
    n_files: usize,
    /// What the user should know before it is read.
    notes: Vec<String>,
}

impl Sources {
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Says how much was read: nothing of a stream, which is one.
    pub(crate) fn summary(&self) -> String {
        let count = |number: usize, what: &str| match number {
            1 => format!("1 {what}"),
            _ => format!("{number} {what}s"),
        };
        let arrays = count(self.n_arrays, "array");
        match (self.n_arrays, self.n_files) {
            (0, _) => String::new(),
            (n_arrays, n_files) if n_arrays == n_files => format!(" from {arrays}"),
            (_, n_files) => format!(" from {arrays} in {}", count(n_files, "file")),
        }
    }
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
        let cutting = Cutting { stack: arguments.stack, whole_rows };
        let of_size = |mut input: Input| {
            input.size = input.size.with_arguments(arguments);
            input
        };
        if let Some(command) = &arguments.from_command {
            return Ok(of_size(Stream::start(command, n_columns, cutting)?));
        }
        if arguments.inputs.iter().any(|path| is_stream(path)) {
            if arguments.inputs.len() > 1 {
                let problem =
                    "standard input (`-`) cannot be joined with other inputs; give it alone";
                return Err(Failure::Usage(problem.to_owned()));
            }
            return Ok(of_size(Stream::open(n_columns, cutting)?));
        }
        let (pieces, sources) = pieces(arguments, cutting)?;
        let grid = PieceGrid::new(pieces, n_columns)?;
        let n_threads = match arguments.threads {
            Some(n_threads) => n_threads.into(),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(of_size(Input { sources, ..grid.into_input(n_threads) }))
    }

    /// Refuses an input of fewer rows than an array that it is to replace, unless its size was said.
    pub(crate) fn refuse_fewer_rows(&mut self, replaced: usize) {
        if self.size.rows.is_none() && self.size.blocks.is_none() {
            self.size.replaced_rows = Some(replaced as u64);
        }
    }

    /// Zarr arrays that are all there is, of which what is stored is a copy; none if anything else is among them.
    pub(crate) fn copied(&self) -> Option<Vec<&StoredArray>> {
        self.grid.as_ref()?.stored()
    }

    /// The names of the axes, if the input is one Zarr array that has a name for each.
    pub(crate) fn dimension_names(&self) -> Vec<String> {
        match self.copied().as_deref() {
            Some([array]) => array
                .dimension_names()
                .and_then(|names| names.iter().cloned().collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Returns the note for the user that is known only after the last block.
    pub(crate) fn later_note(&self) -> Option<&String> {
        self.later_note.get()
    }

    /// Evaluates all blocks, once. If a file changes meanwhile, the reducer is not finished.
    pub(crate) fn compute<R: Reducer>(&self, reducer: R) -> Result<R::Output> {
        let reducer = (Unchanged(self.grid.clone()), self.size.clone(), reducer);
        let ((), (), output) = match &self.blocks {
            Blocks::Flat(sequence) => sequence.compute(reducer),
            Blocks::Nested(sequence) => sequence.compute(reducer),
            Blocks::Stream(sequence) => sequence.compute(reducer),
            Blocks::NestedStream(sequence) => sequence.compute(reducer),
        }?;
        Ok(output)
    }

    /// Returns the identity of a write to `output`, where the blocks can be had again. Each file is looked at for
    /// it.
    pub(crate) fn resume(&self, output: &Path) -> Result<Option<Resume>> {
        Ok(self.grid.as_ref().map(|grid| grid.resume(output)).transpose()?)
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
fn pieces(arguments: &arguments::Input, cutting: Cutting) -> Result<(Vec<Piece>, Sources)> {
    let selection = Selection::new(arguments.tensors.as_deref())?;
    let mut notes = Vec::new();
    let mut inputs: Vec<_> = arguments.inputs.iter().collect();
    let natural = |a: &&PathBuf, b: &&PathBuf| path_order(a, b);
    if arguments.sort {
        inputs.sort_by(natural);
    } else if inputs.is_sorted() && !inputs.is_sorted_by(|a, b| natural(a, b).is_le()) {
        notes.push(
            "the inputs are taken in the order in which they are given, which is that of letters: part-10 comes before \
             part-9; --sort takes them in natural order"
                .to_owned(),
        );
    }
    let mut paths = Vec::new();
    for input in inputs {
        let Expanded { found, left_out } = expand(input)?;
        if !left_out.is_empty() {
            notes.push(of_left_out(input, &left_out, found.len()));
        }
        paths.extend(found);
    }
    let mut pieces = Vec::new();
    for path in &paths {
        if stop::is_asked_for() {
            return Err(stopped());
        }
        match kind(path) {
            Some(Kind::Npy) => {
                let records = files::open_npy(path, cutting).map_err(|error| match error {
                    InputError::Stopped => stopped(),
                    error => error.into(),
                })?;
                pieces.extend(records.into_iter().map(Piece::InFile));
            }
            Some(Kind::Npz) => {
                let npz::Members { found, left_out } = npz::open(path, &selection, cutting.stack)?;
                if !left_out.is_empty() {
                    notes.push(of_left_out(path, &left_out, found.len()));
                }
                pieces.extend(found.into_iter().map(Piece::Member));
            }
            Some(Kind::Safetensors) => {
                let arrays = files::open_safetensors(path, &selection, cutting)?;
                pieces.extend(arrays.into_iter().map(Piece::InFile));
            }
            Some(Kind::Zarr) => {
                pieces.push(Piece::Stored(Box::new(Stored::open(path, cutting)?)));
            }
            None => {
                let name = path.display().to_string();
                return Err(InputError::UnknownKind { name }.into());
            }
        }
    }
    let shapes = || pieces.iter().map(Piece::shape);
    if !cutting.stack
        && pieces.len() > 1
        && shapes().all(|shape| shape.len() == 1 && shape == pieces[0].shape())
    {
        notes.push(of_vectors(pieces.len(), pieces[0].shape()[0]));
    }
    let sources = Sources { n_arrays: pieces.len(), n_files: paths.len(), notes };
    Ok((pieces, sources))
}

fn of_left_out(path: &Path, left_out: &[String], n_found: usize) -> String {
    format!(
        "of {}, {} of {} are left out: {}",
        path.display(),
        left_out.len(),
        left_out.len() + n_found,
        few(left_out),
    )
}

fn stopped() -> Failure {
    Failure::Stopped("stopped before the first block".to_owned())
}

/// The note for users who may have meant rows.
fn of_vectors(n_vectors: usize, length: usize) -> String {
    format!(
        "{n_vectors} arrays of one axis, all of {length} elements, are joined to one of {}; --stack makes a row of each",
        n_vectors.saturating_mul(length)
    )
}

/// The first of some names.
fn few(names: &[String]) -> String {
    const FEW: usize = 5;
    let more = if names.len() > FEW { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(FEW)].join(", "))
}

fn path_order(a: &Path, b: &Path) -> Ordering {
    natural_order(&a.to_string_lossy(), &b.to_string_lossy())
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
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "npy" => Some(Kind::Npy),
        "npz" => Some(Kind::Npz),
        "safetensors" => Some(Kind::Safetensors),
        _ => None,
    }
}

/// The files that an input stands for.
struct Expanded {
    found: Vec<PathBuf>,
    /// The names of what else is in the folder.
    left_out: Vec<String>,
}

/// Returns the files and Zarr arrays of a folder, or the path itself.
fn expand(path: &Path) -> Result<Expanded> {
    let of_path = |source| unreadable(path, source);
    let metadata = fs::metadata(path).map_err(of_path)?;
    if !metadata.is_dir() {
        check_regular(path, &metadata)?;
        return Ok(Expanded { found: vec![path.to_owned()], left_out: Vec::new() });
    }
    if is_zarr(path)? {
        return Ok(Expanded { found: vec![path.to_owned()], left_out: Vec::new() });
    }
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(of_path)? {
        let entry = entry.map_err(of_path)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A link that leads nowhere, or where nothing may be read, may stand for input.
        let metadata = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
        if !name.starts_with('.') && metadata.is_dir() && is_zarr(&path)? {
            found.push(path);
        } else if !name.starts_with('.') && kind_by_name(&path).is_some() {
            check_regular(&path, &metadata)?;
            found.push(path);
        } else {
            left_out.push(name);
        }
    }
    left_out.sort_by(|a, b| natural_order(a, b));
    if found.is_empty() {
        return Err(InputError::NoFiles { name: path.display().to_string(), left_out }.into());
    }
    found.sort_by(|a, b| path_order(a, b));
    Ok(Expanded { found, left_out })
}

/// Returns true if a directory is a Zarr array or group.
fn is_zarr(directory: &Path) -> Result<bool> {
    for name in [".zarray", ".zgroup", "zarr.json"] {
        let metadata = directory.join(name);
        if metadata.try_exists().map_err(|source| unreadable(&metadata, source))? {
            return Ok(true);
        }
    }
    Ok(false)
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
