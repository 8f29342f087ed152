//! A stream of `.npy` records, on standard input or of a command.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, stdin};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lazy_chunks::{ArrayBlock, BlockPool, Cut, LazyChunkSequence, NestedLazyChunkSequence};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::files::Cutting;
use super::layout::Layout;
use super::npy::{Header, read_header};
use super::npz::read_elements;
use super::producer::Producer;
use super::size::Size;
use super::{Blocks, Input, InputError, ShapeOfBlocks, Sources, of_vectors};
use crate::stop;

/// How large a pipe is made, so that its two ends do not wait for each other at every turn: as large as
/// Linux lets everybody have it.
const PIPE: usize = 1 << 20;

/// The buffer for headers; elements are read directly.
const BUFFER: usize = 256;

/// A record that has more bytes is cut into blocks of as many, so that it need not fit into memory.
const MOST_OF_A_RECORD: usize = 16 << 20;

const STANDARD_INPUT: &str = "standard input";

/// How long nothing is looked at but the stream.
const PATIENCE: Duration = Duration::from_millis(100);

/// Records, none of which is read before it is asked for: so what is wrong with the target is said first.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    reader: BufReader<Pipe>,
    /// Who writes it, where that is known. Dropped after the reader, so that it finds its pipe closed.
    producer: Option<Producer>,
    pool: BlockPool<u8>,
    n_columns: Option<usize>,
    cutting: Cutting,
    /// What the first record was like.
    first: Option<Layout>,
    /// The record whose header was read, and which of its rows comes next.
    current: Option<(Layout, usize)>,
    /// True if all records so far have one axis of the same size.
    are_vectors: bool,
    /// The number of records that have begun.
    n_begun: Arc<AtomicU64>,
    shape_of_blocks: Arc<OnceLock<ShapeOfBlocks>>,
    later_note: Arc<OnceLock<String>>,
}

impl Stream {
    /// Blocks below one another, or in bands of so many.
    pub(crate) fn open(n_columns: Option<usize>, cutting: Cutting) -> Result<Input, InputError> {
        let reader = Pipe::of_standard_input()
            .map_err(|source| InputError::Read { name: STANDARD_INPUT.to_owned(), source })?;
        Ok(Stream::of(STANDARD_INPUT.to_owned(), reader, None, (n_columns, cutting)))
    }

    /// The same of what a command writes.
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

    /// The next block: a record, or some of the rows of a large one. None where the stream ends between two records.
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

    /// Returns the number of rows in a block: all rows of a record in Fortran order, and of a record in a band.
    fn rows_at_once(&self, layout: &Layout) -> usize {
        if layout.is_row_after_row() && self.n_columns.is_none() {
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
        Ok(())
    }

    /// Notes what the first record is like.
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

    /// Returns why the producer failed, if that is why an error of the stream came up.
    fn or_of_producer(&mut self, error: InputError) -> InputError {
        match (&error, &mut self.producer) {
            (InputError::Ended { .. }, Some(producer)) => producer.wait().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Returns true if there is another block, of a record whose header has been read. There must be one record.
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

/// Returns an error of a block with the bytes of its whole record.
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

/// What a signal interrupted was not at fault.
fn or_stopped(error: InputError) -> InputError {
    if stop::is_asked_for() { InputError::Stopped } else { error }
}

/// All records, one after the other.
#[derive(Debug)]
struct Records {
    stream: Arc<Mutex<Stream>>,
}

impl Records {
    fn with<T>(
        &self,
        read: impl FnOnce(&mut Stream) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        read(&mut stream).map_err(|error| or_stopped(stream.or_of_producer(error)))
    }
}

impl Iterator for Records {
    type Item = Result<ArrayBlock, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.with(Stream::read).transpose()
    }
}

/// Bands of as many records.
#[derive(Debug)]
struct Bands {
    records: Records,
    n_columns: usize,
}

impl Iterator for Bands {
    type Item = Result<Band, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.records.with(Stream::has_more) {
            Ok(false) => None,
            Ok(true) => {
                let records = Records { stream: Arc::clone(&self.records.stream) };
                Some(Ok(Band { records, n_read: 0, n_columns: self.n_columns }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// The records of a band.
#[derive(Debug)]
struct Band {
    records: Records,
    n_read: usize,
    n_columns: usize,
}

impl Iterator for Band {
    type Item = Result<ArrayBlock, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.n_read == self.n_columns {
            return None;
        }
        let record = self.records.next().unwrap_or_else(|| {
            let n_blocks = self.records.with(|stream| Ok(stream.n_begun()))?;
            Err(InputError::IncompleteBand { n_blocks, n_columns: self.n_columns })
        });
        self.n_read += 1;
        Some(record)
    }
}

/// A pipe that is waited for no longer than until a signal comes.
#[derive(Debug)]
struct Pipe {
    file: File,
}

impl Pipe {
    fn new(file: File) -> Pipe {
        // What is no pipe has no size, and what may not be larger stays as it is.
        let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE);
        Pipe { file }
    }

    /// Standard input, past the buffer of the standard library's.
    fn of_standard_input() -> io::Result<Pipe> {
        if stdin().is_terminal() {
            let problem = "it is a terminal; pipe .npy records into it";
            return Err(io::Error::other(problem));
        }
        Ok(Pipe::new(File::from(stdin().as_fd().try_clone_to_owned()?)))
    }
}

impl Read for Pipe {
    /// Waits for bytes, and heeds signals meanwhile.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        loop {
            if stop::is_asked_for() {
                return Err(io::Error::other("it was stopped"));
            }
            let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut fds, Some(&patience)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
