//! A stream of `.npy` records, from standard input or from a command.

mod iterators;
mod pipe;

use std::io::BufReader;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use lazy_chunks::{ArrayBlock, BlockPool, Cut, LazyChunkSequence, NestedLazyChunkSequence};

use super::error::Fit;
use super::files::Cutting;
use super::layout::Layout;
use super::npy::{Header, read_header};
use super::npz::read_elements;
use super::producer::Producer;
use super::size::Size;
use super::sources::{Sources, of_vectors};
use super::{Blocks, Input, InputError, ShapeOfBlocks};
use iterators::{Bands, Records};
use pipe::Pipe;

/// The size of the buffer for headers in bytes. Elements are read without it.
const BUFFER: usize = 256;

/// The most bytes in a block of a record. A larger record is cut, so it need not fit into memory.
const MOST_OF_A_RECORD: usize = 16 << 20;

const STANDARD_INPUT: &str = "standard input";

/// The state of a stream.
///
/// No record is read before its block is requested, so problems with the target are reported first.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    reader: BufReader<Pipe>,
    /// The command that writes the stream, if there is one. It is dropped after the reader, so that
    /// it finds its pipe closed.
    producer: Option<Producer>,
    pool: BlockPool<u8>,
    n_columns: Option<usize>,
    cutting: Cutting,
    /// The layout of the first record.
    first: Option<Layout>,
    /// The record whose header was read, with the index of its next row.
    current: Option<(Layout, usize)>,
    /// True if all records so far have one axis, of the same size.
    are_vectors: bool,
    /// The number of records whose header was read.
    n_begun: Arc<AtomicU64>,
    shape_of_blocks: Arc<OnceLock<ShapeOfBlocks>>,
    later_note: Arc<OnceLock<String>>,
}

impl Stream {
    /// Opens standard input. With `n_columns`, blocks form bands of that many.
    pub(crate) fn open(n_columns: Option<usize>, cutting: Cutting) -> Result<Input, InputError> {
        let reader = Pipe::of_standard_input()
            .map_err(|source| InputError::Read { name: STANDARD_INPUT.to_owned(), source })?;
        Ok(Stream::of(STANDARD_INPUT.to_owned(), reader, None, (n_columns, cutting)))
    }

    /// Starts a command, and opens its standard output.
    pub(crate) fn start(
        command: &str,
        n_columns: Option<usize>,
        cutting: Cutting,
    ) -> Result<Input, InputError> {
        let (producer, output) = Producer::start(command)?;
        let name = "the command's output".to_owned();
        Ok(Stream::of(name, Pipe::new(output), Some(producer), (n_columns, cutting)))
    }

    fn of(
        name: String,
        reader: Pipe,
        producer: Option<Producer>,
        (n_columns, cutting): (Option<usize>, Cutting),
    ) -> Input {
        let shape_of_blocks = Arc::new(OnceLock::new());
        let later_note = Arc::new(OnceLock::new());
        let size = Size::default();
        let stream = Arc::new(Mutex::new(Stream {
            name,
            reader: BufReader::with_capacity(BUFFER, reader),
            producer,
            pool: BlockPool::new(),
            n_columns,
            cutting,
            first: None,
            current: None,
            are_vectors: true,
            n_begun: Arc::clone(&size.n_begun),
            shape_of_blocks: Arc::clone(&shape_of_blocks),
            later_note: Arc::clone(&later_note),
        }));
        let records = move || Records { stream: Arc::clone(&stream) };
        let blocks = match n_columns {
            None => Blocks::Stream(LazyChunkSequence::try_new(records)),
            Some(n_columns) => Blocks::NestedStream(NestedLazyChunkSequence::try_new(move || {
                Bands { records: records(), n_columns }
            })),
        };
        Input {
            blocks,
            grid: None,
            n_blocks: None,
            shape_of_blocks,
            sources: Sources::default(),
            size,
            later_note,
        }
    }

    /// Reads the next block: a record, or some rows of a large one. Returns none if the stream ends
    /// between two records.
    fn read(&mut self) -> Result<Option<ArrayBlock>, InputError> {
        if !self.has_more()? {
            return Ok(None);
        }
        let Some((layout, first_row)) = self.current.take() else { return Ok(None) };
        let name = self.record(self.n_begun() - 1);
        let rows = first_row..layout.shape[0].min(first_row + self.rows_at_once(&layout));
        let n_bytes = rows.len() * layout.row_bytes();
        let data = read_elements(&name, &layout, n_bytes, &mut self.reader, &self.pool)
            .map_err(|error| in_record(error, &layout, rows.start))?;
        let block = layout.block(&name, rows.clone(), None, data)?;
        if rows.end < layout.shape[0] {
            self.current = Some((layout, rows.end));
        }
        Ok(Some(block))
    }

