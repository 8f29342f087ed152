//! Iterators over the records of a stream.

use std::sync::{Arc, Mutex, PoisonError};

use lazy_chunks::ArrayBlock;

use super::Stream;
use crate::input::InputError;
use crate::stop;

/// An iterator over all records.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) stream: Arc<Mutex<Stream>>,
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

/// An iterator over bands of `n_columns` records.
#[derive(Debug)]
pub(super) struct Bands {
    pub(super) records: Records,
    pub(super) n_columns: usize,
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

/// An iterator over the records of a band.
#[derive(Debug)]
pub(super) struct Band {
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

/// Returns the error that a signal stopped the program, if one has come, and the given error
/// otherwise.
fn or_stopped(error: InputError) -> InputError {
    if stop::is_asked_for() { InputError::Stopped } else { error }
}
