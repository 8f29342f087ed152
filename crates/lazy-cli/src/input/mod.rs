//! Blocks of a stream, of files, or of Zarr arrays.
//!
//! Ignorant of the command line, of what becomes of the blocks, and of how errors are reported: it
//! returns an [`InputError`], or an error of the pass.

mod collect;
mod error;
mod expand;
mod files;
mod grid;
mod identity;
mod layout;
mod npy;
mod npz;
mod options;
mod order;
mod piece;
mod producer;
mod shared;
mod size;
mod source;
mod sources;
mod stored;
mod stream;
mod unchanged;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{
    ArrayBlock, Cut, DType, Indexed, LazyChunkSequence, NestedLazyChunkSequence, Observer, Reducer,
};

pub(crate) use error::{InputError, is_of_corrupt_array, list_unfinished};
pub(crate) use files::safetensors_dtype;
pub(crate) use identity::{Identity, is_of_program};
pub(crate) use npy::header as npy_header;
pub(crate) use options::{InputOptions, Origin, Paths, Selection};
pub(crate) use shared::End;
pub(crate) use stored::{saturating_product, unit};

use files::Cutting;
use grid::PieceGrid;
use size::Size;
use sources::Sources;
use stream::Stream;
use unchanged::Unchanged;

/// The blocks to store or to summarize.
#[derive(Debug)]
pub(crate) struct Input {
    blocks: Blocks,
    /// The arrays that the blocks are cut from. None for a stream, which can be read only once.
    grid: Option<Arc<PieceGrid>>,
    n_blocks: Option<usize>,
    shape_of_blocks: Arc<OnceLock<ShapeOfBlocks>>,
    sources: Sources,
    size: Size,
    /// A note for the user that is known only after the last block.
    later_note: Arc<OnceLock<String>>,
}

/// The sizes that the memory of a pass depends on.
#[derive(Clone, Debug)]
pub(crate) struct ShapeOfBlocks {
    pub(crate) cut: Cut,
    pub(crate) dtype: DType,
    /// The shape of the array without axis 0. For a stream of bands, as far as it is known.
    pub(crate) row_shape: Vec<usize>,
    /// The shape of the largest block. For a stream, of the first block.
    pub(crate) block: Vec<usize>,
    /// The number of blocks in flight, without those that a write holds.
    pub(crate) n_alive: usize,
}

#[derive(Debug)]
enum Blocks {
    Flat(LazyChunkSequence<'static, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'static, ArrayBlock, Indexed>),
    Stream(LazyChunkSequence<'static, ArrayBlock>),
    NestedStream(NestedLazyChunkSequence<'static, ArrayBlock>),
}

impl Input {
    /// Opens the input, and checks everything that can be checked without its elements.
    ///
    /// With `whole_rows`, blocks have all columns unless there is a grid.
    pub(crate) fn open(options: &InputOptions, whole_rows: bool) -> Result<Input, InputError> {
        let InputOptions { stack, keeps_blocks, .. } = *options;
        let cutting = Cutting { stack, whole_rows, keeps_blocks };
        let input = match &options.origin {
            Origin::Command(command) => Stream::start(command, options.n_columns, cutting)?,
            Origin::StandardInput => Stream::open(options.n_columns, cutting)?,
            Origin::Paths(paths) => {
                let (pieces, sources) = collect::collect(paths, cutting)?;
                let grid = PieceGrid::new(pieces, options.n_columns, options.stack)?;
                let n_threads = match options.n_threads {
                    Some(n_threads) => n_threads,
                    None => thread::available_parallelism().map_or(1, usize::from),
                };
                Input { sources, ..grid.into_input(n_threads) }
            }
        };
        let size = input.size.with_declared(options.rows, options.blocks);
        Ok(Input { size, ..input })
    }

    /// Makes it an error if the input has fewer rows than the array that it replaces, unless the
    /// number of rows or blocks was declared.
    pub(crate) fn refuse_fewer_rows(&mut self, replaced: usize) {
        if self.size.rows.is_none() && self.size.blocks.is_none() {
            self.size.replaced_rows = Some(replaced as u64);
        }
    }

    /// Returns the Zarr arrays that are copied. None if the input has anything else.
    pub(crate) fn copied(&self) -> Option<Vec<&StoredArray>> {
        self.grid.as_ref()?.stored()
    }

    /// Returns the names of the axes, if the input is one Zarr array that names each of them.
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

    /// Evaluates all blocks, once, and calls the observer. If a file changes during the pass, no
    /// reducer commits.
    pub(crate) fn compute<R: Reducer>(
        &self,
        reducer: R,
        observer: impl Observer + 'static,
    ) -> lazy_chunks::Result<R::Output> {
        let reducer = (Unchanged::new(self.grid.clone()), self.size.clone(), reducer);
        let ((), (), output) = match &self.blocks {
            Blocks::Flat(sequence) => sequence.clone().with_observer(observer).compute(reducer),
            Blocks::Nested(sequence) => sequence.clone().with_observer(observer).compute(reducer),
            Blocks::Stream(sequence) => sequence.clone().with_observer(observer).compute(reducer),
            Blocks::NestedStream(sequence) => {
                sequence.clone().with_observer(observer).compute(reducer)
            }
        }?;
        Ok(output)
    }

    /// Returns the identity of a write to the path `output`, or to a store. This examines each file.
    /// None for a stream, which cannot be resumed.
    pub(crate) fn identify(&self, output: Option<&Path>) -> Result<Option<Identity>, InputError> {
        self.grid.as_ref().map(|grid| grid.identify(output)).transpose()
    }

    /// Returns the number of blocks. None for a stream.
    pub(crate) fn n_blocks(&self) -> Option<usize> {
        self.n_blocks
    }

    /// Returns the shape of blocks. For a stream, it is set when the first block has come.
    pub(crate) fn shape_of_blocks(&self) -> Arc<OnceLock<ShapeOfBlocks>> {
        Arc::clone(&self.shape_of_blocks)
    }
}
