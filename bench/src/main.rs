//! Measures the speed of storing and reading arrays: with this workspace, with its peers, and with
//! bare loops, which are the limit of the hardware.
//!
//! `cargo xtask bench` runs it with an interpreter that has the peers installed. Every measurement
//! runs in its own process, so that its peak memory is its own as well. All parties take turns. The
//! elements that each party stores and reads are compared with the blocks.

mod check;
mod course;
mod encoding;
mod flags;
mod growth;
mod job;
mod limit;
mod memory;
mod ours;
mod party;
mod pool;
mod program;
mod record;
mod reductions;
mod report;
mod run;
mod stores;
mod table;
mod workers;
mod workload;

use anyhow::Result;

use flags::{Bench, BenchCmd};

fn main() -> Result<()> {
    match Bench::from_env_or_exit().subcommand {
        BenchCmd::Run(flags) => run::run(&flags),
        BenchCmd::Ours(_) => job::answer(ours::run),
        BenchCmd::Limit(_) => job::answer(limit::run),
        BenchCmd::Share(_) => job::answer(workers::run),
        BenchCmd::Produce(flags) => program::produce(flags.n_records),
    }
}
