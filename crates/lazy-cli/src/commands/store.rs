//! `lazy store`.

use std::fs;
use std::path::Path;
use std::time::Instant;

use indicatif::HumanBytes;
use lazy_chunks::MemoryLimit;
use lazy_chunks::zarr::{
    self, Durability, Existing, FileSystem, LocalFileSystem, LockScope, MetadataSeal, OldChunks,
    StoredArray, Target, UnfinishedWrite, WriteState, ZarrSink,
};
use serde::{Deserialize, Serialize};

use crate::answers::{self, Answer};
use crate::arguments::{Axis, Store};
use crate::failure::{Failure, Result};
use crate::input::{Input, ShapeOfBlocks, is_stream};
use crate::print;
use crate::progress::Display;
use crate::settings::ChunkSizes;
use crate::statistics::{Form, StatisticList};
use crate::stop;

/// Shards where their sizes are left open.
const SHARD_BYTES: usize = 128 << 20;

pub(crate) fn run(arguments: &Store) -> Result<()> {
    let from_pipe = arguments.input.inputs.iter().any(|input| is_stream(input));
    let from_stream = from_pipe || arguments.input.from_command.is_some();
    if arguments.resume && from_stream {
        return Err(Failure::Usage(
            "a stream cannot be read again, so --resume cannot continue one; store files instead, or start anew"
                .to_owned(),
        ));
    }
    let target = target(arguments);
    if !arguments.resume {
        check_unfinished(arguments, &target)?;
    }
    let is_complete = !arguments.replace && StoredArray::open(target.clone()).is_ok();
    if is_complete && !arguments.resume {
        return Err(zarr::Error::TargetExists { target: target.to_string() }.into());
    }
    if !arguments.print.quiet && locks_end_here(&arguments.output) {
        print::note(format_args!(
            "locks do not reach other machines on the file system of {}: start no other write of it there",
            arguments.output.display()
        ));
    }
    let stats = arguments.stats.clone().unwrap_or_else(StatisticList::none);
    let (reducers, plan) = stats.plan(Form { axis: Axis::All, ignore_nan: false })?;
    let reducers = MemoryLimit::new(arguments.memory.bytes(), reducers);

    let mut input = Input::open(&arguments.input, plan.needs_whole_rows())?;
    if from_pipe && arguments.replace && !arguments.allow_fewer_rows {
        // A producer that has died between two records looks like one that is done.
        if let Ok(replaced) = StoredArray::open(target.clone()) {
            input.refuse_fewer_rows(replaced.shape().first().copied().unwrap_or(0));
        }
    }
    if !arguments.print.quiet {
        input.sources().notes().iter().for_each(print::note);
    }
    let sink = sink(arguments, target, &input)?;
    let display = Display::new(arguments.print.quiet);
    let (blocks, inert_sink) = (input.shape_of_blocks(), sink.clone());
    let bound = move || memory_bound(&inert_sink, blocks.get()?);
    let watcher = display.of_pass(input.n_blocks(), bound);
    let started = Instant::now();
    let ended = input.compute((reducers, sink.with_observer(watcher)));
    display.clear();
    let (found, stored) =
        ended.map_err(|failure| ended_early(failure, arguments, (from_stream, is_complete)))?;

    let answers = plan.answers(&found);
    drop(found);
    if !arguments.print.quiet {
        input.later_note().into_iter().for_each(print::note);
    }
    let started = (!is_complete).then_some(started);
    tell(arguments, (&input, &stored), &answers, started)
        .map_err(|failure| failure.after_storing(&arguments.output))
}

