//! A stream of `.npy` records, on standard input or of a command.

use std::fs::File;
use std::io::{self, IsTerminal, Read, stdin};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lazy_chunks::{ArrayBlock, BlockPool, Cut, LazyChunkSequence, NestedLazyChunkSequence};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::layout::Layout;
use super::npy::read_header;
use super::npz::read_elements;
use super::producer::Producer;
use super::size::Size;
use super::{Blocks, Input, InputError, ShapeOfBlocks, Sources};
use crate::stop;

/// How large a pipe is made, so that its two ends do not wait for each other at every turn: as large as
/// Linux lets everybody have it.
const PIPE: usize = 1 << 20;

const STANDARD_INPUT: &str = "standard input";

/// How long nothing is looked at but the stream.
const PATIENCE: Duration = Duration::from_millis(100);

/// Records, none of which is read before it is asked for: so what is wrong with the target is said first.
#[derive(Debug)]
pub(crate) struct Stream {
    name: String,
    reader: Pipe,
    /// Who writes it, where that is known. Dropped after the reader, so that it finds its pipe closed.
    producer: Option<Producer>,
    pool: BlockPool<u8>,
    n_columns: Option<usize>,
    /// What the first record was like.
    first: Option<Layout>,
    /// The header that was read ahead of its elements.
    next: Option<Layout>,
    n_records: usize,
    shape_of_blocks: Arc<OnceLock<ShapeOfBlocks>>,
}

impl Stream {
    /// Blocks below one another, or in bands of so many.
    pub(crate) fn open(n_columns: Option<usize>) -> Result<Input, InputError> {
        let reader = Pipe::of_standard_input()
            .map_err(|source| InputError::Read { name: STANDARD_INPUT.to_owned(), source })?;
        Ok(Stream::of(STANDARD_INPUT.to_owned(), reader, None, n_columns))
    }

    /// The same of what a command writes.
    pub(crate) fn start(command: &str, n_columns: Option<usize>) -> Result<Input, InputError> {
        let (producer, output) = Producer::start(command)?;
        let name = "the command's output".to_owned();
        Ok(Stream::of(name, Pipe::new(output), Some(producer), n_columns))
    }

    fn of(
        name: String,
        reader: Pipe,
        producer: Option<Producer>,
        n_columns: Option<usize>,
    ) -> Input {
        let shape_of_blocks = Arc::new(OnceLock::new());
        let stream = Arc::new(Mutex::new(Stream {
            name,
            reader,
            producer,
            pool: BlockPool::new(),
            n_columns,
            first: None,
            next: None,
            n_records: 0,
            shape_of_blocks: Arc::clone(&shape_of_blocks),
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
            size: Size::default(),
        }
    }

    /// The next block; none where the stream ends between two.
    fn read(&mut self) -> Result<Option<ArrayBlock>, InputError> {
        if !self.has_more()? {
            return Ok(None);
        }
        let name = self.record(self.n_records);
        let Some(layout) = self.next.take() else { return Ok(None) };
        if let Some(first) = self.first.as_ref().filter(|first| first.dtype != layout.dtype) {
            return Err(InputError::OtherDType {
                name,
                actual: layout.dtype,
                first: self.record(0),
                expected: first.dtype,
            });
        }
        if self.first.is_none() {
            self.begin(&layout)?;
        }
        let data = read_elements(&name, &layout, &mut self.reader, &self.pool)?;
        self.n_records += 1;
        layout.block(&name, 0..layout.shape[0], data).map(Some)
    }

    /// Notes what the first record is like.
    fn begin(&mut self, layout: &Layout) -> Result<(), InputError> {
        let block = layout.shape.clone();
        let mut row_shape = block[1..].to_vec();
        if let Some(n_columns) = self.n_columns {
            let Some(columns) = row_shape.first_mut() else {
                return Err(InputError::GridOfOneAxis { name: self.record(0), shape: block });
            };
            *columns = columns.saturating_mul(n_columns);
        }
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
        if self.n_records == 0 {
            Err(InputError::EmptyStream { name: self.name.clone() })
        } else {
            Ok(())
        }
    }

    /// Returns why the producer failed, if that is why an error of the stream came up.
    fn or_of_producer(&mut self, error: InputError) -> InputError {
        match (&error, &mut self.producer) {
            (InputError::Ended { .. }, Some(producer)) => producer.wait().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Whether there is another record, of which there must be one. Its header is read.
    fn has_more(&mut self) -> Result<bool, InputError> {
        if self.next.is_none() {
            let name = self.record(self.n_records);
            let header = read_header(&name, &mut self.reader)?;
            if header.is_none() {
                self.end()?;
            }
            self.next = header.map(|header| header.layout);
        }
        Ok(self.next.is_some())
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
            let n_blocks = self.records.with(|stream| Ok(stream.n_records))?;
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
