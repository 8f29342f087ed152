//! The permissions of a replaced version, which the new version takes over.

use std::io;
use std::path::{Path, PathBuf};

use super::directory::Staging;
use crate::fs::FileSystem;
use crate::store::node::Present;

/// A file and a directory of the present version to copy permissions from. Each is `None` if new
/// ones have the same permissions without a copy.
#[derive(Default)]
pub(crate) struct Permissions {
    file: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl Permissions {
    /// Compares the permissions of the present version with those of the files that a write has
    /// created in its staging directory. Also checks that the metadata can be replaced.
    pub(crate) fn of_present(
        file_system: &dyn FileSystem,
        array: &Path,
        present: Option<Present>,
        staging: &Staging,
    ) -> io::Result<Permissions> {
        let Some(present) = present else { return Ok(Permissions::default()) };
        let document = array.join(present.document());
        if !present.is_v2 {
            file_system.check_replaceable(&document)?;
        }
        let has_file = file_system.have_same_permissions(&document, &staging.holder_file())?;
        let has_directory = file_system.have_same_permissions(array, staging.directory())?;
        Ok(Permissions {
            file: (!has_file).then_some(document),
            directory: (!has_directory).then(|| array.to_owned()),
        })
    }

    /// Copies the permissions to a new file.
    pub(crate) fn give_to_file(&self, file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
        match &self.file {
            Some(old) => file_system.copy_permissions(old, path),
            None => Ok(()),
        }
    }

    /// Creates a directory, and its missing parents up to the directory of the array, with the
    /// permissions.
    pub(crate) fn create_directory(
        &self,
        file_system: &dyn FileSystem,
        array: &Path,
        path: &Path,
    ) -> io::Result<()> {
        // The directory of the array is there, unless another process has removed the array.
        let new: Vec<_> = path.ancestors().take_while(|above| *above != array).collect();
        for directory in new.into_iter().rev() {
            match file_system.create_directory(directory) {
                Ok(()) => {
                    if let Some(old) = &self.directory {
                        file_system.copy_permissions(old, directory)?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
