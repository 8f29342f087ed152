//! The inputs of aggregators: an iterator of blocks, or bands that are lent one at a time.

use std::fmt;

use crate::stream::{BlockStream, Step, Trace};
use crate::{Result, SequenceSpec};

/// An iterator over the blocks of a running evaluation, in order. After an error it yields nothing
/// more.
///
/// The errors are those of [`collect`](crate::LazyChunkSequence::collect).
///
/// # Example
///
/// Blocks that the aggregator does not take are not computed:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, Result};
///
/// let sequence = LazyChunkSequence::new(|| (0..).map(|i| 0.5_f64.powi(i)));
/// let mut sum = 0.0;
/// for block in sequence.blocks() {
///     let block = block?;
///     sum += block;
///     if block < 1e-3 {
///         break;
///     }
/// }
/// assert!((sum - 2.0).abs() < 1e-3);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct Blocks<'s, T> {
    stream: BlockStream<'s, T>,
}

impl<'s, T> Blocks<'s, T> {
    pub(crate) fn new(stream: BlockStream<'s, T>) -> Blocks<'s, T> {
        Blocks { stream }
    }

    pub(crate) fn into_stream(self) -> BlockStream<'s, T> {
        self.stream
    }

    pub(crate) fn trace(&self) -> Trace {
        self.stream.trace().clone()
    }

    /// Returns the declaration of the sequence.
    #[must_use]
    pub fn spec(&self) -> &'s SequenceSpec {
        self.stream.spec()
    }
}

impl<T> Iterator for Blocks<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            match self.stream.next_step()? {
                Ok(Step::Block(block)) => return Some(Ok(block)),
                Ok(Step::EndBand) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The bands of a running evaluation, lent one at a time, in order.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::NestedLazyChunkSequence;
///
/// let sequence = NestedLazyChunkSequence::new(|| (0..3).map(|i| (0..4).map(move |j| 10 * i + j)));
/// // Takes the first block of each band; the others are not computed.
/// let mut bands = sequence.bands();
/// let mut first_blocks = Vec::new();
/// while let Some(mut band) = bands.next_band()? {
///     first_blocks.extend(band.next().transpose()?);
/// }
/// assert_eq!(first_blocks, [0, 10, 20]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct Bands<'s, T> {
    stream: BlockStream<'s, T>,
}

impl<'s, T> Bands<'s, T> {
    pub(crate) fn new(stream: BlockStream<'s, T>) -> Bands<'s, T> {
        Bands { stream }
    }

    pub(crate) fn into_stream(self) -> BlockStream<'s, T> {
        self.stream
    }

    pub(crate) fn trace(&self) -> Trace {
        self.stream.trace().clone()
    }

    /// Returns the declaration of the sequence.
    #[must_use]
    pub fn spec(&self) -> &'s SequenceSpec {
        self.stream.spec()
    }

    /// Returns the next band, or `None` at the end and after an error. The remaining blocks of the
    /// band before are not computed.
    ///
    /// # Errors
    ///
    /// The error or the panic of the producer, or
    /// [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if the number of bands differs from
    /// the declared one.
    pub fn next_band(&mut self) -> Result<Option<Band<'_, 's, T>>> {
        self.stream.skip_band()?;
        let first = match self.stream.next_step().transpose()? {
            Some(Step::Block(block)) => Some(block),
            Some(Step::EndBand) => None,
            None => return Ok(None),
        };
        let ended = first.is_none();
        Ok(Some(Band { stream: &mut self.stream, first, ended }))
    }
}

/// An iterator over the blocks of one band, in order. After an error it yields nothing more.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Band, NestedLazyChunkSequence, Result};
/// use ndarray::{Array1, Array2, Axis};
///
/// /// Returns the sum of each row of one band.
/// fn row_sums(mut band: Band<'_, '_, Array2<f64>>) -> Result<Option<Array1<f64>>> {
///     let Some(first) = band.next() else { return Ok(None) };
///     let first = first?.sum_axis(Axis(1));
///     band.try_fold(first, |sums, block| Ok(sums + block?.sum_axis(Axis(1)))).map(Some)
/// }
///
/// let sequence = NestedLazyChunkSequence::new(|| [[3, 2], [4, 1]])
///     .map(|n_columns| Array2::ones((2, n_columns)));
/// let mut bands = sequence.bands();
/// while let Some(band) = bands.next_band()? {
///     assert_eq!(row_sums(band)?.unwrap().to_vec(), [5.0, 5.0]);
/// }
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct Band<'b, 's, T> {
    stream: &'b mut BlockStream<'s, T>,
    first: Option<T>,
    ended: bool,
}

impl<T> Iterator for Band<'_, '_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if let Some(block) = self.first.take() {
            return Some(Ok(block));
        }
        if self.ended {
            return None;
        }
        match self.stream.next_step() {
            Some(Ok(Step::Block(block))) => Some(Ok(block)),
            Some(Ok(Step::EndBand)) | None => {
                self.ended = true;
                None
            }
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

macro_rules! debug_declared {
    ($($Type:ident<$($lifetime:lifetime),*>)*) => {
        $(impl<T> fmt::Debug for $Type<$($lifetime,)* T> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .debug_struct(stringify!($Type))
                    .field("declared", self.stream.spec())
                    .finish_non_exhaustive()
            }
        })*
    };
}

debug_declared!(Blocks<'_> Bands<'_> Band<'_, '_>);
