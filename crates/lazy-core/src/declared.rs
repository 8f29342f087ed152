//! What is known of a sequence before its first block is computed.

use std::sync::Arc;

use crate::memory::Memory;
use crate::{BlockGrid, Cut, DType};

/// The dtype and the shape of one row: of `array[i]`, the array without axis 0.
///
/// # Example
///
/// A declared row type tells the size of a row before any is computed, and makes an empty sequence an
/// array:
///
/// ```
/// use lazy_core::{ArrayBlock, Concatenate, DType, LazyChunkSequence};
///
/// let sequence =
///     LazyChunkSequence::new(Vec::<ArrayBlock>::new).with_row_type(DType::Float32, [3, 20]);
///
/// let row = sequence.declared().row_type().expect("it was declared");
/// let n_elements: usize = row.shape.iter().product();
/// assert_eq!(n_elements * row.dtype.size(), 240); // bytes
///
/// assert_eq!(sequence.compute(Concatenate)?.shape(), [0, 3, 20]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowType {
    /// The element type.
    pub dtype: DType,
    /// The array's shape without axis 0.
    pub shape: Vec<usize>,
}

/// What a sequence says of itself before its first block is computed.
///
/// A [`Reducer`](crate::Reducer) is started with it, and the blocks that it sees were checked against
/// all of it. Other aggregators and `collect` are sure of the number of bands alone, since the blocks
/// may be of any type.
///
/// # Example
///
/// What is known depends on how the sequence was made:
///
/// ```
/// use lazy_core::{Cut, LazyChunkSequence, NestedLazyChunkSequence};
///
/// let streamed = LazyChunkSequence::new(|| [1, 2, 3]);
/// assert_eq!(streamed.declared().n_bands(), None);
/// assert_eq!(streamed.with_len(3).declared().n_bands(), Some(3));
///
/// let indexed = NestedLazyChunkSequence::from_fn([100, 50], [20, 20, 5], |i, j| i + j);
/// assert_eq!(indexed.declared().cut(), Cut::RowsAndColumns);
/// assert_eq!(indexed.declared().n_bands(), Some(2));
/// assert_eq!(indexed.declared().grid().map(|grid| grid.n_blocks()), Some(6));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    cut: Cut,
    n_bands: Option<usize>,
    /// Shared, since every reducer of a pass keeps what is declared.
    grid: Option<Arc<BlockGrid>>,
    row_type: Option<RowType>,
    memory: Memory,
}

impl Declared {
    /// Of blocks that are computed one after the other, and as many along axis 0 as is said.
    #[must_use]
    pub fn streamed(cut: Cut, n_bands: Option<usize>) -> Declared {
        Declared { cut, n_bands, grid: None, row_type: None, memory: Memory::default() }
    }

    /// Of blocks that have known sizes.
    #[must_use]
    pub fn indexed(grid: BlockGrid) -> Declared {
        Declared {
            cut: grid.cut(),
            n_bands: Some(grid.rows().n_blocks()),
            grid: Some(Arc::new(grid)),
            row_type: None,
            memory: Memory::default(),
        }
    }

    pub(crate) fn with_n_bands(self, n_bands: usize) -> Declared {
        Declared { n_bands: Some(n_bands), ..self }
    }

    /// The same of other rows. A reducer that changes blocks before it hands them to another one declares what it
    /// makes of them; `None` if it does not know.
    #[must_use]
    pub fn with_row_type(self, row_type: Option<RowType>) -> Declared {
        Declared { row_type, ..self }
    }

    /// Returns the declaration of the sequence in which each block is one row.
    pub(crate) fn stacked(&self) -> Declared {
        let grid =
            self.grid.as_ref().map(|grid| BlockGrid::rows_only(vec![1; grid.rows().n_blocks()]));
        let height = self.grid.as_ref().and_then(|grid| {
            let mut heights = (0..grid.rows().n_blocks()).map(|i| grid.rows().size(i));
            let first = heights.next()?;
            heights.all(|height| height == first).then_some(first)
        });
        let row_type = height.zip(self.row_type.as_ref()).map(|(height, row_type)| RowType {
            dtype: row_type.dtype,
            shape: [&[height], &row_type.shape[..]].concat(),
        });
        Declared { grid: grid.map(Arc::new), row_type, ..self.clone() }
    }

    /// Returns the declaration with another limit for the memory of statistics; see
    /// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit).
    #[must_use]
    pub fn with_memory_limit(self, bytes: u64) -> Declared {
        Declared { memory: self.memory.with_limit(bytes), ..self }
    }

    /// Returns the declaration for one pass, in which so many contributions may be alive at once.
    pub(crate) fn for_pass(&self, n_in_flight: usize) -> Declared {
        Declared { memory: self.memory.for_pass(n_in_flight), ..self.clone() }
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The axes along which the sequence is cut.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// The number of blocks along axis 0, where it is known: blocks of a sequence, bands of a nested
    /// one.
    #[must_use]
    pub fn n_bands(&self) -> Option<usize> {
        self.n_bands
    }

    /// The block sizes, for the indexed kinds.
    #[must_use]
    pub fn grid(&self) -> Option<&BlockGrid> {
        self.grid.as_deref()
    }

    /// The dtype and the shape of one row, where the sequence was told.
    #[must_use]
    pub fn row_type(&self) -> Option<&RowType> {
        self.row_type.as_ref()
    }

    /// The bytes that the states of statistics may take; `None` if no limit was set.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory.limit()
    }
}
