//! The permissions of the machine's files.

use std::fs;
use std::io;
use std::path::Path;

/// Gives a file or a directory the permissions of another one, as far as the user may.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    let (old, new) = (fs::metadata(from)?, fs::metadata(to)?);
    // Failures are ignored where the user lacks the right: only root can change a file's owner.
    let has_group = old.gid() == new.gid() || chown(to, None, Some(old.gid())).is_ok();
    let has_owner = old.uid() == new.uid() || chown(to, Some(old.uid()), None).is_ok();
    // The mode comes after the owner, because changing the owner clears the set-user-ID bit. If the
    // owner or the group differs, the file gets no set-user-ID, set-group-ID or sticky bit.
    let copied = if has_group && has_owner { 0o7777 } else { 0o777 };
    let _ = fs::set_permissions(to, fs::Permissions::from_mode(old.mode() & copied));
    #[cfg(target_os = "linux")]
    copy_extended_attributes(from, to);
    Ok(())
}

/// Returns true if two files, or two directories, have the same permissions.
pub(super) fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let permissions = |path| {
        let metadata = fs::metadata(path)?;
        #[cfg(target_os = "linux")]
        let attributes = extended_attributes(path);
        #[cfg(not(target_os = "linux"))]
        let attributes = ();
        io::Result::Ok((metadata.mode(), metadata.uid(), metadata.gid(), attributes))
    };
    Ok(permissions(one)? == permissions(other)?)
}

/// Checks that the user may replace a file. In a directory with the sticky bit, only an owner may.
pub(super) fn check_replaceable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    const STICKY: u32 = 0o1000;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directory = fs::metadata(directory.unwrap_or(Path::new(".")))?;
    let file = fs::symlink_metadata(path)?;
    let user = rustix::process::geteuid();
    let is_owner = [file.uid(), directory.uid()].contains(&user.as_raw()) || user.is_root();
    if directory.mode() & STICKY == 0 || is_owner {
        return Ok(());
    }
    let message = "it belongs to another user, and its directory has the sticky bit";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// Returns the extended attributes of a file in order, including access control lists.
#[cfg(target_os = "linux")]
fn extended_attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    use rustix::fs::{getxattr, listxattr};

    // The maximum on Linux.
    let (mut names, mut value) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let Ok(n_bytes) = listxattr(path, &mut names) else { return Vec::new() };
    let names = names[..n_bytes].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut attributes: Vec<_> = names
        .filter_map(|name| {
            let n_bytes = getxattr(path, name, &mut value).ok()?;
            Some((name.to_owned(), value[..n_bytes].to_owned()))
        })
        .collect();
    attributes.sort();
    attributes
}

/// Replaces the extended attributes of a file by those of another file, as far as the user may.
#[cfg(target_os = "linux")]
fn copy_extended_attributes(from: &Path, to: &Path) {
    use rustix::fs::{XattrFlags, removexattr, setxattr};

    let old = extended_attributes(from);
    // A new file inherits an access control list if its directory has a default one.
    for (name, _) in extended_attributes(to) {
        if !old.iter().any(|(kept, _)| *kept == name) {
            let _ = removexattr(to, &name[..]);
        }
    }
    for (name, value) in old {
        let _ = setxattr(to, &name[..], &value, XattrFlags::empty());
    }
}
