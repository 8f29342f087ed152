//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::settings::{
    Attribute, ChunkSizes, CodecSetting, MemorySize, Span, array_path, path, picture_path,
};
use crate::statistics::StatisticList;

/// Arrays that come one block at a time: stored as Zarr, and summarized, in the memory of a few chunks.
#[derive(Debug, Parser)]
#[command(
    name = "lazy",
    version,
    after_help = "\
Exit codes: 0 done; 1 it failed, and what was there is unchanged; 2 the command line makes no sense;
3 data are corrupt; 4 an array was stored, but what followed failed; 128+N stopped by signal N.

Results go to standard output, all else to standard error. RUST_LOG=debug tells what happens inside.",
    after_long_help = "\
Examples:
  lazy store --from-command 'python produce.py' -o values.zarr
  lazy store parts/ -o values.zarr --stats mean,std
  lazy view values.zarr -o values.png

The first stores a block for each `np.save(sys.stdout.buffer, block)` of the Python program.

Exit codes:
  0      done
  1      it failed, and what was there is unchanged
  2      the command line makes no sense
  3      data are corrupt
  4      an array was stored, but what followed failed, such as printing its statistics
  128+N  stopped by signal N: 129 by SIGHUP, 130 by SIGINT, 131 by SIGQUIT, 143 by SIGTERM, 152 by SIGXCPU

The first signal stops a command after its block; a second one ends it at once.

Results go to standard output, all else to standard error. RUST_LOG=debug tells what happens inside."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Store(Store),
    Reduce(Reduce),
    Info(Info),
    Verify(Verify),
    View(View),
    Export(Export),
    Staging(Staging),
    Clean(Clean),
    Consolidate(Consolidate),
    Completions(Completions),
}

/// Where blocks come from.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// Blocks in their order: `-`, a stream of .npy records on standard input; or .npy, .npz and .safetensors files, Zarr
    /// arrays, and folders of these, whose files come in natural order (part-10 follows part-9)
    #[arg(required_unless_present = "from_command", value_name = "INPUT", value_parser = path())]
    pub(crate) inputs: Vec<PathBuf>,

    /// Start a command of the shell that writes the stream, and take it for complete only if the command ends with exit
    /// code 0: of a pipe, that cannot be known
    #[arg(long, value_name = "COMMAND", conflicts_with = "inputs")]
    pub(crate) from_command: Option<String>,

    /// The input has so many rows (indices along axis 0): with fewer or more, it is an error
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,

    /// The input has so many blocks: records of a stream, or arrays of files; with fewer or more, it is an error
    #[arg(long, value_name = "N")]
    pub(crate) blocks: Option<u64>,

    /// Every so many blocks form a band, from left to right; without it, all blocks lie below one another
    #[arg(long, value_name = "COLS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) grid: Option<u32>,

    /// Make a row of each input, as `np.stack` does: of vectors of 768 elements an array of shape (N, 768)
    #[arg(long)]
    pub(crate) stack: bool,

    /// Take inputs in natural order, not in the order in which they are given: for `part-*.npy`, which a shell puts into
    /// the order of letters
    #[arg(long)]
    pub(crate) sort: bool,

    /// Of .npz and .safetensors files, take only the arrays whose names match, such as `layer.*.weight`
    #[arg(long, value_name = "PATTERN")]
    pub(crate) tensors: Option<String>,

    /// Threads that read, compute and write; as many as there are cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// How a program that reads the output is served.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Print results as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Store blocks as one Zarr array
///
/// The array appears at its place in one step, when it is complete; a write that fails leaves what was there. What
/// a write of files has stored when it is stopped is kept, and `--resume` continues from there.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy store --from-command 'python produce.py' -o values.zarr --stats mean,std
  set -o pipefail; python produce.py | lazy store - -o values.zarr --rows 6400
  lazy store part-*.npy --sort -o values.zarr --grid 4 --resume
  lazy store old.zarr -o new.zarr --chunks 512,512 --codec zstd:3
  lazy store model.safetensors --tensors 'layer.*.weight' -o weights.zarr --array weights")]
pub(crate) struct Store {
    #[command(flatten)]
    pub(crate) input: Input,

