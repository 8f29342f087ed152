//! The contents of a trial's directory when no write is running.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::array::FILE_SHAPE;
use crate::course::{Course, Place};
use crate::keys::Keys;

/// Everything below a directory, by path. A directory has no bytes.
pub(crate) type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// The contents of a trial's directory at first, and after each publication of the new array.
pub(crate) struct States(Vec<Files>);

/// Versions use three sets of keys in turn. An array of another library may have a fourth.
const N_TURNS: usize = 3;
/// The number of the first state that recurs.
const FIRST_TURN: usize = 2;
/// The number of publications after which all states are known, and have recurred.
pub(crate) const N_PUBLICATIONS: usize = FIRST_TURN + N_TURNS;

impl States {
    /// Checks the states after 0 to [`N_PUBLICATIONS`] publications, each against the state before
    /// it.
    pub(crate) fn new(course: &Course, states: Vec<Files>) -> Result<States> {
        for (n, pair) in states.windows(2).enumerate() {
            let context = || format!("after {} publications", n + 1);
            check_step(course, &pair[0], &pair[1]).with_context(context)?;
        }
        ensure!(states.last() == states.get(FIRST_TURN), "the states do not recur");
        Ok(States(states))
    }

    pub(crate) fn after(&self, n_publications: usize) -> &Files {
        match n_publications {
            n if n < N_PUBLICATIONS => &self.0[n],
            n => &self.0[FIRST_TURN + (n - FIRST_TURN) % N_TURNS],
        }
    }
}

/// Checks that the second of two states has the files of the new array, the chunks of the first
/// state that old readers need, and nothing else.
fn check_step(course: &Course, before: &Files, after: &Files) -> Result<()> {
    let array = course.path();
    let keys = present_keys(course, after)?.context("there is no array")?;
    let replaced = present_keys(course, before)?;
    ensure!(keys == Keys::after(replaced), "{keys:?} follow {replaced:?}");
    let mut expected: BTreeSet<PathBuf> =
        course.grid().all_keys(keys, FILE_SHAPE).iter().map(|key| array.join(key)).collect();
    expected.insert(array.join("zarr.json"));
    if course.place == Place::NewGroups {
        let groups = array.ancestors().skip(1).filter(|group| *group != Path::new(""));
        expected.extend(groups.map(|group| group.join("zarr.json")));
    }
    for (path, bytes) in before.iter().filter(|(_, bytes)| bytes.is_some()) {
        let stays = match path.strip_prefix(&array) {
            Ok(path) => {
                let is_replaced = replaced.is_some_and(|replaced| replaced.cover(path));
                course.is_foreign(path) || is_replaced && !course.removes_old
            }
            Err(_) => true,
        };
        if stays {
            ensure!(after.get(path) == Some(bytes), "{} has changed", path.display());
            expected.insert(path.clone());
        }
    }
    let expected: BTreeSet<_> = expected.iter().flat_map(|path| path.ancestors()).collect();
    let found: BTreeSet<_> = after.keys().map(PathBuf::as_path).chain([Path::new("")]).collect();
    let differ: Vec<_> = found.symmetric_difference(&expected).collect();
    ensure!(differ.is_empty(), "missing or unexpected: {differ:?}");
    Ok(())
}

/// Returns the keys of the array in a state.
pub(crate) fn present_keys(course: &Course, state: &Files) -> Result<Option<Keys>> {
    for name in ["zarr.json", ".zarray"] {
        if let Some(Some(bytes)) = state.get(&course.path().join(name)) {
            return Keys::of_metadata(&serde_json::from_slice(bytes)?).map(Some);
        }
    }
    Ok(None)
}

/// Returns a state without the chunks of replaced versions.
pub(crate) fn without_replaced(course: &Course, state: &Files) -> Result<Files> {
    let present = present_keys(course, state)?;
    let is_kept = |(path, bytes): &(&PathBuf, &Option<Vec<u8>>)| {
        let Ok(path) = path.strip_prefix(course.path()) else { return bytes.is_some() };
        let mut others = Keys::ALL.into_iter().filter(|keys| Some(*keys) != present);
        bytes.is_some() && !others.any(|keys| keys.cover(path))
    };
    let mut kept: Files =
        state.iter().filter(is_kept).map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
    // Empty directories are not kept.
    let above = |path: &PathBuf| path.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>();
    let directories: BTreeSet<_> = kept.keys().flat_map(above).collect();
    kept.extend(
        directories.into_iter().filter(|path| path != Path::new("")).map(|path| (path, None)),
    );
    Ok(kept)
}

/// Copies a directory.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Returns everything below a directory.
pub(crate) fn files(directory: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(below) = directories.pop() {
        for entry in fs::read_dir(below)? {
            let path = entry?.path();
            let name = path.strip_prefix(directory)?.to_owned();
            if path.is_dir() {
                files.insert(name, None);
                directories.push(path);
            } else {
                files.insert(name, Some(fs::read(&path)?));
            }
        }
    }
    Ok(files)
}
