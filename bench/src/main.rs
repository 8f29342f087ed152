//! How fast arrays are stored and read: by this workspace, by its peers, and by bare loops, which are the
//! limit of what can be had.
//!
//! `cargo xtask bench` runs it with an interpreter that has the peers. Every measurement is a process of its
//! own, so that its peak memory is its own as well; all parties take turns; what each of them stores and
//! reads is compared with the blocks.

mod check;
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
mod reductions;
mod report;
mod run;
mod table;
mod workload;

use anyhow::Result;

use flags::{Bench, BenchCmd};

fn main() -> Result<()> {
    match Bench::from_env_or_exit().subcommand {
        BenchCmd::Run(flags) => run::run(&flags),
        BenchCmd::Ours(_) => job::answer(ours::run),
        BenchCmd::Limit(_) => job::answer(limit::run),
        BenchCmd::Produce(flags) => program::produce(flags.n_records),
    }
}
