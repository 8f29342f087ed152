//! The sequences that a plan can divide.

use std::ops::{ControlFlow, Range};

use crate::error::Case;
use crate::{
    ArrayBlock, LazyChunkSequence, NestedLazyChunkSequence, Progress, RandomAccess, Reducer,
    Result, SequenceSpec, Stage,
};

/// An indexed sequence of either type, of which a [`Plan`](crate::Plan) computes some bands at a
/// time. [`PartStore`](crate::PartStore) has an example.
pub trait PlannedSequence: sealed::Sealed {
    #[doc(hidden)]
    fn spec(&self) -> &SequenceSpec;

    /// Tells the observer that other workers compute what remains, when `n_blocks` are done.
    #[doc(hidden)]
    fn observe_waiting(&self, n_blocks: usize) -> Result<()>;

    /// Returns the declaration of the pass that computes some bands.
    #[doc(hidden)]
    fn spec_of_bands(&self, bands: Range<usize>) -> Result<SequenceSpec>;

    #[doc(hidden)]
    fn compute_bands<R: Reducer>(&self, bands: Range<usize>, reducer: R) -> Result<R::Output>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! planned_sequence {
    ($Sequence:ident, $take:ident) => {
        impl<K: RandomAccess> sealed::Sealed for $Sequence<'_, ArrayBlock, K> {}

        impl<K: RandomAccess> PlannedSequence for $Sequence<'_, ArrayBlock, K> {
            fn spec(&self) -> &SequenceSpec {
                self.spec()
            }

            fn observe_waiting(&self, n_blocks: usize) -> Result<()> {
                let Some(observer) = self.observer() else { return Ok(()) };
                let waiting = Progress::new(self.spec());
                let waiting = Progress { blocks: n_blocks, stage: Stage::Waiting, ..waiting };
                match observer.observe(&waiting) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => {
                        Err(Case::Cancelled { blocks: n_blocks, kept: Vec::new() }.into())
                    }
                }
            }

            fn spec_of_bands(&self, bands: Range<usize>) -> Result<SequenceSpec> {
                Ok(self.clone().$take(bands)?.spec_of_pass())
            }

            fn compute_bands<R: Reducer>(
                &self,
                bands: Range<usize>,
                reducer: R,
            ) -> Result<R::Output> {
                let first = bands.start;
                let part = self.clone().$take(bands)?;
                part.compute(reducer).map_err(|error| error.behind(first))
            }
        }
    };
}

planned_sequence!(LazyChunkSequence, take_blocks);
planned_sequence!(NestedLazyChunkSequence, take_bands);
