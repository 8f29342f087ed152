//! Sequences of elements of another dtype.

use crate::sequence::{Access, LazyChunkSequence, NestedLazyChunkSequence};
use crate::stream::Failure;
use crate::{ArrayBlock, Casting, DType, Result, RowType};

macro_rules! cast_methods {
    ($Sequence:ident) => {
        impl<'a, K: Access> $Sequence<'a, ArrayBlock, K> {
            /// Converts the elements of every block to another dtype, as it is computed; see
            /// [`ArrayBlock::cast`]. A declared row type gets the dtype.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::DType`](crate::ErrorKind::DType) if `casting` does not allow the cast
            /// of the declared dtype. If none is declared, the evaluation fails at the first block.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{Casting, Concatenate, DType, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::array;
            ///
            /// let sequence = LazyChunkSequence::new(|| [array![0.5_f32, 0.1]]).convert(NdarrayConverter);
            /// let halves = sequence.cast(DType::Float16, Casting::SameKind)?.compute(Concatenate)?;
            /// assert_eq!(halves.dtype(), DType::Float16);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn cast(self, dtype: DType, casting: Casting) -> Result<Self> {
                let row_type = match self.spec.row_type() {
                    Some(row_type) => {
                        casting.check(row_type.dtype, dtype)?;
                        Some(RowType { dtype, shape: row_type.shape.clone() })
                    }
                    None => None,
                };
                Ok(self.transformed(row_type, move |block: ArrayBlock| {
                    block.cast(dtype, casting).map_err(Failure::Conversion)
                }))
            }
        }
    };
}

cast_methods!(LazyChunkSequence);
cast_methods!(NestedLazyChunkSequence);
