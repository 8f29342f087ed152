//! Tests of `LocalFileSystem` with entries that the trait cannot create: symbolic links, pipes,
//! devices, permissions, and locks of other processes.

#![cfg(unix)]

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lazy_zarr::{EntryKind, FileSystem, LocalFileSystem};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use tempfile::{TempDir, tempdir};

/// Creates a directory with a file, and links to that file, to a directory, to a missing path and
/// to themselves.
fn links() -> (TempDir, impl Fn(&str) -> PathBuf) {
    let directory = tempdir().unwrap();
    let root = directory.path().to_owned();
    let at = move |name: &str| root.join(name);
    fs::write(at("file"), b"bytes").unwrap();
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("directory/inner"), b"inner").unwrap();
    for (target, link) in [
        ("file", "to file"),
        ("directory", "to directory"),
        ("nothing", "to nothing"),
        ("to itself", "to itself"),
    ] {
        symlink(target, at(link)).unwrap();
    }
    (directory, at)
}

const LINKS: [&str; 4] = ["to file", "to directory", "to nothing", "to itself"];

/// Checks that the links and their targets are unchanged.
#[track_caller]
fn assert_untouched(at: impl Fn(&str) -> PathBuf) {
    assert_eq!(fs::read(at("file")).unwrap(), b"bytes");
    assert_eq!(fs::read(at("directory/inner")).unwrap(), b"inner");
    assert_eq!(fs::read_dir(at("directory")).unwrap().count(), 1);
    assert!(!at("nothing").exists());
    for link in LINKS {
        assert!(at(link).is_symlink(), "{link}");
    }
}

#[test]
fn entry_kind_does_not_follow_the_link() {
    let (_directory, at) = links();
    for link in LINKS {
        assert_eq!(LocalFileSystem.entry_kind(&at(link)).unwrap(), Some(EntryKind::Link), "{link}");
    }
    assert_eq!(LocalFileSystem.entry_kind(&at("to nothing/inner")).unwrap(), None);
    let inner = LocalFileSystem.entry_kind(&at("to directory/inner")).unwrap();
    assert_eq!(inner, Some(EntryKind::File), "links above are followed");
}

#[test]
fn kind_follows_links() {
    let (_directory, at) = links();
    let kind = |path: &str| LocalFileSystem.kind(&at(path)).unwrap();
    assert_eq!(kind("to file"), Some(EntryKind::File));
    assert_eq!(kind("to directory"), Some(EntryKind::Directory));
    assert_eq!(kind("to nothing"), Some(EntryKind::Link));
    assert_eq!(kind("to nothing/inner"), None);
    assert_eq!(kind("to file/inner"), None);
    assert!(LocalFileSystem.kind(&at("to itself")).is_err());
}

#[test]
fn reading_follows_links() {
    let (_directory, at) = links();
    assert_eq!(LocalFileSystem.read(&at("to file"), 0, None).unwrap(), "bytes");
    assert_eq!(LocalFileSystem.size(&at("to file")).unwrap(), 5);
    assert_eq!(LocalFileSystem.canonicalize(&at("to file")).unwrap().file_name().unwrap(), "file");
    let pin = LocalFileSystem.pin(&at("file")).unwrap();
    assert!(pin.is_at(&at("to file")).unwrap());
    let read = LocalFileSystem.read(&at("to nothing"), 0, None);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_planted_link_is_not_written_through() {
    let (_directory, at) = links();
    let file_system = LocalFileSystem;
    for link in LINKS {
        let path = at(link);
        let slices = [IoSlice::new(b"new "), IoSlice::new(b"bytes")];
        let already_exists = [
            file_system.write(&path, b"new"),
            file_system.write_slices(&path, &slices),
            file_system.create_directory(&path),
        ];
        for result in already_exists {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::AlreadyExists, "{link}");
        }
        assert!(file_system.append(&path, b"more").is_err(), "{link}");
        assert!(file_system.lock(&path).is_err(), "{link}");
        assert!(file_system.remove_directory(&path).is_err(), "{link}");
        assert!(file_system.rename_directory(&path, &at("moved")).is_err(), "{link}");
        assert!(file_system.rename_directory(&at("directory"), &path).is_err(), "{link}");
        fs::write(at("new"), b"new").unwrap();
        let renamed = file_system.rename_new_file(&at("new"), &path);
        assert_eq!(renamed.unwrap_err().kind(), ErrorKind::AlreadyExists, "{link}");
        assert_eq!(fs::read(at("new")).unwrap(), b"new");
        assert_untouched(&at);
    }
}

