//! The trait of statistics, which are reducers whose states merge.

use std::sync::Arc;

use super::pieces::Making;
use crate::{ArrayBlock, BlockPosition, DType, Result, SequenceSpec, StateSize};

/// A summary of an array whose states can be merged, so that it can be computed piece by piece.
///
/// Every statistic is a [`Reducer`](crate::Reducer): each block makes a state of its own, and the
/// states are merged in the order of the blocks. So the result has the same bits on any number of
/// threads.
///
/// A reference to a statistic is a statistic, so one statistic can be computed several times. If a
/// computation is distributed over several processes, each process computes the [state of its
/// part](crate::StateOf), and one process merges them; this requires
/// [`SaveState`](crate::SaveState).
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     ArrayBlock, BlockPosition, LazyChunkSequence, NdarrayConverter, Result, Statistic,
/// };
/// use ndarray::array;
///
/// /// The number of elements that are not zero.
/// struct NonZero;
///
/// impl Statistic for NonZero {
///     type State = u64;
///     type Output = u64;
///
///     fn empty(&self) -> u64 {
///         0
///     }
///
///     fn update(&self, state: &mut u64, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
///         block.for_each_f64(|value| *state += u64::from(value != 0.0))
///     }
///
///     fn merge(&self, state: &mut u64, next: u64) -> Result<()> {
///         *state += next;
///         Ok(())
///     }
///
///     fn finish(&self, state: u64) -> Result<u64> {
///         Ok(state)
///     }
/// }
///
/// let sequence = LazyChunkSequence::new(|| [array![[0.0, 1.0]], array![[2.0, 0.0]]]);
/// assert_eq!(sequence.convert(NdarrayConverter).compute(NonZero)?, 2);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a statistic nor a reducer",
    note = "a tuple of up to eight reducers is a reducer, and tuples nest: `((a, b), c)`"
)]
pub trait Statistic: Send + Sync {
    /// The accumulated state.
    type State: Send;
    /// The type of the result.
    type Output;

    /// Returns the name in messages, with the complete configuration: `the 10 largest of each row`.
    /// States of statistics with different names are not merged.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Returns true if the statistic needs whole rows, so that it rejects nested sequences. The
    /// default is `false`.
    fn needs_whole_rows(&self) -> bool {
        false
    }

