//! Checks of the target, and the acquisition of its staging directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, ResumeError, TargetError, WriteError};
use crate::fs::FileSystem;
use crate::settings::WriteSettings;
use crate::staging::removal::remove_empty;
use crate::staging::{PlanDirectory, PlanDocument, Staging, Taken};
use crate::store::absolute;
use crate::store::check::{check_ancestor, check_existing, is_missing_group};
use crate::store::node::{
    Node, Present, group_at_path, node_at_path, present_at_path, zarr_node_at_path,
};
use crate::target::Target;

/// The place of an array, whose target was checked.
pub(super) struct Place {
    pub(super) file_system: Arc<dyn FileSystem>,
    /// The directory of the array.
    pub(super) array: PathBuf,
    /// The number of groups that hold the array and that the target names.
    pub(super) n_groups: usize,
}

impl Place {
    /// Checks a target.
    pub(super) fn check(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<Place> {
        let file_system = Arc::clone(file_system);
        let target = &settings.target;
        let named = members.iter().fold(path.to_owned(), |path, name| path.join(name));
        // First the path that the target names, since a link can be broken; then the path that it
        // resolves to.
        if !members.is_empty() {
            is_missing_group(target, group_at_path(&*file_system, path)?, &path.display())?;
        }
        check_existing(target, node_at_path(&*file_system, &named)?, settings.existing)?;
        let array = absolute(&*file_system, &named)?;
        check(&*file_system, settings, &array, members.len())?;
        Ok(Place { file_system, array, n_groups: members.len() })
    }
}

/// Checks the groups that hold an array, and the node at the array's path. Returns the existing
/// version and the directories of missing groups, outermost first.
pub(super) fn check(
    file_system: &dyn FileSystem,
    settings: &WriteSettings,
    array: &Path,
    n_groups: usize,
) -> Result<(Option<Present>, Vec<PathBuf>)> {
    let target = &settings.target;
    let new_groups = check_groups(file_system, target, array, n_groups)?;
    let node = node_at_path(file_system, array)?;
    check_existing(target, node, settings.existing)?;
    let present = match node {
        Node::Array => present_at_path(file_system, array)?,
        _ => None,
    };
    match (node, present) {
        (Node::Array, None) => Err(TargetError::UnknownKeys { target: target.to_string() }.into()),
        (_, present) => Ok((present, new_groups)),
    }
}

/// Checks the nodes above an array. Returns the missing directories among the `n_groups` innermost
/// groups, outermost first.
pub(super) fn check_groups(
    file_system: &dyn FileSystem,
    target: &Target,
    array: &Path,
    n_groups: usize,
) -> Result<Vec<PathBuf>> {
    let groups: Vec<_> = array.ancestors().skip(1).take(n_groups).collect();
    let mut missing = Vec::new();
    for group in groups.into_iter().rev() {
        let node = group_at_path(file_system, group)?;
        if is_missing_group(target, node, &group.display())? {
            missing.push(group.to_owned());
        }
    }
    for above in array.ancestors().skip(1) {
        let node = zarr_node_at_path(file_system, above)?;
        check_ancestor(target, node, &above.display())?;
    }
    Ok(missing)
}

/// The purpose for which a staging directory is acquired.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'p> {
    /// To store an array in one process.
    Write,
    /// To create a plan of several workers, or to join it.
    Plan,
    /// To finish this plan.
    Finish(&'p PlanDocument),
}

/// An acquired staging directory.
pub(super) struct Acquired {
    pub(super) staging: Staging,
    /// The directories that were created, innermost first.
    pub(super) created: Vec<PathBuf>,
    /// True if an earlier write left files.
    pub(super) is_left: bool,
}

/// The time that a worker waits for another one that creates the plan.
const PLANNING: Duration = Duration::from_secs(60);
/// The time between two attempts to join a plan that is being created.
const BETWEEN_JOINS: Duration = Duration::from_millis(20);

/// Creates the array's directory if it is missing, and acquires its staging directory. Returns
/// `None` if the directory holds a plan to join, or not the plan to finish.
pub(super) fn take(
    settings: &WriteSettings,
    file_system: &Arc<dyn FileSystem>,
    array: &Path,
    purpose: Purpose<'_>,
) -> Result<Option<Acquired>> {
    // If another write removes a directory that this one needs, that write has ended.
    const MOST_TRIES: usize = 1000;
    let target = settings.target.to_string();
    let (mut created, mut n_tries) = (Vec::new(), 0);
    let started = Instant::now();
    loop {
        let made = create(&**file_system, array, &mut created);
        let taken = made.and_then(|()| match purpose {
            Purpose::Finish(plan) => {
                let is_meant = |path: &Path| PlanDirectory::is_at(&**file_system, plan, path);
                Staging::take_plan(file_system, array, settings.takes_over, &is_meant)
            }
            _ => Staging::take(file_system, array, settings.takes_over),
        });
        let error = match taken {
            Ok(Taken::Left(staging)) => {
                let left = staging.created();
                let created = if left.len() > created.len() { left } else { created };
                return Ok(Some(Acquired { staging, created, is_left: true }));
            }
            Ok(Taken::Created(mut staging)) => {
                if created.is_empty() {
                    return Ok(Some(Acquired { staging, created, is_left: false }));
                }
                match staging.note_created(created.len()) {
                    Ok(()) => return Ok(Some(Acquired { staging, created, is_left: false })),
                    // Another write has just taken over the directory.
                    Err(_) if matches!(staging.is_held(), Ok(false)) && n_tries < MOST_TRIES => {
                        n_tries += 1;
                        continue;
                    }
                    Err(source) => {
                        let _ = staging.remove();
                        not_writable(&settings.target, array, source)
                    }
                }
            }
            Ok(Taken::Plan { .. }) if !matches!(purpose, Purpose::Write) => return Ok(None),
            Ok(Taken::Plan { directory, key }) => {
                ResumeError::Planned { target: target.clone(), directory, key }.into()
            }
            Ok(Taken::Held { .. } | Taken::MaybeHeld { .. })
                if matches!(purpose, Purpose::Plan) && started.elapsed() < PLANNING =>
            {
                // Another worker finishes the plan.
                if PlanDirectory::find(file_system, array)?.is_some() {
                    return Ok(None);
                }
                // Or it creates the plan.
                sleep(BETWEEN_JOINS);
                continue;
            }
            Ok(Taken::Held { holder }) => {
                WriteError::Locked { target: target.clone(), holder }.into()
            }
            Ok(Taken::MaybeHeld { holder }) => {
                WriteError::MaybeLocked { target: target.clone(), holder }.into()
            }
            // Another write has removed the directory, which that write had created.
            Err(error) if error.kind() == io::ErrorKind::NotFound && n_tries < MOST_TRIES => {
                n_tries += 1;
                continue;
            }
            Err(source) => not_writable(&settings.target, array, source),
        };
        remove_empty(&**file_system, created.iter().map(PathBuf::as_path));
        return Err(error);
    }
}

pub(super) fn not_writable(target: &Target, directory: &Path, source: io::Error) -> Error {
    let (target, directory) = (target.to_string(), directory.to_owned());
    WriteError::NotWritable { target, directory, source }.into()
}

/// Creates a directory and its missing parents, and records the created ones.
fn create(file_system: &dyn FileSystem, path: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    let create_one = |created: &mut Vec<PathBuf>| match file_system.create_directory(path) {
        Ok(()) => {
            if !created.iter().any(|there| there == path) {
                created.insert(0, path.to_owned());
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    match create_one(created) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(file_system, path.parent().ok_or(error)?, created)?;
            // Some file systems, such as procfs, refuse every new directory with this error.
            create_one(created)
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{FileSystemLayer, MemoryFileSystem};

    /// A file system that says of every new directory that its parent does not exist.
    #[derive(Debug)]
    struct NoDirectories(MemoryFileSystem);

    impl FileSystemLayer for NoDirectories {
        type Inner = MemoryFileSystem;

        fn inner(&self) -> &MemoryFileSystem {
            &self.0
        }

        fn create_directory(&self, path: &Path) -> io::Result<()> {
            match self.0.entry_kind(path)? {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    #[test]
    fn a_directory_that_cannot_be_created_is_an_error() {
        let memory = MemoryFileSystem::new();
        FileSystem::create_directories(&memory, Path::new("/above")).unwrap();
        let file_system: &dyn FileSystem = &NoDirectories(memory);
        let path = Path::new("/above/group/a.zarr");
        let mut created = Vec::new();
        let error = create(file_system, path, &mut created).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(created, Vec::<PathBuf>::new());
        let error = file_system.create_directories(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