/// Tells what was stored since a time, or that it was there already; and what its statistics are.
fn tell(
    arguments: &Store,
    (input, stored): (&Input, &StoredArray),
    answers: &[Answer],
    started: Option<Instant>,
) -> Result<()> {
    let size = stored.stored_size()?;
    if !arguments.print.quiet {
        let output = arguments.output.display();
        let array = format!("{} {:?}{}", stored.dtype(), stored.shape(), input.sources().summary());
        match started {
            None => print::note(format_args!(
                "{output} is complete already, and equal to the input: {array}; nothing was stored"
            )),
            Some(started) => {
                let seconds = started.elapsed();
                let raw = stored.n_bytes();
                let rate = raw as f64 / seconds.as_secs_f64().max(1e-9);
                print::note(format_args!(
                    "stored {array} as {output}: {} in {} {} of {} in all, {seconds:.1?}, {}/s",
                    HumanBytes(raw),
                    size.n_stored,
                    if stored.shard_shape().is_some() { "shards" } else { "chunks" },
                    HumanBytes(size.bytes),
                    HumanBytes(rate as u64),
                ));
            }
        }
    }
    if arguments.print.json {
        return print::json(&Told {
            path: &arguments.output.to_string_lossy(),
            array: arguments.array.as_deref(),
            dtype: stored.dtype().name(),
            shape: stored.shape(),
            chunk_shape: stored.chunk_shape(),
            shard_shape: stored.shard_shape(),
            bytes: stored.n_bytes(),
            stored_bytes: size.bytes,
            statistics: answers::Json(answers),
        });
    }
    print::result(answers::to_tables(answers))
}

/// What a program is told, in this order.
#[derive(Serialize)]
struct Told<'a> {
    path: &'a str,
    array: Option<&'a str>,
    dtype: &'a str,
    shape: &'a [usize],
    chunk_shape: &'a [usize],
    shard_shape: Option<&'a [usize]>,
    bytes: u64,
    stored_bytes: u64,
    statistics: answers::Json<'a>,
}

/// Returns true if a write on another machine is not kept out by a lock.
fn locks_end_here(output: &Path) -> bool {
    let output = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let mut above = output.ancestors();
    above.find(|path| path.is_dir()).is_some_and(|directory| {
        matches!(LocalFileSystem.lock_scope(directory), Ok(LockScope::Mount))
    })
}

/// Returns the array, as a member of its group where there is one: such an array needs names for its axes.
fn target(arguments: &Store) -> Target {
    let output = &arguments.output;
    if arguments.array.is_none()
        && let (Some(group), Some(name)) = (output.parent(), output.file_name())
        && let Some(name) = name.to_str().filter(|_| is_group(group))
    {
        return Target::from(group).member(name);
    }
    let group = Target::from(&**output);
    let members = arguments.array.iter().flat_map(|name| name.split('/'));
    members.fold(group, Target::member)
}

/// Checks that no earlier write can be resumed. With `--restart`, what it has stored is removed.
fn check_unfinished(arguments: &Store, target: &Target) -> Result<()> {
    for write in UnfinishedWrite::list(target.clone())? {
        // One that cannot be resumed may have a record that cannot be understood.
        let has_ended =
            matches!(write.state(), WriteState::Resumable { .. } | WriteState::Abandoned);
        if arguments.restart && has_ended {
            write.remove()?;
            continue;
        }
        if let WriteState::Resumable { job, chunks, stored_bytes } = write.state() {
            if *chunks == 0 {
                write.remove()?;
                continue;
            }
            let problem = format!(
                "a write of {} has ended early, with {chunks} chunks stored ({}), of {job}",
                write.target().display(),
                HumanBytes(*stored_bytes),
            );
            return Err(Failure::Unfinished(problem));
        }
    }
    Ok(())
}

