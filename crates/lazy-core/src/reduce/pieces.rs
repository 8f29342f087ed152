//! Contributions of a block that several reducers compute piece by piece, so that each piece is read
//! from memory once and stays in the cache for all of them.

use std::ops::Range;

use super::BlockMap;
use crate::{ArrayBlock, BlockPosition, Result};

/// The number of elements of a piece: few enough for the second-level cache.
const PIECE: usize = 1 << 14;

/// A contribution in the making. It does not depend on what is computed between two pieces.
pub trait InPieces<P> {
    /// Adds the elements of a range of the block, in C order. Pieces are those of [`pieces`].
    ///
    /// # Errors
    ///
    /// Any error, if the reducer cannot use the elements.
    fn add(&mut self, elements: Range<usize>) -> Result<()>;

    /// Returns the contribution, after the last piece.
    ///
    /// # Errors
    ///
    /// Any error, if the reducer cannot use the block.
    fn finish(self: Box<Self>) -> Result<P>;
}

/// A contribution in the making, or `None` if a reducer needs the whole block at once.
pub(crate) type Making<'b, P> = Option<Box<dyn InPieces<P> + 'b>>;

/// Returns the pieces of a block of `n_elements` elements. An empty block is an empty piece.
pub(crate) fn pieces(n_elements: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..n_elements.max(1)).step_by(PIECE);
    starts.map(move |start| start..n_elements.min(start + PIECE))
}

/// Computes the contributions of a block to several maps in turns, piece by piece.
pub(super) struct Turns<'b> {
    at: BlockPosition,
    block: &'b ArrayBlock,
    is_divided: bool,
}

impl<'b> Turns<'b> {
    pub(super) fn new(at: BlockPosition, block: &'b ArrayBlock) -> Turns<'b> {
        Turns { at, block, is_divided: block.n_elements() > PIECE }
    }

    /// Returns the pieces, or none for a small block.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let is_divided = self.is_divided;
        pieces(self.block.n_elements()).filter(move |_| is_divided)
    }

    /// Begins the contribution to a map, before the first piece.
    pub(super) fn begin<M: BlockMap>(&self, map: &'b M) -> Result<Making<'b, M::Partial>> {
        if self.is_divided { map.in_pieces(self.at, self.block) } else { Ok(None) }
    }

    /// Ends the contribution to a map, after the last piece.
    pub(super) fn end<M: BlockMap>(
        &self,
        map: &M,
        making: Making<'_, M::Partial>,
    ) -> Result<M::Partial> {
        match making {
            Some(making) => making.finish(),
            None => map.partial(self.at, self.block),
        }
    }
}

/// Adds a piece to a contribution in the making.
pub(super) fn add<P>(making: &mut Making<'_, P>, elements: Range<usize>) -> Result<()> {
    making.as_mut().map_or(Ok(()), |making| making.add(elements))
}
