//! The courses of a write: its start, its place, and its settings.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lazy_chunks::zarr::{Durability, Existing, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::array::{Grid, OLD, OLD_SHAPE, OLDER};
use crate::keys::Keys;

/// The settings of a write, without its interruptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) start: Start,
    pub(crate) place: Place,
    /// True if the array's directory also has files that do not belong to the array.
    pub(crate) has_foreign_files: bool,
    /// True if the chunks of the replaced version are removed at once.
    pub(crate) removes_old: bool,
    /// True if another write can resume it. Otherwise, the sequence is streamed.
    pub(crate) is_resumable: bool,
    pub(crate) is_sharded: bool,
    pub(crate) flush: Flush,
    /// True if the array has many blocks and chunks.
    pub(crate) is_large: bool,
    /// True if blocks end where rows of chunks end.
    pub(crate) is_aligned: bool,
}

/// The array at the target before the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Start {
    Nothing,
    /// An array.
    Array,
    /// An array that replaced another one, whose chunks are still there.
    ReplacedOnce,
    /// An array that replaced another one, which had replaced a third.
    ReplacedTwice,
    /// An array of Zarr v2, with keys `0.0`.
    V2Dotted,
    /// An array of Zarr v2, with keys `0/0`.
    V2Nested,
}

/// The place of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Bare,
    /// In an existing group with another array.
    Group,
    /// In a group inside a group, both of which are created.
    NewGroups,
}

/// The way the array is flushed to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Flush {
    /// All files by one operation.
    AtOnce,
    /// File by file, as on a file system without an operation for all files.
    Each,
    /// Not at all.
    Never,
}

/// Files in the array's directory that do not belong to the array. Some are in directories of
/// chunks.
const FOREIGN_FILES: [&str; 4] = ["notes.txt", "c/readme", "0/notes.md", "pictures/0.png"];

/// The permissions of the old metadata, which the new metadata must get as well.
pub(crate) const OLD_MODE: u32 = 0o640;

impl Course {
    /// The number of courses with the same start and place.
    pub(crate) const N_SETTINGS: usize = 12;

    /// Returns all courses with a small array.
    pub(crate) fn all() -> Vec<Course> {
        let plain = |start, place| (start, place, false, false);
        let scenarios = [
            plain(Start::Nothing, Place::Bare),
            plain(Start::Nothing, Place::Group),
            plain(Start::Nothing, Place::NewGroups),
            plain(Start::Array, Place::Bare),
            plain(Start::Array, Place::Group),
            plain(Start::ReplacedOnce, Place::Bare),
            plain(Start::ReplacedTwice, Place::Bare),
            plain(Start::ReplacedTwice, Place::Group),
            plain(Start::V2Dotted, Place::Bare),
            plain(Start::V2Nested, Place::Bare),
            (Start::Array, Place::Group, true, false),
            (Start::ReplacedTwice, Place::Bare, true, false),
            (Start::Array, Place::Bare, false, true),
            (Start::ReplacedTwice, Place::Bare, true, true),
            (Start::V2Dotted, Place::Bare, true, true),
        ];
        let mut courses = Vec::new();
        for (start, place, has_foreign_files, removes_old) in scenarios {
            for flush in [Flush::AtOnce, Flush::Each, Flush::Never] {
                for bits in 0..4 {
                    courses.push(Course {
                        start,
                        place,
                        has_foreign_files,
                        removes_old,
                        is_resumable: bits & 1 == 0,
                        is_sharded: bits & 2 > 0,
                        flush,
                        is_large: false,
                        is_aligned: false,
                    });
                }
            }
        }
        courses
    }

    pub(crate) fn grid(&self) -> Grid {
        let grid = if self.is_large { Grid::large() } else { Grid::small() };
        if self.is_aligned { grid.aligned() } else { grid }
    }

    /// Returns the array's path, relative to the directory of the trial.
    pub(crate) fn path(&self) -> PathBuf {
        match self.place {
            Place::Bare => PathBuf::from("values.zarr"),
            Place::Group => PathBuf::from("group.zarr/values"),
            Place::NewGroups => PathBuf::from("group.zarr/inner/values"),
        }
    }

    pub(crate) fn target(&self, outermost: impl FnOnce(&Path) -> Target) -> Target {
        let path = self.path();
        let mut names = path.iter().map(|name| name.to_string_lossy().into_owned());
        let outermost = outermost(Path::new(&names.next().expect("a path has a name")));
        names.fold(outermost, |group, member| group.member(member))
    }

