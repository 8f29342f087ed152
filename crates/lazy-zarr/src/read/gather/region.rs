//! Gathering a region from the chunks or shards that it overlaps, on several threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::ArraySubset;

use super::joined::Ahead;
use super::part::{Decoded, Part};
use super::places::{NO_GRID, OutputSlot, Pieces, Places};
use super::reader::ChunkReader;
use super::shards::{BYTES_PER_FILE, Shards};
use crate::layout::index_in_grid;
use crate::layout::overlap::{copy_bytes, n_elements, runs_of_bytes};
use crate::memory::{Buffer, BufferPool, announce};
use crate::read::untrusted::{caught, n_bytes};
use crate::threads;

/// The number of bytes that take about as long to read as starting a thread that shares the work.
const BYTES_PER_THREAD: usize = 512 << 10;

impl ChunkReader {
    /// Reads the elements of a region, which lies within the array and is not empty. They go into
    /// memory of the pool, if there is one, unless they all lie in one chunk.
    pub(in crate::read) fn gather(
        &self,
        region: &ArraySubset,
        pool: Option<&BufferPool>,
        n_threads: Option<usize>,
    ) -> Result<Bytes, BoxError> {
        let chunks = caught(|| self.grid().chunks_in_array_subset(region))?;
        let chunks = chunks.ok_or("it has no chunks")?;
        let n_units = usize::try_from(chunks.num_elements())?;
        let shape = region.shape_usize();
        let n_bytes = usize::try_from(n_bytes(self.dtype, shape.iter().copied()))?;
        if n_bytes >= BYTES_PER_THREAD {
            announce(self.unit_bytes.saturating_mul(4));
        }
        let shards = match self.concurrency {
            Some(_) => Shards::joined(region),
            None => Shards::default(),
        };
        if n_units == 1
            && let Some(bytes) = self.one_part(&self.part(region, chunks.start())?, &shards)?
        {
            return Ok(bytes);
        }
        let mut output = Buffer::new(n_bytes, pool)?;
        let n_threads = match self.concurrency {
            // Threads that wait for a store take no core from each other.
            Some(concurrency) => n_threads.unwrap_or(concurrency).min(n_units),
            None => threads_for(n_units, n_bytes, n_threads),
        };
        // One thread has nothing to do while it waits.
        let ahead = match &self.in_shards {
            Some(in_shards) if self.concurrency.is_some() && n_threads > 1 => {
                Some(Ahead::new(self, in_shards, &shards, region, n_threads)?)
            }
            _ => None,
        };
        let chunks = &chunks;
        let gathering =
            Gathering { reader: self, region, chunks, shape: &shape, shards: &shards, ahead };
        gathering.fill(&mut output, n_threads)?;
        Ok(output.into_bytes())
    }

    /// Returns the elements of a single part, if they need no copy.
    fn one_part(&self, part: &Part, shards: &Shards) -> Result<Option<Bytes>, BoxError> {
        if let Some(direct) = &self.direct {
            let Some(span) = self.span(part, shards)? else { return Ok(None) };
            return direct.read(part, &span, self.absent_element());
        }
        if part.is_whole() {
            return Ok(self.elements(part, shards)?.map(|decoded| decoded.bytes));
        }
        // A chunk that is decoded whole is copied from.
        if self.cache_of(part).is_some() || self.in_shards.is_some() {
            return Ok(None);
        }
        self.part_of_unit(part, shards).map(Some)
    }
}

/// Returns the number of threads for a region of `n_bytes`, which overlaps `n_units` units: at most
/// `asked_for`, or the number of cores.
fn threads_for(n_units: usize, n_bytes: usize, asked_for: Option<usize>) -> usize {
    let work = n_units.saturating_mul(BYTES_PER_FILE).saturating_add(n_bytes);
    match n_units.min(work / BYTES_PER_THREAD) {
        0 | 1 => 1,
        // Counting the cores takes a while, so it is done only if the number matters.
        most => most.min(asked_for.unwrap_or_else(threads::cores)),
    }
}

/// The region that is gathered.
struct Gathering<'s> {
    reader: &'s ChunkReader,
    region: &'s ArraySubset,
    /// The indices of the units that the region overlaps.
    chunks: &'s ArraySubset,
    shape: &'s [usize],
    shards: &'s Shards,
    ahead: Option<Ahead<'s>>,
}

