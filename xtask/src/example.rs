//! The examples, and what zarr-python says of what they stored.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{libtorch, python};

/// The name of each, the features that it needs beside the default ones, and where it stores.
const EXAMPLES: [(&str, &str, &str); 2] =
    [("influence", "", "target/influence"), ("influence_tch", "tch", "target/influence_tch")];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    for (name, features, directory) in EXAMPLES {
        if features.contains("tch") {
            libtorch::provide(shell)?;
        }
        cmd!(shell, "cargo run --release --example {name} --features {features}")
            .args(["--", directory, "--in-memory"])
            .run()?;
        let python = python::with_peers(shell)?;
        cmd!(shell, "{python} tests/python/read_influence.py {directory}").run()?;
    }
    Ok(())
}
