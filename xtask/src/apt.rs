//! Debian packages that a fresh machine may lack.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// Installs packages as root with apt-get. Elsewhere, returns an error that begins with `missing`.
pub(crate) fn install(shell: &Shell, packages: &[&str], missing: &str) -> Result<()> {
    let is_root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    let has_apt = cmd!(shell, "apt-get --version").quiet().ignore_stdout().run().is_ok();
    if !(is_root && has_apt) {
        bail!("{missing}; on Debian: apt-get install {}", packages.join(" "));
    }
    cmd!(shell, "apt-get update --quiet").run()?;
    Ok(cmd!(shell, "apt-get install --quiet --yes --no-install-recommends {packages...}").run()?)
}
