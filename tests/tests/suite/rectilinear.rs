//! Arrays whose chunks are the blocks of a sequence, in a rectilinear grid or in a regular one.

use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Checksum, Codec, Durability, ErrorKind, Existing, StoredArray, ToZarr, ZarrSink,
};
use lazy_chunks::{
    ArrayBlock, BlockSizes, Concatenate, Indexed, LazyChunkSequence, NestedLazyChunkSequence,
};
use lazy_tests::{Case, assert_target_refused, case, files, nested, zeros};
use ndarray::{ArrayD, Axis, Slice};
use proptest::prelude::*;
use serde_json::{Value, json};

enum Blocks<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

impl<'a> Blocks<'a> {
    /// Returns the blocks of a case. From block `fails_at` on, they cannot be computed.
    fn new(case: &'a Case, computed: &'a AtomicUsize, fails_at: usize) -> Blocks<'a> {
        let block = move |i: usize, j: usize| {
            if i * case.blocks_per_band() + j >= fails_at {
                return Err("no power");
            }
            computed.fetch_add(1, Ordering::Relaxed);
            Ok(case.block(i, j))
        };
        let (rows, row_shape) = (case.rows.clone(), &case.shape()[1..]);
        match case.columns.clone() {
            None => Blocks::Flat(
                LazyChunkSequence::try_from_fn(rows, move |i| block(i, 0))
                    .with_row_type(case.dtype, row_shape),
            ),
            Some(columns) => Blocks::Nested(
                NestedLazyChunkSequence::try_from_fn(rows, columns, block)
                    .with_row_type(case.dtype, row_shape),
            ),
        }
    }

    fn store(&self, sink: ZarrSink) -> lazy_chunks::zarr::Result<StoredArray> {
        match self {
            Blocks::Flat(blocks) => blocks.to_zarr(sink),
            Blocks::Nested(blocks) => blocks.to_zarr(sink),
        }
    }
}

/// Returns the indices of all blocks, in order.
fn places(case: &Case) -> impl Iterator<Item = (usize, usize)> {
    let n_columns = case.blocks_per_band();
    (0..case.rows.len()).flat_map(move |i| (0..n_columns).map(move |j| (i, j)))
}

/// Returns true if all sizes are equal, except for a smaller one at the end, and none is 0.
fn is_regular(sizes: &[usize]) -> bool {
    sizes.split_last().is_some_and(|(last, others)| {
        let first = *others.first().unwrap_or(last);
        others.iter().all(|size| *size == first) && (1..=first).contains(last)
    })
}

/// Returns true if a block has elements.
fn has_chunk(case: &Case, (i, j): (usize, usize)) -> bool {
    case.block(i, j).n_elements() > 0
}

