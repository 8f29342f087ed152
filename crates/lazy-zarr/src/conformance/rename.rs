//! Cases of moving directories and files.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::check::{
    CaseResult, N_RACES, NamedCheck, expect_equal, expect_error, expect_error_kind,
    expect_one_success, expect_unchanged, fill, race, tree,
};
use crate::fs::{EntryKind, FileSystem};

pub(super) const CASES: &[NamedCheck] = &[
    ("rename_directory::to_nothing", directory_to_nothing),
    ("rename_directory::to_an_empty_directory", directory_to_empty),
    ("rename_directory::to_a_full_directory_fails", directory_to_full),
    ("rename_directory::to_a_file_fails", directory_to_a_file),
    ("rename_directory::of_nothing_is_not_found", no_directory),
    ("rename_directory::of_a_file_fails", directory_of_a_file),
    ("rename_directory::one_of_several_threads_succeeds", directory_from_threads),
    ("rename_file::to_nothing", file_to_nothing),
    ("rename_file::to_another_directory", file_to_another_directory),
    ("rename_file::takes_the_place_of_a_file", file_to_a_file),
    ("rename_file::replaces_in_one_step", super::replace::in_one_step),
    ("rename_file::of_nothing_is_not_found", no_file),
    ("rename_file::below_nothing_is_not_found", file_below_nothing),
    ("rename_file::below_a_file_fails", file_below_a_file),
    ("rename_file::of_a_directory_fails", file_of_a_directory),
    ("rename_file::to_a_directory_fails", file_to_a_directory),
    ("rename_new_file::to_nothing", new_file_to_nothing),
    ("rename_new_file::to_another_directory", new_file_to_another_directory),
    ("rename_new_file::keeps_what_is_there", new_file_to_something),
    ("rename_new_file::of_nothing_is_not_found", no_new_file),
    ("rename_new_file::below_nothing_is_not_found", new_file_below_nothing),
    ("rename_new_file::below_a_file_fails", new_file_below_a_file),
    ("rename_new_file::of_a_directory_fails", new_file_of_a_directory),
];

/// Renames a directory, and checks that its contents move with it.
fn moves_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (from, to) = (directory.join("from"), directory.join("to"));
    fill(file_system, &from, "")?;
    fill(file_system, &directory.join("beside"), "")?;
    let (moved, beside) =
        (tree(file_system, &from)?, tree(file_system, &directory.join("beside"))?);
    file_system.rename_directory(&from, &to)?;
    expect_equal("the kind at the old path", file_system.kind(&from)?, None)?;
    let kind = file_system.kind(&to)?;
    expect_equal("the kind at the new path", kind, Some(EntryKind::Directory))?;
    expect_equal("the entries at the new path", tree(file_system, &to)?, moved)?;
    let after = tree(file_system, &directory.join("beside"))?;
    expect_equal("the entries beside it", after, beside)
}

fn directory_to_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    moves_directory(file_system, directory)
}

fn directory_to_empty(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("to"))?;
    moves_directory(file_system, directory)
}

/// An operation that renames the first path to the second one.
type Move = fn(&dyn FileSystem, &Path, &Path) -> io::Result<()>;

const DIRECTORY: Move = |file_system, from, to| file_system.rename_directory(from, to);
const FILE: Move = |file_system, from, to| file_system.rename_file(from, to);
const NEW_FILE: Move = |file_system, from, to| file_system.rename_new_file(from, to);

/// Checks that every rename from one of the paths in `from` to one of the paths in `to` fails and
/// changes nothing. If `kind` is given, the error must be of that kind.
fn refuses(
    (file_system, directory): (&dyn FileSystem, &Path),
    operation: Move,
    (from, to): (&[&str], &[&str]),
    kind: Option<ErrorKind>,
) -> CaseResult {
    for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
        let what = format!("from {from:?} to {to:?}");
        expect_unchanged(file_system, directory, || {
            let moved = operation(file_system, &directory.join(from), &directory.join(to));
            match kind {
                Some(kind) => expect_error_kind(&what, moved, kind),
                None => expect_error(&what, moved),
            }
        })
        .map_err(|problem| format!("{what}: {problem}"))?;
    }
    Ok(())
}

/// Creates the directories `empty`, `nested` and `full`, and the files `file` and `no bytes`.
fn fill_all(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    file_system.create_directory(&directory.join("empty"))?;
    file_system.create_directories(&directory.join("nested/empty"))?;
    fill(file_system, &directory.join("full"), "old")?;
    file_system.write(&directory.join("no bytes"), b"")?;
    file_system.write(&directory.join("file"), b"old")
}

fn directory_to_full(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    fill(file_system, &directory.join("from"), "new")?;
    let paths = (&["from", "empty"][..], &["full", "nested"][..]);
    refuses((file_system, directory), DIRECTORY, paths, None)
}

fn directory_to_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["full", "empty"][..], &["file", "no bytes"][..]);
    refuses((file_system, directory), DIRECTORY, paths, None)
}

