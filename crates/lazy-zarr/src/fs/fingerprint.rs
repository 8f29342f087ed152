//! Pins of files on the machine's file systems.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use super::mount;
use super::open::{absent_below_files, open_to_read};
use super::pin::FilePin;

/// Pins the file at a path.
pub(super) fn pin(path: &Path) -> io::Result<FilePin> {
    let (file, metadata) = open_to_read(path)?;
    let pinned = Fingerprint::of(&metadata);
    // While a file is open, its inode number is not reused. On file systems that are not local,
    // replacing an open file moves it aside first, so the path is missing for an instant.
    let kept_open = if mount::is_local(&file)? { Some(file) } else { None };
    Ok(FilePin::new(move |path| {
        let there = match &kept_open {
            Some(_) => fs::metadata(path).map_err(absent_below_files)?,
            // A network file system looks the path up again when the file is opened.
            None => match open_to_read(path) {
                Ok((_, there)) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                // For example an entry of another kind.
                Err(error) => match fs::symlink_metadata(path) {
                    Ok(there) if !there.is_file() => return Ok(false),
                    _ => return Err(error),
                },
            },
        };
        Ok(Fingerprint::of(&there) == pinned)
    }))
}

/// The properties that distinguish a file from one that replaces it.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    #[cfg(unix)]
    number: [u64; 2],
    length: u64,
    modified: Option<std::time::SystemTime>,
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Fingerprint {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;

        Fingerprint {
            #[cfg(unix)]
            number: [metadata.dev(), metadata.ino()],
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}
