//! Names and paths within groups and stores.

use crate::error::{Result, TargetError};

/// Checks that a path within a store starts with `/` and has no empty parts.
pub(super) fn check_store_path(path: &str) -> Result<()> {
    match zarrs::node::NodePath::new(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(TargetError::InvalidStorePath {
            path: path.to_owned(),
            reason: "it must start with / and have no empty parts, like / or /group/array"
                .to_owned(),
        }
        .into()),
    }
}

/// Returns the prefix of the keys of a member below a path in a store.
pub(crate) fn store_prefix(path: &str, members: &[String]) -> String {
    let names = path.split('/').chain(members.iter().map(String::as_str));
    names.filter(|name| !name.is_empty()).flat_map(|name| [name, "/"]).collect()
}

/// Checks the name of a member of a group. The rules are those of Zarr v3.
pub(super) fn check_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.contains(['/', '\\', '\0']) {
        "it contains /, \\ or NUL"
    } else if name.chars().all(|letter| letter == '.') {
        "it consists of dots, which lead out of the group"
    } else if name.starts_with("__") {
        "names that begin with __ are reserved"
    } else if name.len() > 255 {
        "it has more than 255 bytes"
    } else if name == "zarr.json" {
        "it is the name of the group's metadata"
    } else {
        return Ok(());
    };
    Err(TargetError::InvalidName { name: name.to_owned(), reason }.into())
}
