//! The members of a group.

use super::handle::Group;
use super::place::{Child, Place};
use crate::error::{AccessError, Error, Result, TargetError};
use crate::store::node::Node;
use crate::target::Target;

/// A member of a [`Group`], as [`Group::members`] lists it.
///
/// [`StoredArray::open`](crate::StoredArray::open) and [`Group::open`] open its
/// [`target`](Self::target).
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use lazy_chunks::zarr::{Group, MemberKind, MemoryStore, StoreResult, Target};
/// use ndarray::array;
///
/// let run = Target::in_store(MemoryStore::new(), "/run");
/// LazyChunkSequence::new(|| [array![1.0, 2.0]])
///     .convert(NdarrayConverter)
///     .compute(StoreResult::new(MeanVariance, run.member("moments")))?;
///
/// for member in Group::open(run)?.all_members()? {
///     match member.kind() {
///         MemberKind::Array => println!("the array {}", member.name()),
///         MemberKind::Group => println!("the group {}", member.name()),
///         MemberKind::Broken(error) => println!("{}: {error:?}", member.name()),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Member {
    name: String,
    target: Target,
    kind: MemberKind,
}

/// The kind of a member of a group.
///
/// [`Member`] has an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum MemberKind {
    /// An array, of Zarr v3 or v2.
    Array,
    /// A group, of Zarr v3 or v2.
    Group,
    /// A member whose metadata cannot be read or is invalid, or whose name is invalid. Or a group
    /// that [`Group::all_members`] could not list.
    Broken(Error),
}

impl Member {
    /// Returns the name: the path of the member in the group, such as `a` or `inner/a`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> &MemberKind {
        &self.kind
    }

    /// Returns the kind, with the error of a broken member.
    #[must_use]
    pub fn into_kind(self) -> MemberKind {
        self.kind
    }
}

impl Group {
    /// Lists the arrays and groups directly in the group, ordered by name.
    ///
    /// Files, and directories without Zarr metadata, are left out. A new array appears when its
    /// write is complete; an array that is being replaced or appended to is listed. A symbolic link
    /// to an array or a group is a member. A member that cannot be examined is listed as
    /// [`MemberKind::Broken`].
    ///
    /// The members are those that exist, even if the group has consolidated metadata.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the group cannot be listed.
    pub fn members(&self) -> Result<Vec<Member>> {
        let children = self.place.children()?.into_iter();
        Ok(children.filter_map(|child| Some(member(&self.target, "", &child)?.0)).collect())
    }

    /// Lists the arrays and groups at any depth in the group, each group before its members, and
    /// otherwise ordered by name.
    ///
    /// The members of symbolic links to groups are left out, because a link may lead back to a
    /// group above it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the group cannot be listed. If a group in it
    /// cannot be listed, that group is [`MemberKind::Broken`].
    pub fn all_members(&self) -> Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        let mut open: Vec<(Place, Option<usize>)> = vec![(self.place.clone(), None)];
        while let Some((place, of)) = open.pop() {
            let children = match (place.children(), of) {
                (Ok(children), _) => children,
                (Err(error), None) => return Err(error),
                (Err(error), Some(i)) => {
                    members[i].kind = MemberKind::Broken(error);
                    continue;
                }
            };
            let (target, path) = match of {
                Some(i) => (members[i].target.clone(), format!("{}/", members[i].name)),
                None => (self.target.clone(), String::new()),
            };
            for child in children {
                let Some((member, is_open)) = member(&target, &path, &child) else { continue };
                if is_open {
                    open.push((child.place, Some(members.len())));
                }
                members.push(member);
            }
        }
        members.sort_by(|one, other| one.name.split('/').cmp(other.name.split('/')));
        Ok(members)
    }
}

/// Returns the member at a directory or prefix below a group, and true if it is a group that is not
/// behind a link. Returns `None` if no node lies there.
fn member(group: &Target, path: &str, child: &Child) -> Option<(Member, bool)> {
    let target = group.member(&*child.name);
    let name = format!("{path}{}", child.name);
    let kind = match child.place.node() {
        Ok(None) => return None,
        Ok(Some(_)) if !child.is_text => {
            let (name, reason) = (child.name.clone(), "it is not Unicode");
            MemberKind::Broken(TargetError::InvalidName { name, reason }.into())
        }
        Ok(Some(node)) => match (target.resolve(), node) {
            (Err(error), _) => MemberKind::Broken(error),
            (Ok(_), Node::Array) => MemberKind::Array,
            (Ok(_), Node::Group { .. }) => MemberKind::Group,
            (Ok(_), _) => {
                let path = child.place.locate("zarr.json");
                MemberKind::Broken(AccessError::UnknownNode { path }.into())
            }
        },
        Err(error) => MemberKind::Broken(error),
    };
    let is_open = matches!(kind, MemberKind::Group) && !child.is_link;
    Some((Member { name, target, kind }, is_open))
}