#[test]
fn a_link_is_replaced_but_not_its_target() {
    let (_directory, at) = links();
    for link in LINKS {
        fs::write(at("new"), b"new").unwrap();
        LocalFileSystem.rename_file(&at("new"), &at(link)).unwrap();
        assert_eq!(LocalFileSystem.entry_kind(&at(link)).unwrap(), Some(EntryKind::File), "{link}");
        assert_eq!(fs::read(at(link)).unwrap(), b"new", "{link}");
        fs::remove_file(at(link)).unwrap();
        symlink("file", at(link)).unwrap();
    }
    assert_untouched(at);
}

#[test]
fn a_link_is_removed_but_not_its_target() {
    let (_directory, at) = links();
    for link in LINKS {
        LocalFileSystem.remove_file(&at(link)).unwrap();
        assert_eq!(LocalFileSystem.entry_kind(&at(link)).unwrap(), None, "{link}");
        symlink("file", at(link)).unwrap();
    }
    assert_untouched(at);
}

/// Creates a directory with a pipe that no process has opened.
fn pipe() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pipe");
    mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).unwrap();
    (directory, path)
}

/// Runs a function on a thread, and returns its result, which must come at once.
fn at_once<A: Send + 'static>(what: &str, run: impl FnOnce() -> A + Send + 'static) -> A {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(run()));
    let result = receiver.recv_timeout(Duration::from_secs(20));
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

type Operation = fn(&Path) -> io::Result<()>;

/// The operations that need a regular file or a directory.
const OPERATIONS: [(&str, Operation); 12] = [
    ("read", |path| LocalFileSystem.read(path, 0, None).map(drop)),
    ("read up to a length", |path| LocalFileSystem.read(path, 0, Some(4)).map(drop)),
    ("read from an offset", |path| LocalFileSystem.read(path, 4, Some(4)).map(drop)),
    ("read_into", |path| {
        let buffer = &mut [0; 4];
        LocalFileSystem.read_into(path, 0, &mut [IoSliceMut::new(buffer)]).map(drop)
    }),
    ("size", |path| LocalFileSystem.size(path).map(drop)),
    ("pin", |path| LocalFileSystem.pin(path).map(drop)),
    ("append", |path| LocalFileSystem.append(path, b"bytes")),
    ("lock", |path| LocalFileSystem.lock(path).map(drop)),
    ("list", |path| LocalFileSystem.list(path).map(drop)),
    ("sync_file", |path| LocalFileSystem.sync_file(path)),
    ("sync_directory", |path| LocalFileSystem.sync_directory(path)),
    ("sync_file_system", |path| LocalFileSystem.sync_file_system(path)),
];

#[test]
fn a_pipe_is_an_error_at_once() {
    let (_directory, path) = pipe();
    assert_eq!(LocalFileSystem.kind(&path).unwrap(), Some(EntryKind::Other));
    assert_eq!(LocalFileSystem.entry_kind(&path).unwrap(), Some(EntryKind::Other));
    for (name, operation) in OPERATIONS {
        let path = path.clone();
        at_once(name, move || operation(&path)).expect_err(name);
    }
}

#[test]
fn a_pipe_that_is_open_gets_no_bytes() {
    let (_directory, path) = pipe();
    let non_blocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut reader = File::options().read(true).custom_flags(non_blocking).open(&path).unwrap();
    let writer = File::options().write(true).custom_flags(non_blocking).open(&path).unwrap();
    for (name, operation) in OPERATIONS {
        let path = path.clone();
        at_once(name, move || operation(&path)).expect_err(name);
    }
    assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(writer);
}

