//! Computes, watches, stores and reads back, with every part of this crate in its place.

use std::error::Error;
use std::sync::Arc;

use lazy_chunks::prelude::*;
use lazy_chunks::zarr::LocalFileSystem;
use lazy_chunks::{BlockIndex, Indexed, Moments, Stage};
use outside_custom::{
    BlockNorms, Counts, Device, Drift, Histogram, Jump, LargestRowSum, Ledger, Matrix,
    MatrixConverter, Metered, RowSum,
};

const CONVERTER: MatrixConverter = MatrixConverter { device: Device::Accelerator(0) };
const ROWS: [usize; 3] = [4, 4, 2];
const COLUMNS: [usize; 2] = [3, 2];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let disk = Arc::new(Metered::new(LocalFileSystem));
    let group = Target::on(disk.clone(), directory.path().join("influence.zarr"));

    // The same array, cut along axis 0 alone and along both: everything of it, in one pass each.
    let histogram = &Histogram::new([0.0, 10.0, 20.0, 40.0]);
    let sink = |name: &str| ZarrSink::new(group.member(name));
    let ledger = Arc::new(Ledger::default());
    let rows = cut_by_rows().convert(CONVERTER).with_observer(ledger.clone());
    let (counts, moments, jump, by_rows) =
        rows.compute((histogram, MeanVariance, Drift, sink("by_rows")))?;
    check(&counts, &moments);
    assert_eq!(jump, Jump { at: BlockIndex::Block(1), by: 20.0 });
    // It was told before the first of the three blocks, after each, and at the end.
    let of_rows = ledger.entries();
    assert_eq!((of_rows.len(), of_rows[4].stage), (5, Stage::Finished));

    let both = cut_by_both().convert(CONVERTER).with_observer(ledger.clone());
    let (counts, moments, jump, by_both) =
        both.compute((histogram, MeanVariance, Drift, sink("by_both")))?;
    check(&counts, &moments);
    assert_eq!(jump.at, BlockIndex::NestedBlock(1, 0));
    let of_both = &ledger.entries()[5..];
    assert_eq!((of_both.len(), of_both[7].stage), (8, Stage::Finished));

    // All their bytes went through the file system below, and the metadata's.
    let chunk_bytes = of_rows[4].stored_bytes + of_both[7].stored_bytes;
    assert!(0 < chunk_bytes && chunk_bytes < disk.bytes_written());
    let read_before = disk.bytes_read();
    assert_eq!(by_rows.read()?, by_both.read()?);
    assert_eq!(disk.bytes_read() - read_before, chunk_bytes);

    // Read back in other blocks, they are matrices on the device again.
    let matrices = StoredArray::open(group.member("by_rows"))?
        .sequence(BlockSizes::uniform(10, 3))?
        .to_tensors(CONVERTER);
    assert_eq!(matrices.block(3)?.device(), Device::Accelerator(0));
    assert_eq!(matrices.compute(LargestRowSum)?, Some(RowSum { row: 9, sum: 235.0 }));

    let heat_map = StoredArray::open(group.member("by_both"))?
        .nested_sequence(ROWS, COLUMNS)?
        .to_tensors(CONVERTER)
        .compute(BlockNorms)?;
    assert_eq!(heat_map, cut_by_both().compute(BlockNorms)?);
    assert_eq!(heat_map.to_string(), "░░\n▓▓\n█▓\n");

    println!("a crate of one's own works");
    Ok(())
}

/// The element of an array of shape (10, 5): 0, 1, 2 and so on, row by row.
fn element(row: usize, column: usize) -> f32 {
    (5 * row + column) as f32
}

/// The array, cut along axis 0.
fn cut_by_rows() -> LazyChunkSequence<'static, Matrix, Indexed> {
    let rows = BlockSizes::from(ROWS);
    LazyChunkSequence::from_fn(rows.clone(), move |i| {
        let start = rows.start(i);
        Matrix::from_fn([rows.size(i), 5], |row, column| element(start + row, column))
    })
}

/// The array, cut along axes 0 and 1.
fn cut_by_both() -> NestedLazyChunkSequence<'static, Matrix, Indexed> {
    let (rows, columns) = (BlockSizes::from(ROWS), BlockSizes::from(COLUMNS));
    NestedLazyChunkSequence::from_fn(rows.clone(), columns.clone(), move |i, j| {
        let start = (rows.start(i), columns.start(j));
        Matrix::from_fn([rows.size(i), columns.size(j)], |row, column| {
            element(start.0 + row, start.1 + column)
        })
    })
}

fn check(counts: &Counts, moments: &Moments) {
    assert_eq!(*counts, Counts { bins: vec![10, 10, 20], outside: 10 });
    assert_eq!((moments.count, moments.mean), (50, 24.5));
}
