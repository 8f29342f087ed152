//! A unit of what is written, whose parts several threads copy into it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockBuffer};

use super::frame::Frame;
use crate::overlap::{Overlap, copy_bytes};

/// A whole unit of what is written: a chunk, or a shard where there are shards; padded with the fill value
/// where it lies outside of the array.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The index along each axis, among units.
    pub(crate) index: Vec<usize>,
    /// The elements' native-endian bytes: chunk after chunk, each in C order.
    pub(crate) data: Bytes,
}

/// What is left to do for a unit, on any thread.
#[derive(Debug)]
pub(crate) enum Task {
    /// It is whole.
    Put(Unit),
    /// A part of a block goes into it.
    Copy(Piece),
}

impl Task {
    /// Does what there is to be done before a unit can be encoded; the unit, where it is whole now.
    pub(crate) fn unit(self) -> Option<Unit> {
        match self {
            Task::Put(unit) => Some(unit),
            Task::Copy(piece) => piece.copy(),
        }
    }
}

/// A part of a block on its way into a unit.
#[derive(Debug)]
pub(crate) struct Piece {
    unit: Arc<SharedUnit>,
    block: ArrayBlock,
    overlap: Overlap,
}

impl Piece {
    fn copy(self) -> Option<Unit> {
        let mut state = self.unit.lock();
        self.unit.copy(&mut state, &self.block, &self.overlap);
        state.n_pending -= 1;
        self.unit.take_if_whole(&mut state)
    }
}

/// A unit that is not whole yet.
#[derive(Debug)]
pub(super) struct SharedUnit {
    index: Vec<usize>,
    frame: Arc<Frame>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None once it has become a unit.
    data: Option<BlockBuffer<u8>>,
    /// The pieces that were handed out and are not copied yet.
    n_pending: usize,
    /// The box that lies within the array, once no more pieces come.
    extent: Option<Vec<usize>>,
}

impl SharedUnit {
    pub(super) fn new(
        index: Vec<usize>,
        frame: &Arc<Frame>,
        data: BlockBuffer<u8>,
    ) -> Arc<SharedUnit> {
        let state = State { data: Some(data), n_pending: 0, extent: None };
        Arc::new(SharedUnit { index, frame: Arc::clone(frame), state: Mutex::new(state) })
    }

    /// Copies a part of a block at once.
    pub(super) fn add(&self, block: &ArrayBlock, overlap: &Overlap) {
        self.copy(&mut self.lock(), block, overlap);
    }

    /// Promises a part of a block, which some other thread is to copy.
    pub(super) fn piece(self: &Arc<Self>, block: &ArrayBlock, overlap: Overlap) -> Piece {
        self.lock().n_pending += 1;
        Piece { unit: Arc::clone(self), block: block.clone(), overlap }
    }

    /// Says that no more parts come, and how much of it lies within the array. The unit, unless a piece is
    /// on its way, which makes it whole.
    pub(super) fn close(&self, extent: Vec<usize>) -> Option<Unit> {
        let mut state = self.lock();
        state.extent = Some(extent);
        self.take_if_whole(&mut state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it is held ends the write.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self, state: &mut State, block: &ArrayBlock, overlap: &Overlap) {
        let data = state.data.as_mut().expect("a unit is whole after its last part");
        let item_size = block.dtype().size();
        copy_bytes(
            item_size,
            (block.data(), block.shape(), &overlap.in_block),
            (
                self.frame.chunk_mut(data, &overlap.chunk),
                &self.frame.chunk_shape,
                &overlap.in_chunk,
            ),
            &overlap.extent,
        );
    }

    fn take_if_whole(&self, state: &mut State) -> Option<Unit> {
        let extent = state.extent.as_ref().filter(|_| state.n_pending == 0)?;
        let mut data = state.data.take()?;
        self.frame.pad(&mut data, extent);
        Some(Unit { index: self.index.clone(), data: data.into_block().data().clone() })
    }
}
