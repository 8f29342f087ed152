//! Sequences one after the other along axis 0.

use super::refused;
use crate::sequence::{Access, LazyChunkSequence, NestedLazyChunkSequence};
use crate::{BlockGrid, BlockSizes, Result, SequenceSpec};

const CHAIN: &str = "chain sequences";

macro_rules! chain_methods {
    ($Sequence:ident) => {
        impl<'a, T: Send + 'a, K: Access> $Sequence<'a, T, K> {
            /// Appends the blocks of another sequence behind the blocks of this one, along axis 0.
            ///
            /// Nothing is computed. If both sequences have grids, the result has a grid, so it
            /// keeps random access, threads and the ability to resume a write. The row type is the
            /// one that is declared; the threads, the memory limit and the observer are those of
            /// this sequence. [`concat`](Self::concat) chains more than two.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the declared row types
            /// differ, or the block sizes along axis 1.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            ///
            /// let monday = LazyChunkSequence::from_fn([2, 2], |i| format!("monday {i}"));
            /// let tuesday = LazyChunkSequence::from_fn([1], |i| format!("tuesday {i}"));
            /// let both = monday.chain(tuesday)?;
            /// assert_eq!(both.grid().rows().total(), 5);
            /// assert_eq!(both.block(2)?, "tuesday 0");
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn chain(self, next: Self) -> Result<Self> {
                Self::concat([self, next])
            }

            /// Chains any number of sequences along axis 0; see [`chain`](Self::chain). The
            /// threads, the memory limit and the observer are those of the first one.
            ///
            /// # Errors
            ///
            /// - The errors of [`chain`](Self::chain).
            /// - [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if there is no sequence.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            ///
            /// let days = (0..7).map(|day| LazyChunkSequence::new(move || [day]));
            /// assert_eq!(LazyChunkSequence::concat(days)?.collect()?, [0, 1, 2, 3, 4, 5, 6]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn concat(sequences: impl IntoIterator<Item = Self>) -> Result<Self> {
                let sequences: Vec<Self> = sequences.into_iter().collect();
                let specs: Vec<_> = sequences.iter().map(|sequence| &sequence.spec).collect();
                let spec = chained(&specs)?;
                let pass = sequences[0].pass.clone();
                let parts = sequences.into_iter().map(|sequence| {
                    let n_bands = sequence.spec.n_bands();
                    (sequence.producer, n_bands)
                });
                let producer = K::chained(parts.collect(), spec.grid());
                Ok(Self { producer, spec, pass })
            }
        }
    };
}

chain_methods!(LazyChunkSequence);
chain_methods!(NestedLazyChunkSequence);

/// Returns the declaration of sequences one after the other.
fn chained(specs: &[&SequenceSpec]) -> Result<SequenceSpec> {
    let [first, others @ ..] = specs else {
        return Err(refused(CHAIN, "there are none, so their type of blocks is unknown"));
    };
    let mut spec = (*first).clone();
    for (i, other) in others.iter().enumerate() {
        match (spec.row_type(), other.row_type()) {
            (Some(one), Some(next)) if one != next => {
                let problem = format!(
                    "the rows of sequence {} are {next}, but those of an earlier one are {one}",
                    i + 1
                );
                return Err(refused(CHAIN, problem));
            }
            (None, next) => spec = spec.with_row_type(next.cloned()),
            _ => {}
        }
        let columns = |spec: &SequenceSpec| spec.grid().and_then(|grid| grid.columns().cloned());
        if let (Some(one), Some(next)) = (columns(first), columns(other))
            && one != next
        {
            let problem = format!(
                "sequence {} is cut along axis 1 into blocks of other sizes than the first one",
                i + 1
            );
            return Err(refused(CHAIN, problem));
        }
    }
    let grids: Option<Vec<&BlockGrid>> = specs.iter().map(|spec| spec.grid()).collect();
    let n_bands: Option<Vec<usize>> = specs.iter().map(|spec| spec.n_bands()).collect();
    let Some(grids) = grids else {
        return Ok(spec.without_grid(first.cut(), n_bands.map(|n_bands| n_bands.iter().sum())));
    };
    let sizes: Vec<_> =
        grids.iter().flat_map(|grid| grid.rows().ranges().map(|range| range.len())).collect();
    let total = sizes.iter().try_fold(0_usize, |total, size| total.checked_add(*size));
    if total.is_none() {
        return Err(refused(CHAIN, "the array would have too many rows"));
    }
    let rows = BlockSizes::from(sizes);
    Ok(spec.with_grid(match grids[0].columns() {
        Some(columns) => BlockGrid::rows_and_columns(rows, columns.clone()),
        None => BlockGrid::rows_only(rows),
    }))
}
