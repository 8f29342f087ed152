//! An array with its cut into blocks and its storage settings.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{BloscCompressor, Checksum, Codec, Shuffle, Target, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockSizes, DType, Indexed, LazyChunkSequence, LocalIndexed,
    NestedLazyChunkSequence, NestedSource, Source, Streamed,
};
use proptest::prelude::*;

use crate::elements;

/// Declares the row type of every second sequence of each kind, and of all sequences if there is no
/// block to take it from.
macro_rules! declare_rows {
    ($case:expr, $Type:ident { $($kind:ident: $sequences:expr,)* }) => {{
        let row_shape = &$case.shape()[1..];
        $Type {
            $($kind: $sequences
                .into_iter()
                .enumerate()
                .map(|(i, sequence)| {
                    if i % 2 == 1 || $case.rows.is_empty() {
                        sequence.with_row_type($case.dtype, row_shape)
                    } else {
                        sequence
                    }
                })
                .collect(),)*
        }
    }};
}

/// An array with its cut into blocks and its storage settings.
#[derive(Clone, Debug)]
pub struct Case {
    /// The element type.
    pub dtype: DType,
    /// The seed that, together with their indices, determines the elements.
    pub seed: u64,
    /// The block sizes along axis 0.
    pub rows: Vec<usize>,
    /// The block sizes along axis 1, if it is cut.
    pub columns: Option<Vec<usize>>,
    /// The sizes of the axes that are not cut.
    pub trailing: Vec<usize>,
    /// The chunk shape.
    pub chunks: Chunks,
    /// The shard shape, if there are shards.
    pub shards: Option<Shards>,
    /// The codec of chunks.
    pub codec: Codec,
    /// The checksum of chunks.
    pub checksum: Checksum,
    /// The number of writer threads; 0 stands for the default.
    pub n_threads: usize,
}

/// A chunk shape, or the bytes of an automatic one.
#[derive(Clone, Debug)]
pub enum Chunks {
    /// Bytes of an automatic chunk.
    Automatic(usize),
    /// Sizes; as many are used as there are axes.
    Explicit(Vec<usize>),
}

/// A shard shape, or the bytes of an automatic one.
#[derive(Clone, Debug)]
pub enum Shards {
    /// Bytes of an automatic shard.
    Automatic(usize),
    /// The number of chunks along each axis if the chunk shape is explicit, and of elements
    /// otherwise; as many are used as there are axes.
    Explicit(Vec<usize>),
}

/// Generates any codec.
pub fn codec() -> impl Strategy<Value = Codec> {
    let compressor = prop::sample::select(vec![BloscCompressor::Lz4, BloscCompressor::Zstd]);
    let shuffle = prop::sample::select(vec![Shuffle::None, Shuffle::Byte, Shuffle::Bit]);
    prop_oneof![
        Just(Codec::None),
        (-2..5).prop_map(|level| Codec::Zstd { level }),
        (0..10_u32).prop_map(|level| Codec::Gzip { level }),
        (compressor, 0..10_u8, shuffle).prop_map(|(compressor, level, shuffle)| Codec::Blosc {
            compressor,
            level,
            shuffle
        }),
    ]
}

/// Generates any case, flat or nested.
pub fn case() -> impl Strategy<Value = Case> {
    let sizes = |range| prop::collection::vec(0..8usize, range);
    let chunks = prop_oneof![
        (0..2000usize).prop_map(Chunks::Automatic),
        prop::collection::vec(1..10usize, 5).prop_map(Chunks::Explicit),
    ];
    let shards = prop::option::of(prop_oneof![
        (0..6000usize).prop_map(Shards::Automatic),
        prop::collection::vec(1..4usize, 5).prop_map(Shards::Explicit),
    ]);
    let checksum = prop::sample::select(vec![Checksum::None, Checksum::Crc32c]);
    let array = (
        prop::sample::select(DType::ALL.to_vec()),
        any::<u64>(),
        sizes(0..8),
        prop::option::of(sizes(1..8)),
        prop::collection::vec(0..4usize, 0..3),
    );
    (array, (chunks, shards), (codec(), checksum), 0..4usize).prop_map(
        |(
            (dtype, seed, rows, columns, trailing),
            (chunks, shards),
            (codec, checksum),
            n_threads,
        )| {
            Case {
                dtype,
                seed,
                rows,
                columns,
                trailing,
                chunks,
                shards,
                codec,
                checksum,
                n_threads,
            }
        },
    )
}

