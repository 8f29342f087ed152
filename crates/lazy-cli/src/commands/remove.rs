//! `lazy remove`.

use std::path::Path;

use lazy_chunks::zarr::{ErrorKind, Group};
use serde_json::json;

use crate::count::count;
use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::options::Remove;
use crate::print;

pub(crate) fn run(options: &Remove) -> Result<()> {
    let location = &options.path;
    let no_member = || Failure::NoMember(location.clone());
    let (group, name) = location.parent().ok_or_else(no_member)?;
    let group = Group::open(&group).map_err(|error| match error.kind() {
        ErrorKind::NotAGroup => no_member(),
        _ => error.into(),
    })?;
    let is_link = location.path().is_some_and(Path::is_symlink);
    if !options.recursive && !is_link {
        check_no_members(&group, &name, location)?;
    }
    let removed = group.remove(&name).map_err(|error| match error.kind() {
        ErrorKind::Unfinished => Failure::HasUnfinished(error),
        _ => error.into(),
    })?;
    if options.json {
        return print::json(&json!({
            "path": location.to_string(),
            "arrays": removed.n_arrays,
            "groups": removed.n_groups,
            "kept": removed.kept,
        }));
    }
    let arrays = count(removed.n_arrays, "array");
    print::note(match removed.n_groups {
        0 => format!("removed {location}"),
        n => format!("removed {location}: {} with {arrays}", count(n, "group")),
    });
    for kept in removed.kept {
        print::note(format_args!("kept {kept}, which does not belong to Zarr"));
    }
    Ok(())
}

/// Checks that the member with this name is not a group with members.
fn check_no_members(group: &Group, name: &str, location: &Location) -> Result<()> {
    let members = match Group::open(group.target().member(name)) {
        Ok(group) => group.members()?,
        // Removing the member reports any other error.
        Err(_) => return Ok(()),
    };
    if members.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{location} is a group with {}; remove it with --recursive",
        count(members.len(), "member")
    )))
}
