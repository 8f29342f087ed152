//! `lazy completions`.

use crate::failure::Result;
use crate::options::Completions;
use crate::print;

pub(crate) fn run(options: &Completions) -> Result<()> {
    print::result(&options.script)
}
