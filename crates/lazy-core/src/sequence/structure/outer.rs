//! Functions of every block of one sequence with every block of another.

use std::convert::Infallible;
use std::sync::Arc;

use crate::sequence::{LazyChunkSequence, LocalIndexed, NestedLazyChunkSequence, RandomAccess};
use crate::stream::{Evaluation, Failure, Inputs, Kept, PairRule, Paired};
use crate::{BlockGrid, BoxError};

impl<'a, L: Send + Sync + 'a, K: RandomAccess> LazyChunkSequence<'a, L, K> {
    /// Applies a function to every block of this sequence with every block of another one: block
    /// `(i, j)` of the result is `function(left[i], right[j])`, and has as many rows as block `i`
    /// of this sequence has, and as many columns as block `j` of `right` has rows.
    ///
    /// An evaluation keeps a block of this sequence until its band is complete, and the first
    /// `n_kept` blocks of `right` to the end. So it computes each block of this sequence once, each
    /// of these blocks of `right` once, and every other block of `right` once for each band. With
    /// `l` and `r` blocks, it computes `l` and `n_kept + (r - n_kept) · l` blocks; no other choice
    /// of `n_kept` blocks needs fewer.
    /// [`SequenceSpec::blocks_within`](crate::SequenceSpec::blocks_within) returns the number that
    /// fits into some memory.
    ///
    /// The access, the threads, the memory limit and the observer are those of this sequence.
    /// Larger blocks of this sequence make fewer bands.
    ///
    /// # Example
    ///
    /// The inner products of all test samples with all training samples:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockSizes, LazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let test = LazyChunkSequence::from_fn([2, 2], |i| Array2::from_elem((2, 3), i as f64));
    /// let train = LazyChunkSequence::from_fn([4; 10], |_| Array2::<f64>::ones((4, 3)));
    /// let products = test.outer(train, 10, |test, train| test.dot(&train.t()));
    /// assert_eq!(products.block(1, 9)?, Array2::from_elem((2, 4), 3.0));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn outer<R: Send + Sync + 'a, U: Send + 'a, F>(
        self,
        right: LazyChunkSequence<'a, R, K>,
        n_kept: usize,
        function: F,
    ) -> NestedLazyChunkSequence<'a, U, K>
    where
        F: Fn(&L, &R) -> U + Send + Sync + 'a,
    {
        self.outer_of(right, n_kept, move |left, right| Ok(function(left, right)))
    }

    /// Applies a function that can fail to every block of this sequence with every block of another
    /// one; see [`outer`](Self::outer).
    pub fn try_outer<R: Send + Sync + 'a, U: Send + 'a, E, F>(
        self,
        right: LazyChunkSequence<'a, R, K>,
        n_kept: usize,
        function: F,
    ) -> NestedLazyChunkSequence<'a, U, K>
    where
        E: Into<BoxError>,
        F: Fn(&L, &R) -> Result<U, E> + Send + Sync + 'a,
    {
        self.outer_of(right, n_kept, move |left, right| {
            function(left, right).map_err(|error| Failure::Producer(error.into()))
        })
    }

    fn outer_of<R: Send + Sync + 'a, U: Send + 'a, F>(
        self,
        right: LazyChunkSequence<'a, R, K>,
        n_kept: usize,
        function: F,
    ) -> NestedLazyChunkSequence<'a, U, K>
    where
        F: Fn(&L, &R) -> Result<U, Failure> + Send + Sync + 'a,
    {
        let (grid, rule) = outer_rule(self.grid(), right.grid(), n_kept, function);
        NestedLazyChunkSequence {
            producer: K::paired(self.producer, right.producer, &grid, rule),
            spec: self.spec.with_row_type(None).with_grid(grid),
            pass: self.pass,
        }
    }
}

