//! The encoded bytes of a chunk or a shard, in pieces.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

/// Pieces of bytes that are stored one after the other.
#[derive(Debug, Default)]
pub(crate) struct Encoded<'u> {
    pieces: Vec<Piece<'u>>,
    n_bytes: usize,
}

/// Borrowed or owned bytes.
#[derive(Debug)]
pub(crate) enum Piece<'u> {
    /// A part of a block.
    Lent(&'u [u8]),
    /// The output of a codec, or elements that were copied together.
    Own(Bytes),
}

impl std::ops::Deref for Piece<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Piece::Lent(bytes) => bytes,
            Piece::Own(bytes) => bytes,
        }
    }
}

impl<'u> Encoded<'u> {
    pub(crate) fn push(&mut self, piece: Piece<'u>) {
        self.n_bytes += piece.len();
        self.pieces.push(piece);
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| &**piece)
    }

    /// Returns the pieces as slices for one vectored write.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.pieces().map(IoSlice::new).collect()
    }

    /// Joins all pieces into contiguous memory.
    pub(crate) fn into_bytes(self) -> Bytes {
        if let [Piece::Own(bytes)] = &self.pieces[..] {
            return bytes.clone();
        }
        let mut bytes = BytesMut::with_capacity(self.n_bytes);
        self.pieces().for_each(|piece| bytes.extend_from_slice(piece));
        bytes.freeze()
    }
}

impl<'u> Extend<Piece<'u>> for Encoded<'u> {
    fn extend<I: IntoIterator<Item = Piece<'u>>>(&mut self, pieces: I) {
        pieces.into_iter().for_each(|piece| self.push(piece));
    }
}