proptest! {
    #[test]
    fn each_block_is_a_chunk(case in case(), stop in any::<prop::sample::Index>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let sink = |name: &str| {
            ZarrSink::new(path(name))
                .with_chunks_of_blocks()
                .with_codec(case.codec)
                .with_checksum(case.checksum)
                .with_writer_threads(case.n_threads)
                .with_durability(Durability::None)
                .with_resume("the case")
        };
        let n_chunks = places(&case).filter(|place| has_chunk(&case, *place)).count();
        let computed = AtomicUsize::new(0);
        let all = Blocks::new(&case, &computed, usize::MAX);
        let stored = all.store(sink("a.zarr")).unwrap();
        prop_assert_eq!(stored.read().unwrap(), case.array());
        let is_regular =
            is_regular(&case.rows) && case.columns.as_deref().is_none_or(is_regular);
        let grid = if is_regular { "regular" } else { "rectilinear" };
        prop_assert_eq!(stored.chunk_grid(), grid);
        prop_assert_eq!(stored.stored_size().unwrap().n_stored as usize, n_chunks);
        prop_assert_eq!(stored.verify().count(), 0);

        // Its chunks are the blocks again.
        let sizes_along = |axis| match axis {
            _ if n_chunks == 0 => None,
            0 => Some(&case.rows),
            1 => case.columns.as_ref(),
            _ => None,
        };
        for (axis, &size) in case.shape().iter().enumerate() {
            let whole = vec![size];
            let expected = sizes_along(axis).unwrap_or(&whole).iter().copied().filter(|&n| n > 0);
            let sizes = stored.chunk_sizes(axis).unwrap();
            prop_assert_eq!(&sizes, &BlockSizes::from(expected.collect::<Vec<_>>()));
        }
        let rows = stored.chunk_sizes(0).unwrap();
        let again = stored.sequence(rows).unwrap().with_threads(case.n_threads);
        prop_assert_eq!(again.compute(Concatenate).unwrap(), case.array());

        // A write that is stopped and resumed computes the blocks that are not stored, and the
        // result is the same. Blocks without elements are restored from their shapes. Without a
        // stored block, it starts anew.
        let n_blocks = case.rows.len() * case.blocks_per_band();
        let stop = stop.index(n_blocks + 1);
        if stop < n_blocks {
            Blocks::new(&case, &computed, stop).store(sink("b.zarr")).unwrap_err();
        }
        computed.store(0, Ordering::Relaxed);
        all.store(sink("b.zarr")).unwrap();
        let chunks = |places: &mut dyn Iterator<Item = _>| {
            places.filter(|place| has_chunk(&case, *place)).count()
        };
        let stop = if stop < n_blocks { stop } else { 0 };
        let is_resumed = chunks(&mut places(&case).take(stop)) > 0;
        // Blocks without elements are not computed again.
        let n_missing =
            if is_resumed { chunks(&mut places(&case).skip(stop)) } else { n_blocks };
        prop_assert_eq!(computed.load(Ordering::Relaxed), n_missing);
        prop_assert_eq!(files(&path("b.zarr")), files(&path("a.zarr")));
        // A complete array is found again.
        computed.store(0, Ordering::Relaxed);
        all.store(sink("a.zarr")).unwrap();
        prop_assert_eq!(computed.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn runs_of_equal_blocks_take_little_metadata() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks =
        LazyChunkSequence::from_fn(BlockSizes::uniform(100_000, 100), |_| zeros(&[100, 2]));
    blocks.to_zarr(ZarrSink::new(&path).with_chunks_of_blocks()).unwrap();
    assert!(std::fs::metadata(path.join("zarr.json")).unwrap().len() < 2000);
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [100_000, 2]);
}

#[test]
fn equal_blocks_are_the_chunks_of_a_regular_grid() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let sink =
        |name: &str| ZarrSink::new(path(name)).with_chunks_of_blocks().with_codec(Codec::None);
    // The chunk shape, or `None` for a rectilinear grid.
    for (rows, columns, expected) in [
        (&[4, 4, 2][..], &[3, 3, 1][..], Some([4, 3])),
        (&[4], &[3], Some([4, 3])),
        (&[4, 4], &[3, 3], Some([4, 3])),
        (&[4, 2, 4], &[3], None),
        (&[4, 5], &[3], None),
        (&[4, 4], &[3, 4], None),
        (&[4, 0], &[3], None),
        (&[0, 4], &[3], None),
    ] {
        let element = |row: usize, column: usize| (100 * row + column) as i32;
        let sizes = (BlockSizes::from(rows), BlockSizes::from(columns));
        let (of_rows, of_columns) = sizes.clone();
        let blocks =
            NestedLazyChunkSequence::from_fn(sizes.0.clone(), sizes.1.clone(), move |i, j| {
                let (rows, columns) = (of_rows.range(i), of_columns.range(j));
                let elements =
                    rows.clone().flat_map(|row| columns.clone().map(move |j| element(row, j)));
                let elements = elements.collect();
                ArrayBlock::from_vec([rows.len(), columns.len()], elements).unwrap()
            });
        let stored = blocks.to_zarr(sink("a.zarr").with_existing(Existing::Replace)).unwrap();
        let is_regular = stored.chunk_grid() == "regular";
        assert_eq!(is_regular.then(|| stored.chunk_shape().to_vec()), expected.map(Vec::from));
        let read = stored.read().unwrap();
        let places = (0..sizes.0.total()).flat_map(|i| (0..sizes.1.total()).map(move |j| (i, j)));
        let expected: Vec<_> = places.map(|(i, j)| element(i, j)).collect();
        assert_eq!(read.as_slice::<i32>().unwrap(), expected, "{rows:?}, {columns:?}");
    }
    // Rows can be appended.
    let blocks = LazyChunkSequence::from_fn([4, 2], |i| zeros(&[if i == 0 { 4 } else { 2 }, 3]));
    blocks.to_zarr(sink("b.zarr")).unwrap();
    let append = ZarrSink::new(path("b.zarr")).with_existing(Existing::Append);
    assert_eq!(blocks.to_zarr(append).unwrap().shape(), [12, 3]);
    // A stream does not tell the sizes of its blocks before it ends.
    let stream = LazyChunkSequence::new(|| [zeros(&[4, 3]), zeros(&[2, 3])]);
    let stored = stream.to_zarr(sink("c.zarr")).unwrap();
    assert_eq!(stored.chunk_grid(), "rectilinear");
}

