//! Cases of the operations that flush. The trait cannot show the contents of the device.

use std::io::ErrorKind;
use std::path::Path;

use super::check::{CaseResult, NamedCheck, expect_error, expect_unchanged, fill};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("sync_file::changes_nothing", file_changes_nothing),
    ("sync_file::of_nothing_fails", file_of_nothing),
    ("sync_directory::changes_nothing", directory_changes_nothing),
    ("sync_directory::of_nothing_fails", directory_of_nothing),
    ("sync_directory::of_a_file_fails", directory_of_a_file),
    ("sync_file_system::succeeds_or_is_unsupported", file_system_succeeds),
];

fn file_changes_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("full"), "bytes")?;
    file_system.write(&directory.join("empty"), b"")?;
    expect_unchanged(file_system, directory, || {
        Ok(["full/file", "full/inner/file", "empty"]
            .iter()
            .try_for_each(|path| file_system.sync_file(&directory.join(path)))?)
    })
}

fn file_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        ["nothing", "nothing/inner"]
            .iter()
            .try_for_each(|path| expect_error(path, file_system.sync_file(&directory.join(path))))
    })
}

fn directory_changes_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("below"), "bytes")?;
    expect_unchanged(file_system, directory, || Ok(file_system.sync_directory(directory)?))
}

fn directory_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("nothing", file_system.sync_directory(&directory.join("nothing")))
}

fn directory_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let file = directory.join("file");
    file_system.write(&file, b"bytes")?;
    expect_error("a file", file_system.sync_directory(&file))
}

fn file_system_succeeds(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("below"), "bytes")?;
    expect_unchanged(file_system, directory, || {
        match file_system.sync_file_system(&directory.join("below")) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            synced => Ok(synced?),
        }
    })
}
