//! Capabilities of the machine's file systems, by their types.

use std::fs;
use std::io;
use std::path::Path;

use super::lock::LockScope;

/// File system types that store data on this machine only, and whose `syncfs` flushes all of it. On
/// FUSE, `syncfs` does not reach the server.
#[cfg(target_os = "linux")]
const LOCAL: [u64; 9] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0xF2F5_2010, // F2FS
    0xCA45_1A4E, // bcachefs
    0x2FC1_2FC1, // ZFS
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs, which flushes its upper layer
];

/// File system types whose locks apply on every machine, unless a mount option makes locks local.
#[cfg(target_os = "linux")]
const SHARED: [u64; 6] = [
    LUSTRE,
    0x6969,      // NFS
    0x00C3_6400, // CephFS
    0x4750_4653, // GPFS
    0x0116_1970, // GFS2
    0x7461_636F, // OCFS2
];

/// Lustre, which has no locks unless a mount option enables them.
#[cfg(target_os = "linux")]
const LUSTRE: u64 = 0x0BD0_0BD0;

/// Mount options that make locks local.
#[cfg(target_os = "linux")]
const OWN_LOCKS: [&str; 4] = ["nolock", "local_lock=flock", "local_lock=all", "localflock"];

#[cfg(target_os = "linux")]
fn type_of(statistics: &rustix::fs::StatFs) -> u64 {
    // The field is signed, and has another width on some machines.
    statistics.f_type as u64 & 0xFFFF_FFFF
}

/// Returns true if a file is known to be stored on this machine, on a file system that one `syncfs`
/// flushes completely.
#[cfg(target_os = "linux")]
pub(super) fn is_local(file: &fs::File) -> io::Result<bool> {
    Ok(LOCAL.contains(&type_of(&rustix::fs::fstatfs(file)?)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_: &fs::File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(target_os = "linux")]
pub(super) fn lock_scope(directory: &Path) -> io::Result<LockScope> {
    let kind = type_of(&rustix::fs::statfs(directory)?);
    let reaches_all = LOCAL.contains(&kind)
        || SHARED.contains(&kind) && {
            let options = mount_options(directory)?;
            let has = |option: &str| options.iter().any(|has| has == option);
            !OWN_LOCKS.iter().any(|option| has(option)) && (kind != LUSTRE || has("flock"))
        };
    Ok(if reaches_all { LockScope::Everywhere } else { LockScope::Mount })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lock_scope(directory: &Path) -> io::Result<LockScope> {
    fs::metadata(directory).map(|_| LockScope::Mount)
}

/// Returns the mount options of a directory's file system.
#[cfg(target_os = "linux")]
fn mount_options(directory: &Path) -> io::Result<Vec<String>> {
    use std::os::unix::fs::MetadataExt;

    let device = fs::metadata(directory)?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let lines = mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&device));
    let words = lines.flat_map(|line| line.split([' ', ',']));
    Ok(words.map(str::to_owned).collect())
}

/// Returns true if an error of locking means that the file system has no locks.
pub(super) fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        let errors = [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK, Errno::INVAL, Errno::BADF];
        Errno::from_io_error(error).is_some_and(|error| errors.contains(&error))
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::Unsupported
    }
}

/// Returns true if an error of flushing a directory means that the operation is not supported.
#[cfg(unix)]
pub(super) fn is_no_operation(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let errors = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|error| errors.contains(&error))
}