impl Gathering<'_> {
    /// Fills the memory of the region. If several units cannot be read, returns the error that was
    /// found first.
    fn fill(&self, output: &mut [u8], n_threads: usize) -> Result<(), BoxError> {
        let counts = self.chunks.shape_usize();
        let size = |axis: usize, i: usize| {
            let mut index = self.chunks.start().to_vec();
            index[axis] += i as u64;
            Ok(self.reader.part(self.region, &index)?.extent[axis])
        };
        let item_size = self.reader.dtype.size();
        let places = Mutex::new(Places::new(item_size, self.shape, counts, size, output));
        let (is_failed, failure) = (AtomicBool::new(false), Mutex::new(None));
        let work = || {
            while !is_failed.load(Ordering::Relaxed) {
                let next = || places.lock().unwrap_or_else(PoisonError::into_inner).next();
                let filled = match self.ahead.as_ref().map_or(Ok(false), Ahead::read) {
                    Ok(true) => continue,
                    Ok(false) => match next() {
                        Ok(Some(place)) => self.fill_place(place),
                        Ok(None) => return,
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                };
                if let Err(error) = filled {
                    is_failed.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        threads::share(n_threads, work);
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn fill_place(&self, place: OutputSlot<'_>) -> Result<(), BoxError> {
        match place {
            OutputSlot::Unit(unit, pieces) => self.fill_unit(unit, pieces),
            OutputSlot::Band(first, n_units, band) => {
                let copies = (first..first + n_units).map(|unit| self.copy_unit(unit, band));
                let n_bytes = copies.sum::<Result<usize, _>>()?;
                if n_bytes == band.len() { Ok(()) } else { Err(NO_GRID.into()) }
            }
        }
    }

    fn fill_unit(&self, unit: usize, mut pieces: Pieces<'_>) -> Result<(), BoxError> {
        let part = self.unit(unit)?;
        match &self.reader.direct {
            Some(direct) => match self.reader.span(&part, self.shards)? {
                Some(span) => {
                    direct.fill(&part, &span, &mut pieces, self.reader.absent_element())?;
                }
                None => pieces.repeat(self.reader.fill_element()),
            },
            None => match self.reader.elements(&part, self.shards)? {
                None => pieces.repeat(self.reader.fill_element()),
                Some(Decoded { bytes, shape, start }) => {
                    let item_size = self.reader.dtype.size();
                    let decoded = (&shape[..], &start[..]);
                    let runs = runs_of_bytes(item_size, decoded, decoded, &part.extent);
                    let length = runs.length();
                    for (offset, _) in runs {
                        pieces.copy(&bytes[offset..offset + length]);
                    }
                }
            },
        }
        if pieces.are_filled() { Ok(()) } else { Err(NO_GRID.into()) }
    }

    /// Copies a unit into the memory of its band, and returns the number of copied bytes.
    fn copy_unit(&self, unit: usize, band: &mut [u8]) -> Result<usize, BoxError> {
        let part = self.unit(unit)?;
        let item_size = self.reader.dtype.size();
        let Decoded { bytes, shape, start } = match self.reader.elements(&part, self.shards)? {
            Some(decoded) => decoded,
            None => {
                let bytes = self.reader.fill_element().repeat(n_elements(&part.extent)).into();
                let start = vec![0; part.extent.len()];
                Decoded { bytes, shape: part.extent.clone(), start }
            }
        };
        let mut band_shape = self.shape.to_vec();
        band_shape[0] = part.extent[0];
        let mut in_band = part.in_region.clone();
        in_band[0] = 0;
        copy_bytes(
            item_size,
            (&bytes, &shape, &start),
            (band, &band_shape, &in_band),
            &part.extent,
        );
        Ok(item_size * n_elements(&part.extent))
    }

    /// Returns a unit from its number in C order among the units that the region overlaps.
    fn unit(&self, number: usize) -> Result<Part, BoxError> {
        let mut index = index_in_grid(number as u64, self.chunks.shape());
        index.iter_mut().zip(self.chunks.start()).for_each(|(index, start)| *index += start);
        self.reader.part(self.region, &index)
    }
}
