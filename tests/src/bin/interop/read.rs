//! Compares a directory with its manifest.

use std::fmt::Debug;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{ErrorKind, StoredArray, ToZarr};
use lazy_chunks::{ArrayBlock, BlockSizes, Concatenate, LazyChunkSequence, report};

use crate::manifest::{Entry, Group, Manifest, Unreadable, hexadecimal, target};

pub(crate) fn run(directory: &Path) -> Result<()> {
    let manifest = Manifest::read(directory)?;
    let mut failures = Vec::new();
    for entry in &manifest.arrays {
        let checked = match &entry.error {
            None => check_array(directory, entry),
            Some(error) => check_error(directory, entry, error),
        };
        failures.extend(checked.err().map(|error| format!("{}: {error}", entry.path)));
    }
    for group in manifest.groups.iter().filter(|group| group.is_consolidated) {
        let checked = check_closed(directory, group);
        failures.extend(checked.err().map(|error| format!("{}: {error}", group.path)));
    }
    if !failures.is_empty() {
        bail!("{} failures:\n{}", failures.len(), failures.join("\n"));
    }
    let n_unreadable = manifest.arrays.iter().filter(|entry| entry.error.is_some()).count();
    println!(
        "read {} arrays bit for bit, {n_unreadable} rejected as expected",
        manifest.arrays.len() - n_unreadable
    );
    Ok(())
}

fn check_array(directory: &Path, entry: &Entry) -> Result<()> {
    let stored = StoredArray::open(target(directory, &entry.path))?;
    let dtype = entry.dtype().with_context(|| format!("the dtype {} is unknown", entry.dtype))?;
    ensure!(stored.dtype() == dtype, "dtype {}, expected {dtype}", stored.dtype());
    check("shape", stored.shape(), &entry.shape[..])?;
    check("chunk shape", stored.chunk_shape(), &entry.chunks[..])?;
    check("shard shape", &stored.shard_shape(), &entry.shards.as_deref())?;
    if let Some(sizes) = &entry.sizes {
        check_sizes(&stored, sizes)?;
    }
    check("fill value", &hexadecimal(stored.fill_value()?.data()), &entry.fill)?;
    check("dimension names", &stored.dimension_names(), &entry.dimension_names.as_deref())?;
    // Arrays that this library wrote have one attribute more than requested.
    let mut attributes = stored.attributes().clone();
    if !entry.attributes.contains_key("provenance") {
        attributes.remove("provenance");
    }
    check("attributes", &attributes, &entry.attributes)?;

    let elements = fs::read(directory.join(&entry.elements))?;
    let expected = ArrayBlock::new(dtype, &entry.shape[..], elements.into())?;
    ensure!(stored.read()? == expected, "the elements differ");
    for region in regions(entry) {
        let read = stored.read_region(&region)?;
        ensure!(read == part(&expected, &region), "the elements of {region:?} differ");
    }
    if let Some(&n_rows) = entry.shape.first() {
        let rows = BlockSizes::uniform(n_rows, 3);
        let read = stored.sequence(rows)?.compute(Concatenate)?;
        ensure!(read == expected, "the elements of the sequence differ");
    }
    Ok(())
}

/// Checks the sizes of chunks, or shards, along each axis, as far as they lie in the array.
fn check_sizes(stored: &StoredArray, expected: &[Vec<usize>]) -> Result<()> {
    check("chunk grid", stored.chunk_grid(), "rectilinear")?;
    for (axis, (expected, &size)) in expected.iter().zip(stored.shape()).enumerate() {
        let mut rest = size;
        let within = expected.iter().map(|&n| {
            let n = n.min(rest);
            rest -= n;
            n
        });
        let within: Vec<_> = within.filter(|&n| n > 0).collect();
        let sizes = match stored.shard_sizes(axis)? {
            Some(sizes) => sizes,
            None => stored.chunk_sizes(axis)?,
        };
        check("sizes", &sizes, &BlockSizes::from(within))?;
    }
    let defects = stored.verify().collect::<Result<Vec<_>, _>>()?;
    ensure!(defects.is_empty(), "defects: {defects:?}");
    Ok(())
}

fn check<T: PartialEq + Debug + ?Sized>(what: &str, actual: &T, expected: &T) -> Result<()> {
    ensure!(actual == expected, "{what} {actual:?}, expected {expected:?}");
    Ok(())
}

/// Returns regions that cross the edges of chunks, and one without elements.
fn regions(entry: &Entry) -> [Vec<Range<usize>>; 3] {
    let region = |range: fn(usize, usize) -> Range<usize>| {
        let sizes = entry.shape.iter().zip(&entry.chunks);
        sizes.map(|(&size, &chunk)| range(size, chunk)).collect()
    };
    [
        region(|size, chunk| (chunk / 2).min(size)..(chunk + 1).min(size)),
        region(|size, _| size / 3..size),
        region(|size, _| size / 2..size / 2),
    ]
}

/// Returns a region of a block, copied element by element.
fn part(block: &ArrayBlock, region: &[Range<usize>]) -> ArrayBlock {
    let extent: Vec<_> = region.iter().map(Range::len).collect();
    let size = block.dtype().size();
    let mut data = Vec::new();
    for index in ndarray::indices(&extent[..]) {
        let index = ndarray::Dimension::slice(&index);
        let start = index.iter().zip(region).zip(block.shape());
        let flat_index =
            start.fold(0, |flat_index, ((i, range), n)| flat_index * n + range.start + i);
        data.extend_from_slice(&block.data()[flat_index * size..][..size]);
    }
    ArrayBlock::new(block.dtype(), extent, data.into()).expect("the elements of a region")
}

fn check_error(directory: &Path, entry: &Entry, expected: &Unreadable) -> Result<()> {
    let target = target(directory, &entry.path);
    let read = StoredArray::open(target.clone()).and_then(|stored| stored.read());
    let Err(error) = read else {
        bail!("the array can be read, but should fail with {expected:?}");
    };
    let kind = format!("{:?}", error.kind());
    let message = report(&error);
    let target = target.to_string();
    ensure!(message.contains(&target), "the message does not name the array: {message}");
    // The array's name may contain the unknown name as well.
    let is_expected = message.replace(&target, "").contains(&expected.message);
    ensure!(kind == expected.kind && is_expected, "{kind}, expected {expected:?}: {message}");
    Ok(())
}

/// Checks that an array cannot be written into a consolidated group, whose copy of the metadata
/// would become wrong, or into a v2 group, whose readers ignore v3 arrays.
fn check_closed(directory: &Path, group: &Group) -> Result<()> {
    let path = directory.join(&group.path);
    let late = target(directory, &format!("{}/late", group.path));
    let block = ArrayBlock::from_vec([1], vec![0_u8])?;
    let written = LazyChunkSequence::new(|| [block.clone()]).to_zarr(late);
    let Err(error) = written else {
        bail!("an array was written into a group with consolidated metadata");
    };
    let is_v2 = path.join(".zgroup").exists();
    let message = error.to_string();
    let is_expected = match error.kind() {
        ErrorKind::Occupied => is_v2 && message.contains("is a Zarr v2 group"),
        ErrorKind::Consolidated => !is_v2 && message.contains("consolidated metadata"),
        _ => false,
    };
    ensure!(is_expected, "the error does not name the group: {error}");
    ensure!(!path.join("late").exists(), "the failed write left something behind");
    Ok(())
}