    /// The Zarr array that is made, or with --array the group
    #[arg(short, long, value_name = "OUT", value_parser = array_path())]
    pub(crate) output: PathBuf,

    /// Make the array a member of the group at OUT, of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) array: Option<String>,

    /// Replace an array that is there
    #[arg(long)]
    pub(crate) replace: bool,

    /// With --replace, let a stream from a pipe replace an array that has more rows: it may be one that ended early
    #[arg(long, requires = "replace")]
    pub(crate) allow_fewer_rows: bool,

    /// With --replace, remove the chunks of the old array at once, instead of keeping them for readers that have
    /// opened it: those of other libraries then read fill values
    #[arg(long, requires = "replace")]
    pub(crate) remove_old: bool,

    /// Take over from an unfinished write on another machine, where the file system cannot tell whether it has ended
    #[arg(long)]
    pub(crate) take_over: bool,

    /// Resume a write that ended early; where the array is complete already, check that it is the input's
    #[arg(long)]
    pub(crate) resume: bool,

    /// Remove what a write that ended early has stored, and start anew; with --resume, only if it was of other input
    /// or other settings
    #[arg(long)]
    pub(crate) restart: bool,

    /// Chunk sizes along the axes, or `auto`: chunks of at most 8 MiB
    #[arg(long, value_name = "auto|R,C,…", default_value = "auto")]
    pub(crate) chunks: ChunkSizes,

    /// Shard sizes along the axes, each a multiple of the chunks', or `auto`: shards of at most 128 MiB
    #[arg(long, value_name = "auto|R,C,…")]
    pub(crate) shards: Option<ChunkSizes>,

    /// How chunks are compressed: none, zstd, gzip, blosc-lz4 or blosc-zstd, with a level as in zstd:9
    #[arg(long, value_name = "CODEC", default_value = "blosc-lz4")]
    pub(crate) codec: CodecSetting,

    /// An attribute of the array: JSON, or else text
    #[arg(long = "attr", value_name = "K=V")]
    pub(crate) attributes: Vec<Attribute>,

    /// Names of the axes, which xarray asks for; by default those of an array `x` in a group are `x_0`, `x_1` and so on
    #[arg(long, value_name = "a,b,…", value_delimiter = ',')]
    pub(crate) dims: Option<Vec<String>>,

    /// Leave it to the system when the array reaches the disk: faster, but a power failure may take it
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Statistics of the whole array, computed in the same pass; `lazy reduce --help` lists them
    #[arg(long, value_name = "LIST")]
    pub(crate) stats: Option<StatisticList>,

    /// Refuse statistics whose states would take more memory than this, such as 8G or 512MiB; by default half of the
    /// machine's memory, or of the limit of the cgroup
    #[arg(long, value_name = "SIZE", default_value_t, hide_default_value = true)]
    pub(crate) memory: MemorySize,

    #[command(flatten)]
    pub(crate) print: Output,
}

/// Compute statistics of blocks, in one pass
///
/// Statistics: count, sum, mean, var, std, min, max, argmin, argmax, top:K, bottom:K, l1, l2, linf,
/// quantiles:Q,… (within 1 % of an element of that rank), histogram:EDGE,…, and of the columns cov, corr and gram.
/// Sums and means are accumulated as float64; NaN and ties are as in NumPy.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy reduce values.zarr --stats mean,std,min,max,argmax,top:10,quantiles:0.5,0.99
  lazy reduce part-*.npy --sort --stats l2 --axis rows -o norms.zarr
  python produce.py | lazy reduce - --stats mean --json")]
pub(crate) struct Reduce {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Which statistics, separated by commas
    #[arg(long, value_name = "LIST", required = true)]
    pub(crate) stats: StatisticList,

    /// Of the whole array, of each row, or of each column
    #[arg(long, value_enum, default_value_t = Axis::All)]
    pub(crate) axis: Axis,

    /// Refuse statistics whose states would take more memory than this, such as 8G or 512MiB; by default half of the
    /// machine's memory, or of the limit of the cgroup
    #[arg(long, value_name = "SIZE", default_value_t, hide_default_value = true)]
    pub(crate) memory: MemorySize,