/// Returns true if a directory holds a Zarr group.
fn is_group(directory: &Path) -> bool {
    #[derive(Deserialize)]
    struct Node {
        node_type: String,
    }

    let path = directory.join("zarr.json");
    // Opening anything else might wait.
    let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
    let text = if is_file { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice::<Node>(&text).is_ok_and(|node| node.node_type == "group")
}

fn sink(arguments: &Store, target: Target, input: &Input) -> Result<ZarrSink> {
    let existing = if arguments.replace { Existing::Replace } else { Existing::Fail };
    let durability = if arguments.no_sync { Durability::None } else { Durability::Full };
    let old_chunks = if arguments.remove_old { OldChunks::Remove } else { OldChunks::Keep };
    let mut sink = ZarrSink::new(target)
        .with_existing(existing)
        .with_durability(durability)
        .with_old_chunks(old_chunks)
        .with_codec(arguments.codec.0);
    if arguments.take_over {
        sink = sink.with_take_over();
    }
    if let ChunkSizes::Explicit(sizes) = &arguments.chunks {
        sink = sink.with_chunk_shape(sizes.clone());
    }
    match &arguments.shards {
        Some(ChunkSizes::Explicit(sizes)) => sink = sink.with_shard_shape(sizes.clone()),
        Some(ChunkSizes::Automatic) => sink = sink.with_shard_bytes(SHARD_BYTES),
        None => {}
    }
    match input.copied().as_deref() {
        Some([first, others @ ..]) if others.iter().all(|other| mean_the_same(first, other)) => {
            sink = sink.with_properties_of(first)?;
        }
        Some(_) if !arguments.print.quiet => print::note(
            "the arrays differ in their attributes, dimension names or fill values, so none are taken over; see --attr and \
             --dims",
        ),
        _ => {}
    }
    if let Some(dims) = &arguments.dims {
        sink = sink.with_dimension_names(dims);
    }
    for attribute in &arguments.attributes {
        sink = sink.with_attribute(&attribute.name, &attribute.value);
    }
    if let Some(n_threads) = arguments.input.threads {
        sink = sink.with_writer_threads(n_threads.into());
    }
    if let Some(resume) = input.resume(&arguments.output)? {
        sink = sink.with_resume(if arguments.restart { resume.or_restart() } else { resume });
    }
    Ok(sink)
}

/// Returns true if the elements of two arrays mean the same, as far as their metadata say.
fn mean_the_same(one: &StoredArray, other: &StoredArray) -> bool {
    let properties = |array: &StoredArray| {
        let mut attributes = array.attributes().clone();
        // What it was made of.
        if array.metadata_seal() != MetadataSeal::Absent {
            attributes.remove("provenance");
        }
        let dimension_names = array.dimension_names().map(<[_]>::to_vec);
        (attributes, dimension_names, array.fill_value().ok().map(|fill| fill.data().clone()))
    };
    properties(one) == properties(other)
}

/// The memory of the write: its own, and that of the blocks that are alive beside it. What is wrong with the settings, the
/// write says itself.
fn memory_bound(sink: &ZarrSink, blocks: &ShapeOfBlocks) -> Option<usize> {
    let ShapeOfBlocks { cut, dtype, row_shape, block, n_alive } = blocks;
    let bound = sink.memory_bound(*cut, *dtype, row_shape, block).ok()?;
    let block_bytes: usize = block.iter().product::<usize>() * dtype.size();
    Some(bound.saturating_add(block_bytes.saturating_mul(*n_alive)))
}

/// Removes the chunks of a write whose input changed while it was read: they may be of several versions of it.
fn remove_kept(arguments: &Store) {
    for write in UnfinishedWrite::list(target(arguments)).unwrap_or_default() {
        if matches!(write.state(), WriteState::Resumable { .. }) {
            // If they stay, `lazy staging` lists them.
            let _ = write.remove();
        }
    }
}

/// What becomes of a write that failed, or that a signal stopped.
fn ended_early(
    failure: Failure,
    arguments: &Store,
    (from_stream, is_complete): (bool, bool),
) -> Failure {
    if failure.is_of_published_array() || failure.is_of_target() {
        return failure;
    }
    if failure.is_of_changed_input() {
        remove_kept(arguments);
        return Failure::Unchanged { failure: Box::new(failure), output: arguments.output.clone() };
    }
    if !failure.is_cancelled() && !stop::is_asked_for() {
        let kept = UnfinishedWrite::list(target(arguments)).unwrap_or_default();
        let is_resumable = |write: &UnfinishedWrite| {
            matches!(write.state(), WriteState::Resumable { chunks: 1.., .. })
        };
        let is_kept = !from_stream && kept.iter().any(is_resumable);
        return if is_kept {
            let output = arguments.output.clone();
            Failure::Kept { output, failure: Box::new(failure) }
        } else {
            failure
        };
    }
    let output = arguments.output.display();
    Failure::Stopped(match (from_stream, is_complete) {
        (_, true) => format!("stopped; {output} is unchanged"),
        (false, false) => format!(
            "stopped; what was stored is kept, and the same command with --resume continues from there; {output} is \
             unchanged"
        ),
        (true, false) => {
            format!(
                "stopped; a stream cannot be resumed, so nothing is kept; {output} is unchanged"
            )
        }
    })
}
