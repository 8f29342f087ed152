//! Where the unfinished array of a target goes, and under which name.

use std::ffi::OsStr;
use std::path::{MAIN_SEPARATOR_STR, Path, PathBuf};

use crate::{EntryKind, Error, FileSystem, Result};

const STAGING_END: &str = ".staging";
const LOCK_END: &str = ".lock";

/// The longest part of the target's path that names have in their own, in bytes.
const LONGEST_NAME: usize = 180;
/// What follows the part of a path of which a name does not have all. No path has it when it is one word.
const CUT: &str = "%~";

/// Where the unfinished array of a target goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StagingPlace {
    /// The directory that it lies in.
    pub(crate) parent: PathBuf,
    /// The target's path from there, as one word.
    name: String,
}

impl StagingPlace {
    /// In a directory above the array.
    pub(crate) fn new(parent: &Path, array: &Path) -> Option<StagingPlace> {
        let below = array.strip_prefix(parent).ok()?;
        let text = below.to_string_lossy().replace('%', "%25").replace(MAIN_SEPARATOR_STR, "%2F");
        let is_whole = below.to_str().is_some() && text.len() <= LONGEST_NAME;
        let name = match is_whole {
            true => text,
            false => {
                let checksum = crc32c::crc32c(below.as_os_str().as_encoded_bytes());
                let beginning = &text[..text.floor_char_boundary(LONGEST_NAME)];
                format!("{beginning}{CUT}{checksum:08x}")
            }
        };
        (!name.is_empty()).then(|| StagingPlace { parent: parent.to_owned(), name })
    }

    /// The one that a name in a directory stands for.
    pub(crate) fn of_name(parent: &Path, name: &OsStr) -> Option<StagingPlace> {
        let name = name.to_str()?.strip_prefix('.')?.strip_suffix(STAGING_END)?;
        (!name.is_empty())
            .then(|| StagingPlace { parent: parent.to_owned(), name: name.to_owned() })
    }

    /// Where else writes of the array have begun: where directories above it were made since, or came back
    /// with the power.
    pub(super) fn others(
        &self,
        file_system: &dyn FileSystem,
        array: &Path,
    ) -> Result<Vec<StagingPlace>> {
        let mut others = Vec::new();
        let places = array.ancestors().skip(1);
        let places = places.filter_map(|parent| StagingPlace::new(parent, array));
        for place in places.filter(|place| place != self) {
            let directory = place.directory();
            match file_system.kind(&directory) {
                Ok(Some(EntryKind::Directory)) => others.push(place),
                Ok(_) => {}
                Err(source) => return Err(Error::Examine { path: directory, source }),
            }
        }
        Ok(others)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.parent.join(format!(".{}{STAGING_END}", self.name))
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.parent.join(format!(".{}{LOCK_END}", self.name))
    }

    /// The array's path; none when the name does not have all of it.
    pub(crate) fn target(&self) -> Option<PathBuf> {
        (!self.name.contains(CUT)).then(|| self.beginning_of_target())
    }

    /// The array's path, as far as the name has it.
    pub(crate) fn beginning_of_target(&self) -> PathBuf {
        let name = self.name.split(CUT).next().unwrap_or_default();
        self.parent.join(name.replace("%2F", MAIN_SEPARATOR_STR).replace("%25", "%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_targets_apart() {
        let parent = Path::new("/data");
        let name = |array: &str| {
            let place = StagingPlace::new(parent, &parent.join(array)).unwrap();
            assert!(place.directory().file_name().unwrap().len() <= 255);
            let directory = place.directory();
            let again = StagingPlace::of_name(parent, directory.file_name().unwrap());
            assert_eq!(again.as_ref(), Some(&place));
            (place.beginning_of_target(), place.target(), directory)
        };
        let long = "x".repeat(250);
        let arrays =
            ["a", "a.zarr", "g/a", "g%2Fa", "g%252Fa", "Ærø/数", &long, &format!("{long}y")];
        let mut directories = Vec::new();
        for array in arrays {
            let (beginning, target, directory) = name(array);
            let is_long = array.len() > LONGEST_NAME;
            assert_eq!(target, (!is_long).then(|| parent.join(array)));
            assert!(
                parent.join(array).to_string_lossy().starts_with(&*beginning.to_string_lossy())
            );
            assert!(!directories.contains(&directory), "{directory:?}");
            directories.push(directory);
        }
        assert_eq!(StagingPlace::new(parent, Path::new("/other/a")), None);
        assert_eq!(StagingPlace::new(parent, parent), None);
        for name in ["a.staging", ".staging", ".a.lock", ".a.staging-0"] {
            assert_eq!(StagingPlace::of_name(parent, OsStr::new(name)), None, "{name}");
        }
    }
}
