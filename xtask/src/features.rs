//! Features alone and together.

use anyhow::Result;
use xshell::Shell;

use crate::tools::HACK;
use crate::{libtorch, tests};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    libtorch::provide(shell)?;
    let lint = |arguments: &[&[&str]]| -> Result<()> {
        HACK.command(shell)?
            .args(["clippy", "--all-targets", "--release"])
            .args(arguments.concat())
            .args(["--", "-D", "warnings"])
            .run()
            .map_err(Into::into)
    };
    // Features alone, in pairs where they are few, and all at once. Those that are on by default are
    // among them one by one. The profile is that of the other steps of CI.
    lint(&[
        &["--workspace", "--ignore-private", "--exclude", "lazy-zarr", "--exclude", "lazy-chunks"],
        &["--feature-powerset", "--depth", "2", "--exclude-features", "default"],
    ])?;
    lint(&[&["--package", "lazy-zarr", "--package", "lazy-chunks", "--each-feature"]])?;
    // The examples of the facade without a backend, and the tests that need `indicatif`.
    let bare = ["--package", "lazy-chunks", "--no-default-features", "--release"];
    tests::run_examples(shell, &bare)?;
    tests::run(shell, &[&bare[..], &["--features", "indicatif"]].concat())
}
