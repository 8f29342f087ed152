//! Errors about a target, and about the data that exists there.

use std::path::PathBuf;

use lazy_core::BlockIndex;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
use lazy_core::BoxError;

use super::{ErrorKind, Facts};

/// A target is invalid, or does not hold what the operation needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the scheme {scheme} of {url} is not supported")]
    UnknownScheme { url: String, scheme: String },
    #[error("invalid URL {url}: {reason}")]
    InvalidUrl { url: String, reason: &'static str },
    #[error(
        "cannot open {url}: the scheme {scheme} needs the feature `{feature}`, which is not enabled"
    )]
    FeatureOff { url: String, scheme: String, feature: &'static str },
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
    #[error("invalid store option {key} for {url}: {reason}")]
    StoreOption { url: String, key: String, reason: &'static str },
    /// The settings of the client are incomplete, or contradict each other.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
    #[error("cannot open the store at {url}")]
    OpenStore { url: String, source: BoxError },
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    #[error("there are no credentials for {url}")]
    NoCredentials { url: String },
    #[error("invalid path {path:?} in a store: {reason}")]
    InvalidStorePath { path: String, reason: String },
    #[error("invalid name {name:?} of a group member: {reason}")]
    InvalidName { name: String, reason: &'static str },
    #[error("invalid path {path:?}: {reason}")]
    InvalidPath { path: PathBuf, reason: &'static str },

    #[error("{target} already exists")]
    Exists { target: String },
    /// The write resumes, and the array has another key, block grid, dtype or shape, or other
    /// settings.
    #[error(
        "{target} already exists, and was stored from another input, in other blocks or with other \
         settings"
    )]
    ExistsOfOther { target: String },
    /// The write resumes, and the array was not stored by a resumable write, or was changed since.
    #[error(
        "{target} already exists, and has no valid record of the input that it was stored from"
    )]
    ExistsOfUnknown { target: String },
    /// The array has the key of this write and another revision, and its contents should equal this
    /// write.
    #[error("{target} already exists, and its contents differ from this write at {at}")]
    Differs { target: String, at: BlockIndex },
    /// Rows with the key of this write and another revision were appended to the array, and should
    /// equal this write.
    #[error(
        "rows with the key of this write were already appended to {target}, and differ from it at \
         {at}"
    )]
    RowsDiffer { target: String, at: BlockIndex },
    /// Rows with the key of this write were stored, but not the rows of this write.
    #[error(
        "rows with the key of this write were already appended to {target}, and differ from it in \
         number or type"
    )]
    RowsOfOther { target: String },
    #[error("cannot overwrite {target}: it is a Zarr group")]
    IsGroup { target: String },
    #[error("cannot overwrite {target}: it is a file")]
    IsFile { target: String },
    #[error("cannot overwrite {target}: it holds data other than a Zarr array")]
    NotZarr { target: String },
    #[error("cannot write {target}: it lies inside the Zarr array {array}")]
    InArray { target: String, array: String },
    /// `action` is `write`, `change` or `remove`.
    #[error(
        "cannot {action} {target}: it would make the consolidated metadata of {group} outdated"
    )]
    InConsolidatedGroup { action: &'static str, target: String, group: String },
    #[error("cannot write {target}: {group} is a Zarr v2 group, which cannot hold a Zarr v3 array")]
    InV2Group { target: String, group: String },
    #[error("cannot write {target}: {place} is {actual}, not a Zarr group")]
    NotAGroup { target: String, place: String, actual: &'static str },
    #[error(
        "cannot write {target}: its store cannot put an object on a condition, so two writes at \
         once could damage each other's arrays"
    )]
    NoConditions { target: String },
    #[error("cannot append to {target}: {reason}")]
    NotAppendable { target: String, reason: &'static str },
    #[error(
        "cannot write to {target}: its chunk key encoding is unknown, so its chunks cannot be \
         distinguished from new ones"
    )]
    UnknownKeys { target: String },

    #[error("{target} does not exist")]
    NotFound { target: String },
    #[error("{} is a symbolic link to a missing path", link.display())]
    BrokenLink { link: PathBuf },
    #[error("{target} is not a Zarr array: {reason}{}", named(members))]
    NotAnArray { target: String, reason: &'static str, members: Vec<String> },
    #[error("{target} is not a Zarr group: {reason}")]
    NoGroup { target: String, reason: &'static str },
    /// Groups of Zarr v2 are only read.
    #[error("cannot change {target}: it is a Zarr v2 group, which is read-only here")]
    ReadOnlyGroup { target: String },
    #[error("cannot remove {target}: {reason}")]
    NotRemovable { target: String, reason: &'static str },
    #[error("{target} was replaced after it was opened")]
    Replaced { target: String },
    #[error("{target} was removed after it was opened")]
    Removed { target: String },
    #[error("the plan of {target} was removed, and there is no array of it")]
    PlanGone { target: String },
}

impl TargetError {
    pub(super) fn facts(&self) -> Facts<'_> {
        use TargetError as E;
        let (kind, target) = match self {
            E::UnknownScheme { url, .. }
            | E::InvalidUrl { url, .. }
            | E::FeatureOff { url, .. } => (ErrorKind::InvalidTarget, Some(url)),
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
            E::StoreOption { url, .. } | E::OpenStore { url, .. } => {
                (ErrorKind::InvalidSetting, Some(url))
            }
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
            E::NoCredentials { url } => (ErrorKind::AccessDenied, Some(url)),
            E::InvalidStorePath { .. } | E::InvalidName { .. } | E::InvalidPath { .. } => {
                (ErrorKind::InvalidTarget, None)
            }
            E::Exists { target }
            | E::ExistsOfOther { target }
            | E::ExistsOfUnknown { target }
            | E::Differs { target, .. }
            | E::RowsDiffer { target, .. }
            | E::RowsOfOther { target } => (ErrorKind::Exists, Some(target)),
            E::IsGroup { target }
            | E::IsFile { target }
            | E::NotZarr { target }
            | E::InArray { target, .. }
            | E::InV2Group { target, .. }
            | E::NotAGroup { target, .. } => (ErrorKind::Occupied, Some(target)),
            E::NotAnArray { target, .. } => (ErrorKind::NotAnArray, Some(target)),
            E::InConsolidatedGroup { target, .. } => (ErrorKind::Consolidated, Some(target)),
            E::NoGroup { target, .. } => (ErrorKind::NotAGroup, Some(target)),
            E::ReadOnlyGroup { target }
            | E::NotRemovable { target, .. }
            | E::NoConditions { target }
            | E::NotAppendable { target, .. }
            | E::UnknownKeys { target } => (ErrorKind::Unsupported, Some(target)),
            E::NotFound { target } | E::Removed { target } => (ErrorKind::NotFound, Some(target)),
            E::BrokenLink { .. } => (ErrorKind::NotFound, None),
            E::Replaced { target } | E::PlanGone { target } => (ErrorKind::Changed, Some(target)),
        };
        let parent = match self {
            E::InArray { array: parent, .. }
            | E::InConsolidatedGroup { group: parent, .. }
            | E::InV2Group { group: parent, .. }
            | E::NotAGroup { place: parent, .. } => Some(&**parent),
            _ => None,
        };
        let facts = Facts { target: target.map(|target| &**target), parent, ..Facts::of(kind) };
        match self {
            E::InvalidPath { path, .. } | E::BrokenLink { link: path } => {
                Facts { path: Some(path), ..facts }
            }
            E::RowsDiffer { at, .. } => {
                Facts { block: Some(*at), difference: Some("appended rows"), ..facts }
            }
            E::RowsOfOther { .. } => Facts { difference: Some("appended rows"), ..facts },
            E::Differs { at, .. } => Facts { block: Some(*at), ..facts },
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
            E::StoreOption { .. } | E::OpenStore { .. } => {
                Facts { setting: Some("store option"), ..facts }
            }
            E::NotAnArray { members, .. } => Facts { members, ..facts },
            E::NotAppendable { .. } | E::UnknownKeys { .. } => {
                Facts { setting: Some("existing"), ..facts }
            }
            E::NoConditions { .. } => Facts { setting: Some("unconditional puts"), ..facts },
            _ => facts,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        use TargetError as E;
        Some(match self {
            E::UnknownScheme { .. } => {
                "use a path, a URL that begins with file, s3, gs, az, abfs, https or memory, or a \
                 store instance with `Target::in_store`"
            }
            E::InvalidUrl { url, .. } if is_of_file(url) => {
                "write file:///absolute/path, with three slashes, %3F for ? and %23 for #"
            }
            E::FeatureOff { .. } => "enable the feature in Cargo.toml",
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
            E::StoreOption { .. } | E::OpenStore { .. } => "`StoreOptions` lists the options",
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
            E::NoCredentials { .. } => super::CREDENTIALS,
            E::InvalidName { name, .. } if name.contains('/') => {
                "name the groups one by one with `Target::member`"
            }
            E::Exists { .. }
            | E::ExistsOfOther { .. }
            | E::ExistsOfUnknown { .. }
            | E::Differs { .. } => {
                "choose another target, or overwrite this one with `Existing::Replace`"
            }
            E::RowsDiffer { .. } | E::RowsOfOther { .. } => {
                "resume with another key, or append the rows with `Resume::or_append_again`"
            }
            E::IsGroup { .. } | E::IsFile { .. } | E::NotZarr { .. } | E::UnknownKeys { .. } => {
                "choose another target"
            }
            E::InArray { .. } | E::InV2Group { .. } | E::NotAGroup { .. } => {
                "choose a target outside of it"
            }
            E::InConsolidatedGroup { .. } => {
                "remove the consolidated metadata with `Group::remove_consolidated`, and \
                 consolidate again afterwards"
            }
            E::NotAppendable { .. } => {
                "store both parts as a new array, with `chain` of `StoredArray::sequence`"
            }
            E::NoConditions { .. } => {
                "if no other process writes there, allow it with \
                 `ZarrSink::with_unconditional_puts`"
            }
            E::NotAnArray { members, .. } if !members.is_empty() => {
                "open one of its members with `Target::member`"
            }
            E::NoGroup { reason, .. } if reason.contains("array") => {
                "open it with `StoredArray::open`"
            }
            E::Replaced { .. } => "open it again",
            E::PlanGone { .. } => "start the worker again; it creates the plan anew",
            _ => return None,
        })
    }
}

fn is_of_file(url: &str) -> bool {
    url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
}

/// Returns the names of members as a suffix of the message.
fn named(members: &[String]) -> String {
    match members {
        [] => String::new(),
        [member] => format!(" with the member {member}"),
        members => format!(" with the members {}", members.join(", ")),
    }
}
