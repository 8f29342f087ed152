//! The check of every chunk of an array.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::array::StoredArray;
use super::missing::MissingChunks;
use super::untrusted::n_bytes;
use crate::defect::Defect;
use crate::error::Result;
use crate::threads;

/// An iterator over the defects of a stored array, in C order of its chunks.
/// [`StoredArray::verify`] returns it.
///
/// Advancing the iterator reads the chunks, a few dozen MiB at a time, on as many threads as the
/// machine has cores. Each thread holds one chunk, encoded and decoded, or one shard if the array
/// has shards.
///
/// # Example
///
/// Shows the progress of the check:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::Arc;
///
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
/// use ndarray::Array1;
///
/// let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([10]);
/// let stored = LazyChunkSequence::new(|| [Array1::linspace(0.0, 1.0, 95)])
///     .convert(NdarrayConverter)
///     .to_zarr(sink)?;
///
/// let mut verify = stored.verify();
/// assert_eq!((verify.n_checked(), verify.n_chunks()), (0, 10));
/// for defect in &mut verify {
///     println!("{}", defect?);
/// }
/// assert_eq!(verify.n_checked(), 10);
/// # Ok::<(), lazy_chunks::zarr::Error>(())
/// ```
#[derive(Debug)]
pub struct Verify<'s> {
    stored: &'s StoredArray,
    n_threads: u64,
    /// The number of chunks that are checked at a time.
    window: u64,
    /// The indices of the stored chunks in C order, if only these are checked.
    there: Option<Vec<Box<[u64]>>>,
    n_chunks: u64,
    n_checked: u64,
    has_begun: bool,
    found: VecDeque<Defect>,
}

/// The bytes of chunks to check between two checks that the array was not replaced.
const WINDOW_BYTES: u128 = 64 << 20;

/// The most chunks per thread and window. Starting a thread takes a few dozen microseconds, as long
/// as checking a small chunk.
const MOST_CHUNKS_PER_THREAD: u64 = 256;

impl StoredArray {
    /// Checks every chunk, or shard. The iterator yields the missing, truncated and corrupt ones.
    ///
    /// Each chunk is read and decoded whole, so that all its checksums are checked. Without a
    /// checksum ([`Checksum::None`](crate::Checksum::None)), damage is detected only if a codec
    /// cannot decode the chunk, or if its length is wrong. A missing chunk is a defect only if
    /// reading it is an error (see [`MissingChunks`]).
    /// [`metadata_checksum`](Self::metadata_checksum) checks the metadata.
    ///
    /// # Errors
    ///
    /// If the array was replaced or removed, the last item is
    /// [`ErrorKind::Changed`](crate::ErrorKind::Changed) or
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Checksum, MetadataChecksum, StoredArray, ToZarr, ZarrSink};
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let sink = ZarrSink::new(&path).with_chunk_shape([2, 3]).with_checksum(Checksum::Crc32c);
    /// LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i)))
    ///     .convert(NdarrayConverter)
    ///     .to_zarr(sink)?;
    ///
    /// let stored = StoredArray::open(&path)?;
    /// assert_eq!(stored.metadata_checksum(), MetadataChecksum::Match);
    /// assert_eq!(stored.verify().count(), 0);
    ///
    /// // A bit of a chunk turns over.
    /// let mut bytes = std::fs::read(path.join("c/3/0"))?;
    /// bytes[0] ^= 1;
    /// std::fs::write(path.join("c/3/0"), bytes)?;
    /// let defects = stored.verify().collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(defects.iter().map(|defect| &defect.key[..]).collect::<Vec<_>>(), ["c/3/0"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn verify(&self) -> Verify<'_> {
        let n_threads = self.chunks.concurrency.unwrap_or_else(threads::cores) as u64;
        let unit_bytes = n_bytes(self.chunks.dtype, self.grid.largest()).max(1);
        let window = u64::try_from(WINDOW_BYTES / unit_bytes).unwrap_or(u64::MAX);
        let there = self.units_there();
        Verify {
            stored: self,
            n_threads,
            window: window.clamp(n_threads, n_threads * MOST_CHUNKS_PER_THREAD),
            n_chunks: there.as_ref().map_or(self.n_units(), |there| there.len() as u64),
            there,
            n_checked: 0,
            has_begun: false,
            found: VecDeque::new(),
        }
    }

    /// Returns the indices of the stored chunks, or shards, if a missing one stands for the fill
    /// value: an array may declare any number of chunks. Returns `None` if missing chunks are
    /// defects, or if the chunks cannot be listed.
    fn units_there(&self) -> Option<Vec<Box<[u64]>>> {
        if self.chunks.missing == MissingChunks::Error {
            return None;
        }
        let mut there: Vec<Box<[u64]>> = Vec::new();
        let is_listed = self.list_units(|key, _| {
            let words =
                key.trim_start_matches('c').split(['/', '.']).filter(|word| !word.is_empty());
            let index =
                words.map(str::parse).collect::<Result<_, _>>().map_err(io::Error::other)?;
            there.push(index);
            Ok(())
        });
        there.sort_unstable();
        // An error of the directory shows up again when its chunks are read.
        is_listed.unwrap_or(false).then_some(there)
    }
}