    /// Creates the directory as it is before the write.
    pub(crate) fn set_up(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let in_directory = |name: &Path| Target::from(directory.join(name));
        if self.place == Place::Group {
            let group = in_directory(Path::new("group.zarr"));
            let other = ArrayBlock::from_vec([2, 2], vec![1_u8, 2, 3, 4])?;
            LazyChunkSequence::new(|| [other.clone()]).to_zarr(group.member("other"))?;
        }
        let array = directory.join(self.path());
        let n_replaced = match self.start {
            Start::Nothing => return Ok(()),
            Start::Array => 0,
            Start::ReplacedOnce => 1,
            Start::ReplacedTwice => 2,
            Start::V2Dotted => return self.set_up_v2(&array, Keys::BareDotted),
            Start::V2Nested => return self.set_up_v2(&array, Keys::Bare),
        };
        for version in OLDER[..n_replaced].iter().rev().chain([&OLD]) {
            let old = self.grid().array(*version);
            let sink = ZarrSink::new(self.target(in_directory))
                .with_chunk_shape(OLD_SHAPE)
                .with_attribute("version", *version)
                .with_existing(Existing::Replace)
                .with_durability(Durability::None);
            LazyChunkSequence::new(|| [old.clone()]).to_zarr(sink)?;
        }
        fs::set_permissions(array.join("zarr.json"), Permissions::from_mode(OLD_MODE))?;
        self.add_foreign_files(&array)
    }

    fn set_up_v2(&self, array: &Path, keys: Keys) -> Result<()> {
        let grid = self.grid();
        let metadata = json!({
            "zarr_format": 2,
            "shape": grid.shape(),
            "chunks": OLD_SHAPE,
            "dtype": "<f8",
            "order": "C",
            "fill_value": 0.0,
            "compressor": null,
            "filters": null,
            "dimension_separator": if keys == Keys::Bare { "/" } else { "." },
        });
        fs::create_dir_all(array)?;
        fs::write(array.join(".zarray"), metadata.to_string())?;
        fs::write(array.join(".zattrs"), json!({"version": OLD}).to_string())?;
        let n_chunks = [0, 1].map(|axis| grid.shape()[axis].div_ceil(OLD_SHAPE[axis]));
        for index in (0..n_chunks[0]).flat_map(|i| (0..n_chunks[1]).map(move |j| [i, j])) {
            let path = array.join(keys.key(index[0], index[1]));
            fs::create_dir_all(path.parent().unwrap_or(array))?;
            fs::write(path, grid.old_chunk(OLD, index))?;
        }
        self.add_foreign_files(array)
    }

    fn add_foreign_files(&self, array: &Path) -> Result<()> {
        for name in FOREIGN_FILES.iter().filter(|_| self.has_foreign_files) {
            let path = array.join(name);
            fs::create_dir_all(path.parent().unwrap_or(array))?;
            fs::write(path, name)?;
        }
        Ok(())
    }

    /// Returns true if a path below the array's directory is a foreign file.
    pub(crate) fn is_foreign(&self, path: &Path) -> bool {
        self.has_foreign_files && FOREIGN_FILES.iter().any(|name| Path::new(name) == path)
    }

    /// Returns true if the array before the write is in Zarr v2.
    pub(crate) fn is_of_v2(&self) -> bool {
        matches!(self.start, Start::V2Dotted | Start::V2Nested)
    }

    /// Returns the version at the target before the write.
    pub(crate) fn before(&self) -> Option<u64> {
        (self.start != Start::Nothing).then_some(OLD)
    }
}

impl fmt::Display for Course {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self.start {
            Start::Nothing => "new",
            Start::Array => "replaced",
            Start::ReplacedOnce => "replaced-again",
            Start::ReplacedTwice => "replaced-thrice",
            Start::V2Dotted => "v2-dotted",
            Start::V2Nested => "v2-nested",
        };
        let place = match self.place {
            Place::Bare => "bare",
            Place::Group => "in-group",
            Place::NewGroups => "in-new-groups",
        };
        let evaluation = if self.is_resumable { "resumable" } else { "streamed" };
        let chunks = if self.is_sharded { "shards" } else { "chunks" };
        let flush = match self.flush {
            Flush::AtOnce => "flushed-at-once",
            Flush::Each => "each-flushed",
            Flush::Never => "not-flushed",
        };
        write!(formatter, "{start} {place} {evaluation} {chunks} {flush}")?;
        for (is_so, word) in [
            (self.has_foreign_files, " foreign-files"),
            (self.removes_old, " old-removed"),
            (self.is_large, " large"),
            (self.is_aligned, " aligned"),
        ] {
            formatter.write_str(if is_so { word } else { "" })?;
        }
        Ok(())
    }
}
