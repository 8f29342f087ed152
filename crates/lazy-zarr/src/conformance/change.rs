//! Cases of the operations that append to files, and of those that remove files and directories.

use std::io::ErrorKind;
use std::path::Path;

use super::check::{
    CaseResult, NamedCheck, expect_equal, expect_error, expect_error_kind, expect_unchanged, fill,
};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("append::makes_a_file", append_makes),
    ("append::keeps_what_is_there", append_keeps),
    ("append::without_a_directory_is_not_found", append_without_directory),
    ("append::below_a_file_fails", append_below_a_file),
    ("append::to_a_directory_fails", append_to_a_directory),
    ("remove_file::removes_it_alone", remove_file),
    ("remove_file::of_nothing_is_not_found", remove_no_file),
    ("remove_file::of_a_directory_fails", remove_file_of_a_directory),
    ("remove_directory::removes_an_empty_one", remove_directory),
    ("remove_directory::of_a_full_one_fails", remove_full_directory),
    ("remove_directory::of_nothing_is_not_found", remove_no_directory),
    ("remove_directory::of_a_file_fails", remove_directory_of_a_file),
];

fn append_makes(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.append(&directory.join("file"), b"bytes\0")?;
    let read = file_system.read(&directory.join("file"), 0, None)?;
    expect_equal("the bytes", &*read, b"bytes\0")
}

fn append_keeps(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    file_system.write(&path, b"a")?;
    for more in [&b"bc"[..], b"", b"\nd"] {
        file_system.append(&path, more)?;
    }
    expect_equal("the bytes", &*file_system.read(&path, 0, None)?, b"abc\nd")
}

fn append_without_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        let appended = file_system.append(&directory.join("nothing/file"), b"bytes");
        expect_error_kind("below nothing", appended, ErrorKind::NotFound)
    })
}

fn append_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        expect_error("below a file", file_system.append(&directory.join("file/inner"), b"bytes"))
    })
}

fn append_to_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        ["empty", "full"].iter().try_for_each(|name| {
            expect_error(name, file_system.append(&directory.join(name), b"bytes"))
        })
    })
}

fn remove_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        let path = directory.join("full/another");
        file_system.write(&path, b"bytes")?;
        file_system.remove_file(&path)?;
        expect_equal("its kind", file_system.kind(&path)?, None)
    })
}

fn remove_no_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        ["nothing", "nothing/inner", "file/inner"].iter().try_for_each(|path| {
            let removed = file_system.remove_file(&directory.join(path));
            expect_error_kind(path, removed, ErrorKind::NotFound)
        })
    })
}

fn remove_file_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        ["empty", "full"]
            .iter()
            .try_for_each(|name| expect_error(name, file_system.remove_file(&directory.join(name))))
    })
}

fn remove_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("beside"), "")?;
    expect_unchanged(file_system, directory, || {
        for path in ["empty", "beside/inner/another"] {
            let path = directory.join(path);
            file_system.create_directory(&path)?;
            file_system.remove_directory(&path)?;
            expect_equal("its kind", file_system.kind(&path)?, None)?;
        }
        // A directory that has been emptied can be removed as well.
        let path = directory.join("emptied");
        file_system.create_directories(&path.join("inner"))?;
        file_system.write(&path.join("file"), b"bytes")?;
        file_system.remove_directory(&path.join("inner"))?;
        file_system.remove_file(&path.join("file"))?;
        Ok(file_system.remove_directory(&path)?)
    })
}

fn remove_full_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("full"), "")?;
    file_system.create_directories(&directory.join("nested/empty"))?;
    file_system.create_directory(&directory.join("small"))?;
    file_system.write(&directory.join("small/file"), b"")?;
    expect_unchanged(file_system, directory, || {
        ["full", "nested", "small"].iter().try_for_each(|name| {
            expect_error(name, file_system.remove_directory(&directory.join(name)))
        })
    })
}

fn remove_no_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        ["nothing", "nothing/inner", "file/inner"].iter().try_for_each(|path| {
            let removed = file_system.remove_directory(&directory.join(path));
            expect_error_kind(path, removed, ErrorKind::NotFound)
        })
    })
}

fn remove_directory_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for (name, bytes) in [("empty", &b""[..]), ("file", b"bytes")] {
        file_system.write(&directory.join(name), bytes)?;
    }
    expect_unchanged(file_system, directory, || {
        ["empty", "file"].iter().try_for_each(|name| {
            expect_error(name, file_system.remove_directory(&directory.join(name)))
        })
    })
}
