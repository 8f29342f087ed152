//! Lazily evaluated arrays, cut along one or two axes.

mod flat;
mod kind;
mod nested;

pub use flat::LazyChunkSequence;
pub use kind::{Indexed, IndexedKind, Kind, SharedIndexed, Streamed};
pub use nested::NestedLazyChunkSequence;

/// The methods that both types of sequence have in the same words.
macro_rules! shared_methods {
    ($Sequence:ident) => {
        impl<'a, T: 'a, K: Kind> $Sequence<'a, T, K> {
            /// What is known before the first block is computed.
            #[must_use]
            pub fn declared(&self) -> &Declared {
                &self.declared
            }

            /// Declares the dtype and the shape of one row: of `array[i]`.
            ///
            /// It gives an empty sequence its shape, and lets a sink check its settings before the
            /// first block. Reducers and [`Concatenate`](crate::Concatenate) check every block
            /// against it: a block of another dtype is
            /// [`Error::BlockDType`](crate::Error::BlockDType), one of other axes
            /// [`Error::TrailingShape`](crate::Error::TrailingShape), a band of another width
            /// [`Error::BandWidth`](crate::Error::BandWidth); a row type that contradicts the grid
            /// is [`Error::RowTypeMismatch`](crate::Error::RowTypeMismatch).
            ///
            /// # Example
            ///
            /// ```
            /// use lazy_core::{Concatenate, DType, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::Array2;
            ///
            /// let sequence = LazyChunkSequence::new(|| [Array2::<f32>::zeros((2, 3))])
            ///     .convert(NdarrayConverter)
            ///     .with_row_type(DType::Float32, [4]);
            /// assert_eq!(
            ///     sequence.compute(Concatenate).unwrap_err().to_string(),
            ///     "block 0 has shape [2, 3], but its axes from 1 on must be [4] as declared"
            /// );
            /// ```
            #[must_use]
            pub fn with_row_type(self, dtype: DType, row_shape: impl Into<Vec<usize>>) -> Self {
                let row_type = RowType { dtype, shape: row_shape.into() };
                Self { declared: self.declared.with_row_type(Some(row_type)), ..self }
            }

            /// Limits the memory that the states of the statistics of one evaluation take together.
            ///
            /// A statistic of each row or column has a state for each, once for all blocks so far, and once for each
            /// block in flight: one, or on several threads as many as the window. If a row type is declared, a
            /// statistic that would take too much is refused before the first block; otherwise when a block is
            /// reduced, before the memory is allocated. States that grow with the data, such as those of
            /// [`Quantiles`](crate::Quantiles), are counted as they grow. The error is
            /// [`Error::StatisticMemory`](crate::Error::StatisticMemory). Blocks, results and what a sink holds do
            /// not count.
            ///
            /// Without a limit, it is [all memory that the system has](crate::system_memory) for this process.
            /// [`MemoryLimit`](crate::MemoryLimit) limits some of the reducers of an evaluation.
            ///
            /// # Example
            ///
            /// ```
            /// use lazy_core::{DType, Histogram, LazyChunkSequence, NdarrayConverter, Summary};
            /// use ndarray::Array2;
            ///
            /// let rows = LazyChunkSequence::new(|| [Array2::<f32>::zeros((1, 100_000))])
            ///     .convert(NdarrayConverter)
            ///     .with_row_type(DType::Float32, [100_000])
            ///     .with_memory_limit(8 << 30);
            /// let edges: Vec<f64> = (0..=20_000).map(f64::from).collect();
            /// let error = rows.compute(Histogram::new(edges).per_column()).unwrap_err().to_string();
            /// assert!(error.ends_with("needs 29.8 GiB for 200000 states, but the limit is 8 GiB"), "{error}");
            /// ```
            #[must_use]
            pub fn with_memory_limit(self, bytes: u64) -> Self {
                Self { declared: self.declared.with_memory_limit(bytes), ..self }
            }

            /// Applies a function to every block as it is computed. A declared row type is dropped,
            /// since the function may change it.
            ///
            /// Whatever the kind, the function is one for any thread; what cannot leave its thread
            /// is used in the producer itself.
            ///
            /// # Example
            ///
            /// ```
            /// let sequence = lazy_core::LazyChunkSequence::new(|| [1, 2, 3]);
            /// assert_eq!(sequence.map(|block| 10 * block).collect()?, [10, 20, 30]);
            /// # Ok::<(), lazy_core::Error>(())
            /// ```
            pub fn map<'b, U: 'b, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                F: Fn(T) -> U + Send + Sync + 'b,
            {
                self.transformed(None, move |block| Ok(function(block)))
            }

            /// Applies a function that can fail to every block as it is computed; its error is
            /// reported as the producer's ([`Error::Producer`](crate::Error::Producer)). A declared
            /// row type is dropped.
            pub fn try_map<'b, U: 'b, E, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                E: Into<BoxError>,
                F: Fn(T) -> Result<U, E> + Send + Sync + 'b,
            {
                self.transformed(None, move |block| {
                    function(block).map_err(|error| Failure::Producer(error.into()))
                })
            }

            /// Turns every block into an [`ArrayBlock`] as it is computed: what reducers take. A
            /// block that the converter refuses ends the evaluation with
            /// [`Error::Conversion`](crate::Error::Conversion). A declared row type is kept.
            pub fn convert<'b, C>(self, converter: C) -> $Sequence<'b, ArrayBlock, K>
            where
                'a: 'b,
                C: Converter<T> + Send + Sync + 'b,
            {
                let row_type = self.declared.row_type().cloned();
                self.transformed(row_type, move |tensor| {
                    converter.to_array(tensor).map_err(Failure::Conversion)
                })
            }

            fn transformed<'b, U: 'b, F>(
                self,
                row_type: Option<RowType>,
                function: F,
            ) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
            {
                $Sequence {
                    producer: K::mapped(self.producer, function),
                    declared: self.declared.with_row_type(row_type),
                    threads: self.threads,
                }
            }

            fn stream(&self) -> BlockStream<'_, T> {
                let stream = BlockStream::new(K::producer(&self.producer), &self.declared);
                match K::shared(&self.producer) {
                    Some(producer) => stream.with_parallel(Parallel::new(producer, self.threads)),
                    None => stream,
                }
            }
        }

        impl<'a, T: 'a> $Sequence<'a, T, SharedIndexed> {
            /// Evaluates blocks on so many threads, that of the caller among them, where they are reduced
            /// or concatenated; 0 stands for as many as there are cores.
            ///
            /// On each, blocks are computed and [what they contribute](crate::Reducer::partial) to the reducers.
            /// That is absorbed in the order of the blocks, so results have the same bits on any number of
            /// threads. It is also the first block in that order whose error is reported. Blocks so small that
            /// it takes longer to deal them are dealt several at a time.
            ///
            /// The threads are none of a pool, so that a producer may use a pool of its own, and an
            /// evaluation may be started within one. Without this, and for all that is not reduced or
            /// concatenated, blocks are computed by the caller's thread, one after the other.
            ///
            /// # Example
            ///
            /// ```
            /// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter};
            /// use ndarray::Array2;
            ///
            /// let sequence = LazyChunkSequence::from_fn([100; 50], |i| {
            ///     Array2::from_shape_fn((100, 20), |(row, column)| (100 * i + row * column) as f64)
            /// })
            /// .convert(NdarrayConverter);
            /// let moments = sequence.compute(MeanVariance)?;
            /// assert_eq!(sequence.with_threads(0).compute(MeanVariance)?, moments);
            /// # Ok::<(), lazy_core::Error>(())
            /// ```
            #[must_use]
            pub fn with_threads(self, n_threads: usize) -> Self {
                Self { threads: self.threads.with_number(n_threads), ..self }
            }

            /// How many blocks may be alive at once, beside those that a reducer keeps, when they are
            /// evaluated on several threads: twice as many as there are threads, without this, and up to 32 times as
            /// many of blocks that are dealt several at a time. Each has a state of its own, of every statistic, until it
            /// is absorbed.
            ///
            /// With fewer than there are threads, some of them have nothing to do; 0 counts as 1.
            #[must_use]
            pub fn with_window(self, n_blocks: usize) -> Self {
                Self { threads: self.threads.with_window(n_blocks), ..self }
            }
        }

        impl<'a, T: 'a, K: IndexedKind> $Sequence<'a, T, K> {
            /// The block sizes along the cut axes.
            #[must_use]
            pub fn grid(&self) -> &BlockGrid {
                self.declared.grid().expect("an indexed sequence is made from a grid")
            }
        }

        impl<'a, K: Kind> $Sequence<'a, ArrayBlock, K> {
            /// Turns every array block into a tensor as it is computed. A block that the converter
            /// refuses ends the evaluation with [`Error::Conversion`](crate::Error::Conversion). A
            /// declared row type is kept.
            pub fn to_tensors<'b, T: 'b, C>(self, converter: C) -> $Sequence<'b, T, K>
            where
                'a: 'b,
                C: Converter<T> + Send + Sync + 'b,
            {
                let row_type = self.declared.row_type().cloned();
                self.transformed(row_type, move |block| {
                    converter.to_tensor(&block).map_err(Failure::Conversion)
                })
            }
        }

        /// Clones share the producer.
        impl<'a, T: 'a, K: Kind> Clone for $Sequence<'a, T, K> {
            fn clone(&self) -> Self {
                Self {
                    producer: Arc::clone(&self.producer),
                    declared: self.declared.clone(),
                    threads: self.threads,
                }
            }
        }

        impl<'a, T: 'a, K: Kind> fmt::Debug for $Sequence<'a, T, K> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .debug_struct(stringify!($Sequence))
                    .field("declared", &self.declared)
                    .finish_non_exhaustive()
            }
        }
    };
}
use shared_methods;
