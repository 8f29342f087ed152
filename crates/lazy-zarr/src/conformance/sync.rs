//! Cases of the operations that flush. What is on the device afterwards cannot be seen by the trait.

use std::path::Path;

use super::check::{CaseResult, NamedCheck, expect_error, expect_unchanged, fill};
use crate::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("sync_tree::changes_nothing", tree_changes_nothing),
    ("sync_tree::of_nothing_fails", tree_of_nothing),
    ("sync_directory::changes_nothing", directory_changes_nothing),
    ("sync_directory::of_nothing_fails", directory_of_nothing),
    ("sync_directory::of_a_file_fails", directory_of_a_file),
];

fn tree_changes_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let tree = directory.join("tree");
    fill(file_system, &tree, "bytes")?;
    expect_unchanged(file_system, directory, || Ok(file_system.sync_tree(&tree)?))
}

fn tree_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("flushing nothing", file_system.sync_tree(&directory.join("nothing")))
}

fn directory_changes_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("below"), "bytes")?;
    expect_unchanged(file_system, directory, || Ok(file_system.sync_directory(directory)?))
}

fn directory_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("flushing nothing", file_system.sync_directory(&directory.join("nothing")))
}

fn directory_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let file = directory.join("file");
    file_system.write(&file, b"bytes")?;
    expect_error("flushing a file as a directory", file_system.sync_directory(&file))
}
