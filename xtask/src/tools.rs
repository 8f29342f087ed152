//! Subcommands of cargo from crates.io, in the versions that CI uses.

use std::path::{Path, PathBuf};

use anyhow::Result;
use xshell::{Cmd, Shell, cmd};

const DIRECTORY: &str = "target/tools";

/// A subcommand of cargo, from the package `cargo-<name>`.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    /// Arguments of `cargo install` that choose features.
    features: &'static [&'static str],
}

pub(crate) const DENY: Tool = Tool { name: "deny", version: "0.20.2", features: &[] };

pub(crate) const HACK: Tool = Tool { name: "hack", version: "0.6.46", features: &[] };

pub(crate) const NEXTEST: Tool = Tool {
    name: "nextest",
    version: "0.9.143",
    // Without the command that updates nextest.
    features: &["--no-default-features", "--features", "default-no-update"],
};

impl Tool {
    /// Returns a command that takes the arguments of the subcommand.
    ///
    /// A program in `target/tools` or on the `PATH` is used if it has this version. If there is
    /// none, it is built in `target/tools`.
    pub(crate) fn command<'s>(&self, shell: &'s Shell) -> Result<Cmd<'s>> {
        let program = self.provide(shell)?;
        Ok(cmd!(shell, "{program}").arg(self.name))
    }

    fn provide(&self, shell: &Shell) -> Result<PathBuf> {
        let package = format!("cargo-{}", self.name);
        let directory = shell.current_dir().join(DIRECTORY);
        let built = directory.join("bin").join(&package);
        for program in [built.as_path(), Path::new(&package)] {
            if self.is_at(shell, program) {
                return Ok(program.to_owned());
            }
        }
        // Without optimization and debug information, it is built in half the time, and runs fast
        // enough.
        cmd!(shell, "cargo install --quiet --debug --locked --force --root {directory}")
            .args(self.features)
            .arg(format!("{package}@{}", self.version))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()?;
        Ok(built)
    }

    /// Returns true if the program exists and has this version.
    fn is_at(&self, shell: &Shell, program: &Path) -> bool {
        let name = self.name;
        let ask = cmd!(shell, "{program} {name} --version").quiet().ignore_stderr().read();
        let version = format!("cargo-{name} {}", self.version);
        // The commit and its date may follow.
        ask.is_ok_and(|answer| answer == version || answer.starts_with(&format!("{version} ")))
    }
}
