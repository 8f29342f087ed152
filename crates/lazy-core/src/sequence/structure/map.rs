//! Functions of blocks and their positions.

use super::refused;
use crate::sequence::{LazyChunkSequence, NestedLazyChunkSequence, RandomAccess};
use crate::stream::{Failure, MapRule};
use crate::{BlockGrid, BlockPosition, BlockSizes, BoxError, Result};

macro_rules! map_methods {
    ($Sequence:ident) => {
        impl<'a, T: 'a, K: RandomAccess> $Sequence<'a, T, K> {
            /// Applies a function to every block and its position as it is computed. Drops a
            /// declared row type, since the function may change it.
            ///
            /// # Example
            ///
            /// Adds the labels of the rows of a block, which `at.row` finds:
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            /// use ndarray::{Array1, s};
            ///
            /// let labels = Array1::from_iter(0..5);
            /// let sequence = LazyChunkSequence::from_fn([2, 3], |i| Array1::from_elem(2 + i, 10))
            ///     .map_at(|at, block| {
            ///         &block + &labels.slice(s![at.row..at.row + block.len()])
            ///     });
            /// assert_eq!(sequence.block(1)?.to_vec(), [12, 13, 14]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn map_at<'b, U: Send + 'b, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                F: Fn(BlockPosition, T) -> U + Send + Sync + 'b,
            {
                self.mapped_at(move |at, block| Ok(function(at, block)))
            }

            /// Applies a function that can fail to every block and its position; see
            /// [`map_at`](Self::map_at) and [`try_map`](Self::try_map).
            pub fn try_map_at<'b, U: Send + 'b, E, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                E: Into<BoxError>,
                F: Fn(BlockPosition, T) -> Result<U, E> + Send + Sync + 'b,
            {
                self.mapped_at(move |at, block| {
                    function(at, block).map_err(|error| Failure::Producer(error.into()))
                })
            }

            fn mapped_at<'b, U: Send + 'b, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                F: Fn(BlockPosition, T) -> Result<U, Failure> + Send + Sync + 'b,
            {
                let grid = self.grid().clone();
                let blocks_per_band = grid.blocks_per_band();
                let rule = {
                    let grid = grid.clone();
                    MapRule::new(move |band: usize, column: usize, block| {
                        function(grid.position(band * blocks_per_band + column), block)
                    })
                };
                $Sequence {
                    producer: K::derived(self.producer, &grid, rule),
                    spec: self.spec.with_row_type(None),
                    pass: self.pass,
                }
            }

            /// Applies a function that changes the number of rows of blocks; `rows` declares the
            /// new sizes along axis 0. Drops a declared row type.
            ///
            /// Reducers return [`ErrorKind::Shape`](crate::ErrorKind::Shape) for a block of another
            /// size. A function that keeps the number of rows can be passed to [`map`](Self::map).
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the number of sizes is
            /// not the number of blocks along axis 0.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{Count, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::{Array1, s};
            ///
            /// let sequence = LazyChunkSequence::from_fn([4, 6], |i| Array1::<f32>::ones(4 + 2 * i));
            /// let halved = sequence.map_rows([2, 3], |block| block.slice(s![..;2]).to_owned())?;
            /// assert_eq!(halved.convert(NdarrayConverter).compute(Count)?, 5);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn map_rows<'b, U: Send + 'b, F>(
                self,
                rows: impl Into<BlockSizes>,
                function: F,
            ) -> Result<$Sequence<'b, U, K>>
            where
                'a: 'b,
                F: Fn(T) -> U + Send + Sync + 'b,
            {
                let grid = with_rows(self.grid(), rows.into())?;
                let mapped = self.map(function);
                Ok($Sequence { spec: mapped.spec.with_grid(grid), ..mapped })
            }
        }
    };
}

map_methods!(LazyChunkSequence);
map_methods!(NestedLazyChunkSequence);

fn with_rows(grid: &BlockGrid, rows: BlockSizes) -> Result<BlockGrid> {
    let (n_blocks, n_sizes) = (grid.rows().n_blocks(), rows.n_blocks());
    if n_sizes != n_blocks {
        let problem = format!(
            "there are {n_sizes} sizes, but the sequence has {n_blocks} blocks along axis 0"
        );
        return Err(refused("declare the rows of mapped blocks", problem));
    }
    Ok(match grid.columns() {
        Some(columns) => BlockGrid::rows_and_columns(rows, columns.clone()),
        None => BlockGrid::rows_only(rows),
    })
}
