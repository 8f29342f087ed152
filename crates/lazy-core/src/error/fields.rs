//! Methods of the error that return its kind and its fields.

use std::error::Error as StdError;

use super::{Case, Error, ErrorKind, KeptChunks, MemoryShortage, Reference};
use crate::{BlockIndex, DType};

/// Returns the index of the block that a case names, as a reference like the one to the case.
macro_rules! index_in {
    ($case:expr) => {
        match $case {
            Case::Producer { at, .. }
            | Case::ProducerPanicked { at, .. }
            | Case::Conversion { at, .. }
            | Case::TooFewAxes { at, .. }
            | Case::TrailingShape { at, .. }
            | Case::BlockDType { at, .. }
            | Case::BlockPlace { at, .. }
            | Case::BandHeight { at, .. }
            | Case::GridMismatch { at, .. }
            | Case::MappedShape { at, .. }
            | Case::Reduction { at, .. }
            | Case::Assembly { at, .. }
            | Case::IndexOverflow { at, .. } => Some(at),
            _ => None,
        }
    };
}

impl Error {
    /// Returns the category of the error.
    ///
    /// If a reducer rejects a block, this is the kind of the reducer's error.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Concatenate, ErrorKind, LazyChunkSequence};
    /// use ndarray::Array1;
    ///
    /// let sequence = LazyChunkSequence::new(Vec::<Array1<f32>>::new);
    /// assert_eq!(sequence.compute(Concatenate).unwrap_err().kind(), ErrorKind::Empty);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.case() {
            Case::Producer { .. } => ErrorKind::Producer,
            Case::ProducerPanicked { .. } => ErrorKind::ProducerPanicked,
            Case::Conversion { .. } => ErrorKind::Conversion,
            Case::TooFewBlocks { .. } | Case::TooManyBlocks { .. } => ErrorKind::BlockCount,
            Case::EmptySequence => ErrorKind::Empty,
            Case::EmptyBand { .. }
            | Case::TooFewAxes { .. }
            | Case::TrailingShape { .. }
            | Case::BlockPlace { .. }
            | Case::BandHeight { .. }
            | Case::BandWidth { .. }
            | Case::GridMismatch { .. }
            | Case::MappedShape { .. }
            | Case::Unjoinable { .. }
            | Case::RankMismatch { .. }
            | Case::IndexOverflow { .. } => ErrorKind::Shape,
            Case::BlockDType { .. } | Case::DTypeMismatch { .. } | Case::Cast { .. } => {
                ErrorKind::DType
            }
            Case::UnsupportedDType { .. } => ErrorKind::UnsupportedDType,
            Case::RowTypeMismatch { .. }
            | Case::Structure { .. }
            | Case::PlanWithoutRowType
            | Case::PlanWithoutSink => ErrorKind::InvalidSpec,
            Case::PartsMissing { .. }
            | Case::PartTakenOver { .. }
            | Case::PlanTakenOver { .. }
            | Case::BeingFinished { .. }
            | Case::PlanChanged { .. } => ErrorKind::Unfinished,
            Case::PartRecord { .. } => ErrorKind::SavedState,
            Case::InvalidData { .. } | Case::InvalidBool { .. } => ErrorKind::InvalidData,
            Case::Reduction { source, .. } | Case::Assembly { source, .. } => source.kind(),
            Case::Statistic { .. } => ErrorKind::Statistic,
            Case::StatisticMemory(_) | Case::ArrayMemory { .. } => ErrorKind::Memory,
            Case::StateMismatch { .. }
            | Case::StateDamaged { .. }
            | Case::StateUnreadable { .. }
            | Case::StateVersion { .. } => ErrorKind::SavedState,
            Case::WorkerIndex { .. }
            | Case::WorkerText { .. }
            | Case::WorkerVariable { .. }
            | Case::WorkerVariables { .. }
            | Case::WorkerConflict { .. }
            | Case::NoShare { .. } => ErrorKind::Workers,
            Case::Cancelled { .. } => ErrorKind::Cancelled,
            Case::Other(_) => ErrorKind::Other,
        }
    }

    /// Returns the index of the block concerned, or of the band if the error concerns a whole band.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockIndex, LazyChunkSequence};
    ///
    /// let sequence = LazyChunkSequence::try_new(|| [Ok(1), Err("the device is gone")]);
    /// assert_eq!(sequence.collect().unwrap_err().block(), Some(BlockIndex::Block(1)));
    /// ```
    #[must_use]
    pub fn block(&self) -> Option<BlockIndex> {
        match self.case() {
            Case::EmptyBand { band } | Case::BandWidth { band, .. } => {
                Some(BlockIndex::Band(*band))
            }
            case => index_in!(case).copied(),
        }
    }

    /// Returns the actual dtype of the block or the array concerned.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArrayBlock, DType};
    ///
    /// let error = ArrayBlock::from_vec([1], vec![1_i32])?.as_slice::<f32>().unwrap_err();
    /// assert_eq!(error.dtype(), Some(DType::Int32));
    /// assert_eq!(error.expected_dtype(), Some(DType::Float32));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn dtype(&self) -> Option<DType> {
        match self.case() {
            Case::BlockDType { actual, .. } | Case::DTypeMismatch { actual, .. } => Some(*actual),
            Case::Cast { from, .. } => Some(*from),
            Case::UnsupportedDType { dtype, .. }
            | Case::InvalidData { dtype, .. }
            | Case::ArrayMemory { dtype, .. } => Some(*dtype),
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.dtype(),
            _ => None,
        }
    }

    /// Returns the dtype that the block or the array should have. See [`dtype`](Self::dtype) for an
    /// example.
    #[must_use]
    pub fn expected_dtype(&self) -> Option<DType> {
        match self.case() {
            Case::BlockDType { expected, .. } | Case::DTypeMismatch { expected, .. } => {
                Some(*expected)
            }
            Case::Cast { to, .. } => Some(*to),
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.expected_dtype(),
            _ => None,
        }
    }

    /// Returns the actual shape of the block or the array concerned.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Concatenate, LazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let sequence = LazyChunkSequence::new(|| [(2, 3), (2, 4)].map(Array2::<f32>::zeros));
    /// let error = sequence.compute(Concatenate).unwrap_err();
    /// assert_eq!(error.shape(), Some(&[2, 4][..]));
    /// ```
    #[must_use]
    pub fn shape(&self) -> Option<&[usize]> {
        match self.case() {
            Case::TooFewAxes { actual, .. }
            | Case::TrailingShape { actual, .. }
            | Case::GridMismatch { actual, .. }
            | Case::MappedShape { actual, .. }
            | Case::Unjoinable { actual, .. } => Some(actual),
            Case::InvalidData { shape, .. }
            | Case::RankMismatch { shape, .. }
            | Case::ArrayMemory { shape, .. } => Some(shape),
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.shape(),
            _ => None,
        }
    }

    /// Returns the origin of the expectation that a block does not meet. See [`Reference`] for an
    /// example.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        match self.case() {
            Case::TrailingShape { reference, .. }
            | Case::BlockDType { reference, .. }
            | Case::BandWidth { reference, .. } => Some(*reference),
            Case::BandHeight { .. } => Some(Reference::FirstBlock),
            Case::GridMismatch { .. } => Some(Reference::Declared),
            _ => None,
        }
    }

    /// Returns the memory that a statistic needs and the memory that is left, if the states of the
    /// statistic do not fit. See [`MemoryShortage`] for an example.
    #[must_use]
    pub fn memory(&self) -> Option<&MemoryShortage> {
        match self.case() {
            Case::StatisticMemory(shortage) => Some(shortage),
            Case::Reduction { source, .. } | Case::Assembly { source, .. } => source.memory(),
            _ => None,
        }
    }

    /// Returns true if an [`Observer`](crate::Observer) cancelled the pass.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use lazy_chunks::LazyChunkSequence;
    ///
    /// let cancel = AtomicBool::new(false);
    /// let sequence = LazyChunkSequence::from_fn([1; 10], |i| {
    ///     cancel.store(i == 2, Ordering::Relaxed);
    ///     i
    /// });
    /// let error = sequence.with_observer(&cancel).collect().unwrap_err();
    /// assert!(error.is_cancelled());
    /// assert_eq!(error.blocks_done(), Some(3));
    /// assert_eq!(error.to_string(), "the evaluation was cancelled after 3 blocks");
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.case(), Case::Cancelled { .. })
    }

    /// Returns the number of blocks that were evaluated before the pass was cancelled. See
    /// [`is_cancelled`](Self::is_cancelled) for an example.
    #[must_use]
    pub fn blocks_done(&self) -> Option<usize> {
        match self.case() {
            Case::Cancelled { blocks, .. } => Some(*blocks),
            _ => None,
        }
    }

    /// Returns the chunks that the sinks of a cancelled pass have stored, which a later write
    /// resumes from. For any other error, the slice is empty. See [`KeptChunks`] for an example.
    #[must_use]
    pub fn kept(&self) -> &[KeptChunks] {
        match self.case() {
            Case::Cancelled { kept, .. } => kept,
            _ => &[],
        }
    }

    /// Returns the error that a producer, an aggregator, a reducer or a sink returned, if this
    /// error holds one.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::LazyChunkSequence;
    ///
    /// let sequence = LazyChunkSequence::try_new(|| ["1", "x"].map(str::parse::<u8>));
    /// let error = sequence.collect().unwrap_err();
    /// assert_eq!(error.to_string(), "the producer failed at block 1");
    /// let cause = error.get_ref().expect("the producer returned an error");
    /// assert_eq!(cause.to_string(), "invalid digit found in string");
    /// assert!(error.downcast::<std::num::ParseIntError>().is_ok());
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        match self.case() {
            Case::Producer { source, .. } | Case::Other(source) => Some(&**source),
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.get_ref(),
            _ => None,
        }
    }

    /// Returns the error that a producer, an aggregator, a reducer or a sink returned, if this
    /// error holds one of type `E`. Otherwise, it returns the error unchanged. See
    /// [`get_ref`](Self::get_ref) for an example.
    ///
    /// # Errors
    ///
    /// This error, if it does not hold an error of type `E`.
    pub fn downcast<E: StdError + Send + Sync + 'static>(self) -> Result<Box<E>, Error> {
        if !self.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<E>) {
            return Err(self);
        }
        match self.into_case() {
            Case::Producer { source, .. } | Case::Other(source) => {
                source.downcast().map_err(Error::other)
            }
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.downcast(),
            case => Err(case.into()),
        }
    }
}

impl Case {
    /// Returns the index of the block concerned, to change it.
    pub(super) fn block_mut(&mut self) -> Option<&mut BlockIndex> {
        index_in!(self)
    }
}
