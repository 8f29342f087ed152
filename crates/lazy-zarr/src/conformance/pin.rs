//! Cases of pinning a file.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::check::{
    CaseResult, NamedCheck, expect_equal, expect_error, expect_error_kind, expect_unchanged, fill,
};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("pin::recognizes_the_file", recognizes),
    ("pin::recognizes_the_file_where_it_was_moved", recognizes_moved),
    ("pin::tells_another_file_apart", tells_another_apart),
    ("pin::tells_a_replacement_apart", tells_replacement_apart),
    ("pin::tells_a_replacement_of_the_same_bytes_apart", tells_same_bytes_apart),
    ("pin::tells_later_replacements_apart", tells_later_replacements_apart),
    ("pin::tells_a_file_that_was_created_again_apart", tells_created_again_apart),
    ("pin::tells_a_directory_in_its_place_apart", tells_directory_apart),
    ("pin::tells_that_bytes_were_appended", tells_appended),
    ("pin::where_nothing_lies_is_not_found", is_at_nothing),
    ("pin::of_nothing_is_not_found", pin_nothing),
    ("pin::below_a_file_is_not_found", pin_below_a_file),
    ("pin::of_a_directory_fails", pin_directory),
];

const BYTES: &[u8] = b"{\"zarr_format\": 3}";

fn pinned_file(file_system: &dyn FileSystem, directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join("file");
    file_system.write(&path, BYTES)?;
    Ok(path)
}

/// Replaces a file in the same way as the writer replaces metadata.
fn replace(file_system: &dyn FileSystem, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    file_system.write(&new, bytes)?;
    file_system.rename_file(&new, path)
}

fn recognizes(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("empty"), b"")?;
    for path in [pinned_file(file_system, directory)?, directory.join("empty")] {
        expect_unchanged(file_system, directory, || {
            let (one, other) = (file_system.pin(&path)?, file_system.pin(&path)?);
            for _ in 0..3 {
                expect_equal("one pin is at the file", one.is_at(&path)?, true)?;
                expect_equal("another pin is at the file", other.is_at(&path)?, true)?;
            }
            Ok(())
        })?;
        let pin = file_system.pin(&path)?;
        // Neither a read nor a change of other files affects the pin.
        file_system.read(&path, 0, None)?;
        file_system.write(&path.with_extension("other"), b"bytes")?;
        expect_equal("is at the file later", pin.is_at(&path)?, true)?;
    }
    Ok(())
}

fn recognizes_moved(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (path, moved) = (pinned_file(file_system, directory)?, directory.join("moved"));
    let pin = file_system.pin(&path)?;
    file_system.rename_file(&path, &moved)?;
    expect_equal("is at the new path", pin.is_at(&moved)?, true)?;
    expect_error_kind("the old path", pin.is_at(&path), ErrorKind::NotFound)
}

fn tells_another_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    for (name, bytes) in [("same", BYTES), ("different", b"bytes")] {
        file_system.write(&directory.join(name), bytes)?;
        expect_equal(name, pin.is_at(&directory.join(name))?, false)?;
    }
    expect_equal("is at the file", pin.is_at(&path)?, true)
}

fn tells_replacement_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    for bytes in [&b"longer than the bytes that are there"[..], b"short", b""] {
        let pin = file_system.pin(&path)?;
        replace(file_system, &path, bytes)?;
        expect_equal("is at the replacement", pin.is_at(&path)?, false)?;
        expect_equal("a new pin is", file_system.pin(&path)?.is_at(&path)?, true)?;
    }
    Ok(())
}

fn tells_same_bytes_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    replace(file_system, &path, BYTES)?;
    expect_equal("is at the replacement", pin.is_at(&path)?, false)
}

/// The system may reuse the inode number of the first file for a later one.
fn tells_later_replacements_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    for i in 1..=6 {
        replace(file_system, &path, BYTES)?;
        expect_equal(&format!("is at replacement {i}"), pin.is_at(&path)?, false)?;
    }
    Ok(())
}

fn tells_created_again_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    for i in 1..=6 {
        file_system.remove_file(&path)?;
        file_system.write(&path, BYTES)?;
        expect_equal(&format!("is at new file {i}"), pin.is_at(&path)?, false)?;
    }
    Ok(())
}

fn tells_directory_apart(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    file_system.remove_file(&path)?;
    file_system.create_directory(&path)?;
    // An error is accepted as well.
    expect_equal("is at the directory", pin.is_at(&path).unwrap_or(false), false)
}

fn tells_appended(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    file_system.append(&path, b"\n")?;
    expect_equal("is at the longer file", pin.is_at(&path)?, false)
}

fn is_at_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?;
    let pin = file_system.pin(&path)?;
    let paths = ["nothing", "nothing/inner", "file/inner"];
    for path in paths.map(|path| directory.join(path)) {
        expect_error_kind(&format!("{path:?}"), pin.is_at(&path), ErrorKind::NotFound)?;
    }
    file_system.remove_file(&path)?;
    expect_error_kind("a removed file", pin.is_at(&path), ErrorKind::NotFound)
}

fn pin_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        ["nothing", "nothing/inner"].iter().try_for_each(|path| {
            expect_error_kind(path, file_system.pin(&directory.join(path)), ErrorKind::NotFound)
        })
    })
}

fn pin_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = pinned_file(file_system, directory)?.join("inner");
    expect_error_kind("below a file", file_system.pin(&path), ErrorKind::NotFound)
}

fn pin_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    ["empty", "full"]
        .iter()
        .try_for_each(|name| expect_error(name, file_system.pin(&directory.join(name))))
}
