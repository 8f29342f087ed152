//! Cases of the operations that move and remove directories.

use std::io::ErrorKind;
use std::path::Path;

use super::check::{
    CaseResult, NamedCheck, expect_equal, expect_error, expect_unchanged, fill, tree,
};
use crate::{EntryKind, FileSystem};

pub(super) const CASES: &[NamedCheck] = &[
    ("rename_directory::to_nothing", rename_to_nothing),
    ("rename_directory::to_another_parent", rename_to_another_parent),
    ("rename_directory::to_an_empty_directory", rename_to_empty),
    ("rename_directory::to_a_full_directory_fails", rename_to_full),
    ("rename_directory::to_a_file_fails", rename_to_a_file),
    ("rename_directory::of_nothing_fails", rename_nothing),
    ("rename_directory::of_a_file_fails", rename_a_file),
    ("rename_directory::below_nothing_fails", rename_below_nothing),
    ("exchange_directories::swaps_or_is_unsupported", exchange),
    ("exchange_directories::of_nothing_fails", exchange_nothing),
    ("remove_directory::removes_all_below", remove),
    ("remove_directory::of_nothing_fails", remove_nothing),
    ("remove_directory::of_a_file_fails", remove_a_file),
];

fn rename_to_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    renamed(file_system, directory, "from", "to")
}

fn rename_to_another_parent(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directories(&directory.join("a/b"))?;
    file_system.create_directories(&directory.join("c/d"))?;
    renamed(file_system, directory, "a/b/from", "c/d/to")
}

fn rename_to_empty(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("to"))?;
    renamed(file_system, directory, "from", "to")
}

fn rename_to_full(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("from"), "new")?;
    fill(file_system, &directory.join("to"), "old")?;
    // An empty directory is not nothing either.
    file_system.create_directories(&directory.join("nested/empty"))?;
    refuses_to_rename(file_system, directory, "from", &["to", "nested"])
}

fn rename_to_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("from"), "new")?;
    file_system.write(&directory.join("to"), b"old")?;
    file_system.write(&directory.join("empty"), b"")?;
    refuses_to_rename(file_system, directory, "from", &["to", "empty"])
}

fn rename_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    refuses_to_rename(file_system, directory, "from", &["to", "empty", "full"])
}

fn rename_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("from"), b"new")?;
    file_system.write(&directory.join("file"), b"old")?;
    file_system.create_directory(&directory.join("empty"))?;
    refuses_to_rename(file_system, directory, "from", &["to", "file", "empty"])
}

fn rename_below_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("from"), "new")?;
    refuses_to_rename(file_system, directory, "from", &["nothing/to"])
}

fn exchange(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (one, other) = (directory.join("one"), directory.join("parent/other"));
    fill(file_system, &one, "one")?;
    fill(file_system, &other, "other")?;
    file_system.write(&one.join("only here"), b"bytes")?;
    let (old_one, old_other) = (tree(file_system, &one)?, tree(file_system, &other)?);
    match file_system.exchange_directories(&one, &other) {
        Ok(()) => {
            expect_equal("the one", tree(file_system, &one)?, old_other)?;
            expect_equal("the other", tree(file_system, &other)?, old_one)
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            expect_equal("the one, unsupported", tree(file_system, &one)?, old_one)?;
            expect_equal("the other, unsupported", tree(file_system, &other)?, old_other)
        }
        Err(error) => Err(error.into()),
    }
}

fn exchange_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (one, nothing) = (directory.join("one"), directory.join("nothing"));
    fill(file_system, &one, "")?;
    expect_unchanged(file_system, directory, || {
        expect_error("with nothing", file_system.exchange_directories(&one, &nothing))?;
        expect_error("of nothing", file_system.exchange_directories(&nothing, &one))
    })
}

fn remove(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("beside"), "")?;
    expect_unchanged(file_system, directory, || {
        fill(file_system, &directory.join("full"), "")?;
        file_system.create_directory(&directory.join("empty"))?;
        for name in ["full", "empty"] {
            file_system.remove_directory(&directory.join(name))?;
            expect_equal(name, file_system.kind(&directory.join(name))?, None)?;
        }
        Ok(())
    })
}

fn remove_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("beside"), "")?;
    expect_unchanged(file_system, directory, || {
        expect_error(
            "a path that does not exist",
            file_system.remove_directory(&directory.join("nothing")),
        )
    })
}

fn remove_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        expect_error("a file", file_system.remove_directory(&directory.join("file")))
    })
}

/// That a directory moves with all that is in it.
fn renamed(file_system: &dyn FileSystem, directory: &Path, from: &str, to: &str) -> CaseResult {
    let (from, to) = (directory.join(from), directory.join(to));
    fill(file_system, &from, "")?;
    let moved = tree(file_system, &from)?;
    file_system.rename_directory(&from, &to)?;
    expect_equal("what was moved", file_system.kind(&from)?, None)?;
    expect_equal("where it was moved", file_system.kind(&to)?, Some(EntryKind::Directory))?;
    expect_equal("what lies there", tree(file_system, &to)?, moved)
}

fn refuses_to_rename(
    file_system: &dyn FileSystem,
    directory: &Path,
    from: &str,
    to: &[&str],
) -> CaseResult {
    for to in to {
        expect_unchanged(file_system, directory, || {
            expect_error(
                to,
                file_system.rename_directory(&directory.join(from), &directory.join(to)),
            )
        })
        .map_err(|problem| format!("from {from:?} to {to:?}: {problem}"))?;
    }
    Ok(())
}