impl<'a, L: 'a> LazyChunkSequence<'a, L, LocalIndexed> {
    /// Applies a function that stays on this thread to every block of this sequence with every
    /// block of another one; see [`outer`](LazyChunkSequence::outer). The blocks can be values that
    /// threads must not share, such as tensors of libtorch.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use std::cell::Cell;
    /// use lazy_chunks::LazyChunkSequence;
    ///
    /// let cells = || LazyChunkSequence::from_local_fn([1, 1], |i| Cell::new(i + 1));
    /// let products = cells().outer_local(cells(), 2, |left, right| left.get() * right.get());
    /// assert_eq!(products.collect()?, [[1, 2], [2, 4]]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn outer_local<R: 'a, U: 'a, F>(
        self,
        right: LazyChunkSequence<'a, R, LocalIndexed>,
        n_kept: usize,
        function: F,
    ) -> NestedLazyChunkSequence<'a, U, LocalIndexed>
    where
        F: Fn(&L, &R) -> U + 'a,
    {
        self.try_outer_local(right, n_kept, move |left, right| {
            Ok::<_, Infallible>(function(left, right))
        })
    }

    /// Applies a function that can fail and stays on this thread to every block of this sequence
    /// with every block of another one; see [`outer_local`](Self::outer_local).
    pub fn try_outer_local<R: 'a, U: 'a, E, F>(
        self,
        right: LazyChunkSequence<'a, R, LocalIndexed>,
        n_kept: usize,
        function: F,
    ) -> NestedLazyChunkSequence<'a, U, LocalIndexed>
    where
        E: Into<BoxError>,
        F: Fn(&L, &R) -> Result<U, E> + 'a,
    {
        let (grid, rule) =
            outer_rule(self.grid(), right.grid(), n_kept, move |left: &L, right: &R| {
                function(left, right).map_err(|error| Failure::Producer(error.into()))
            });
        NestedLazyChunkSequence {
            producer: Arc::new(Paired::new(self.producer, right.producer, &grid, rule)),
            spec: self.spec.with_row_type(None).with_grid(grid),
            pass: self.pass,
        }
    }
}

/// Returns the grid of all pairs of blocks, and the rule that makes its blocks.
fn outer_rule<L, R, F>(
    left: &BlockGrid,
    right: &BlockGrid,
    n_kept: usize,
    function: F,
) -> (BlockGrid, OuterRule<L, R, F>) {
    let (rows, columns) = (left.rows(), right.rows());
    let rule = OuterRule {
        n_columns: columns.n_blocks(),
        n_kept,
        left: Kept::default(),
        right: Kept::default(),
        function,
    };
    (BlockGrid::rows_and_columns(rows.clone(), columns.clone()), rule)
}

struct OuterRule<L, R, F> {
    n_columns: usize,
    n_kept: usize,
    left: Kept<Arc<L>>,
    right: Kept<Arc<R>>,
    function: F,
}

impl<L, R, U, F> PairRule<L, R, U> for OuterRule<L, R, F>
where
    F: Fn(&L, &R) -> Result<U, Failure>,
{
    fn block(
        &self,
        left: &Inputs<'_, L>,
        right: &Inputs<'_, R>,
        band: usize,
        column: usize,
    ) -> Result<U, Failure> {
        let last_of_band = band * self.n_columns + self.n_columns - 1;
        let left = self
            .left
            .get(left.evaluation(), band, last_of_band, || left.block(0, band, 0).map(Arc::new))?;
        let compute = || right.block(0, column, 0).map(Arc::new);
        let right = if column < self.n_kept {
            self.right.get(right.evaluation(), column, usize::MAX - 1, compute)?
        } else {
            compute()?
        };
        (self.function)(&left, &right)
    }

    fn first_needed(&self, next: usize) -> [Option<usize>; 2] {
        // The blocks of the right sequence are requested again in each band.
        [Some(next.checked_div(self.n_columns).unwrap_or(usize::MAX)), None]
    }

    fn release(&self, evaluation: Evaluation, end: usize) {
        self.left.release(evaluation, end);
        // The kept blocks are needed to the end.
        if end == usize::MAX {
            self.right.release(evaluation, end);
        }
    }
}
