//! Checks of the node at a target, and of the groups above it.

use std::fmt;

use zarrs::metadata::v3::GroupMetadataV3;

use super::node::Node;
use crate::error::{Result, TargetError};
use crate::settings::Existing;
use crate::target::Target;

/// Returns the metadata of a group that is created to hold an array.
pub(crate) fn group_metadata() -> Vec<u8> {
    GroupMetadataV3::new().to_string_pretty().into_bytes()
}

/// Returns true if the group of the target has yet to be created at `place`. Returns an error if
/// the node at `place` is not a group that can hold the array.
pub(crate) fn is_missing_group(
    target: &Target,
    node: Node,
    place: &dyn fmt::Display,
) -> Result<bool> {
    let actual = match node {
        Node::Vacant => return Ok(true),
        Node::File => "a file",
        Node::BrokenLink => "a symbolic link to a missing path",
        Node::NotZarr => "a directory without Zarr metadata",
        Node::Array | Node::Group { .. } => {
            return check_ancestor(target, Some(node), place).map(|()| false);
        }
    };
    Err(TargetError::NotAGroup { target: target.to_string(), place: place.to_string(), actual }
        .into())
}

/// Checks that the array may be written in place of the node at the target.
pub(crate) fn check_existing(target: &Target, node: Node, existing: Existing) -> Result<()> {
    let target = target.to_string();
    match (node, existing) {
        (Node::Vacant, _) => Ok(()),
        (Node::File, _) => Err(TargetError::IsFile { target }.into()),
        (Node::BrokenLink, _) => Err(TargetError::BrokenLink { link: target.into() }.into()),
        (Node::NotZarr, _) => Err(TargetError::NotZarr { target }.into()),
        (Node::Group { .. }, _) => Err(TargetError::IsGroup { target }.into()),
        (Node::Array, Existing::Fail) => Err(TargetError::Exists { target }.into()),
        (Node::Array, Existing::Append | Existing::Replace) => Ok(()),
    }
}

/// Checks that an array may be written below a node, which lies at `place`.
pub(crate) fn check_ancestor(
    target: &Target,
    node: Option<Node>,
    place: &dyn fmt::Display,
) -> Result<()> {
    let (target, place) = (target.to_string(), place.to_string());
    match node {
        Some(Node::Array) => Err(TargetError::InArray { target, array: place }.into()),
        Some(Node::Group { is_v2: true, .. }) => {
            Err(TargetError::InV2Group { target, group: place }.into())
        }
        Some(Node::Group { is_consolidated: true, .. }) => {
            let action = "write";
            Err(TargetError::InConsolidatedGroup { action, target, group: place }.into())
        }
        _ => Ok(()),
    }
}
