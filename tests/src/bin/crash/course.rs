//! The ways that a write can take.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lazy_chunks::zarr::{Durability, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use serde::{Deserialize, Serialize};

use crate::array::{Grid, OLD};

/// What a write is, but for when it ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    pub(crate) start: Start,
    pub(crate) place: Place,
    /// Whether another write can go on with it; otherwise its sequence is streamed.
    pub(crate) is_resumable: bool,
    pub(crate) is_sharded: bool,
    pub(crate) is_durable: bool,
    /// Whether the array has many blocks and chunks.
    pub(crate) is_large: bool,
}

/// What is at the target before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Start {
    Nothing,
    /// An array, which is exchanged with the new one.
    Exchanged,
    /// An array, on a file system without exchange.
    RenamedTwice,
}

/// Where the array goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Bare,
    /// Into a group that is there, and holds another array.
    Group,
    /// Into a group within a group, which are made.
    NewGroups,
}

impl Course {
    /// All that have a small array.
    pub(crate) fn all() -> Vec<Course> {
        let starts = [
            (Start::Nothing, Place::Bare),
            (Start::Nothing, Place::Group),
            (Start::Nothing, Place::NewGroups),
            (Start::Exchanged, Place::Bare),
            (Start::Exchanged, Place::Group),
            (Start::RenamedTwice, Place::Bare),
            (Start::RenamedTwice, Place::Group),
        ];
        let mut courses = Vec::new();
        for bits in 0..8 {
            courses.extend(starts.map(|(start, place)| Course {
                start,
                place,
                is_resumable: bits & 1 == 0,
                is_sharded: bits & 2 > 0,
                is_durable: bits & 4 == 0,
                is_large: false,
            }));
        }
        courses
    }

    pub(crate) fn grid(&self) -> Grid {
        if self.is_large { Grid::large() } else { Grid::small() }
    }

    /// The array's path, below the directory that a trial has for itself.
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
        names.fold(outermost, Target::member)
    }

    /// Makes what is there before.
    pub(crate) fn set_up(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let in_directory = |name: &Path| Target::from(directory.join(name));
        if self.place == Place::Group {
            let group = in_directory(Path::new("group.zarr"));
            let other = ArrayBlock::from_vec([2, 2], vec![1_u8, 2, 3, 4])?;
            LazyChunkSequence::new(|| [other.clone()]).to_zarr(group.member("other"))?;
        }
        if self.start != Start::Nothing {
            let grid = self.grid();
            let old = grid.array(OLD);
            let sink = ZarrSink::new(self.target(in_directory))
                .with_chunk_shape([5, 5])
                .with_attribute("version", OLD)
                .with_durability(Durability::None);
            LazyChunkSequence::new(|| [old.clone()]).to_zarr(sink)?;
        }
        Ok(())
    }

    /// The version that is there before.
    pub(crate) fn before(&self) -> Option<u64> {
        (self.start != Start::Nothing).then_some(OLD)
    }
}

impl fmt::Display for Course {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self.start {
            Start::Nothing => "new",
            Start::Exchanged => "exchanged",
            Start::RenamedTwice => "renamed-twice",
        };
        let place = match self.place {
            Place::Bare => "bare",
            Place::Group => "in-group",
            Place::NewGroups => "in-new-groups",
        };
        let evaluation = if self.is_resumable { "resumable" } else { "streamed" };
        let chunks = if self.is_sharded { "shards" } else { "chunks" };
        let durability = if self.is_durable { "durable" } else { "not-durable" };
        write!(formatter, "{start} {place} {evaluation} {chunks} {durability}")?;
        if self.is_large { formatter.write_str(" large") } else { Ok(()) }
    }
}
