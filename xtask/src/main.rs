//! The workspace's own tasks.
//!
//! `cargo xtask --help` lists them; each has a file.

mod apt;
mod bench;
mod build;
mod ci;
mod crash;
mod dependencies;
mod engines;
mod example;
mod features;
mod flags;
mod fuse;
mod interop;
mod lanes;
mod layering;
mod libtorch;
mod outside;
mod package;
mod program;
mod properties;
mod python;
mod stores;
mod tests;
mod tidy;
mod tools;

use std::path::Path;

use anyhow::Result;
use xshell::Shell;

use flags::{Xtask, XtaskCmd};

fn main() -> Result<()> {
    let flags = Xtask::from_env_or_exit();
    let shell = Shell::new()?;
    shell.change_dir(
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace"),
    );
    match flags.subcommand {
        XtaskCmd::Ci(flags) => ci::run(&shell, flags.quick),
        XtaskCmd::Libtorch(_) => libtorch::run(&shell),
        XtaskCmd::Properties(flags) => properties::run(&shell, flags.cases),
        XtaskCmd::Layering(flags) => layering::run(&shell, flags.modules),
        XtaskCmd::Dependencies(_) => dependencies::run(&shell),
        XtaskCmd::Tidy(_) => tidy::run(&shell),
        XtaskCmd::Features(_) => features::run(&shell),
        XtaskCmd::Outside(_) => outside::run(&shell),
        XtaskCmd::Example(_) => example::run(&shell),
        XtaskCmd::Interop(_) => interop::run(&shell),
        XtaskCmd::Program(_) => program::run(&shell),
        XtaskCmd::Python(_) => package::run(&shell),
        XtaskCmd::Fuse(_) => fuse::run(&shell),
        XtaskCmd::Engines(_) => engines::run(&shell),
        XtaskCmd::Stores(flags) => stores::run(&shell, flags.all),
        XtaskCmd::Bench(flags) => bench::run(&shell, &flags),
        XtaskCmd::Crash(flags) => crash::run(&shell, flags.rounds, flags.seed),
    }
}
