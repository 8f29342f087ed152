//! Cases of the operations that look at paths.

use std::path::Path;

use super::check::{CaseResult, NamedCheck, expect_equal, expect_error, fill};
use crate::{EntryKind, FileSystem};

pub(super) const CASES: &[NamedCheck] = &[
    ("kind::of_nothing_is_none", kind_of_nothing),
    ("kind::of_a_file", kind_of_a_file),
    ("kind::of_a_directory", kind_of_a_directory),
    ("kind::below_a_file_is_none", kind_below_a_file),
    ("kind::of_all_above_is_a_directory", kind_of_all_above),
    ("canonicalize::is_absolute", canonicalize_is_absolute),
    ("canonicalize::leads_to_the_same", canonicalize_leads_to_the_same),
    ("canonicalize::twice_is_once", canonicalize_twice),
    ("canonicalize::resolves_dots", canonicalize_dots),
    ("canonicalize::of_nothing_fails", canonicalize_nothing),
    ("check_writable::of_a_directory", check_writable_directory),
    ("check_writable::of_nothing_fails", check_writable_nothing),
    ("check_writable::of_a_file_fails", check_writable_file),
    ("is_same_device::of_a_directory_with_itself", same_device_itself),
    ("is_same_device::of_a_directory_with_its_child", same_device_child),
    ("identity::stays_where_a_directory_is_moved", identity_stays),
    ("identity::of_what_takes_its_place_is_another", identity_of_another),
    ("identity::of_nothing_fails", identity_of_nothing),
    ("identity::of_a_file_fails", identity_of_a_file),
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

/// The writer looks for a group in each of them.
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

fn canonicalize_is_absolute(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = file_system.canonicalize(directory)?;
    expect_equal(&format!("whether {path:?} is absolute"), path.is_absolute(), true)
}

fn canonicalize_leads_to_the_same(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    file_system.write(&child.join("file"), b"bytes")?;
    let canonical = file_system.canonicalize(&child)?;
    // What is below, and what is above, is found by the path alone.
    expect_equal(
        "a child's path",
        &canonical,
        &file_system.canonicalize(directory)?.join("child"),
    )?;
    let read = file_system.read(&canonical.join("file"), 0, None)?;
    expect_equal("a file therein", &*read, b"bytes")?;
    let file = file_system.canonicalize(&child.join("file"))?;
    expect_equal("a file's path", file, canonical.join("file"))
}

fn canonicalize_twice(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let once = file_system.canonicalize(directory)?;
    expect_equal("the path of the path", file_system.canonicalize(&once)?, once)
}

fn canonicalize_dots(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for name in ["one", "other"] {
        file_system.create_directory(&directory.join(name))?;
    }
    let expected = file_system.canonicalize(&directory.join("other"))?;
    for path in ["one/../other", "./other", "other/."] {
        expect_equal(path, &file_system.canonicalize(&directory.join(path))?, &expected)?;
    }
    Ok(())
}

fn canonicalize_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("a path that does not exist", file_system.canonicalize(&directory.join("nothing")))
}

fn check_writable_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.check_writable(directory)?;
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    Ok(file_system.check_writable(&child)?)
}

fn check_writable_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error(
        "a path that does not exist",
        file_system.check_writable(&directory.join("nothing")),
    )
}

fn check_writable_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    file_system.write(&path, b"bytes")?;
    expect_error("a file", file_system.check_writable(&path))
}

fn same_device_itself(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_equal("itself", file_system.is_same_device(directory, directory)?, true)
}

fn same_device_child(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    expect_equal("its child", file_system.is_same_device(directory, &child)?, true)?;
    expect_equal("its parent", file_system.is_same_device(&child, directory)?, true)
}

fn identity_stays(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (here, there) = (directory.join("here"), directory.join("there"));
    fill(file_system, &here, "")?;
    let identity = file_system.identity(&here)?;
    file_system.write(&here.join("another"), b"bytes")?;
    file_system.create_directory(&here.join("inner/another"))?;
    expect_equal("after changes therein", file_system.identity(&here)?, identity)?;
    file_system.rename_directory(&here, &there)?;
    expect_equal("where it was moved", file_system.identity(&there)?, identity)
}

fn identity_of_another(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    let mut identities = Vec::new();
    for _ in 0..10 {
        file_system.create_directory(&child)?;
        let identity = file_system.identity(&child)?;
        expect_equal("whether one before had it", identities.contains(&identity), false)?;
        identities.push(identity);
        file_system.remove_directory(&child)?;
    }
    Ok(())
}

fn identity_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("a path that does not exist", file_system.identity(&directory.join("nothing")))
}

fn identity_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    file_system.write(&path, b"bytes")?;
    expect_error("a file", file_system.identity(&path))
}
