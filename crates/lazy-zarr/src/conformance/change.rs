//! Cases of the operations that change and hold single files.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::check::{
    CaseResult, NamedCheck, expect_equal, expect_error, expect_error_kind, expect_unchanged, fill,
    in_threads,
};
use crate::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("append::makes_a_file", append_makes),
    ("append::keeps_what_is_there", append_keeps),
    ("append::without_a_directory_is_not_found", append_without_directory),
    ("append::to_a_directory_fails", append_to_a_directory),
    ("remove_file::removes_it_alone", remove_file),
    ("remove_file::of_nothing_is_not_found", remove_nothing),
    ("remove_file::of_a_directory_fails", remove_directory),
    ("lock::is_held_until_dropped", lock_is_held),
    ("lock::says_who_holds_it", lock_says_who),
    ("lock::of_an_old_file", lock_of_an_old_file),
    ("lock::of_two_files", lock_of_two),
    ("lock::without_a_directory_is_not_found", lock_without_directory),
    ("lock::of_a_directory_fails", lock_of_a_directory),
    ("lock::is_had_by_one_thread_at_a_time", lock_from_threads),
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

fn remove_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        ["nothing", "nothing/inner", "file/inner"].iter().try_for_each(|path| {
            let removed = file_system.remove_file(&directory.join(path));
            expect_error_kind(path, removed, ErrorKind::NotFound)
        })
    })
}

fn remove_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        ["empty", "full"]
            .iter()
            .try_for_each(|name| expect_error(name, file_system.remove_file(&directory.join(name))))
    })
}

fn lock_is_held(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    for holder in ["one", "another"] {
        let lock = file_system.lock(&path, holder.as_bytes())?;
        let second = file_system.lock(&path, b"a second");
        expect_error_kind("while it is held", second, ErrorKind::WouldBlock)?;
        drop(lock);
    }
    Ok(())
}

fn lock_says_who(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    // The second is shorter.
    for holder in ["the first one", "another"] {
        let _lock = file_system.lock(&path, holder.as_bytes())?;
        let _ = file_system.lock(&path, b"a second that does not get it");
        expect_equal("what it holds", &*file_system.read(&path, 0, None)?, holder.as_bytes())?;
    }
    Ok(())
}

/// Those who died left it behind.
fn lock_of_an_old_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    file_system.write(&path, b"one who died long ago")?;
    let _lock = file_system.lock(&path, b"one")?;
    expect_equal("what it holds", &*file_system.read(&path, 0, None)?, b"one")
}

fn lock_of_two(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let _one = file_system.lock(&directory.join("one"), b"one")?;
    let _other = file_system.lock(&directory.join("other"), b"other")?;
    Ok(())
}

fn lock_without_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_unchanged(file_system, directory, || {
        let locked = file_system.lock(&directory.join("nothing/lock"), b"one");
        expect_error_kind("below nothing", locked, ErrorKind::NotFound)
    })
}

fn lock_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        expect_error("a directory", file_system.lock(&directory.join("full"), b"one"))
    })
}

fn lock_from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    let (n_holders, most, n_locked) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    in_threads(|thread| {
        for _ in 0..100 {
            match file_system.lock(&path, thread.to_string().as_bytes()) {
                Ok(lock) => {
                    most.fetch_max(n_holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    n_locked.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    n_holders.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    expect_equal("whether it was had", n_locked.into_inner() > 0, true)?;
    expect_equal("those who held it at once", most.into_inner(), 1)
}
