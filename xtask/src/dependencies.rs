//! The licences and sources of all crates that the workspace is built from, and what is known to be wrong with them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use xshell::{Shell, cmd};

const VERSION: &str = "0.20.2";
const DIRECTORY: &str = "target/tools";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let cargo_deny = provide(shell)?;
    cmd!(shell, "{cargo_deny} --all-features check bans licenses sources").run()?;
    // The database is a repository, and not everywhere can it be reached.
    match cmd!(shell, "{cargo_deny} fetch db").ignore_stderr().run() {
        Ok(()) => Ok(cmd!(shell, "{cargo_deny} --all-features check advisories").run()?),
        Err(_) => {
            println!("left out: the database of advisories cannot be reached");
            Ok(())
        }
    }
}

/// Returns the path of cargo-deny, which is built if it is not there.
fn provide(shell: &Shell) -> Result<PathBuf> {
    let directory = shell.current_dir().join(DIRECTORY);
    let cargo_deny = directory.join("bin/cargo-deny");
    if !is_provided(shell, &cargo_deny) {
        // Without optimization, it is built in half the time, and checks in a second all the same.
        cmd!(shell, "cargo install --quiet --debug --locked --force --root {directory}")
            .arg(format!("cargo-deny@{VERSION}"))
            .run()?;
    }
    Ok(cargo_deny)
}

fn is_provided(shell: &Shell, cargo_deny: &Path) -> bool {
    let version = cmd!(shell, "{cargo_deny} --version").quiet().ignore_stderr().read();
    version.is_ok_and(|version| version == format!("cargo-deny {VERSION}"))
}