    /// Leave out NaN
    #[arg(long)]
    pub(crate) ignore_nan: bool,

    /// Store the results as members of a Zarr group, and print only those that are few numbers: no matrices, rows or
    /// columns
    #[arg(short, long, value_name = "OUT", value_parser = array_path())]
    pub(crate) output: Option<PathBuf>,

    /// Replace arrays that are in that group
    #[arg(long, requires = "output")]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) print: Output,
}

/// What a statistic is computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axis {
    /// The whole array
    All,
    /// Each row: over axis 1 and those behind it
    Rows,
    /// Each column: over axis 0
    Columns,
}

/// Tell what a stored array is
#[derive(Args, Debug)]
pub(crate) struct Info {
    /// A Zarr array, or a group of them
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Read and check every chunk of a stored array
///
/// Prints each chunk that is missing, torn or corrupt, and ends with exit code 3 when there is one.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A Zarr array
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) print: Output,
}

/// Draw a stored array as a heat map
///
/// Each pixel is the mean of the elements that it stands for. Of arrays beyond 4 GiB, some of the chunks are read, spread
/// evenly; others look as those before them. Axes behind axis 1 are averaged; complex elements count by their magnitude.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy view values.zarr -o values.png
  lazy view values.zarr -o corner.png --rows :1000 --cols 500:1500")]
pub(crate) struct View {
    /// A Zarr array
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// The picture
    #[arg(short, long, value_name = "PNG", value_parser = picture_path())]
    pub(crate) output: PathBuf,

    /// Replace a regular file that is there; links, devices and the like are never replaced
    #[arg(long)]
    pub(crate) replace: bool,

    /// Only these rows, as in a slice of Python's: -3: are the last three
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) rows: Span,

    /// Only these columns
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) cols: Span,

    /// Show no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Write a stored array, or a part of it, into a file of another format
///
/// A few rows are in memory at a time: those of a chunk, or of 256 MiB. The file appears when it is complete.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy export values.zarr -o values.npy
  lazy export values.zarr -o corner.safetensors --rows :100 --cols :100 --name corner
  lazy export values.zarr -o - | python consume.py")]
pub(crate) struct Export {
    /// A Zarr array
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// A .npy or .safetensors file, or `-`: a .npy record on standard output
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(crate) output: PathBuf,

    /// Only these rows, as in a slice of Python's: -3: are the last three
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) rows: Span,

    /// Only these columns
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) cols: Span,

    /// The tensor's name in a .safetensors file
    #[arg(long, default_value = "array")]
    pub(crate) name: String,

    /// Replace a regular file that is there; links, devices and the like are never replaced
    #[arg(long)]
    pub(crate) replace: bool,

    /// Show no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// List what unfinished writes left behind, or remove it
#[derive(Args, Debug)]
pub(crate) struct Staging {
    /// A Zarr array or group that was to be, or a folder of them
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// Remove them, with all that they have stored; writes that are under way are left alone
    #[arg(long)]
    pub(crate) remove: bool,

    /// Print them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove the chunks of arrays that were replaced
///
/// They are kept for readers that had opened the old array, until the next replacement. Writes that ended early and
/// cannot be resumed are cleaned up as well. The arrays that are there are never touched.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy clean run.zarr --dry-run
  lazy clean results/")]
pub(crate) struct Clean {
    /// A Zarr array or group, or a folder of them
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Copy the metadata of all members of a group into the group's own, or remove that copy
///
/// Readers open a group with consolidated metadata by one request, as zarr-python makes it. No array can be stored in such a
/// group until the copy is removed: it would no longer be true.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy consolidate run.zarr --remove
  lazy store today.npy -o run.zarr --array today
  lazy consolidate run.zarr")]
pub(crate) struct Consolidate {
    /// A Zarr group
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    /// Remove the copy
    #[arg(long)]
    pub(crate) remove: bool,
}

/// Print what a shell needs to complete the arguments
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy completions bash > ~/.local/share/bash-completion/completions/lazy
  lazy completions zsh > ~/.zfunc/_lazy")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}