#[test]
fn what_has_no_grid_is_refused() {
    let sink = |path: &std::path::Path| {
        ZarrSink::new(path).with_chunks_of_blocks().with_codec(Codec::None)
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    assert_target_refused(sink(&path).with_shard_shape([4, 4]), "cannot lie in shards");
    let irregular = nested(&[&[&[2, 3], &[2, 2]], &[&[1, 2], &[1, 3]]]);
    let error = irregular.to_zarr(sink(&path)).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("chunk shape")));
    assert!(!path.exists());
    nested(&[&[&[2, 3], &[2, 2]], &[&[1, 3], &[1, 2]]])
        .to_zarr(sink(&path).with_checksum(Checksum::Crc32c))
        .unwrap();
    let append = sink(&path).with_existing(Existing::Append);
    assert_target_refused(append, "its chunk grid is not regular");
}

/// An array with a rectilinear grid, as other programs may write it.
#[derive(Clone, Debug)]
struct Foreign {
    shape: Vec<usize>,
    /// The sizes of chunks along each axis, which cover the array or more.
    sizes: Vec<Vec<usize>>,
    /// True for the axes whose sizes the metadata lists as runs `[size, count]`.
    has_runs: Vec<bool>,
    has_checksum: bool,
    /// The chunks that are not stored, by their number in C order.
    missing: Vec<prop::sample::Index>,
}

fn foreign() -> impl Strategy<Value = Foreign> {
    let sizes = prop::collection::vec(prop::collection::vec(1..5_usize, 1..5), 1..4);
    let missing = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (sizes, any::<[prop::sample::Index; 3]>(), any::<[bool; 3]>(), any::<bool>(), missing).prop_map(
        |(sizes, ends, has_runs, has_checksum, missing)| {
            let size = |(sizes, end): (&Vec<usize>, &prop::sample::Index)| {
                end.index(sizes.iter().sum::<usize>() + 1)
            };
            let shape = sizes.iter().zip(&ends).map(size).collect();
            Foreign { shape, sizes, has_runs: has_runs.to_vec(), has_checksum, missing }
        },
    )
}

impl Foreign {
    /// Returns the sizes of the chunks along an axis, as metadata.
    fn lengths(&self, axis: usize) -> Value {
        let sizes = &self.sizes[axis];
        if !self.has_runs[axis] {
            return json!(sizes);
        }
        if sizes.len() == 1 && self.shape[axis] <= sizes[0] {
            return json!(sizes[0]);
        }
        sizes.chunk_by(|a, b| a == b).map(|run| json!([run[0], run.len()])).collect()
    }

    fn metadata(&self) -> Value {
        let lengths: Vec<_> = (0..self.shape.len()).map(|axis| self.lengths(axis)).collect();
        let mut codecs = vec![json!({"name": "bytes", "configuration": {"endian": "little"}})];
        codecs.extend(self.has_checksum.then(|| json!({"name": "crc32c"})));
        json!({
            "zarr_format": 3, "node_type": "array", "shape": self.shape, "data_type": "uint16",
            "chunk_grid": {
                "name": "rectilinear",
                "configuration": {"kind": "inline", "chunk_shapes": lengths}
            },
            "chunk_key_encoding": {"name": "default"}, "fill_value": 7, "codecs": codecs,
        })
    }

