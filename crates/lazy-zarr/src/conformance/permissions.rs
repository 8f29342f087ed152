//! Cases of copying and comparing permissions. The trait gives no access to the permissions.

use std::path::Path;

use super::check::{CaseResult, NamedCheck, expect_equal, expect_unchanged, fill};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("copy_permissions::changes_no_bytes", copying_changes_no_bytes),
    ("have_same_permissions::of_one_with_itself", one_has_the_same),
    ("check_replaceable::of_a_new_file", new_file_is_replaceable),
];

fn copying_changes_no_bytes(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for name in ["old", "new"] {
        fill(file_system, &directory.join(name), name)?;
    }
    expect_unchanged(file_system, directory, || {
        for path in ["file", "inner"] {
            let [old, new] = ["old", "new"].map(|name| directory.join(name).join(path));
            file_system.copy_permissions(&old, &new)?;
        }
        Ok(())
    })
}

fn one_has_the_same(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, directory, "")?;
    for path in ["file", "inner"] {
        let is_same =
            file_system.have_same_permissions(&directory.join(path), &directory.join(path))?;
        expect_equal(&format!("{path:?} has the same permissions as itself"), is_same, true)?;
    }
    Ok(())
}

fn new_file_is_replaceable(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, directory, "")?;
    expect_unchanged(file_system, directory, || {
        Ok(["file", "inner/file"]
            .iter()
            .try_for_each(|path| file_system.check_replaceable(&directory.join(path)))?)
    })
}
