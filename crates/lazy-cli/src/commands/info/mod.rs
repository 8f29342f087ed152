//! `lazy info`.

mod array;
mod group;

use lazy_chunks::zarr::{ErrorKind, Group};

use super::open;
use crate::failure::{Failure, Result};
use crate::options::Info;
use crate::print;

pub(crate) fn run(options: &Info) -> Result<()> {
    let not_an_array = match open(&options.path) {
        Ok(stored) => {
            let described = array::describe(&options.path, &stored)?;
            return if options.json {
                print::json(&described)
            } else {
                print::result(array::to_text(&described))
            };
        }
        Err(Failure::Zarr(error)) if error.kind() == ErrorKind::NotAnArray => error,
        Err(failure) => return Err(failure),
    };
    let group = match Group::open(&options.path) {
        Err(error) if error.kind() == ErrorKind::NotAGroup => return Err(not_an_array.into()),
        opened => opened?,
    };
    // A member that cannot be described does not hide the others.
    let mut failures = Vec::new();
    let described = group::describe(&options.path, &group, &mut failures)?;
    if options.json {
        print::json(&described)?;
    } else {
        print::result(group::to_text(&described))?;
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}
