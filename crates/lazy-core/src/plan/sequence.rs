//! The sequences that a plan can divide.

use std::ops::Range;

use crate::{
    ArrayBlock, LazyChunkSequence, NestedLazyChunkSequence, RandomAccess, Reducer, Result,
    SequenceSpec,
};

/// An indexed sequence of either type, of which a [`Plan`](crate::Plan) computes some bands at a
/// time.
pub trait PlannedSequence: sealed::Sealed {
    #[doc(hidden)]
    fn spec(&self) -> &SequenceSpec;

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

            fn compute_bands<R: Reducer>(
                &self,
                bands: Range<usize>,
                reducer: R,
            ) -> Result<R::Output> {
                let first = bands.start;
                let part = self.another().$take(bands)?;
                part.compute(reducer).map_err(|error| error.behind(first))
            }
        }
    };
}

planned_sequence!(LazyChunkSequence, take_blocks);
planned_sequence!(NestedLazyChunkSequence, take_bands);
