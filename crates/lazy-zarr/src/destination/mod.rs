//! Where a write puts its chunks, and how the whole becomes visible.

mod directory;
mod flush;
mod in_place;
mod key_space;
mod permissions;
mod place;
mod process;
mod staging;
mod taking;
mod tally;

use std::fmt;
use std::sync::Arc;

use lazy_core::Declared;
use zarrs::metadata::v3::GroupMetadataV3;

use crate::encode::Encoded;
use crate::node::Node;
use crate::resume::Resumption;
use crate::stored::Source;
use crate::target::{Resolved, ResolvedPlace};
use crate::{Error, Existing, Result, Target, ZarrSink};

pub(crate) use key_space::{Found, KeySpace};
pub(crate) use place::absolute;
pub(crate) use process::THIS_PROCESS;
pub(crate) use staging::{Staging, is_staging};

/// Takes the chunks of one array and makes them visible at once.
///
/// Dropped before it is published, it leaves the target as it was.
pub(crate) trait Destination: Send + Sync {
    /// The keys that the chunks are put under.
    fn keys(&self) -> KeySpace;

    /// Stores an encoded chunk. Called from several threads, once for each key.
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()>;

    /// Counts a chunk that an earlier write has stored.
    fn count(&self, key: &str, n_bytes: u64);

    /// Stores the metadata, after the last chunk; flushes everything to the device where that is asked for;
    /// and checks that all chunks are there, of which there are `n_chunks` along each axis.
    fn seal(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()>;

    /// Makes the array visible at the target.
    fn publish(&self) -> Result<()>;

    /// Returns where the array is read from once it is published.
    fn reader(&self) -> Result<Source>;
}

/// Checks the target and prepares to write there, and resumes an earlier write where that is asked for.
pub(crate) fn begin(
    sink: &ZarrSink,
    declared: &Declared,
) -> Result<(Arc<dyn Destination>, Option<Resumption>)> {
    let (target, existing) = (&sink.target, sink.existing);
    let Resolved { place, members } = target.resolve()?;
    match place {
        ResolvedPlace::Directory { file_system, path } => {
            let (write, record) = directory::Directory::begin(sink, file_system, &path, &members)?;
            let resumption = match (&sink.resume, write.journal()) {
                (Some(settings), Some(journal)) => {
                    let journal = Arc::clone(journal);
                    Some(Resumption::begin(sink, settings, declared, journal, record)?)
                }
                _ => None,
            };
            Ok((Arc::new(write), resumption))
        }
        ResolvedPlace::Store { .. } if sink.resume.is_some() => Err(Error::NotResumable {
            target: target.to_string(),
            reason: "it lies in a store, where nothing can be kept aside",
        }),
        ResolvedPlace::Store { store, path } => {
            let in_place = in_place::InPlace::begin(target, store, &path, &members, existing)?;
            Ok((Arc::new(in_place), None))
        }
    }
}

/// The metadata of a group that is made to hold an array.
fn group_metadata() -> Vec<u8> {
    GroupMetadataV3::new().to_string_pretty().into_bytes()
}

/// Whether the node at `place`, where the target's group is to be, lacks it.
fn is_missing_group(target: &Target, node: Node, place: &dyn fmt::Display) -> Result<bool> {
    let actual = match node {
        Node::Vacant => return Ok(true),
        Node::File => "a file",
        Node::NotZarr => "something else",
        Node::Array | Node::Group { .. } => {
            return check_ancestor(target, Some(node), place).map(|()| false);
        }
    };
    Err(Error::NotAGroup { target: target.to_string(), place: place.to_string(), actual })
}

/// Whether what lies at the target may make room for the array.
fn check_existing(target: &Target, node: Node, existing: Existing) -> Result<()> {
    let target = target.to_string();
    match (node, existing) {
        (Node::Vacant, _) => Ok(()),
        (Node::File, _) => Err(Error::TargetIsFile { target }),
        (Node::NotZarr, _) => Err(Error::TargetNotZarr { target }),
        (Node::Group { .. }, _) => Err(Error::TargetIsGroup { target }),
        (Node::Array, Existing::Fail) => Err(Error::TargetExists { target }),
        (Node::Array, Existing::Replace | Existing::ReplaceInPlace) => Ok(()),
    }
}

/// Whether an array may be written below a node, which lies at `place`.
fn check_ancestor(target: &Target, node: Option<Node>, place: &dyn fmt::Display) -> Result<()> {
    let (target, place) = (target.to_string(), place.to_string());
    match node {
        Some(Node::Array) => Err(Error::TargetInArray { target, array: place }),
        Some(Node::Group { is_v2: true, .. }) => {
            Err(Error::TargetInV2Group { target, group: place })
        }
        Some(Node::Group { is_consolidated: true, .. }) => {
            Err(Error::TargetInConsolidatedGroup { target, group: place })
        }
        _ => Ok(()),
    }
}
