//! The facade in crates outside of the workspace.

use anyhow::Result;
use xshell::{Shell, cmd};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let target = shell.current_dir().join("target/outside");
    for name in ["bare", "zarr"] {
        let manifest = format!("tests/outside/{name}/Cargo.toml");
        cmd!(shell, "cargo run --manifest-path {manifest} --target-dir {target}").run()?;
    }
    Ok(())
}
