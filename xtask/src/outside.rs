//! The facade in crates outside of the workspace, as users have them.

use anyhow::Result;
use xshell::{Shell, cmd};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let target = shell.current_dir().join("target/outside");
    for name in ["bare", "zarr", "custom"] {
        let manifest = format!("tests/outside/{name}/Cargo.toml");
        cmd!(shell, "cargo fmt --check --manifest-path {manifest}").run()?;
        for command in ["run", "test"] {
            cmd!(shell, "cargo {command} --manifest-path {manifest} --target-dir {target}")
                .run()?;
        }
    }
    Ok(())
}
