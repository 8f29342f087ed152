//! Cases of the operations that create directories and files.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};

use super::check::{
    CaseResult, N_RACES, N_THREADS, NamedCheck, Tree, expect_equal, expect_error,
    expect_error_kind, expect_one_success, expect_unchanged, fill, in_threads, race, tree,
};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("create_directory::makes_one", create_directory),
    ("create_directory::where_something_lies_already_exists", create_directory_exists),
    ("create_directory::below_nothing_is_not_found", create_directory_below_nothing),
    ("create_directory::below_a_file_fails", create_directory_below_a_file),
    ("create_directory::one_of_several_threads_succeeds", create_directory_from_threads),
    ("create_directories::makes_those_above", create_directories),
    ("create_directories::may_exist", create_directories_exist),
    ("create_directories::through_a_file_fails", create_directories_through_a_file),
    ("create_directories::from_several_threads", create_directories_from_threads),
    ("write::makes_a_whole_file", write_whole),
    ("write::without_a_directory_is_not_found", write_without_directory),
    ("write::below_a_file_fails", write_below_a_file),
    ("write::an_existing_file_already_exists", write_over_a_file),
    ("write::an_existing_directory_already_exists", write_over_a_directory),
    ("write::one_of_several_threads_succeeds", write_one_from_threads),
    ("write::from_several_threads", write_from_threads),
    ("write::takes_names_of_all_kinds", write_names),
    ("write_slices::one_after_the_other", write_slices),
    ("write_slices::without_a_directory_is_not_found", write_slices_without_directory),
    ("write_slices::below_a_file_fails", write_slices_below_a_file),
    ("write_slices::where_something_lies_already_exists", write_slices_over_something),
];

/// More slices than an operating system writes in one call.
const MANY_SLICES: usize = 3000;

fn create_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    expect_equal(
        "the entries",
        tree(file_system, directory)?,
        Tree::from([("child".into(), None)]),
    )?;
    file_system.create_directory(&child.join("grandchild"))?;
    expect_equal("the number of its entries", file_system.list(&child)?.len(), 1)
}

fn create_directory_exists(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        for name in ["file", "empty", "full"] {
            let made = file_system.create_directory(&directory.join(name));
            expect_error_kind(name, made, ErrorKind::AlreadyExists)?;
        }
        Ok(())
    })
}

fn create_directory_below_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        let made = file_system.create_directory(&directory.join("nothing/inner"));
        expect_error_kind("below nothing", made, ErrorKind::NotFound)
    })
}

fn create_directory_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        match file_system.create_directory(&directory.join("file/inner")) {
            // The writer would conclude that another write has created the directory.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err("failed with AlreadyExists, but nothing lies there".into())
            }
            made => expect_error("below a file", made),
        }
    })
}

fn create_directory_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for i in 0..N_RACES {
        let path = directory.join(i.to_string());
        let results = race(|_| file_system.create_directory(&path))?;
        expect_one_success(results, ErrorKind::AlreadyExists)?;
    }
    expect_equal("the number of directories", tree(file_system, directory)?.len(), N_RACES)
}

fn create_directories(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directories(&directory.join("a/b/c"))?;
    let expected = ["a", "a/b", "a/b/c"].map(|path| (path.into(), None));
    expect_equal("the entries", tree(file_system, directory)?, Tree::from(expected))
}

fn create_directories_exist(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        Ok(["", "full", "full/inner", "full/inner/empty"]
            .iter()
            .try_for_each(|path| file_system.create_directories(&directory.join(path)))?)
    })
}

fn create_directories_through_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        ["file", "file/inner", "file/inner/most"].iter().try_for_each(|path| {
            expect_error(path, file_system.create_directories(&directory.join(path)))
        })
    })
}

fn create_directories_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    in_threads(|_| {
        (0..12)
            .try_for_each(|i| file_system.create_directories(&directory.join(format!("a{i}/b/c"))))
    })?;
    expect_equal("the number of directories", tree(file_system, directory)?.len(), 3 * 12)
}

fn write_whole(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("empty"), b"")?;
    file_system.write(&directory.join("file"), b"\0bytes\n")?;
    let expected = [("empty", &b""[..]), ("file", b"\0bytes\n")];
    let expected = expected.map(|(name, bytes)| (name.into(), Some(bytes.into())));
    expect_equal("the entries", tree(file_system, directory)?, Tree::from(expected))
}

fn write_without_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("a/b/file");
    expect_unchanged(file_system, directory, || {
        expect_error_kind("below nothing", file_system.write(&path, b"bytes"), ErrorKind::NotFound)
    })?;
    // After this error, the writer creates the directory.
    file_system.create_directories(&directory.join("a/b"))?;
    file_system.write(&path, b"bytes")?;
    expect_equal("the bytes", &*file_system.read(&path, 0, None)?, b"bytes")
}

fn write_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        expect_error("below a file", file_system.write(&directory.join("file/inner"), b"bytes"))
    })
}

