//! The command line, as clap parses it.
//!
//! Only `main` and `options` know this module. It knows which arguments there are and how each one
//! is written. It is ignorant of what they mean together and of all work: `options` checks them and
//! turns them into plain data first.

mod input;
mod maintain;
mod parsers;
mod read;
mod reduce;
mod store;
mod tips;
mod workers;

use clap::{Args, Parser, Subcommand};

pub(crate) use input::Input;
pub(crate) use maintain::{Attributes, Clean, Completions, Consolidate, Remove, Unfinished};
pub(crate) use read::{Export, Info, Verify, View};
pub(crate) use reduce::{Axis, Reduce};
pub(crate) use store::Store;
pub(crate) use tips::parse;
pub(crate) use workers::{Finish, Status};

use crate::location::StoreOption;

/// Store and summarize large arrays one block at a time, in bounded memory
#[derive(Debug, Parser)]
#[command(
    name = "lazy",
    version,
    after_help = "\
Exit codes: 0 success; 1 failure, existing data is unchanged; 2 invalid command line;
3 corrupt data; 4 an array was stored, but a later step failed; 75 a worker was stopped;
128+N stopped by signal N.

Results go to standard output, everything else to standard error. RUST_LOG=debug logs details.",
    after_long_help = "\
Examples:
  lazy store --from-command 'python produce.py' -o values.zarr
  lazy store parts/ -o values.zarr --stats mean,std
  lazy view values.zarr -o values.png

The first example stores a block for each `np.save(sys.stdout.buffer, block)` in the program.

Exit codes:
  0      success
  1      failure, existing data is unchanged
  2      invalid command line
  3      corrupt data
  4      an array was stored, but a later step failed, such as printing its statistics
  75     a signal stopped a worker of `lazy store --workers`; the same command continues
  128+N  stopped by signal N: 129 SIGHUP, 130 SIGINT, 131 SIGQUIT, 143 SIGTERM, 152 SIGXCPU

The first signal stops a command after the current block, a second one stops it immediately.

Results go to standard output, everything else to standard error. RUST_LOG=debug logs details."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Option of the object stores that URLs lead to, such as aws_region=eu-west-1 (repeatable)
    ///
    /// The keys are those of the crate `object_store`, such as `endpoint`, `allow_http`,
    /// `skip_signature` and `aws_region`. What no option sets comes from the environment:
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT` and so on. Other
    /// users can see the arguments of a process, so leave passwords to the environment.
    #[arg(long = "store-option", value_name = "K=V", global = true)]
    pub(crate) store_options: Vec<StoreOption>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Store(Store),
    Reduce(Reduce),
    Info(Info),
    Verify(Verify),
    View(View),
    Export(Export),
    Unfinished(Unfinished),
    Status(Status),
    Finish(Finish),
    Clean(Clean),
    Attributes(Attributes),
    Remove(Remove),
    Consolidate(Consolidate),
    Completions(Completions),
}

/// The arguments that choose what a command prints.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Report {
    /// Print results as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Print no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