#[test]
fn a_device_is_an_error_at_once() {
    for (name, operation) in OPERATIONS {
        at_once(name, move || operation(Path::new("/dev/zero"))).expect_err(name);
    }
}

#[test]
fn a_pin_distinguishes_other_entries() {
    let (_directory, at) = links();
    let pin = LocalFileSystem.pin(&at("file")).unwrap();
    fs::rename(at("file"), at("moved")).unwrap();
    assert_eq!(pin.is_at(&at("to file")).unwrap_err().kind(), ErrorKind::NotFound);
    mkfifoat(CWD, at("file"), Mode::from_raw_mode(0o600)).unwrap();
    let (pin, path) = (pin, at("file"));
    let is_at =
        at_once("a pipe", move || [pin.is_at(&path), pin.is_at(&path.with_file_name("moved"))]);
    let [at_pipe, at_moved] = is_at.map(Result::unwrap);
    assert!(!at_pipe && at_moved);
}

#[test]
fn a_pin_detects_an_overwritten_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, b"one").unwrap();
    // Times are no finer than a tick of the clock.
    thread::sleep(Duration::from_millis(50));
    let pin = LocalFileSystem.pin(&path).unwrap();
    fs::write(&path, b"two").unwrap();
    assert!(!pin.is_at(&path).unwrap());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Creates a file with this mode, and one with another mode.
fn old_and_new(mode: u32) -> (TempDir, PathBuf, PathBuf) {
    let directory = tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    fs::write(&old, b"old").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&new, b"new").unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    (directory, old, new)
}

#[test]
fn copy_permissions_copies_the_mode() {
    for expected in [0o640, 0o600, 0o444, 0o664, 0o777] {
        let (_directory, old, new) = old_and_new(expected);
        LocalFileSystem.copy_permissions(&old, &new).unwrap();
        assert_eq!((mode(&new), mode(&old)), (expected, expected));
        assert_eq!(fs::read(&new).unwrap(), b"new");
    }
}

#[test]
fn copy_permissions_of_directories() {
    let directory = tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| directory.path().join(name));
    fs::create_dir(&old).unwrap();
    fs::create_dir(&new).unwrap();
    for expected in [0o700, 0o2775] {
        fs::set_permissions(&old, fs::Permissions::from_mode(expected)).unwrap();
        assert!(!LocalFileSystem.have_same_permissions(&old, &new).unwrap());
        LocalFileSystem.copy_permissions(&old, &new).unwrap();
        assert_eq!(mode(&new), expected);
        assert!(LocalFileSystem.have_same_permissions(&old, &new).unwrap());
    }
}

