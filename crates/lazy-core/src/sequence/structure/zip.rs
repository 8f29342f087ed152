//! Pairs of the blocks of two sequences.

use super::refused;
use crate::sequence::{Access, LazyChunkSequence, NestedLazyChunkSequence};
use crate::{Result, SequenceSpec};

const ZIP: &str = "zip sequences";

macro_rules! zip_methods {
    ($Sequence:ident) => {
        impl<'a, T: Send + 'a, K: Access> $Sequence<'a, T, K> {
            /// Pairs each block with the block of another sequence at the same index.
            ///
            /// Nothing is computed. If the sequences have grids, these must be equal, and the
            /// result has the grid, so it keeps random access, threads and the ability to resume a
            /// write. The threads, the memory limit and the observer are those of this sequence. A
            /// row type is not kept, since a pair is not an array.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the grids or the
            /// declared numbers of blocks differ. If a streamed sequence turns out to have fewer
            /// blocks than the other one, the evaluation fails with
            /// [`ErrorKind::Producer`](crate::ErrorKind::Producer).
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            /// use ndarray::Array1;
            ///
            /// let inputs = LazyChunkSequence::from_fn([2, 3], |i| Array1::from_elem(2 + i, 1.5));
            /// let labels = LazyChunkSequence::from_fn([2, 3], |i| Array1::from_elem(2 + i, 1.0));
            /// let losses = inputs.zip(labels)?.map(|(input, label)| (input - label).pow2());
            /// assert_eq!(losses.block(1)?.to_vec(), [0.25; 3]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn zip<U: Send + 'a>(
                self,
                other: $Sequence<'a, U, K>,
            ) -> Result<$Sequence<'a, (T, U), K>> {
                let spec = zipped(&self.spec, &other.spec)?;
                let producer = K::zipped(self.producer, other.producer, spec.grid());
                Ok($Sequence { producer, spec, pass: self.pass })
            }
        }
    };
}

zip_methods!(LazyChunkSequence);
zip_methods!(NestedLazyChunkSequence);

fn zipped(left: &SequenceSpec, right: &SequenceSpec) -> Result<SequenceSpec> {
    if let (Some(left), Some(right)) = (left.n_bands(), right.n_bands())
        && left != right
    {
        let problem =
            format!("the left one has {left} blocks along axis 0, but the right one has {right}");
        return Err(refused(ZIP, problem));
    }
    let spec = left.clone().with_row_type(None);
    match (left.grid(), right.grid()) {
        (Some(one), Some(other)) if one != other => {
            let rows = one.rows().ranges().zip(other.rows().ranges());
            let differing = rows.enumerate().find(|(_, (left, right))| left != right);
            let problem = match differing {
                Some((i, (left, right))) => format!(
                    "block {i} along axis 0 has {} rows in the left one, but {} rows in the right \
                     one",
                    left.len(),
                    right.len()
                ),
                None => "they are cut along axis 1 into blocks of different sizes".to_owned(),
            };
            Err(refused(ZIP, problem))
        }
        (Some(_), Some(_)) => Ok(spec),
        _ => {
            let n_bands = left.n_bands().or(right.n_bands());
            Ok(spec.without_grid(left.cut(), n_bands))
        }
    }
}