fn no_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["nothing"][..], &["to", "empty"][..]);
    refuses((file_system, directory), DIRECTORY, paths, Some(ErrorKind::NotFound))?;
    let paths = (&["nothing"][..], &["full", "file"][..]);
    refuses((file_system, directory), DIRECTORY, paths, None)
}

fn directory_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["file", "no bytes"][..], &["to", "another", "empty", "full"][..]);
    file_system.write(&directory.join("another"), b"another")?;
    refuses((file_system, directory), DIRECTORY, paths, None)
}

fn directory_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for i in 0..N_RACES {
        let from = directory.join(format!("{i} from"));
        fill(file_system, &from, "")?;
        let moved = tree(file_system, &from)?;
        let to = |thread: usize| directory.join(format!("{i} to {thread}"));
        let results = race(|thread| file_system.rename_directory(&from, &to(thread)))?;
        let winner = expect_one_success(results, ErrorKind::NotFound)?;
        expect_equal("the entries at the new path", tree(file_system, &to(winner))?, moved)?;
        expect_equal("the number of directories", file_system.list(directory)?.len(), i + 1)?;
    }
    Ok(())
}

/// Renames a file in a directory with other entries, and checks that nothing else changes.
fn moves_file(
    (file_system, directory): (&dyn FileSystem, &Path),
    operation: Move,
    (from, to): (&str, &str),
) -> CaseResult {
    for bytes in [&b"new bytes"[..], b""] {
        file_system.write(&directory.join(from), bytes)?;
        let mut expected = tree(file_system, directory)?;
        let moved = expected.remove(Path::new(from)).unwrap_or_default();
        expected.insert(to.into(), moved);
        operation(file_system, &directory.join(from), &directory.join(to))?;
        expect_equal("the entries afterwards", tree(file_system, directory)?, expected)?;
        file_system.remove_file(&directory.join(to))?;
    }
    Ok(())
}

fn file_to_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    moves_file((file_system, directory), FILE, ("from", "to"))
}

fn file_to_another_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    moves_file((file_system, directory), FILE, ("full/inner/new", "full/new"))?;
    moves_file((file_system, directory), FILE, ("new", "nested/empty/to"))
}

fn file_to_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for old in [&b"old and longer than the new bytes"[..], b"old", b""] {
        for to in ["to", "inner/to"] {
            file_system.create_directories(&directory.join("inner"))?;
            file_system.write(&directory.join(to), old)?;
            file_system.write(&directory.join("from"), b"new bytes")?;
            file_system.rename_file(&directory.join("from"), &directory.join(to))?;
            let actual = file_system.read(&directory.join(to), 0, None)?;
            expect_equal("the bytes at the new path", &*actual, b"new bytes")?;
            let kind = file_system.kind(&directory.join("from"))?;
            expect_equal("the kind at the old path", kind, None)?;
            file_system.remove_file(&directory.join(to))?;
        }
    }
    Ok(())
}

const NO_FILES: &[&str] = &["nothing", "nothing/inner", "file/inner"];

fn no_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (NO_FILES, &["to", "file"][..]);
    refuses((file_system, directory), FILE, paths, Some(ErrorKind::NotFound))
}

fn file_below_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["file"][..], &["nothing/to"][..]);
    refuses((file_system, directory), FILE, paths, Some(ErrorKind::NotFound))
}

fn file_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["file"][..], &["no bytes/to"][..]);
    refuses((file_system, directory), FILE, paths, None)
}

const DIRECTORIES: &[&str] = &["empty", "nested", "full"];

fn file_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    file_system.create_directory(&directory.join("another"))?;
    refuses((file_system, directory), FILE, (DIRECTORIES, &["to", "file", "another"]), None)
}

fn file_to_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    refuses((file_system, directory), FILE, (&["file", "no bytes"], DIRECTORIES), None)
}

fn new_file_to_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    moves_file((file_system, directory), NEW_FILE, ("from", "to"))
}

fn new_file_to_another_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    moves_file((file_system, directory), NEW_FILE, ("full/inner/new", "full/new"))?;
    moves_file((file_system, directory), NEW_FILE, ("new", "nested/empty/to"))
}

fn new_file_to_something(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    file_system.write(&directory.join("new"), b"new")?;
    let to = &["file", "no bytes", "empty", "nested", "full"];
    refuses((file_system, directory), NEW_FILE, (&["new"], to), Some(ErrorKind::AlreadyExists))
}

fn no_new_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (NO_FILES, &["to"][..]);
    refuses((file_system, directory), NEW_FILE, paths, Some(ErrorKind::NotFound))
}

fn new_file_below_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["file"][..], &["nothing/to"][..]);
    refuses((file_system, directory), NEW_FILE, paths, Some(ErrorKind::NotFound))
}

fn new_file_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    let paths = (&["file"][..], &["no bytes/to"][..]);
    refuses((file_system, directory), NEW_FILE, paths, None)
}

fn new_file_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill_all(file_system, directory)?;
    refuses((file_system, directory), NEW_FILE, (DIRECTORIES, &["to"]), None)
}