#[test]
fn copy_permissions_needs_both_files() {
    let (directory, old, new) = old_and_new(0o640);
    let nothing = directory.path().join("nothing");
    for (from, to) in [(&old, &nothing), (&nothing, &new)] {
        let copied = LocalFileSystem.copy_permissions(from, to);
        assert_eq!(copied.unwrap_err().kind(), ErrorKind::NotFound);
        let compared = LocalFileSystem.have_same_permissions(from, to);
        assert_eq!(compared.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(mode(&new), 0o644);
}

/// Only the superuser can change the owner of a file.
#[test]
fn copy_permissions_copies_the_owner_as_far_as_allowed() {
    use std::os::unix::fs::{MetadataExt, chown};

    let (_directory, old, new) = old_and_new(0o4750);
    let owners = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
    let own = owners(&new);
    let may_give_away = chown(&old, Some(12345), Some(54321)).is_ok();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o4750)).unwrap();
    LocalFileSystem.copy_permissions(&old, &new).unwrap();
    if may_give_away {
        assert_eq!((owners(&new), mode(&new)), ((12345, 54321), 0o4750));
    } else {
        assert_eq!((owners(&new), mode(&new)), (own, 0o4750));
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    use lazy_zarr::LockScope;
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    use rustix::io::Errno;

    #[test]
    fn copy_permissions_copies_extended_attributes() {
        let (_directory, old, new) = old_and_new(0o640);
        match setxattr(&old, "user.units", b"kelvin", XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => {
                return eprintln!("the file system has no extended attributes");
            }
            set => set.unwrap(),
        }
        LocalFileSystem.copy_permissions(&old, &new).unwrap();
        let mut value = [0; 100];
        let n_bytes = getxattr(&new, "user.units", &mut value).unwrap();
        assert_eq!(&value[..n_bytes], b"kelvin");
        assert_eq!(mode(&new), 0o640);
    }

    /// Returns an access control list for the owner, a user, the group and others.
    fn list_with_a_user() -> Vec<u8> {
        const NO_ID: u32 = u32::MAX;
        let entries: [(u16, u16, u32); 5] =
            [(1, 6, NO_ID), (2, 7, 12345), (4, 4, NO_ID), (0x10, 7, NO_ID), (0x20, 0, NO_ID)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        list
    }

    const ACCESS: &str = "system.posix_acl_access";

    #[test]
    fn copy_permissions_copies_access_control_lists() {
        let (_directory, old, new) = old_and_new(0o640);
        match setxattr(&old, ACCESS, &list_with_a_user(), XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return eprintln!("the file system has no lists"),
            set => set.unwrap(),
        }
        LocalFileSystem.copy_permissions(&old, &new).unwrap();
        let mut value = [0; 100];
        let n_bytes = getxattr(&new, ACCESS, &mut value).unwrap();
        assert_eq!(&value[..n_bytes], list_with_a_user());
    }

    /// The user of the list must not be able to read the new file, since it cannot read the old
    /// one.
    #[test]
    fn copy_permissions_drops_an_inherited_access_control_list() {
        let (directory, old, _) = old_and_new(0o640);
        let list = list_with_a_user();
        match setxattr(directory.path(), "system.posix_acl_default", &list, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return eprintln!("the file system has no lists"),
            set => set.unwrap(),
        }
        let new = directory.path().join("inherits");
        fs::write(&new, b"new").unwrap();
        let inherited = || getxattr(&new, ACCESS, &mut [0_u8; 100]);
        assert!(inherited().is_ok());
        assert!(!LocalFileSystem.have_same_permissions(&old, &new).unwrap());
        LocalFileSystem.copy_permissions(&old, &new).unwrap();
        assert_eq!((inherited(), mode(&new)), (Err(Errno::NODATA), 0o640));
        assert!(LocalFileSystem.have_same_permissions(&old, &new).unwrap());
    }

    #[test]
    fn locks_of_the_temporary_directory_reach_everywhere() {
        let directory = tempdir().unwrap();
        let scope = LocalFileSystem.lock_scope(directory.path()).unwrap();
        assert_eq!(scope, LockScope::Everywhere);
    }
}

#[test]
fn lock_scope_of_nothing_is_an_error() {
    let directory = tempdir().unwrap();
    assert!(LocalFileSystem.lock_scope(&directory.path().join("nothing")).is_err());
}

/// The environment variable that makes `locks_of_a_killed_process_are_released` lock a file.
const TO_LOCK: &str = "LAZY_ZARR_FILE_TO_LOCK";

#[test]
fn locks_of_a_killed_process_are_released() {
    if let Some(path) = std::env::var_os(TO_LOCK) {
        let _lock = LocalFileSystem.lock(Path::new(&path)).unwrap();
        println!("locked");
        io::stdout().flush().unwrap();
        thread::sleep(Duration::from_secs(600));
        return;
    }
    let directory = tempdir().unwrap();
    let path = directory.path().join("lock");
    fs::write(&path, b"").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locks_of_a_killed_process_are_released", "--nocapture"])
        .env(TO_LOCK, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut stdout = child.stdout.take().unwrap();
    while !printed.contains("locked") {
        let mut bytes = [0; 256];
        let n_bytes = stdout.read(&mut bytes).unwrap();
        assert_ne!(n_bytes, 0, "the other process has ended: {printed}");
        printed += &String::from_utf8_lossy(&bytes[..n_bytes]);
    }
    let while_locked = LocalFileSystem.lock(&path).map_err(|error| error.kind());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(while_locked.err(), Some(ErrorKind::WouldBlock));
    LocalFileSystem.lock(&path).unwrap();
}