impl Case {
    /// Returns the array's shape.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = vec![self.rows.iter().sum()];
        shape.extend(self.columns.as_ref().map(|columns| columns.iter().sum::<usize>()));
        shape.extend(&self.trailing);
        shape
    }

    /// Returns the array.
    #[must_use]
    pub fn array(&self) -> ArrayBlock {
        let shape = self.shape();
        elements(self.dtype, self.seed, &shape, &vec![0; shape.len()], &shape)
    }

    /// Returns block `(i, j)`; `j` is 0 if only axis 0 is cut.
    #[must_use]
    pub fn block(&self, i: usize, j: usize) -> ArrayBlock {
        let shape = self.shape();
        let mut start = vec![0; shape.len()];
        let mut extent = shape.clone();
        let sizes = [Some(&self.rows), self.columns.as_ref()];
        for (axis, (sizes, block)) in sizes.into_iter().zip([i, j]).enumerate() {
            if let Some(sizes) = sizes {
                start[axis] = sizes[..block].iter().sum();
                extent[axis] = sizes[block];
            }
        }
        elements(self.dtype, self.seed, &shape, &start, &extent)
    }

    /// Returns the number of blocks in a band.
    #[must_use]
    pub fn blocks_per_band(&self) -> usize {
        self.columns.as_ref().map_or(1, Vec::len)
    }

    /// Returns a sink with the case's settings.
    pub fn sink(&self, target: impl Into<Target>) -> ZarrSink {
        let sink = ZarrSink::new(target)
            .with_codec(self.codec)
            .with_checksum(self.checksum)
            .with_writer_threads(self.n_threads);
        let sink = match &self.chunks {
            Chunks::Automatic(bytes) => sink.with_chunk_bytes(*bytes),
            Chunks::Explicit(sizes) => sink.with_chunk_shape(&sizes[..self.shape().len()]),
        };
        match &self.shards {
            None => sink,
            Some(Shards::Automatic(bytes)) => sink.with_shard_bytes(*bytes),
            Some(Shards::Explicit(sizes)) => sink.with_shard_shape(self.shard_shape(sizes)),
        }
    }

    /// Returns the explicit shard shape, if there is one.
    #[must_use]
    pub fn explicit_shard_shape(&self) -> Option<Vec<usize>> {
        match &self.shards {
            Some(Shards::Explicit(sizes)) => Some(self.shard_shape(sizes)),
            _ => None,
        }
    }

    fn shard_shape(&self, sizes: &[usize]) -> Vec<usize> {
        let n_axes = self.shape().len();
        match &self.chunks {
            Chunks::Automatic(_) => sizes[..n_axes].to_vec(),
            Chunks::Explicit(chunks) => {
                sizes.iter().zip(chunks).map(|(n, size)| n * size).take(n_axes).collect()
            }
        }
    }

    /// Returns the case's bands, and counts the computed blocks.
    fn counted_bands<'a>(
        &'a self,
        computed: &'a AtomicUsize,
    ) -> impl Iterator<Item = impl Iterator<Item = ArrayBlock> + 'a> + 'a {
        (0..self.rows.len()).map(move |i| {
            (0..self.blocks_per_band()).map(move |j| {
                computed.fetch_add(1, Ordering::Relaxed);
                self.block(i, j)
            })
        })
    }

    /// Returns sequences of the blocks of a case that is cut along axis 0, one from each sort of
    /// producer. The producers count the blocks that they compute.
    #[must_use]
    pub fn sequences<'a>(&'a self, computed: &'a AtomicUsize) -> Sequences<'a> {
        let blocks = move || self.counted_bands(computed).flatten();
        let block = move |i| {
            computed.fetch_add(1, Ordering::Relaxed);
            self.block(i, 0)
        };
        let rows = || BlockSizes::from(&self.rows);
        let ok = Ok::<_, Infallible>;
        declare_rows!(
            self,
            Sequences {
                streamed: [
                    LazyChunkSequence::new(blocks),
                    LazyChunkSequence::try_new(move || blocks().map(ok)).with_len(self.rows.len()),
                    LazyChunkSequence::from_source(CaseSource { case: self, computed }),
                ],
                local: [
                    LazyChunkSequence::from_local_fn(rows(), block),
                    LazyChunkSequence::try_from_local_fn(rows(), move |i| ok(block(i))),
                ],
                indexed: [
                    LazyChunkSequence::from_fn(rows(), block),
                    LazyChunkSequence::try_from_fn(rows(), move |i| ok(block(i))),
                ],
            }
        )
    }

    /// Returns the sequences of a case that is cut along axes 0 and 1, as
    /// [`sequences`](Self::sequences) does for one axis.
    ///
    /// # Panics
    ///
    /// Panics if the case is cut along axis 0 only.
    #[must_use]
    pub fn nested_sequences<'a>(&'a self, computed: &'a AtomicUsize) -> NestedSequences<'a> {
        let bands = move || self.counted_bands(computed);
        let block = move |i, j| {
            computed.fetch_add(1, Ordering::Relaxed);
            self.block(i, j)
        };
        let rows = || BlockSizes::from(&self.rows);
        let columns = || BlockSizes::from(self.columns.as_ref().expect("a nested case"));
        let ok = Ok::<_, Infallible>;
        declare_rows!(
            self,
            NestedSequences {
                streamed: [
                    NestedLazyChunkSequence::new(bands),
                    NestedLazyChunkSequence::try_new(
                        move || bands().map(move |band| Ok(band.map(ok)))
                    )
                    .with_len(self.rows.len()),
                    NestedLazyChunkSequence::from_source(CaseSource { case: self, computed }),
                ],
                local: [
                    NestedLazyChunkSequence::from_local_fn(rows(), columns(), block),
                    NestedLazyChunkSequence::try_from_local_fn(rows(), columns(), move |i, j| {
                        ok(block(i, j))
                    }),
                ],
                indexed: [
                    NestedLazyChunkSequence::from_fn(rows(), columns(), block),
                    NestedLazyChunkSequence::try_from_fn(rows(), columns(), move |i, j| {
                        ok(block(i, j))
                    }),
                ],
            }
        )
    }
}