fn write_over_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for (name, bytes) in [("empty", &b""[..]), ("file", b"old bytes")] {
        file_system.write(&directory.join(name), bytes)?;
    }
    expect_unchanged(file_system, directory, || {
        for name in ["empty", "file"] {
            for bytes in [&b"new"[..], b""] {
                let written = file_system.write(&directory.join(name), bytes);
                expect_error_kind(name, written, ErrorKind::AlreadyExists)?;
            }
        }
        Ok(())
    })
}

fn write_over_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        ["empty", "full"].iter().try_for_each(|name| {
            let written = file_system.write(&directory.join(name), b"bytes");
            expect_error_kind(name, written, ErrorKind::AlreadyExists)
        })
    })
}

fn write_one_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let bytes = |thread: usize| thread.to_string().repeat(100 * (N_THREADS - thread));
    for i in 0..N_RACES {
        let path = directory.join(i.to_string());
        let results = race(|thread| file_system.write(&path, bytes(thread).as_bytes()))?;
        let winner = expect_one_success(results, ErrorKind::AlreadyExists)?;
        let actual = file_system.read(&path, 0, None)?;
        expect_equal("the bytes", &*actual, bytes(winner).as_bytes())?;
    }
    expect_equal("the number of files", tree(file_system, directory)?.len(), N_RACES)
}

fn write_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let n_files = 6;
    let bytes = |thread: usize, i: usize| format!("{thread} {i} ").repeat(100 * i);
    // All threads write to one directory, and each thread also to a directory of its own.
    file_system.create_directory(&directory.join("common"))?;
    in_threads(|thread| {
        let own = directory.join(format!("own {thread}"));
        file_system.create_directory(&own)?;
        (0..n_files).try_for_each(|i| {
            let bytes = bytes(thread, i);
            file_system.write(&own.join(i.to_string()), bytes.as_bytes())?;
            file_system.write(&directory.join(format!("common/{thread} {i}")), bytes.as_bytes())
        })
    })?;
    let mut expected = Tree::from([("common".into(), None)]);
    for thread in 0..N_THREADS {
        expected.insert(format!("own {thread}").into(), None);
        for i in 0..n_files {
            for path in [format!("own {thread}/{i}"), format!("common/{thread} {i}")] {
                expected.insert(path.into(), Some(bytes(thread, i).into()));
            }
        }
    }
    let actual = tree(file_system, directory)?;
    let wrong = |path: &&PathBuf| actual.get(*path) != expected.get(*path);
    expect_equal("a file that is not whole", expected.keys().find(wrong), None)?;
    expect_equal("the number of entries", actual.len(), expected.len())
}

fn write_slices(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let numbers: Vec<_> = (0..MANY_SLICES).map(|i| i.to_string()).collect();
    let many: Vec<_> = numbers.iter().map(String::as_bytes).collect();
    let files: [(&str, &[&[u8]]); 5] = [
        ("none", &[]),
        ("empty", &[b"", b""]),
        ("one", &[b"bytes"]),
        ("with empty ones", &[b"", b"one ", b"", b"", b"after ", b"the other", b""]),
        ("many", &many),
    ];
    let mut expected = Tree::new();
    for (name, slices) in files {
        let to_write: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        file_system.write_slices(&directory.join(name), &to_write)?;
        expected.insert(name.into(), Some(slices.concat().into()));
    }
    expect_equal("the entries", tree(file_system, directory)?, expected)
}

fn two_slices() -> [IoSlice<'static>; 2] {
    [IoSlice::new(b"new "), IoSlice::new(b"bytes")]
}

fn write_slices_without_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        let written = file_system.write_slices(&directory.join("a/file"), &two_slices());
        expect_error_kind("below nothing", written, ErrorKind::NotFound)
    })
}

fn write_slices_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        let written = file_system.write_slices(&directory.join("file/inner"), &two_slices());
        expect_error("below a file", written)
    })
}

fn write_slices_over_something(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"old bytes")?;
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        for name in ["file", "empty", "full"] {
            for n_slices in 0..=2 {
                let slices = &two_slices()[..n_slices];
                let written = file_system.write_slices(&directory.join(name), slices);
                expect_error_kind(name, written, ErrorKind::AlreadyExists)?;
            }
        }
        Ok(())
    })
}

fn write_names(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    // The names have no letters that some file systems decompose.
    let names = [" a b ", ".hidden", "a.b..c", "Ærøskøbing", "数组", "+%20&'()[]{}~$#@!-_=;,^`"];
    let mut expected = Tree::new();
    for name in names {
        let path = directory.join(name);
        file_system.create_directory(&path)?;
        file_system.write(&path.join(name), name.as_bytes())?;
        expect_equal(name, &*file_system.read(&path.join(name), 0, None)?, name.as_bytes())?;
        expected.insert(name.into(), None);
        expected.insert(Path::new(name).join(name), Some(name.into()));
    }
    expect_equal("the entries", tree(file_system, directory)?, expected)
}
