//! `lazy attributes`.

use lazy_chunks::zarr::{ErrorKind, Group};
use serde_json::{Map, Value};

use super::open;
use crate::failure::{Failure, Result};
use crate::options::Attributes;
use crate::print;

pub(crate) fn run(options: &Attributes) -> Result<()> {
    if !options.set.is_empty() || !options.unset.is_empty() {
        let set = options.set.iter().map(|one| (one.name.clone(), Some(one.value.clone())));
        let unset = options.unset.iter().map(|name| (name.clone(), None));
        Group::open(&options.path)?.set_attributes(set.chain(unset))?;
    }
    let attributes = attributes(options)?;
    if options.json {
        return print::json(&attributes);
    }
    attributes.iter().try_for_each(|(name, value)| print::line(format_args!("{name} {value}")))
}

fn attributes(options: &Attributes) -> Result<Map<String, Value>> {
    match open(&options.path) {
        Ok(array) => Ok(array.attributes().clone()),
        Err(Failure::Zarr(error)) if error.kind() == ErrorKind::NotAnArray => {
            Ok(Group::open(&options.path)?.attributes()?)
        }
        Err(failure) => Err(failure),
    }
}
