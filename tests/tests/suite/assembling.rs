//! Blocks so large that chunks keep references to them, until one of several threads joins their
//! parts.

use std::path::Path;

use lazy_chunks::zarr::{Codec, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, BlockSizes, NestedLazyChunkSequence};
use lazy_tests::files;

/// Returns a block of the array whose elements are their own flat index.
fn block(
    width: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> ArrayBlock {
    let shape = [rows.len(), columns.len()];
    let element = |row, column| (row * width + column) as u32;
    let elements = rows.flat_map(|row| columns.clone().map(move |column| element(row, column)));
    ArrayBlock::from_vec(shape, elements.collect()).unwrap()
}

fn store(path: &Path, rows: &BlockSizes, columns: &BlockSizes, sink: ZarrSink) {
    let width = columns.total();
    let sequence = NestedLazyChunkSequence::from_fn(rows.clone(), columns.clone(), |i, j| {
        block(width, rows.range(i), columns.range(j))
    });
    let stored = sequence.to_zarr(sink).unwrap();
    assert_eq!(stored.read().unwrap(), block(width, 0..rows.total(), 0..width), "{path:?}");
}

#[test]
fn parts_of_large_blocks_are_stored_at_their_positions() {
    let directory = tempfile::tempdir().unwrap();
    let rows = BlockSizes::from([130, 260, 7, 300, 3]);
    let columns = BlockSizes::from([300, 256, 12, 332]);
    let layouts: [fn(ZarrSink) -> ZarrSink; 3] = [
        |sink| sink.with_chunk_shape([256, 256]),
        |sink| sink.with_chunk_shape([100, 900]),
        |sink| sink.with_chunk_shape([64, 128]).with_shard_shape([256, 256]),
    ];
    for (i, layout) in layouts.iter().enumerate() {
        for codec in [Codec::None, Codec::default()] {
            let mut of_one_thread = None;
            for n_threads in [1, 2, 5] {
                for round in 0..5 {
                    let path = directory.path().join(format!("{i} {codec:?} {n_threads} {round}"));
                    let sink = ZarrSink::new(&path).with_codec(codec);
                    store(&path, &rows, &columns, layout(sink.with_writer_threads(n_threads)));
                    // The bytes on disk do not depend on which thread writes a chunk, or when.
                    let files = files(&path);
                    assert_eq!(of_one_thread.get_or_insert(files.clone()), &files, "{path:?}");
                }
            }
        }
    }
}
