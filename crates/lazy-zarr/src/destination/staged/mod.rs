//! A directory beside the target, which takes the target's place by one rename; a group that is made
//! for the target comes with it.

mod publish;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::place::{absolute, check_movable, staging_parent};
use super::staging::{ARRAY, Staging};
use super::staging_place::StagingPlace;
use super::{Destination, check_existing, group_metadata, is_missing_group};
use crate::encode::Encoded;
use crate::node::{Node, node_at_path};
use crate::resume::{Journal, Record};
use crate::store::DirectoryStore;
use crate::stored::{Origin, Source};
use crate::{Durability, Error, Existing, FileSystem, Result, Target, ZarrSink};

/// An array that is written to a staging directory.
///
/// The staging directory lies on the target's file system; outside of the Zarr hierarchy that the
/// target belongs to, or, where that cannot be had, as high in it as can be written. The array is one
/// level below it, so that no reader takes it for a member of a group. It is this write's alone, and is
/// removed in the end, whether the write succeeds or not, unless another one can go on with it.
pub(crate) struct Staged {
    file_system: Arc<dyn FileSystem>,
    /// The target as the user named it.
    target: Target,
    /// Where the outermost group is to be that is staged with the array; the array's own path when
    /// none is.
    root: PathBuf,
    /// Whether the root is a member of a group that is there.
    is_member: bool,
    /// The names that lead from that group to the array: of the groups within it, and of the array.
    below_root: Vec<String>,
    staging: Staging,
    replaces: bool,
    durability: Durability,
    /// What is written down of chunks, when another write is to go on with them.
    journal: Option<Arc<Journal>>,
    /// Whether there may be files of an earlier write.
    goes_on: bool,
    /// What becomes of the staging directory in the end.
    end: AtomicU8,
}

/// What becomes of the staging directory in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum End {
    /// It is kept when another write can go on with it.
    Unfinished,
    /// It is removed: it has done its service, or what is in it cannot be relied upon.
    Over,
    /// It is left as it is: it may hold what must not be lost.
    Left,
}

impl Staged {
    /// Checks the target, and takes hold of its staging directory; gives what an earlier write recorded
    /// there, if it is to be gone on with.
    pub(crate) fn begin(
        sink: &ZarrSink,
        file_system: Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<(Staged, Option<Record>)> {
        let target = &sink.target;
        let (mut root, mut below_root) = (path.to_owned(), members.to_vec());
        enter_groups(&*file_system, target, &mut root, &mut below_root)?;
        // As it was named, where a link can lead nowhere; and what that is.
        let check = |root: &Path| {
            let node = node_at_path(&*file_system, root)?;
            check_root(target, node, root, &below_root, sink.existing)
        };
        check(&root)?;
        let (absolute_root, ancestor) = absolute(&*file_system, &root)?;
        root = absolute_root;
        check(&root)?;
        let not_writable = |directory: &Path, source| Error::NotWritable {
            target: target.to_string(),
            directory: directory.to_owned(),
            source,
        };
        // Where the rename, and directories on the way there, will be made.
        file_system.check_writable(&ancestor).map_err(|source| not_writable(&ancestor, source))?;
        check_movable(&*file_system, &root, &ancestor).map_err(|source| Error::NotMovable {
            target: target.to_string(),
            directory: root.clone(),
            source,
        })?;
        let parent = staging_parent(&*file_system, target, &ancestor)?;
        let array = array_below(root.clone(), &below_root);
        let place = StagingPlace::new(&parent, &array).ok_or_else(|| {
            not_writable(&parent, io::Error::other("it is a root; name a target below it"))
        })?;
        let is_durable = sink.durability == Durability::Full;
        let take = |place: &StagingPlace| -> Result<(Staging, Option<Record>)> {
            let staging = Staging::take(Arc::clone(&file_system), place)
                .map_err(|source| not_writable(&place.parent, source))?
                .map_err(|holder| Error::Locked { target: target.to_string(), holder })?;
            let record = staging.take_over(&array, is_durable)?;
            Ok((staging, record))
        };
        let (mut staging, mut record) = take(&place)?;
        for other in place.others(&*file_system, &array)? {
            // One of another job is no obstacle there, and is left for its owner.
            let (other, Some(found)) = take(&other)? else { continue };
            if record.is_none() && (sink.job.is_none() || sink.job.as_ref() == Some(&found.job)) {
                (staging, record) = (other, Some(found));
            } else if record.as_ref() == Some(&found) {
                other.remove().map_err(|source| not_writable(other.directory(), source))?;
            }
        }
        if let (Some(record), None) = (&record, &sink.job) {
            return Err(Error::Unfinished {
                target: target.to_string(),
                directory: staging.directory().to_owned(),
                job: record.job.clone(),
            });
        }
        // Since it was looked at, another write may have published, this array or another one of its groups;
        // or one that was interrupted was undone.
        let node = enter_groups(&*file_system, target, &mut root, &mut below_root)?;
        check_root(target, node, &root, &below_root, sink.existing)?;
        if record.is_none() {
            staging.create().map_err(|source| not_writable(&place.parent, source))?;
        }
        let journal = sink.job.as_ref().map(|_| Arc::new(staging.journal()));
        let staged = Staged {
            file_system,
            target: target.clone(),
            root,
            is_member: below_root.len() < members.len(),
            below_root,
            staging,
            replaces: node != Node::Vacant,
            durability: sink.durability,
            journal,
            goes_on: record.is_some(),
            end: AtomicU8::new(End::Unfinished as u8),
        };
        Ok((staged, record))
    }

    /// What is written down for a later write, when there is to be one.
    pub(super) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    fn set_end(&self, end: End) {
        self.end.store(end as u8, Ordering::Relaxed);
    }

    /// Where the array is until it is complete.
    fn unfinished(&self) -> PathBuf {
        self.staging.directory().join(ARRAY)
    }

    /// What takes the root's place: the outermost staged group, or the array.
    fn staged_root(&self) -> PathBuf {
        match self.below_root.len() {
            0 => self.unfinished(),
            n_names => self.staging.groups(n_names),
        }
    }

    /// Where the array is when it is complete, until it is published.
    fn unpublished(&self) -> PathBuf {
        array_below(self.staged_root(), &self.below_root)
    }

    fn write(&self, path: PathBuf, slices: &[IoSlice<'_>]) -> Result<()> {
        let write = || {
            if self.goes_on {
                self.staging.make_room(&path)?;
            }
            self.file_system.write_slices(&path, slices)
        };
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The first chunk of its row makes the directory.
                let directory = path.parent().unwrap_or(self.staging.directory());
                self.file_system.create_directories(directory).and_then(|()| write())
            }
            written => written,
        };
        written.map_err(|source| Error::Write { path, source })
    }
}