impl Verify<'_> {
    /// Returns the number of chunks, or shards, that have been checked so far, with or without a
    /// defect.
    #[must_use]
    pub fn n_checked(&self) -> u64 {
        self.n_checked
    }

    /// Returns the number of chunks, or shards, to check: the stored ones, if a missing one stands
    /// for the fill value and they can be listed; otherwise all chunks of the array.
    #[must_use]
    pub fn n_chunks(&self) -> u64 {
        self.n_chunks
    }

    /// Checks the next few chunks and returns their defects, or `None` after the last chunk. A
    /// caller that shows progress, or that may stop early, gets control back even if there are no
    /// defects.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::ToZarr;
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let stored = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(&path)?;
    /// let mut verify = stored.verify();
    /// while let Some(defects) = verify.next_chunks() {
    ///     assert!(defects?.is_empty());
    ///     println!("{} of {} chunks", verify.n_checked(), verify.n_chunks());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_chunks(&mut self) -> Option<Result<Vec<Defect>>> {
        if self.found.is_empty() && self.n_checked == self.n_chunks && self.has_begun {
            return None;
        }
        // Even if no chunk is there, since the array may have been removed.
        if self.n_checked < self.n_chunks || !self.has_begun {
            self.has_begun = true;
            self.check_window();
            // The defects found in another array's chunks do not count.
            if let Err(error) = self.stored.origin.check(&self.stored.target) {
                self.found.clear();
                self.n_checked = self.n_chunks;
                return Some(Err(error));
            }
        }
        Some(Ok(self.found.drain(..).collect()))
    }

    /// Checks the next chunks.
    fn check_window(&mut self) {
        let end = self.n_checked.saturating_add(self.window).min(self.n_chunks);
        let n_threads = self.n_threads.min(end - self.n_checked).max(1);
        let (next, found) = (AtomicU64::new(self.n_checked), Mutex::new(Vec::new()));
        let check = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= end {
                    break;
                }
                let listed = self.there.as_ref().map(|there| &*there[i as usize]);
                let defect = match listed {
                    Some(index) => self.stored.chunks.defect(index),
                    None => self.stored.chunks.defect(&self.stored.unit_index(i)),
                };
                if let Some(defect) = defect {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((i, defect));
                }
            }
        };
        threads::share(n_threads as usize, check);
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(i, _)| *i);
        self.found.extend(found.into_iter().map(|(_, defect)| defect));
        self.n_checked = end;
    }
}

impl Iterator for Verify<'_> {
    type Item = Result<Defect>;

    fn next(&mut self) -> Option<Result<Defect>> {
        while self.found.is_empty() {
            match self.next_chunks()? {
                Ok(defects) => self.found.extend(defects),
                Err(error) => return Some(Err(error)),
            }
        }
        self.found.pop_front().map(Ok)
    }
}
