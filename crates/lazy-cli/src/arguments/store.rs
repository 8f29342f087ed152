//! The arguments of `lazy store`.

use std::ffi::OsString;

use clap::{Args, ValueHint};
use lazy_chunks::Workers;

use super::parsers::{new_array, number, worker};
use super::{Input, Report};
use crate::statistics::StatisticList;
use crate::values::{Attribute, ChunkSizes, CodecSetting, MemorySize, StopSignal};

/// Store blocks as one Zarr array
///
/// The array appears in one step, when it is complete. If the write fails, existing data is
/// unchanged. An interrupted write of files keeps the chunks that it has stored, and --resume
/// continues it.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy store --from-command 'python produce.py' -o values.zarr --stats mean,std
  set -o pipefail; python produce.py | lazy store - -o values.zarr --rows 6400
  lazy store part-*.npy --sort -o values.zarr --grid 4 --resume
  lazy store day-2.npy -o all-days.zarr --append --resume
  srun lazy store parts/ -o values.zarr --workers env --stats mean,std
  lazy store old.zarr -o new.zarr --chunks 512,512 --codec zstd:3
  lazy store layer-*.npy --sort -o layers.zarr --chunks blocks
  lazy store model.safetensors --select 'layer.*.weight' -o weights.zarr --array weights")]
pub(crate) struct Store {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Path or URL of the Zarr array to create; with --array, of the group that holds it
    #[arg(
        short, long, value_name = "OUT", value_parser = new_array(), value_hint = ValueHint::AnyPath
    )]
    pub(crate) output: OsString,

    /// Store the array under this name in the group OUT
    #[arg(long, value_name = "NAME")]
    pub(crate) array: Option<String>,

    /// Replace an existing array
    #[arg(long)]
    pub(crate) replace: bool,

    /// Append the rows to an existing array, or create it
    ///
    /// The array keeps its chunks, codecs, names and attributes, so --chunks, --shards and --codec
    /// are needed only for a new array. Readers find the old rows or all of them. With --resume,
    /// the rows of the same files are appended once, even if the command is repeated. --stats
    /// covers the appended rows.
    #[arg(long, conflicts_with = "replace")]
    pub(crate) append: bool,

    /// With --replace, let a stream from a pipe replace an array that has more rows
    ///
    /// By default this is an error, unless --rows or --blocks is given: the stream may have ended
    /// early.
    #[arg(long, requires = "replace")]
    pub(crate) allow_fewer_rows: bool,

    /// With --replace, delete the chunks of the old array immediately
    ///
    /// By default they stay until the next replacement or `lazy clean`, for readers that have the
    /// old array open. Once they are deleted, such readers get fill values if they use other
    /// libraries.
    #[arg(long, requires = "replace")]
    pub(crate) remove_old: bool,

    /// Take over an unfinished write that may still be running on another machine
    ///
    /// This is needed on file systems whose locks do not reach other machines, if the other process
    /// has ended. If it is running after all, it publishes nothing.
    #[arg(long)]
    pub(crate) take_over: bool,

    /// Continue an interrupted write
    ///
    /// If the array is already complete, read the input, compare it, and fail if it differs.
    #[arg(long)]
    pub(crate) resume: bool,

    /// Discard what an interrupted write has stored, and start anew
    ///
    /// With --resume, discard it only if its input or its settings were different.
    #[arg(long)]
    pub(crate) restart: bool,

    /// Share the write with other workers, which run the same command on any machine
    ///
    /// I/N is worker I of N, counted from 0. `env` asks the environment of Slurm, MPI, Kubernetes
    /// and other engines, and `off` is a single worker. Workers take parts of the input until none
    /// is left; the last one publishes the array, and prints its statistics. The array and its
    /// statistics do not depend on the workers. Whatever stops a worker, the same command continues
    /// its part.
    #[arg(long, value_name = "env|I/N|off", value_parser = worker())]
    pub(crate) workers: Option<Workers>,

    /// With --workers, number of parts that the input is cut into [default: at most 1024]
    ///
    /// All workers must give the same number. A part has at least one block.
    #[arg(
        long,
        value_name = "N",
        value_parser = number::<usize, _>(1..),
        allow_negative_numbers = true,
        requires = "workers"
    )]
    pub(crate) parts: Option<usize>,

    /// With --workers, also stop after the current block when this signal comes, such as USR1
    ///
    /// Batch systems announce the end of a job with it: `sbatch --signal=USR1@60`. The exit code
    /// is then 75, as for other signals that stop a worker.
    #[arg(long, value_name = "SIGNAL", requires = "workers")]
    pub(crate) stop_signal: Option<StopSignal>,

    /// Number of elements of a chunk along each axis, `auto` for chunks of at most 8 MiB, or
    /// `blocks` for one chunk per block
    ///
    /// With shards, automatic chunks have at most 1 MiB. With `blocks`, each record of a stream,
    /// each array of a file and each chunk of a Zarr array becomes one chunk, whatever its shape,
    /// and must fit into memory. Few readers know such a rectilinear grid: zarrs, and zarr-python
    /// from version 3.2 on if its setting `array.rectilinear_chunks` is true. Rows cannot be
    /// appended, and there are no shards.
    #[arg(
        long,
        value_name = "auto|blocks|R,C,…",
        default_value = "auto",
        allow_hyphen_values = true
    )]
    pub(crate) chunks: ChunkSizes,

    /// Number of elements of a shard along each axis, or `auto` for shards of at most 128 MiB
    /// [default: no shards]
    ///
    /// A shard is a file that holds several chunks. Each number is a multiple of the chunk's.
    #[arg(long, value_name = "auto|R,C,…", allow_hyphen_values = true)]
    pub(crate) shards: Option<ChunkSizes>,

    /// Compression: none, zstd, gzip, blosc-lz4 or blosc-zstd, or with a level, such as zstd:9
    /// [default: blosc-lz4]
    ///
    /// Levels are 0 to 9 for gzip (default 6) and blosc (default 5), and -131072 to 22 for zstd
    /// (default 3).
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<CodecSetting>,

    /// Attribute of the array, such as l2=0.001; a value that is not JSON is stored as text
    #[arg(long = "attr", value_name = "K=V")]
    pub(crate) attributes: Vec<Attribute>,

    /// Names of the axes, separated by commas; xarray needs them
    ///
    /// By default, the axes of an array `x` in a group are named `x_0`, `x_1` and so on.
    #[arg(long, value_name = "a,b,…", value_delimiter = ',')]
    pub(crate) dims: Option<Vec<String>>,

    /// Do not flush the array to disk: faster, but a power failure may destroy it
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Statistics of the whole array, separated by commas; `lazy reduce --help` lists them
    ///
    /// They are computed while the array is stored.
    #[arg(long, value_name = "LIST")]
    pub(crate) stats: Option<StatisticList>,

    /// Memory limit for --stats, such as 8G or 512MiB [default: half of the machine's memory]
    ///
    /// The limit covers the states of the statistics. If they need more, the command fails. The
    /// units K, M, G and T are powers of 1024. In a cgroup with a memory limit, the default is half
    /// of that limit.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) memory: Option<MemorySize>,

    #[command(flatten)]
    pub(crate) report: Report,
}
