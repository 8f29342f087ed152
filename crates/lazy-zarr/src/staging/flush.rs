//! Flushing many files and directories to disk.

use std::any::Any;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use lazy_core::panic_message;

use crate::fs::FileSystem;
use crate::store::Found;

/// The number of files that are flushed concurrently. A file server answers the calls one by one.
const N_THREADS: usize = 8;

/// Flushes the files that `walk` visits, several at a time, and then the directories.
pub(crate) fn each(
    file_system: &dyn FileSystem,
    walk: impl FnOnce(&mut dyn FnMut(Found<'_>) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<()> {
    let (queue, files) = sync_channel::<PathBuf>(2 * N_THREADS);
    let files = Mutex::new(files);
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..N_THREADS).map(|_| scope.spawn(|| work_off(file_system, &files))).collect();
        let mut directories = Vec::new();
        let walked = walk(&mut |entry| {
            match entry {
                Found::Directory(path) => directories.push(path.to_owned()),
                Found::Chunk { path, .. } => {
                    queue.send(path.to_owned()).map_err(io::Error::other)?;
                }
            }
            Ok(())
        });
        drop(queue);
        let flushed = threads.into_iter().try_for_each(|thread| {
            let panicked = |payload: Box<dyn Any + Send>| {
                Err(io::Error::other(format!("panicked: {}", panic_message(&*payload))))
            };
            thread.join().unwrap_or_else(panicked)
        });
        flushed.and(walked)?;
        directories.iter().try_for_each(|directory| file_system.sync_directory(directory))
    })
}

/// Flushes files below a directory, several at a time, and then all directories that they lie in,
/// up to that directory.
pub(crate) fn with_directories<K: AsRef<str>>(
    file_system: &dyn FileSystem,
    root: &Path,
    files: impl Iterator<Item = (K, PathBuf)>,
) -> io::Result<()> {
    let mut directories = BTreeSet::from([root.to_owned()]);
    each(file_system, |visit| {
        for (key, path) in files {
            let above = path.ancestors().skip(1).take_while(|above| above.starts_with(root));
            directories.extend(above.map(Path::to_owned));
            visit(Found::Chunk { key: key.as_ref(), path: &path })?;
        }
        Ok(())
    })?;
    directories.iter().rev().try_for_each(|directory| file_system.sync_directory(directory))
}

/// Flushes the files from a queue. After the first failure, the remaining files are taken from the
/// queue without flushing them, so that the sender does not block on a full queue.
fn work_off(file_system: &dyn FileSystem, files: &Mutex<Receiver<PathBuf>>) -> io::Result<()> {
    let mut flushed = Ok(());
    loop {
        let file = files.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(file) = file else { return flushed };
        if flushed.is_ok() {
            flushed = file_system.sync_file(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::LocalFileSystem;

    #[test]
    fn files_that_cannot_be_flushed_are_one_error() {
        let error = each(&LocalFileSystem, |visit| {
            for i in 0..1000 {
                visit(Found::Chunk { key: "", path: Path::new(&format!("/nowhere/{i}")) })?;
            }
            Ok(())
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
