//! Crates outside of the workspace that use the facade, as users do.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::libtorch;

const CRATES: [&str; 4] = ["bare", "zarr", "custom", "tch"];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    libtorch::provide(shell)?;
    // What they have in common with the workspace is built already.
    let target = shell.current_dir().join("target").display().to_string();
    for name in CRATES {
        let manifest = manifest(name);
        for command in ["run", "test"] {
            let place = ["--manifest-path", &manifest, "--target-dir", &target];
            cmd!(shell, "cargo {command} --release {place...}").run()?;
        }
    }
    Ok(())
}

/// Checks the formatting of these crates, which `cargo fmt --all` leaves out.
pub(crate) fn check_formatting(shell: &Shell) -> Result<()> {
    for name in CRATES {
        let manifest = manifest(name);
        cmd!(shell, "cargo fmt --check --manifest-path {manifest}").run()?;
    }
    Ok(())
}

fn manifest(name: &str) -> String {
    format!("tests/outside/{name}/Cargo.toml")
}