impl Destination for Staged {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        self.write(self.unfinished().join(key), &chunk.slices())?;
        match &self.journal {
            Some(journal) => journal.note(key, chunk.pieces()),
            None => Ok(()),
        }
    }

    fn seal(&self, metadata: &[u8]) -> Result<()> {
        let unfinished = self.unfinished();
        self.write(unfinished.join("zarr.json"), &[IoSlice::new(metadata)])?;
        let failed = |source| Error::Write { path: unfinished.clone(), source };
        if self.journal.is_some() {
            self.staging.seal(&unfinished).map_err(failed)?;
        }
        if !self.below_root.is_empty() {
            let mut group = self.staged_root();
            for name in &self.below_root {
                self.write(group.join("zarr.json"), &[IoSlice::new(&group_metadata())])?;
                group.push(name);
            }
            self.file_system.rename_directory(&unfinished, &group).map_err(failed)?;
        }
        if self.durability == Durability::None {
            return Ok(());
        }
        self.file_system.sync_tree(self.staging.directory()).map_err(|source| {
            // What is on the device is unknown, whatever can be read.
            self.set_end(End::Over);
            Error::Flush { target: self.target.to_string(), source }
        })
    }

    fn publish(&self) -> Result<()> {
        self.check_again()?;
        // In a panic, what was at the target may be in the staging directory.
        self.set_end(End::Left);
        let published =
            if self.replaces { self.exchange_with_target() } else { self.move_to_target() };
        self.set_end(match &published {
            Ok(()) | Err(Error::Flush { .. } | Error::Unflushed { old: None, .. }) => End::Over,
            Err(Error::LeftAside { .. } | Error::Unflushed { .. }) => {
                self.staging.keep();
                End::Left
            }
            Err(_) => End::Unfinished,
        });
        published
    }

    fn reader(&self) -> Result<Source> {
        let path = array_below(self.root.clone(), &self.below_root);
        let store = DirectoryStore::new(Arc::clone(&self.file_system), path.clone());
        let file_system = Arc::clone(&self.file_system);
        let origin = Origin::of_directory(file_system, path, self.unpublished())?;
        Ok(Source { store: Arc::new(store), path: "/".to_owned(), origin })
    }
}

/// Goes from a root to the first group that is not there, or to the array, and says what lies there.
fn enter_groups(
    file_system: &dyn FileSystem,
    target: &Target,
    root: &mut PathBuf,
    below_root: &mut Vec<String>,
) -> Result<Node> {
    loop {
        let node = node_at_path(file_system, root)?;
        if below_root.is_empty() || is_missing_group(target, node, &root.display())? {
            return Ok(node);
        }
        root.push(below_root.remove(0));
    }
}

/// Whether the array may go to a root, or, when there are names below it, a group that holds it.
fn check_root(
    target: &Target,
    node: Node,
    root: &Path,
    below_root: &[String],
    existing: Existing,
) -> Result<()> {
    match below_root.is_empty() {
        true => check_existing(target, node, existing),
        // One that somebody else has made meanwhile will do.
        false => is_missing_group(target, node, &root.display()).map(|_| ()),
    }
}

/// Where an array is, when the outermost of its groups, or it, is at `root`.
fn array_below(root: PathBuf, below_root: &[String]) -> PathBuf {
    below_root.iter().fold(root, |path, name| path.join(name))
}

impl Drop for Staged {
    fn drop(&mut self) {
        let end = self.end.load(Ordering::Relaxed);
        if end == End::Left as u8 {
            return;
        }
        let can_go_on = self.journal.as_ref().is_some_and(|journal| journal.has_begun());
        if end == End::Over as u8 || !can_go_on {
            // An error returned would hide the one that ended the write, or undo nothing of a write
            // that succeeded.
            if let Err(error) = self.staging.remove() {
                let staging = self.staging.directory().display();
                tracing::warn!(%staging, %error, "the staging directory could not be removed");
            }
        }
    }
}
