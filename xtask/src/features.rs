//! Features alone and together.

use anyhow::Result;
use xshell::Shell;

use crate::tools::HACK;
use crate::{libtorch, tests};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    libtorch::provide(shell)?;
    // The features that are on by default are in the subsets one by one.
    HACK.command(shell)?
        .args(["clippy", "--workspace", "--ignore-private", "--all-targets"])
        .args(["--feature-powerset", "--exclude-features", "default"])
        // All or none of them: the next run has each alone.
        .args(["--group-features", "s3,gcs,azure,http"])
        .args(["--", "-D", "warnings"])
        .run()?;
    HACK.command(shell)?
        .args(["clippy", "--package", "lazy-zarr", "--all-targets", "--each-feature"])
        .args(["--", "-D", "warnings"])
        .run()?;
    // The examples of the facade without a backend, and the tests that need `indicatif`.
    let bare = ["--package", "lazy-chunks", "--no-default-features"];
    tests::run_examples(shell, &bare)?;
    tests::run(shell, &[&bare[..], &["--features", "indicatif"]].concat())
}