    /// Returns the number of rows in a block. A record in Fortran order or in a band is one block.
    fn rows_at_once(&self, layout: &Layout) -> usize {
        let is_cut = self.n_columns.is_none() && !self.cutting.keeps_blocks;
        if layout.is_row_after_row() && is_cut {
            let most = MOST_OF_A_RECORD.max(self.cutting.most_at_once());
            most.checked_div(layout.row_bytes()).map_or(layout.shape[0], |n_rows| n_rows.max(1))
        } else {
            layout.shape[0]
        }
    }

    fn n_begun(&self) -> usize {
        self.n_begun.load(Ordering::Relaxed) as usize
    }

    /// Checks a record against the first one.
    fn begin(&mut self, layout: &Layout) -> Result<(), InputError> {
        let number = self.n_begun();
        self.n_begun.fetch_add(1, Ordering::Relaxed);
        let Some(first) = &self.first else { return self.begin_first(layout) };
        self.are_vectors &= layout.shape.len() == 1 && layout.shape == first.shape;
        if first.dtype != layout.dtype {
            return Err(InputError::OtherDType {
                name: self.record(number),
                actual: layout.dtype,
                first: self.record(0),
                expected: first.dtype,
            });
        }
        if !self.cutting.stack {
            // The sequence checks the shapes of blocks.
            return Ok(());
        }
        Fit { is_grid: self.n_columns.is_some(), is_stacked: true }
            .check((|| self.record(number), &layout.shape), (|| self.record(0), &first.shape))
    }

    /// Notes the layout of the first record.
    fn begin_first(&mut self, layout: &Layout) -> Result<(), InputError> {
        self.are_vectors = layout.shape.len() == 1 && !self.cutting.stack;
        let mut block = layout.shape.clone();
        let mut row_shape = block[1..].to_vec();
        if let Some(n_columns) = self.n_columns {
            let Some(columns) = row_shape.first_mut() else {
                return Err(InputError::GridOfOneAxis { name: self.record(0), shape: block });
            };
            *columns = columns.saturating_mul(n_columns);
        }
        block[0] = block[0].min(self.rows_at_once(layout));
        let cut = if self.n_columns.is_some() { Cut::RowsAndColumns } else { Cut::Rows };
        let shape = ShapeOfBlocks { cut, dtype: layout.dtype, row_shape, block, n_alive: 1 };
        self.shape_of_blocks.get_or_init(|| shape);
        self.first = Some(layout.clone());
        Ok(())
    }

    fn record(&self, number: usize) -> String {
        format!("record {number} of {}", self.name)
    }

    /// Checks that the stream may end here.
    fn end(&mut self) -> Result<(), InputError> {
        self.producer.as_mut().map_or(Ok(()), Producer::wait)?;
        match (self.n_begun(), &self.first) {
            (0, _) => return Err(InputError::EmptyStream { name: self.name.clone() }),
            (n_records @ 2.., Some(first)) if self.are_vectors => {
                self.later_note.get_or_init(|| of_vectors(n_records, first.shape[0]));
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the failure of the producer, if it explains an error of the stream, and the error of
    /// the stream otherwise.
    fn or_of_producer(&mut self, error: InputError) -> InputError {
        match (&error, &mut self.producer) {
            (InputError::Ended { .. }, Some(producer)) => producer.wait().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Returns true if there is another block. Reads the header of its record if necessary. A
    /// stream without any record is an error.
    fn has_more(&mut self) -> Result<bool, InputError> {
        if self.current.is_none() {
            let name = self.record(self.n_begun());
            match read_header(&name, &mut self.reader, self.cutting.stack)? {
                None => self.end()?,
                Some(Header { layout, .. }) => {
                    self.begin(&layout)?;
                    self.current = Some((layout, 0));
                }
            }
        }
        Ok(self.current.is_some())
    }
}

/// Changes the error of a block that ends early to count the bytes of its whole record.
fn in_record(error: InputError, layout: &Layout, first_row: usize) -> InputError {
    match error {
        InputError::Ended { name, part, actual, .. } => {
            let before = (first_row * layout.row_bytes()) as u64;
            let expected = layout.n_bytes() as u64;
            InputError::Ended { name, part, expected, actual: before + actual }
        }
        error => error,
    }
}
