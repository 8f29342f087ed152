//! `lazy completions`.

use clap::CommandFactory;
use clap_complete::generate;

use crate::arguments::{Arguments, Completions};
use crate::failure::Result;
use crate::print;

pub(crate) fn run(arguments: &Completions) -> Result<()> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut Arguments::command(), "lazy", &mut script);
    print::result(String::from_utf8_lossy(&script))
}
