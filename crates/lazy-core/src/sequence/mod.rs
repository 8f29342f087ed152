//! Lazily evaluated arrays, cut along one or two axes.

mod access;
mod flat;
mod nested;
mod pass;
mod producer;
mod structure;

pub use access::{Access, Indexed, LocalIndexed, OnThreads, RandomAccess, Streamed};
pub use flat::LazyChunkSequence;
pub use nested::NestedLazyChunkSequence;

/// Defines the methods that both types of sequence share.
macro_rules! shared_methods {
    ($Sequence:ident) => {
        impl<'a, T: 'a, K: Access> $Sequence<'a, T, K> {
            /// Returns the declaration of the sequence.
            #[must_use]
            pub fn spec(&self) -> &SequenceSpec {
                &self.spec
            }

            /// Declares the dtype and the shape of one row: of `array[i]`.
            ///
            /// It gives an empty sequence its shape, and lets a sink check its settings before the
            /// first block. Reducers and [`Concatenate`](crate::Concatenate) check every block
            /// against it. They return [`ErrorKind::DType`](crate::ErrorKind::DType) for a block
            /// of another dtype, [`ErrorKind::Shape`](crate::ErrorKind::Shape) for a block
            /// of another shape, [`ErrorKind::Shape`](crate::ErrorKind::Shape) for a band of
            /// another width, and [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the
            /// row type contradicts the grid.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{Concatenate, DType, LazyChunkSequence, NdarrayConverter};
            /// use ndarray::Array2;
            ///
            /// let sequence = LazyChunkSequence::new(|| [Array2::<f32>::zeros((2, 3))])
            ///     .convert(NdarrayConverter)
            ///     .with_row_type(DType::Float32, [4]);
            /// assert_eq!(
            ///     sequence.compute(Concatenate).unwrap_err().to_string(),
            ///     "block 0 has shape [2, 3], but its sizes from axis 1 on must be [4], as declared"
            /// );
            /// ```
            #[must_use]
            pub fn with_row_type(self, dtype: DType, row_shape: impl Into<Vec<usize>>) -> Self {
                let row_type = RowType { dtype, shape: row_shape.into() };
                Self { spec: self.spec.with_row_type(Some(row_type)), ..self }
            }

            /// Limits the memory, in bytes, that the statistics and the sinks of one evaluation
            /// take together.
            ///
            /// A statistic per row or per column has a state for each row or column, once for all
            /// blocks so far and once for each block in flight. On one thread one block is in
            /// flight, and on several threads as many as
            /// [`with_max_in_flight`](Self::with_max_in_flight) allows.
            ///
            /// If the [bounds](Self::memory_bound) of the reducers are known, they count: an
            /// evaluation whose bounds exceed the limit fails before its first block, and any other
            /// one stays within the limit and does not fail because of it. A sink counts the memory
            /// of one writer thread, and then uses as many threads as the statistics leave it
            /// memory for. If a bound is unknown, the states of a statistic count as they grow, and
            /// the evaluation fails when a block is reduced, before more memory is allocated. The
            /// error is [`ErrorKind::Memory`](crate::ErrorKind::Memory), or an error of the sink.
            /// Blocks do not count, nor do the results of [`Concatenate`](crate::Concatenate).
            ///
            /// Without this method, an evaluation fails only if its statistics certainly need more
            /// than [all memory that the system grants this process](crate::system_memory), and the
            /// memory of sinks does not count. [`MemoryLimit`](crate::MemoryLimit) limits some of
            /// the reducers of an evaluation.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{DType, Histogram, LazyChunkSequence, NdarrayConverter, Summary};
            /// use ndarray::Array2;
            ///
            /// let rows = LazyChunkSequence::new(|| [Array2::<f32>::zeros((1, 100_000))])
            ///     .convert(NdarrayConverter)
            ///     .with_row_type(DType::Float32, [100_000])
            ///     .with_memory_limit(8 << 30);
            /// let edges: Vec<f64> = (0..=20_000).map(f64::from).collect();
            /// let error = rows.compute(Histogram::new(edges).per_column()).unwrap_err();
            /// assert!(error.to_string().ends_with(" take 29.8 GiB, but the limit is 8 GiB"));
            /// ```
            #[must_use]
            pub fn with_memory_limit(self, bytes: u64) -> Self {
                Self { spec: self.spec.with_memory_limit(bytes), ..self }
            }

            /// Applies a function to every block as it is computed. Drops a declared row type,
            /// since the function may change it.
            ///
            /// Any thread may call the function, whatever the access of the sequence. For a
            /// function that cannot leave its thread, use [`map_local`](Self::map_local).
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// let sequence = lazy_chunks::LazyChunkSequence::new(|| [1, 2, 3]);
            /// assert_eq!(sequence.map(|block| 10 * block).collect()?, [10, 20, 30]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn map<'b, U: Send + 'b, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                F: Fn(T) -> U + Send + Sync + 'b,
            {
                self.transformed(None, move |block| Ok(function(block)))
            }

            /// Applies a function that can fail to every block as it is computed. Its error becomes
            /// [`ErrorKind::Producer`](crate::ErrorKind::Producer). Drops a declared row type.
            pub fn try_map<'b, U: Send + 'b, E, F>(self, function: F) -> $Sequence<'b, U, K>
            where
                'a: 'b,
                E: Into<BoxError>,
                F: Fn(T) -> Result<U, E> + Send + Sync + 'b,
            {
                self.transformed(None, move |block| {
                    function(block).map_err(|error| Failure::Producer(error.into()))
                })
            }

            /// Applies a function that stays on this thread to every block as it is computed. The
            /// function can use values that other threads must not, such as a model of libtorch or
            /// an [`Rc`](std::rc::Rc). Drops a declared row type.
            ///
            /// Other threads cannot compute the blocks, so an [`Indexed`](crate::Indexed) sequence
            /// becomes a [`LocalIndexed`](crate::LocalIndexed) one.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use std::cell::Cell;
            ///
            /// let n_calls = Cell::new(0);
            /// let sequence = lazy_chunks::LazyChunkSequence::from_fn([1, 1], |i| i);
            /// let sequence = sequence.map_local(|i| {
            ///     n_calls.set(n_calls.get() + 1);
            ///     10 * i
            /// });
            /// assert_eq!(sequence.collect()?, [0, 10]);
            /// assert_eq!(n_calls.get(), 2);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            pub fn map_local<'b, U: 'b, F>(self, function: F) -> $Sequence<'b, U, K::Local>
            where
                'a: 'b,
                F: Fn(T) -> U + 'b,
            {
                self.transformed_locally(move |block| Ok(function(block)))
            }

            /// Applies a function that can fail and stays on this thread to every block; see
            /// [`map_local`](Self::map_local) and [`try_map`](Self::try_map).
            pub fn try_map_local<'b, U: 'b, E, F>(self, function: F) -> $Sequence<'b, U, K::Local>
            where
                'a: 'b,
                E: Into<BoxError>,
                F: Fn(T) -> Result<U, E> + 'b,
            {
                self.transformed_locally(move |block| {
                    function(block).map_err(|error| Failure::Producer(error.into()))
                })
            }

            fn transformed_locally<'b, U: 'b, F>(self, function: F) -> $Sequence<'b, U, K::Local>
            where
                'a: 'b,
                F: Fn(T) -> Result<U, Failure> + 'b,
            {
                $Sequence {
                    producer: K::mapped_locally(self.producer, function),
                    spec: self.spec.with_row_type(None),
                    pass: self.pass,
                }
            }

            /// Erases the access, so that sequences of any access fit one field, one vector or one
            /// function. Everything else is kept: the block grid, the threads, the row type, the
            /// observer and the ability to resume a write.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            ///
            /// let sequences: Vec<LazyChunkSequence<'_, i32>> = vec![
            ///     LazyChunkSequence::new(|| [1, 2]),
            ///     LazyChunkSequence::from_fn([1, 1], |i| i as i32).with_threads(2).streamed(),
            /// ];
            /// assert_eq!(sequences[1].collect()?, [0, 1]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            #[must_use]
            pub fn streamed(self) -> $Sequence<'a, T> {
                $Sequence { producer: K::streamed(self.producer), spec: self.spec, pass: self.pass }
            }

            /// Shortens the lifetime of the producer's borrows, so that the sequence has the same
            /// type as one that borrows for less.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::LazyChunkSequence;
            ///
            /// fn both<'b>(
            ///     stored: LazyChunkSequence<'static, f64>,
            ///     computed: LazyChunkSequence<'b, f64>,
            /// ) -> [LazyChunkSequence<'b, f64>; 2] {
            ///     [stored.shorten(), computed]
            /// }
            ///
            /// let model = vec![0.5];
            /// let computed = LazyChunkSequence::new(|| model.iter().copied());
            /// assert_eq!(both(LazyChunkSequence::new(|| [1.0]), computed)[1].collect()?, [0.5]);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            #[must_use]
            pub fn shorten<'b>(self) -> $Sequence<'b, T, K>
            where
                'a: 'b,
            {
                $Sequence {
                    producer: K::shortened(self.producer),
                    spec: self.spec,
                    pass: self.pass,
                }
            }

            /// Sets the observer of every evaluation, which is called before the first block, after
            /// each block and at the end, and can cancel the evaluation. Replaces an earlier
            /// observer; a pair of observers is an observer.
            ///
            /// Sinks of the pass add the chunks that they have stored to the
            /// [`Progress`](crate::Progress).
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use std::sync::atomic::{AtomicBool, Ordering};
            ///
            /// use lazy_chunks::{
            ///     Error, LazyChunkSequence, MeanVariance, NdarrayConverter, Progress,
            /// };
            /// use ndarray::array;
            ///
            /// // The handler of Ctrl-C sets this flag.
            /// static CANCEL: AtomicBool = AtomicBool::new(false);
            ///
            /// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| array![f64::from(i)]))
            ///     .convert(NdarrayConverter)
            ///     .with_observer((&CANCEL, |progress: &Progress| {
            ///         println!("{}", progress.blocks);
            ///     }));
            /// assert_eq!(sequence.compute(MeanVariance)?.mean, 1.5);
            ///
            /// CANCEL.store(true, Ordering::Relaxed);
            /// let error = sequence.compute(MeanVariance).unwrap_err();
            /// assert_eq!(error.blocks_done(), Some(0));
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            #[must_use]
            pub fn with_observer(self, observer: impl Observer + 'a) -> Self {
                Self { pass: self.pass.with_observer(observer), ..self }
            }

            /// Converts every block into an [`ArrayBlock`] as it is computed, as reducers require.
            /// A block that the converter rejects ends the evaluation with
            /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion). Keeps a declared row type.
            pub fn convert<'b, C>(self, converter: C) -> $Sequence<'b, ArrayBlock, K>
            where
                'a: 'b,
                C: Converter<T> + Send + Sync + 'b,
            {
                let row_type = self.spec.row_type().cloned();
                self.transformed(row_type, move |tensor| {
                    converter.to_array(tensor).map_err(Failure::Conversion)
                })
            }

            pub(crate) fn observer(&self) -> Option<&(dyn Observer + 'a)> {
                self.pass.observer()
            }

            pub(super) fn transformed<'b, U: Send + 'b, F>(
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
                    spec: self.spec.with_row_type(row_type),
                    pass: self.pass,
                }
            }

            fn stream(&self) -> BlockStream<'_, T> {
                let observer = self.pass.observer();
                let stream = BlockStream::new(K::producer(&self.producer), &self.spec, observer);
                match K::shared(&self.producer) {
                    Some(shared) => stream.with_parallel(shared.parallel(self.pass.threads())),
                    None => stream,
                }
            }

            /// Passes the blocks to `consume`, computed on the threads of the sequence if
            /// requested.
            fn evaluate<R>(
                &self,
                on_threads: bool,
                consume: impl FnOnce(BlockStream<'_, T>) -> R,
            ) -> R {
                let stream = self.stream();
                match stream.parallel().filter(|_| on_threads) {
                    Some(parallel) => parallel.feed(stream, consume),
                    None => consume(stream),
                }
            }
        }

        impl<'a, T: 'a, K: Access> $Sequence<'a, T, K> {
            /// Computes blocks on `n_threads` threads, including the caller's; 0 means the number
            /// of cores. By default, the caller's thread computes all blocks.
            ///
            /// The threads serve every evaluation: `collect`, aggregators, concatenation and
            /// reducers. (The iterators `blocks` and `bands` compute each block on demand, on the
            /// caller's thread.) Each thread computes blocks and their
            /// [contributions](crate::BlockMap::partial) to reducers. Contributions are merged in
            /// the order of the blocks, so results have the same bits on any number of threads, and
            /// the error is the error of the first block that fails.
            ///
            /// The threads belong to no pool: a producer may use a pool of its own, and an
            /// evaluation may start within a pool.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter};
            /// use ndarray::Array2;
            ///
            /// let sequence = LazyChunkSequence::from_fn([100; 50], |i| {
            ///     Array2::from_shape_fn((100, 20), |(row, column)| {
            ///         (100 * i + row * column) as f64
            ///     })
            /// })
            /// .convert(NdarrayConverter);
            /// let moments = sequence.compute(MeanVariance)?;
            /// assert_eq!(sequence.with_threads(0).compute(MeanVariance)?, moments);
            /// # Ok::<(), lazy_chunks::Error>(())
            /// ```
            #[must_use]
            pub fn with_threads(self, n_threads: usize) -> Self
            where
                K: OnThreads,
            {
                Self { pass: self.pass.with_threads(n_threads), ..self }
            }

            /// Limits the number of blocks in flight: computed, but not yet merged. The default is
            /// twice the number of threads, and up to 32 times the number of threads if blocks are
            /// so small that threads get 16 at a time. Each block in flight has a state of every
            /// statistic. Blocks that a reducer keeps do not count.
            ///
            /// If the limit is lower than the number of threads, some threads are idle; 0 counts as
            /// 1.
            #[must_use]
            pub fn with_max_in_flight(self, n_blocks: usize) -> Self
            where
                K: OnThreads,
            {
                Self { pass: self.pass.with_max_in_flight(n_blocks), ..self }
            }
        }

        impl<'a, T: 'a, K: RandomAccess> $Sequence<'a, T, K> {
            /// Returns the block sizes along the cut axes.
            #[must_use]
            pub fn grid(&self) -> &BlockGrid {
                self.spec.grid().expect("an indexed sequence is made from a grid")
            }
        }

        impl<'a, K: Access> $Sequence<'a, ArrayBlock, K> {
            /// Returns an upper bound of the memory, in bytes, that reducers take in an evaluation
            /// of this sequence on its threads. Returns `None` if it is unknown.
            ///
            /// The bounds of a tuple or a vector of reducers add up. The bound of a statistic is
            /// known if the row type is declared and the sequence is indexed; a statistic whose
            /// states do not grow with the number of rows needs only the row type. It is unknown
            /// for [`Concatenate`](crate::Concatenate), for [`Fold`](crate::Fold), and for a
            /// statistic of your own that has no
            /// [`state_bound`](crate::Statistic::state_bound). The bound covers states and results,
            /// and the buffers of sinks, but no blocks, and not up to 64 KiB for each block in
            /// flight and each statistic.
            ///
            /// # Example
            ///
            /// ```
            /// # extern crate lazy_core as lazy_chunks;
            /// use lazy_chunks::{
            ///     DType, LazyChunkSequence, MeanVariance, NdarrayConverter, Quantiles, Summary,
            /// };
            /// use ndarray::Array2;
            ///
            /// let rows = LazyChunkSequence::from_fn([100; 10], |_| Array2::<f32>::zeros((100, 500)))
            ///     .convert(NdarrayConverter)
            ///     .with_row_type(DType::Float32, [500])
            ///     .with_threads(2);
            /// let statistics = (MeanVariance.per_column(), Quantiles::new([0.5]).per_row());
            /// let bytes = rows.memory_bound(&statistics).expect("all shapes are known");
            /// assert!(bytes < 5 << 20);
            ///
            /// // It is what the evaluation needs.
            /// assert!(rows.clone().with_memory_limit(bytes).compute(statistics.clone()).is_ok());
            /// let error = rows.with_memory_limit(bytes - 1).compute(statistics).unwrap_err();
            /// assert!(error.memory().is_some() && error.block().is_none());
            /// ```
            #[must_use]
            pub fn memory_bound<R: Reducer>(&self, reducer: &R) -> Option<u64> {
                reducer.memory_bound(&self.spec_of_pass())
            }

            pub(crate) fn spec_of_pass(&self) -> SequenceSpec {
                let shared = K::shared(&self.producer);
                let parallel = shared.map(|shared| shared.parallel(self.pass.threads()));
                let parallel = parallel.filter(|parallel| parallel.n_threads() > 1);
                drive::spec_of_pass(&self.spec, parallel)
            }

            /// Converts every array block into a tensor as it is computed. A block that the
            /// converter rejects ends the evaluation with
            /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion). Keeps a declared row type.
            pub fn to_tensors<'b, T: Send + 'b, C>(self, converter: C) -> $Sequence<'b, T, K>
            where
                'a: 'b,
                C: Converter<T> + Send + Sync + 'b,
            {
                let row_type = self.spec.row_type().cloned();
                self.transformed(row_type, move |block| {
                    converter.to_tensor(&block).map_err(Failure::Conversion)
                })
            }
        }

        /// Clones share the producer.
        impl<'a, T: 'a, K: Access> Clone for $Sequence<'a, T, K> {
            fn clone(&self) -> Self {
                Self {
                    producer: self.producer.clone(),
                    spec: self.spec.clone(),
                    pass: self.pass.clone(),
                }
            }
        }

        impl<'a, T: 'a, K: Access> fmt::Debug for $Sequence<'a, T, K> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .debug_struct(stringify!($Sequence))
                    .field("spec", &self.spec)
                    .finish_non_exhaustive()
            }
        }
    };
}
use shared_methods;
