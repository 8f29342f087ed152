//! A handle of a group.

use std::fmt;

use super::metadata::Metadata;
use super::place::Place;
use crate::error::{Result, TargetError};
use crate::store::node::Node;
use crate::target::Target;

/// A Zarr group: a node that holds arrays and other groups, its members.
///
/// A group of Zarr v3 can be listed and changed. A group of Zarr v2 can be listed.
///
/// A write creates the groups that its target names ([`Target::member`]). Each method reads the
/// metadata anew, so a handle always shows the present state of the group.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Group, MemberKind, StoredArray, Target, ToZarr};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// let target = Target::from(directory.path().join("run.zarr"));
/// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// for name in ["monday", "tuesday"] {
///     values.to_zarr(target.member(name))?;
/// }
///
/// let group = Group::open(target)?;
/// group.set_attribute("l2", 0.001)?;
/// assert_eq!(group.attributes()?["l2"], 0.001);
///
/// for member in group.members()? {
///     assert!(matches!(member.kind(), MemberKind::Array));
///     assert_eq!(StoredArray::open(member.target())?.shape(), [2]);
/// }
/// group.remove("monday")?;
/// let names: Vec<_> = group.members()?.iter().map(|member| member.name().to_owned()).collect();
/// assert_eq!(names, ["tuesday"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Group {
    pub(super) target: Target,
    pub(super) place: Place,
    is_v2: bool,
}

impl Group {
    /// Opens the group at a target.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the target is invalid.
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if nothing exists at the target, and
    ///   [`ErrorKind::NotAGroup`](crate::ErrorKind::NotAGroup) if something other than a group
    ///   does.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata is not valid JSON.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file system or the store fails.
    pub fn open(target: impl Into<Target>) -> Result<Group> {
        let target = target.into();
        let place = Place::of(&target)?;
        let no_group = |reason| TargetError::NoGroup { target: target.to_string(), reason }.into();
        match place.node()? {
            Some(Node::Group { is_v2, .. }) => Ok(Group { target, place, is_v2 }),
            Some(Node::Array) => Err(no_group("it is a Zarr array")),
            Some(_) => Err(no_group("its metadata is of neither an array nor a group")),
            None => match place.without_node()? {
                Some(reason) => Err(no_group(reason)),
                None => Err(TargetError::NotFound { target: target.to_string() }.into()),
            },
        }
    }

    /// Returns the target of the group.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the version of the Zarr format: 3 or 2.
    #[must_use]
    pub fn zarr_format(&self) -> u8 {
        if self.is_v2 { 2 } else { 3 }
    }

    /// Checks that the group can be changed.
    pub(super) fn check_v3(&self) -> Result<()> {
        if self.is_v2 {
            return Err(TargetError::ReadOnlyGroup { target: self.target.to_string() }.into());
        }
        Ok(())
    }

    /// Returns the metadata of a Zarr v3 group.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        let metadata = Metadata::read(&self.place)?;
        metadata.ok_or_else(|| TargetError::Removed { target: self.target.to_string() }.into())
    }

    /// Changes the metadata of a Zarr v3 group, and replaces them atomically if `change` returns
    /// true. Returns the result of `change`.
    pub(super) fn rewrite(
        &self,
        change: impl FnOnce(&mut Metadata) -> Result<bool>,
    ) -> Result<bool> {
        let mut metadata = self.metadata()?;
        let is_changed = change(&mut metadata)?;
        if is_changed {
            let text = metadata.to_text();
            self.place.replace(&self.target, &metadata.document, &text)?;
        }
        Ok(is_changed)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Group")
            .field("target", &self.target)
            .field("zarr_format", &self.zarr_format())
            .finish_non_exhaustive()
    }
}
