//! Debian's packages, of what a fresh machine may lack.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// Installs packages where that is possible; elsewhere the error begins with what is missing.
pub(crate) fn install(shell: &Shell, packages: &[&str], missing: &str) -> Result<()> {
    let is_root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    let has_apt = cmd!(shell, "apt-get --version").quiet().ignore_stdout().run().is_ok();
    if !(is_root && has_apt) {
        bail!("{missing}; on Debian: apt-get install {}", packages.join(" "));
    }
    cmd!(shell, "apt-get update --quiet").run()?;
    Ok(cmd!(shell, "apt-get install --quiet --yes {packages...}").run()?)
}