    /// Writes the array, and returns its elements. Chunks beyond the array are not stored.
    fn write(&self, path: &std::path::Path) -> ArrayBlock {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join("zarr.json"), self.metadata().to_string()).unwrap();
        let covered: Vec<usize> = self.sizes.iter().map(|sizes| sizes.iter().sum()).collect();
        let n = covered.iter().product::<usize>();
        let mut all = ArrayD::from_shape_vec(covered, (0..n).map(|i| i as u16).collect()).unwrap();
        let counts: Vec<_> = self.sizes.iter().map(Vec::len).collect();
        let n_chunks: usize = counts.iter().product();
        let is_missing =
            |number| self.missing.iter().any(|missing| missing.index(n_chunks) == number);
        for (number, index) in ndarray::indices(counts).into_iter().enumerate() {
            let index = ndarray::Dimension::slice(&index).to_vec();
            let starts: Vec<usize> =
                index.iter().zip(&self.sizes).map(|(&i, sizes)| sizes[..i].iter().sum()).collect();
            let mut chunk = all.slice_each_axis_mut(|axis| {
                let axis = axis.axis.index();
                Slice::from(starts[axis]..starts[axis] + self.sizes[axis][index[axis]])
            });
            if is_missing(number) {
                chunk.fill(7);
            } else if starts.iter().zip(&self.shape).all(|(start, size)| start < size) {
                let mut bytes: Vec<u8> = chunk.iter().flat_map(|x| x.to_le_bytes()).collect();
                if self.has_checksum {
                    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
                }
                let key: Vec<_> = index.iter().map(usize::to_string).collect();
                let path = path.join("c").join(key.join("/"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
        for (axis, &size) in self.shape.iter().enumerate() {
            all.slice_axis_inplace(Axis(axis), Slice::from(..size));
        }
        ArrayBlock::from_vec(&self.shape[..], all.iter().copied().collect()).unwrap()
    }
}

proptest! {
    #[test]
    fn the_chunks_of_others_read_their_elements(
        foreign in foreign(),
        cut in prop::collection::vec(any::<prop::sample::Index>(), 4),
        (cache, n_threads) in (0..400_u64, 0..3_usize),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let expected = foreign.write(&path);
        let stored = StoredArray::open(&path).unwrap();
        prop_assert_eq!(stored.chunk_grid(), "rectilinear");
        let first: Vec<_> = foreign.sizes.iter().map(|sizes| sizes[0]).collect();
        prop_assert_eq!(stored.chunk_shape(), first);
        let mut n_chunks = 1;
        for (axis, (sizes, &size)) in foreign.sizes.iter().zip(&foreign.shape).enumerate() {
            let mut rest = size;
            let within = sizes.iter().map(|&n| {
                let n = n.min(rest);
                rest -= n;
                n
            });
            let within: Vec<_> = within.filter(|&n| n > 0).collect();
            n_chunks *= within.len() as u64;
            prop_assert_eq!(stored.chunk_sizes(axis).unwrap(), BlockSizes::from(within));
            prop_assert_eq!(stored.shard_sizes(axis).unwrap(), None);
        }
        let error = stored.chunk_sizes(foreign.shape.len()).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::InvalidRegion);
        let size = stored.stored_size().unwrap();
        prop_assert_eq!(size.n_chunks, n_chunks);
        prop_assert_eq!(stored.verify().n_chunks(), size.n_stored);
        prop_assert_eq!(stored.verify().count(), 0);

        // The whole array, and blocks of any sizes, with a large cache, a small one and none.
        let limited = stored.clone().with_cache(cache).with_reader_threads(n_threads);
        for stored in [stored, limited] {
            prop_assert_eq!(&stored.read().unwrap(), &expected);
            let blocks = |axis: usize| {
                let size = foreign.shape[axis];
                let cuts = cut.iter().skip(2 * axis).take(2).map(|at| at.index(size + 1));
                let mut cuts: Vec<_> = cuts.collect();
                cuts.sort_unstable();
                BlockSizes::from([cuts[0], cuts[1] - cuts[0], size - cuts[1]])
            };
            let rows = stored.sequence(blocks(0)).unwrap();
            prop_assert_eq!(&rows.compute(Concatenate).unwrap(), &expected);
            let chunks = stored.sequence(stored.chunk_sizes(0).unwrap()).unwrap();
            prop_assert_eq!(&chunks.with_threads(2).compute(Concatenate).unwrap(), &expected);
            if foreign.shape.len() > 1 && foreign.shape[1] > 0 {
                let blocks = stored.nested_sequence(blocks(0), blocks(1)).unwrap();
                prop_assert_eq!(&blocks.compute(Concatenate).unwrap(), &expected);
            }
        }
    }
}

#[test]
fn too_many_blocks_are_refused() {
    // Declared, before the first block.
    let directory = tempfile::tempdir().unwrap();
    let sink = ZarrSink::new(directory.path().join("a.zarr")).with_chunks_of_blocks();
    let sizes: Vec<_> = (0..=1 << 20).map(|i| 1 + i % 2).collect();
    let blocks = LazyChunkSequence::from_fn(sizes, |_| -> ArrayBlock {
        unreachable!("no block is computed")
    });
    let error = blocks.to_zarr(sink).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("chunk shape")));
    assert!(error.to_string().contains("at most 1048576"), "{error}");
}