/// Sequences of the same blocks, by kind.
#[derive(Debug)]
pub struct Sequences<'a> {
    /// From iterators.
    pub streamed: Vec<LazyChunkSequence<'a, ArrayBlock, Streamed>>,
    /// From functions that must stay on their thread.
    pub local: Vec<LazyChunkSequence<'a, ArrayBlock, LocalIndexed>>,
    /// From functions that can be called on any thread.
    pub indexed: Vec<LazyChunkSequence<'a, ArrayBlock, Indexed>>,
}

/// Nested sequences of the same blocks, by kind.
#[derive(Debug)]
pub struct NestedSequences<'a> {
    /// From iterators.
    pub streamed: Vec<NestedLazyChunkSequence<'a, ArrayBlock, Streamed>>,
    /// From functions that must stay on their thread.
    pub local: Vec<NestedLazyChunkSequence<'a, ArrayBlock, LocalIndexed>>,
    /// From functions that can be called on any thread.
    pub indexed: Vec<NestedLazyChunkSequence<'a, ArrayBlock, Indexed>>,
}

struct CaseSource<'a> {
    case: &'a Case,
    computed: &'a AtomicUsize,
}

impl Source for CaseSource<'_> {
    type Block = ArrayBlock;
    type Error = Infallible;

    fn blocks(&self) -> impl Iterator<Item = Result<ArrayBlock, Infallible>> {
        self.case.counted_bands(self.computed).flatten().map(Ok)
    }
}

impl NestedSource for CaseSource<'_> {
    type Block = ArrayBlock;
    type Error = Infallible;

    fn bands(
        &self,
    ) -> impl Iterator<Item = Result<impl Iterator<Item = Result<ArrayBlock, Infallible>>, Infallible>>
    {
        self.case.counted_bands(self.computed).map(|band| Ok(band.map(Ok)))
    }
}
