//! The sink of `lazy store`.

use lazy_chunks::zarr::{MetadataChecksum, StoredArray, Target, ZarrSink};
use lazy_chunks::{RowType, SequenceSpec};

use crate::failure::Result;
use crate::input::{Input, ShapeOfBlocks};
use crate::options::Store;
use crate::print;
use crate::values::ChunkSizes;

/// The most bytes in a shard of automatic size.
const SHARD_BYTES: usize = 128 << 20;

/// Returns the sink of the write. `is_new` is false if rows are appended to an array.
pub(super) fn sink(
    options: &Store,
    target: Target,
    input: &Input,
    is_new: bool,
) -> Result<ZarrSink> {
    let mut sink = ZarrSink::new(target)
        .with_existing(options.existing)
        .with_durability(options.durability)
        .with_old_chunks(options.old_chunks);
    if let Some(codec) = options.codec {
        sink = sink.with_codec(codec);
    }
    if options.take_over {
        sink = sink.with_take_over();
    }
    match &options.chunks {
        ChunkSizes::Explicit(sizes) => sink = sink.with_chunk_shape(sizes.clone()),
        ChunkSizes::Blocks => sink = sink.with_chunks_of_blocks(),
        ChunkSizes::Automatic => {}
    }
    match &options.shards {
        Some(ChunkSizes::Explicit(sizes)) => sink = sink.with_shard_shape(sizes.clone()),
        Some(ChunkSizes::Automatic) => sink = sink.with_shard_bytes(SHARD_BYTES),
        Some(ChunkSizes::Blocks) | None => {}
    }
    match input.copied().filter(|_| is_new).as_deref() {
        Some([first, others @ ..]) if others.iter().all(|other| mean_the_same(first, other)) => {
            sink = sink.with_properties_of(first)?;
        }
        Some(_) if !options.report.quiet => print::note(
            "the arrays differ in attributes, dimension names or fill values, so none of these are \
             copied; set them with --attr and --dims",
        ),
        _ => {}
    }
    if let Some(dims) = &options.dimension_names {
        sink = sink.with_dimension_names(dims);
    }
    for attribute in &options.attributes {
        sink = sink.with_attribute(&attribute.name, &attribute.value);
    }
    if let Some(n_threads) = options.input.n_threads {
        sink = sink.with_writer_threads(n_threads);
    }
    let Some(identity) = input.identify(options.output.path())? else { return Ok(sink) };
    let mut resume = identity.resume();
    if options.sharing.is_some() {
        return Ok(sink.with_resume(resume));
    }
    if !options.earlier_write.is_resumed() {
        resume = resume.or_append_again();
    }
    if options.earlier_write.may_be_discarded() {
        resume = resume.or_restart();
    }
    Ok(sink.with_resume(resume))
}

/// Returns true if the metadata give the elements of two arrays the same meaning.
fn mean_the_same(one: &StoredArray, other: &StoredArray) -> bool {
    let properties = |array: &StoredArray| {
        let mut attributes = array.attributes().clone();
        // This attribute was written with the array, and describes its origin.
        if array.metadata_checksum() != MetadataChecksum::Missing {
            attributes.remove("provenance");
        }
        let dimension_names = array.dimension_names().map(<[_]>::to_vec);
        (attributes, dimension_names, array.fill_value().ok().map(|fill| fill.data().clone()))
    };
    properties(one) == properties(other)
}

/// Returns a bound on the memory of the write, including the blocks in flight. None if settings are
/// invalid, which the write itself reports.
pub(super) fn memory_bound(sink: &ZarrSink, blocks: &ShapeOfBlocks) -> Option<usize> {
    let ShapeOfBlocks { cut, dtype, row_shape, block, n_alive } = blocks;
    let row_type = RowType { dtype: *dtype, shape: row_shape.clone() };
    let spec = SequenceSpec::streamed(*cut, None).with_row_type(Some(row_type));
    let bound = sink.memory_bound(&spec, block).ok()?;
    let block_bytes: usize = block.iter().product::<usize>() * dtype.size();
    Some(bound.saturating_add(block_bytes.saturating_mul(*n_alive)))
}
