//! The licences, sources and advisories of all crates that the workspace is built from.

use anyhow::Result;
use xshell::Shell;

use crate::tools::DENY;

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let check = |what: &[&str]| -> Result<()> {
        let command = DENY.command(shell)?.args(["--all-features", "check"]);
        Ok(command.args(what).run()?)
    };
    check(&["bans", "licenses", "sources"])?;
    // The database is a repository, which cannot be reached from everywhere.
    if DENY.command(shell)?.args(["fetch", "db"]).ignore_stderr().run().is_ok() {
        check(&["advisories"])
    } else {
        println!("left out: the database of advisories cannot be reached");
        Ok(())
    }
}
