//! Cases of the operations that examine paths.

use std::path::Path;

use super::check::{CaseResult, NamedCheck, expect_equal, expect_error};
use crate::fs::{EntryKind, FileSystem};

pub(super) const CASES: &[NamedCheck] = &[
    ("kind::of_nothing_is_none", kind_of_nothing),
    ("kind::of_a_file", kind_of_a_file),
    ("kind::of_a_directory", kind_of_a_directory),
    ("kind::below_a_file_is_none", kind_below_a_file),
    ("kind::of_all_above_is_a_directory", kind_of_all_above),
    ("entry_kind::of_nothing_is_none", entry_kind_of_nothing),
    ("entry_kind::of_a_file", entry_kind_of_a_file),
    ("entry_kind::of_a_directory", entry_kind_of_a_directory),
    ("entry_kind::below_a_file_is_none", entry_kind_below_a_file),
    ("canonicalize::is_absolute", canonicalize_is_absolute),
    ("canonicalize::leads_to_the_same", canonicalize_leads_to_the_same),
    ("canonicalize::twice_is_once", canonicalize_twice),
    ("canonicalize::resolves_dots", canonicalize_dots),
    ("canonicalize::of_nothing_fails", canonicalize_nothing),
];

fn kind_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_equal("kind of nothing", file_system.kind(&directory.join("nothing"))?, None)?;
    expect_equal("kind below nothing", file_system.kind(&directory.join("nothing/inner"))?, None)
}

fn kind_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for (name, bytes) in [("empty", &b""[..]), ("file", b"bytes")] {
        let path = directory.join(name);
        file_system.write(&path, bytes)?;
        expect_equal(name, file_system.kind(&path)?, Some(EntryKind::File))?;
    }
    Ok(())
}

fn kind_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_equal("the directory given", file_system.kind(directory)?, Some(EntryKind::Directory))?;
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    expect_equal("an empty directory", file_system.kind(&child)?, Some(EntryKind::Directory))
}

fn kind_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    for path in ["file/inner", "file/inner/most"] {
        expect_equal(path, file_system.kind(&directory.join(path))?, None)?;
    }
    Ok(())
}

/// The writer looks for a group in each directory above an array.
fn kind_of_all_above(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for above in file_system.canonicalize(directory)?.ancestors() {
        let what = format!("{above:?}");
        expect_equal(&what, file_system.kind(above)?, Some(EntryKind::Directory))?;
        file_system
            .kind(&above.join("zarr.json"))
            .map_err(|error| format!("a file in {what}: failed with {error}"))?;
    }
    Ok(())
}

fn entry_kind_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for path in ["nothing", "nothing/inner"] {
        expect_equal(path, file_system.entry_kind(&directory.join(path))?, None)?;
    }
    Ok(())
}

fn entry_kind_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for (name, bytes) in [("empty", &b""[..]), ("file", b"bytes")] {
        let path = directory.join(name);
        file_system.write(&path, bytes)?;
        expect_equal(name, file_system.entry_kind(&path)?, Some(EntryKind::File))?;
    }
    Ok(())
}

fn entry_kind_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directories(&directory.join("full/empty"))?;
    for path in ["full", "full/empty"] {
        let kind = file_system.entry_kind(&directory.join(path))?;
        expect_equal(path, kind, Some(EntryKind::Directory))?;
    }
    Ok(())
}

fn entry_kind_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    for path in ["file/inner", "file/inner/most"] {
        expect_equal(path, file_system.entry_kind(&directory.join(path))?, None)?;
    }
    Ok(())
}

fn canonicalize_is_absolute(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = file_system.canonicalize(directory)?;
    if path.is_absolute() { Ok(()) } else { Err(format!("{path:?} is relative").into()) }
}

fn canonicalize_leads_to_the_same(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    file_system.write(&child.join("file"), b"bytes")?;
    let canonical = file_system.canonicalize(&child)?;
    // The writer forms the paths of parent and child directories from the canonical path alone.
    expect_equal(
        "a child's path",
        &canonical,
        &file_system.canonicalize(directory)?.join("child"),
    )?;
    let read = file_system.read(&canonical.join("file"), 0, None)?;
    expect_equal("a file in it", &*read, b"bytes")?;
    let file = file_system.canonicalize(&child.join("file"))?;
    expect_equal("a file's path", file, canonical.join("file"))
}

fn canonicalize_twice(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let once = file_system.canonicalize(directory)?;
    // `Path` ignores some dots in comparisons, so the strings are compared.
    let twice = file_system.canonicalize(&once)?;
    expect_equal("the path of the path", twice.as_os_str(), once.as_os_str())
}

fn canonicalize_dots(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for name in ["one", "other"] {
        file_system.create_directory(&directory.join(name))?;
    }
    let expected = file_system.canonicalize(&directory.join("other"))?;
    for path in ["one/../other", "./other", "other/."] {
        let actual = file_system.canonicalize(&directory.join(path))?;
        // `Path` ignores some dots in comparisons, so the strings are compared.
        expect_equal(path, actual.as_os_str(), expected.as_os_str())?;
    }
    Ok(())
}

fn canonicalize_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("a path that does not exist", file_system.canonicalize(&directory.join("nothing")))
}
