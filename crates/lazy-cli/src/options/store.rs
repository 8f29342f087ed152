//! The options of `lazy store`.

use lazy_chunks::Workers;
use lazy_chunks::zarr::{Codec, Durability, Existing, OldChunks, StoreOptions};

use super::{Report, input, location};
use crate::arguments;
use crate::failure::{Failure, Result};
use crate::input::InputOptions;
use crate::location::Location;
use crate::statistics::StatisticList;
use crate::values::{Attribute, ChunkSizes, StopSignal};

/// The options of `lazy store`.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) input: InputOptions,
    /// The array, or the group that holds it.
    pub(crate) output: Location,
    /// The name of the array in the group.
    pub(crate) array: Option<String>,
    pub(crate) existing: Existing,
    pub(crate) old_chunks: OldChunks,
    pub(crate) allow_fewer_rows: bool,
    pub(crate) earlier_write: EarlierWrite,
    pub(crate) take_over: bool,
    /// None if one process stores the array alone.
    pub(crate) sharing: Option<Sharing>,
    pub(crate) durability: Durability,
    pub(crate) chunks: ChunkSizes,
    /// None for an array without shards.
    pub(crate) shards: Option<ChunkSizes>,
    /// None for the default, or that of the array that rows are appended to.
    pub(crate) codec: Option<Codec>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) dimension_names: Option<Vec<String>>,
    pub(crate) stats: StatisticList,
    /// The memory limit for the states of the statistics, in bytes.
    pub(crate) memory_limit: u64,
    pub(crate) report: Report,
}

/// The options of a write that workers share.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// The worker that this process is.
    pub(crate) worker: Workers,
    /// None for the default number.
    pub(crate) n_parts: Option<usize>,
    /// A signal that stops the worker, besides those that stop every command.
    pub(crate) stop_signal: Option<StopSignal>,
}

/// The treatment of an earlier write of the same array that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlierWrite {
    /// The command fails if the write has stored chunks.
    Refuse,
    /// The write is discarded.
    Discard,
    /// The write is resumed; the command fails if that is impossible.
    Resume,
    /// The write is resumed, or discarded if that is impossible.
    ResumeOrDiscard,
}

impl EarlierWrite {
    pub(crate) fn is_resumed(self) -> bool {
        matches!(self, EarlierWrite::Resume | EarlierWrite::ResumeOrDiscard)
    }

    pub(crate) fn may_be_discarded(self) -> bool {
        matches!(self, EarlierWrite::Discard | EarlierWrite::ResumeOrDiscard)
    }
}

impl Store {
    /// Makes the options from the command line, and checks them.
    pub(super) fn new(arguments: arguments::Store, stores: &StoreOptions) -> Result<Store> {
        let keeps_blocks = arguments.chunks == ChunkSizes::Blocks;
        let input = InputOptions { keeps_blocks, ..input::options(arguments.input, stores)? };
        if arguments.resume && input.origin.is_stream() {
            let problem = "a stream cannot be read again, so --resume cannot continue one; store \
                           files instead, or leave out --resume";
            return Err(Failure::Usage(problem.to_owned()));
        }
        if arguments.memory.is_some() && arguments.stats.is_none() {
            let problem = "--memory limits the memory of statistics; ask for statistics with \
                           --stats, or leave out --memory";
            return Err(Failure::Usage(problem.to_owned()));
        }
        if arguments.shards == Some(ChunkSizes::Blocks) {
            let problem = "--shards takes `auto` or sizes; only --chunks can be `blocks`";
            return Err(Failure::Usage(problem.to_owned()));
        }
        if arguments.chunks == ChunkSizes::Blocks && arguments.shards.is_some() {
            let problem = "chunks that have the shapes of blocks cannot lie in shards; leave out \
                           --shards or --chunks blocks";
            return Err(Failure::Usage(problem.to_owned()));
        }
        for (i, Attribute { name, .. }) in arguments.attributes.iter().enumerate() {
            if arguments.attributes[..i].iter().any(|before| before.name == *name) {
                return Err(Failure::Usage(format!("--attr sets {name} twice")));
            }
        }
        let (n_parts, stop_signal) = (arguments.parts, arguments.stop_signal);
        let sharing = arguments.workers.map(|worker| Sharing { worker, n_parts, stop_signal });
        if sharing.is_some() {
            check_shared(&input, arguments.append, arguments.restart)?;
        }
        let old_chunks = if arguments.remove_old { OldChunks::Remove } else { OldChunks::Keep };
        let earlier_write = match (arguments.resume, arguments.restart) {
            (false, false) => EarlierWrite::Refuse,
            (false, true) => EarlierWrite::Discard,
            (true, false) => EarlierWrite::Resume,
            (true, true) => EarlierWrite::ResumeOrDiscard,
        };
        Ok(Store {
            input,
            output: location(arguments.output, stores)?,
            array: arguments.array,
            existing: match (arguments.replace, arguments.append) {
                (true, _) => Existing::Replace,
                (false, true) => Existing::Append,
                (false, false) => Existing::Fail,
            },
            old_chunks,
            allow_fewer_rows: arguments.allow_fewer_rows,
            earlier_write,
            take_over: arguments.take_over,
            sharing,
            durability: if arguments.no_sync { Durability::None } else { Durability::Full },
            chunks: arguments.chunks,
            shards: arguments.shards,
            codec: arguments.codec.map(|codec| codec.0),
            attributes: arguments.attributes,
            dimension_names: arguments.dims,
            stats: arguments.stats.unwrap_or_else(StatisticList::none),
            memory_limit: arguments.memory.unwrap_or_default().bytes(),
            report: arguments.report.into(),
        })
    }
}

/// Checks that workers can share the write.
fn check_shared(input: &InputOptions, appends: bool, restarts: bool) -> Result<()> {
    let problem = if input.origin.is_stream() {
        "workers cannot share a stream, which only one process can read; store files or Zarr \
         arrays instead, or leave out --workers"
    } else if appends {
        "workers cannot append rows to an array; leave out --append or --workers"
    } else if input.keeps_blocks {
        "workers cannot store chunks that have the shapes of blocks; leave out --chunks blocks or \
         --workers"
    } else if restarts {
        "--restart would discard what other workers have stored; remove an unfinished write with \
         `lazy unfinished OUT --remove` before the workers start, and leave out --restart"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(problem.to_owned()))
}