    /// Checks that the configuration is valid and that the statistic supports the dtype and the
    /// shape of a row.
    ///
    /// It is called before the first block with the declared dtype and row shape, or `None` where
    /// they are not declared. It is called again before each [`update`](Self::update), with the
    /// dtype of the block, and in a sequence cut along axis 0 with its row shape. In a nested
    /// sequence, a block has no whole rows, so `row_shape` is `None`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) or
    /// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType).
    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        let (_, _) = (dtype, row_shape);
        Ok(())
    }

    /// Returns the size of the states of `n_rows` rows of this shape, or a lower bound of it.
    /// `row_shape` is `None` while the shape is unknown.
    ///
    /// With it, a pass whose [bound](Self::state_bound) is unknown fails before its first block if
    /// its statistics certainly exceed the [memory
    /// limit](crate::LazyChunkSequence::with_memory_limit). The default is the size of the type.
    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        let (_, _) = (n_rows, row_shape);
        StateSize::new(1, size_of::<Self::State>())
    }

    /// Returns an upper bound of the memory that a pass over a sequence with this declaration takes
    /// for the statistic, or `None` if it is unknown, which is the default.
    ///
    /// The bound covers the accumulated state, the states of
    /// [`max_in_flight`](SequenceSpec::max_in_flight) blocks, everything that is allocated while
    /// states are updated and merged, and the result. It does not cover up to 64 KiB for each of
    /// these blocks. [`Reducer::memory_bound`](crate::Reducer::memory_bound) returns its bytes.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArrayBlock, BlockPosition, Result, SequenceSpec, StateSize, Statistic};
    ///
    /// /// The largest difference between neighbours in each row.
    /// struct LargestSteps;
    ///
    /// impl Statistic for LargestSteps {
    ///     type State = Vec<f64>;
    ///     type Output = Vec<f64>;
    ///
    ///     fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
    ///         let rows_in_flight = spec.largest_block()?[0] * spec.max_in_flight();
    ///         // A list that grows may have room for twice as many, and is moved.
    ///         let n_rows = 3 * spec.n_rows()? + rows_in_flight;
    ///         Some(StateSize::new(n_rows as u128, size_of::<f64>()))
    ///     }
    /// #   fn empty(&self) -> Vec<f64> { Vec::new() }
    /// #   fn update(&self, _: &mut Vec<f64>, _: BlockPosition, _: &ArrayBlock) -> Result<()> {
    /// #       Ok(())
    /// #   }
    /// #   fn merge(&self, state: &mut Vec<f64>, next: Vec<f64>) -> Result<()> {
    /// #       state.extend(next);
    /// #       Ok(())
    /// #   }
    /// #   fn finish(&self, state: Vec<f64>) -> Result<Vec<f64>> { Ok(state) }
    ///     // …
    /// }
    /// ```
    fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
        let _ = spec;
        None
    }

    /// Returns the state before any block is added.
    fn empty(&self) -> Self::State;

    /// Returns the initial state of a pass, to which the states of all blocks are added. If the
    /// shape of a row is declared, an array without blocks still has its columns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) if there is not enough memory for the state.
    fn init(&self, spec: &SequenceSpec) -> Result<Self::State> {
        let _ = spec;
        Ok(self.empty())
    }

    /// Adds a block to a state. [`check`](Self::check) has accepted the block.
    ///
    /// # Errors
    ///
    /// Any error, if the statistic cannot use the block.
    fn update(&self, state: &mut Self::State, at: BlockPosition, block: &ArrayBlock) -> Result<()>;

    /// Begins the state of a block, which is computed piece by piece in turns with those of other
    /// statistics. It is the one that [`update`](Self::update) adds to an empty state.
    #[doc(hidden)]
    fn state_in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Self::State>> {
        let (_, _) = (at, block);
        Ok(None)
    }

    /// Adds the state of the blocks that follow the blocks of `state`.
    ///
    /// # Errors
    ///
    /// Any error, if the states do not belong together.
    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()>;

    /// Returns the result for all blocks.
    ///
    /// # Errors
    ///
    /// Any error, if the result is undefined for the blocks.
    fn finish(&self, state: Self::State) -> Result<Self::Output>;
}

/// A reference to a statistic is a statistic, so one statistic can be computed in several passes.
/// Makes a pointer to a statistic a statistic.
macro_rules! statistic_behind {
    ($($Pointer:ty),+) => {
        $(
            impl<S: Statistic> Statistic for $Pointer {
                type State = S::State;
                type Output = S::Output;

                fn name(&self) -> String {
                    (**self).name()
                }

                fn needs_whole_rows(&self) -> bool {
                    (**self).needs_whole_rows()
                }

                fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
                    (**self).check(dtype, row_shape)
                }

                fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
                    (**self).state_size(n_rows, row_shape)
                }

                fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
                    (**self).state_bound(spec)
                }

                fn init(&self, spec: &SequenceSpec) -> Result<S::State> {
                    (**self).init(spec)
                }

                fn empty(&self) -> S::State {
                    (**self).empty()
                }

                fn update(&self, state: &mut S::State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
                    (**self).update(state, at, block)
                }

                fn state_in_pieces<'b>(
                    &'b self,
                    at: BlockPosition,
                    block: &'b ArrayBlock,
                ) -> Result<Making<'b, S::State>> {
                    (**self).state_in_pieces(at, block)
                }

                fn merge(&self, state: &mut S::State, next: S::State) -> Result<()> {
                    (**self).merge(state, next)
                }

                fn finish(&self, state: S::State) -> Result<S::Output> {
                    (**self).finish(state)
                }
            }
        )+
    };
}

statistic_behind!(&S, Arc<S>);
