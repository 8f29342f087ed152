//! The memory of a region, cut into the pieces that several threads write.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem;

use lazy_core::BoxError;

/// The shortest mean length of runs that are listed, in bytes. Each run takes 16 bytes in the list.
const SHORTEST_RUN: usize = 64;

/// The output slots of the units of a region, one band of units after the other.
pub(super) struct Places<'o, F> {
    /// The memory of the remaining bands.
    rest: &'o mut [u8],
    /// The bytes from one index to the next, along each axis of the region.
    strides: Vec<usize>,
    /// The number of units along each axis.
    counts: Vec<usize>,
    /// The function that returns the size along an axis of the part of a unit that lies in the
    /// region.
    size: F,
    /// The sizes along all axes except the first, once they are needed.
    sizes: Option<Vec<Vec<usize>>>,
    /// The next band.
    band: usize,
    /// The remaining units of the current band.
    begun: VecDeque<OutputSlot<'o>>,
}

/// A place in the output that one unit or several are written to.
pub(super) enum OutputSlot<'o> {
    /// The unit with this number in C order, which is written to these runs of bytes.
    Unit(usize, Pieces<'o>),
    /// The first number and the count of units that are written to the memory of their band,
    /// because their runs are too short to be listed.
    Band(usize, usize, &'o mut [u8]),
}

impl<'o, F: Fn(usize, usize) -> Result<usize, BoxError>> Places<'o, F> {
    /// Creates the slots of a region of this shape, whose memory is `output`.
    pub(super) fn new(
        item_size: usize,
        shape: &[usize],
        counts: Vec<usize>,
        size: F,
        output: &'o mut [u8],
    ) -> Places<'o, F> {
        let mut strides = vec![item_size; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let begun = VecDeque::new();
        Places { rest: output, strides, counts, size, sizes: None, band: 0, begun }
    }

    /// Returns the next slot, in C order.
    pub(super) fn next(&mut self) -> Result<Option<OutputSlot<'o>>, BoxError> {
        if let Some(place) = self.begun.pop_front() {
            return Ok(Some(place));
        }
        if self.band == self.counts[0] {
            return if self.rest.is_empty() { Ok(None) } else { Err(NO_GRID.into()) };
        }
        let n_bytes = (self.size)(0, self.band)? * self.strides[0];
        let (band, rest) =
            mem::take(&mut self.rest).split_at_mut_checked(n_bytes).ok_or(NO_GRID)?;
        self.rest = rest;
        let n_units = self.counts[1..].iter().product();
        let first = self.band * n_units;
        self.band += 1;
        // Within the last axis that is cut, all bytes are one run.
        let last = (1..self.counts.len()).rev().find(|&axis| self.counts[axis] > 1);
        let Some(last) = last else {
            return Ok(Some(OutputSlot::Unit(first, Pieces(VecDeque::from([band])))));
        };
        let n_runs = (band.len() / self.strides[last - 1]).saturating_mul(self.counts[last]);
        if n_runs.saturating_mul(SHORTEST_RUN) > band.len() {
            return Ok(Some(OutputSlot::Band(first, n_units, band)));
        }
        let sizes = match self.sizes.take() {
            Some(sizes) => sizes,
            None => self.sizes(last)?,
        };
        let mut units: Vec<_> =
            (0..n_units).map(|_| Pieces(VecDeque::with_capacity(n_runs / n_units))).collect();
        for row in band.chunks_exact_mut(self.strides[0]) {
            cut(row, &self.strides[1..], &sizes, 0, &mut units);
        }
        self.sizes = Some(sizes);
        let units = units.into_iter().enumerate();
        self.begun.extend(units.map(|(i, pieces)| OutputSlot::Unit(first + i, pieces)));
        Ok(self.begun.pop_front())
    }

    /// Returns the sizes of the units' parts along the axes from the second to the last one that is
    /// cut.
    fn sizes(&self, last: usize) -> Result<Vec<Vec<usize>>, BoxError> {
        let along = |axis: usize| {
            let sizes = (0..self.counts[axis]).map(|i| (self.size)(axis, i));
            let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
            let is_whole =
                sizes.iter().sum::<usize>() * self.strides[axis] == self.strides[axis - 1];
            if is_whole { Ok(sizes) } else { Err(NO_GRID.into()) }
        };
        (1..=last).map(along).collect()
    }
}

/// Cuts memory along an axis and the axes within it, with these strides and sizes of units. `unit`
/// is the number of the unit along the axes outside.
fn cut<'o>(
    mut memory: &'o mut [u8],
    strides: &[usize],
    sizes: &[Vec<usize>],
    unit: usize,
    units: &mut [Pieces<'o>],
) {
    for (i, size) in sizes[0].iter().enumerate() {
        let part;
        (part, memory) = mem::take(&mut memory).split_at_mut(size * strides[0]);
        let unit = unit * sizes[0].len() + i;
        if sizes.len() == 1 {
            units[unit].0.push_back(part);
        } else {
            for memory in part.chunks_exact_mut(strides[0]) {
                cut(memory, &strides[1..], &sizes[1..], unit, units);
            }
        }
    }
}

/// The error message for a grid whose chunks do not fill the array.
pub(super) const NO_GRID: &str = "the chunks do not add up to the region";

/// Runs of memory that are filled one after the other.
pub(super) struct Pieces<'o>(VecDeque<&'o mut [u8]>);

impl<'o> Pieces<'o> {
    /// Fills the next bytes. Bytes beyond the end of the memory are ignored.
    pub(super) fn copy(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.take(bytes.len()) {
            let (now, later) = bytes.split_at(piece.len());
            piece.copy_from_slice(now);
            bytes = later;
        }
    }

    /// Fills the remaining memory with copies of one element.
    pub(super) fn repeat(&mut self, element: &[u8]) {
        for piece in self.0.drain(..) {
            piece.chunks_exact_mut(element.len()).for_each(|place| place.copy_from_slice(element));
        }
    }

    /// Returns the memory of the next bytes to fill.
    pub(super) fn slices(&mut self, mut n_bytes: usize) -> Vec<IoSliceMut<'_>> {
        let slices = self.0.iter_mut().map_while(|piece| {
            let length = piece.len().min(n_bytes);
            n_bytes -= length;
            (length > 0).then(|| IoSliceMut::new(&mut piece[..length]))
        });
        slices.collect()
    }

    /// Skips the next bytes, which have been filled.
    pub(super) fn advance(&mut self, mut n_bytes: usize) {
        while let Some(piece) = self.take(n_bytes) {
            n_bytes -= piece.len();
        }
    }

    pub(super) fn are_filled(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next contiguous bytes, at most this many. Returns `None` if none are left.
    fn take(&mut self, n_bytes: usize) -> Option<&'o mut [u8]> {
        let piece = self.0.front_mut().filter(|_| n_bytes > 0)?;
        if piece.len() <= n_bytes {
            return self.0.pop_front();
        }
        let (now, later) = mem::take(piece).split_at_mut(n_bytes);
        *piece = later;
        Some(now)
    }
}
