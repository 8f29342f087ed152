//! `lazy remove`.

use std::path::Path;

use lazy_chunks::zarr::{ErrorKind, Group};
use serde_json::json;

use crate::count::count;
use crate::failure::{Failure, Result};
use crate::options::Remove;
use crate::print;

pub(crate) fn run(options: &Remove) -> Result<()> {
    let path = &options.path;
    let no_member = || Failure::NoMember(path.clone());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(no_member)?;
    let group = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let group = Group::open(group).map_err(|error| match error.kind() {
        ErrorKind::NotAGroup => no_member(),
        _ => error.into(),
    })?;
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if !options.recursive && !is_link {
        check_no_members(&group, name, path)?;
    }
    let removed = group.remove(name).map_err(|error| match error.kind() {
        ErrorKind::Unfinished => Failure::HasUnfinished(error),
        _ => error.into(),
    })?;
    if options.json {
        return print::json(&json!({
            "path": path.to_string_lossy(),
            "arrays": removed.n_arrays,
            "groups": removed.n_groups,
            "kept": removed.kept,
        }));
    }
    let arrays = count(removed.n_arrays, "array");
    print::note(match removed.n_groups {
        0 => format!("removed {}", path.display()),
        n => format!("removed {}: {} with {arrays}", path.display(), count(n, "group")),
    });
    for kept in removed.kept {
        print::note(format_args!("kept {kept}, which does not belong to Zarr"));
    }
    Ok(())
}

/// Checks that the member with this name is not a group with members.
fn check_no_members(group: &Group, name: &str, path: &Path) -> Result<()> {
    let members = match Group::open(group.target().member(name)) {
        Ok(group) => group.members()?,
        // Removing the member reports any other error.
        Err(_) => return Ok(()),
    };
    if members.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is a group with {}; remove it with --recursive",
        path.display(),
        count(members.len(), "member")
    )))
}
