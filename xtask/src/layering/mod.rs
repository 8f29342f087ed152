//! Which crates may depend on which crates, and which modules may import from which modules.

mod crates;
mod graph;
mod imports;
mod modules;
mod sources;

use anyhow::Result;
use xshell::Shell;

/// Checks the layers. With `prints_modules`, also reports the modules of all crates.
pub(crate) fn run(shell: &Shell, prints_modules: bool) -> Result<()> {
    if prints_modules {
        modules::print(shell)?;
    }
    crates::check(shell)?;
    modules::check(shell)
}
