//! Errors of a write in progress.

use std::io;
use std::path::PathBuf;

use lazy_core::BoxError;

use super::{Error, ErrorKind, Facts, foreign};

/// The name of this process as the holder of a lock.
pub(crate) const THIS_PROCESS: &str = "this process";

/// A write could not begin, store its chunks, or publish its array.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("{target} is being written by {holder}")]
    Locked { target: String, holder: String },
    /// The locks of this file system do not reach other machines.
    #[error(
        "{target} may still be written by {holder}: locks of this file system do not reach other \
         machines"
    )]
    MaybeLocked { target: String, holder: String },
    /// A store has no locks.
    #[error(
        "{target} may still be written by {holder}: a store does not tell if that process runs"
    )]
    MaybeClaimed { target: String, holder: String },
    /// Another process has put or deleted an object of a write to a store.
    #[error(
        "another process has changed {key} of {target} meanwhile; this write published nothing"
    )]
    Conflict { target: String, key: String },
    /// The staging directory of the write no longer exists.
    #[error(
        "another write of {target} took over from this one, or its directory was removed; this \
         write published nothing"
    )]
    TakenOver { target: String },
    /// Before publication, stored chunks are missing or have other sizes.
    #[error("{}; the target is unchanged", lost(target, missing.as_deref(), *expected, *found))]
    ChunksLost { target: String, missing: Option<String>, expected: u64, found: u64 },
    #[error("cannot write {target}: could not create files in {}", directory.display())]
    NotWritable { target: String, directory: PathBuf, source: io::Error },
    #[error("could not write {}; the target is unchanged", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("could not publish the complete array; {target} is unchanged")]
    Publish { target: String, source: io::Error },
    #[error("could not flush the new array to disk; {target} is unchanged")]
    Flush { target: String, source: io::Error },
    #[error(
        "{target} is complete, but could not be flushed to disk: a power failure may restore its \
         previous state"
    )]
    Unflushed { target: String, source: io::Error },
    /// A store did not answer, neither to the put of the metadata nor to reading it back.
    #[error("it is not known if {target} was published: its store did not answer")]
    MaybePublished { target: String, source: BoxError },
    #[error("{target} was published, but another write has replaced it since")]
    ReplacedAtOnce { target: String },
    /// Another program has changed rows that this write stores again with its own.
    #[error(
        "the last rows of {target} were changed while rows were appended; the rows were not \
         appended"
    )]
    LastRowsChanged { target: String },
    #[error("could not start a thread to write chunks")]
    Thread { source: io::Error },
    #[error("could not encode and write chunk {chunk:?}: the thread panicked: {message}")]
    WriterPanicked { chunk: Vec<usize>, message: String },
    #[error("could not encode chunk {chunk:?}")]
    Encode { chunk: Vec<usize>, source: BoxError },
    #[error("the write of {target} needs {needed} bytes of memory, but its limit is {limit} bytes")]
    MemoryLimit { target: String, needed: u64, limit: u64 },
    #[error(
        "the write of {target} needs {needed} bytes of memory, but the memory limit of the pass \
         leaves it {left} bytes"
    )]
    MemoryLeft { target: String, needed: u64, left: u64 },
    #[error("could not create Zarr metadata for the array")]
    Metadata { source: BoxError },
}

impl WriteError {
    pub(super) fn facts(&self) -> Facts<'_> {
        use WriteError as E;
        let of = |kind, target| Facts { target: Some(target), ..Facts::of(kind) };
        match self {
            E::Locked { target, holder } => {
                Facts { holder: Some(holder), ..of(ErrorKind::InUse, target) }
            }
            E::Conflict { target, key } => {
                Facts { key: Some(key), ..of(ErrorKind::Changed, target) }
            }
            E::MaybeLocked { target, holder } | E::MaybeClaimed { target, holder } => {
                Facts { holder: Some(holder), may_be_stale: true, ..of(ErrorKind::InUse, target) }
            }
            E::TakenOver { target } => of(ErrorKind::InUse, target),
            E::ChunksLost { target, missing, .. } => {
                Facts { key: missing.as_deref(), ..of(ErrorKind::Changed, target) }
            }
            E::NotWritable { target, directory, .. } => {
                Facts { path: Some(directory), ..of(ErrorKind::Io, target) }
            }
            E::Write { path, .. } => Facts { path: Some(path), ..Facts::of(ErrorKind::Io) },
            E::Publish { target, .. }
            | E::Flush { target, .. }
            | E::MaybePublished { target, .. } => of(ErrorKind::Io, target),
            E::Unflushed { target, .. } => {
                Facts { is_published: true, ..of(ErrorKind::Io, target) }
            }
            E::ReplacedAtOnce { target } => {
                Facts { is_published: true, ..of(ErrorKind::Changed, target) }
            }
            E::LastRowsChanged { target } => of(ErrorKind::Changed, target),
            E::Thread { .. } => {
                Facts { setting: Some("writer threads"), ..Facts::of(ErrorKind::Io) }
            }
            E::WriterPanicked { chunk, .. } | E::Encode { chunk, .. } => {
                Facts { chunk: Some(chunk), ..Facts::of(ErrorKind::Encode) }
            }
            E::MemoryLimit { target, .. } | E::MemoryLeft { target, .. } => {
                Facts { setting: Some("memory limit"), ..of(ErrorKind::Memory, target) }
            }
            E::Metadata { .. } => Facts::of(ErrorKind::Unsupported),
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        use WriteError as E;
        Some(match self {
            E::Locked { holder, .. } if holder == THIS_PROCESS => {
                "name each target of a pass once, or wait until the other write of this process \
                 ends"
            }
            E::Locked { .. } => "wait until that process ends, or stop it",
            E::MaybePublished { .. } => {
                "open the array to see; if it is the old one, or missing, store it again"
            }
            E::Conflict { .. } => "write again when no other process writes there",
            E::MaybeLocked { .. } | E::MaybeClaimed { .. } => {
                "if that process has ended, take over with `ZarrSink::with_take_over`, or remove \
                 its write with `UnfinishedWrite::remove`"
            }
            E::NotWritable { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                "move that file away, or remove chunks of old versions with `Superseded::remove`"
            }
            E::MemoryLimit { .. } => {
                "use smaller chunks or blocks, or raise the limit with `ZarrSink::with_memory_limit`"
            }
            E::MemoryLeft { .. } => {
                "use smaller chunks or blocks, or raise the limit of the pass with \
                 `with_memory_limit`"
            }
            E::Thread { .. } => "use fewer threads with `ZarrSink::with_writer_threads`",
            _ => return None,
        })
    }
}

impl Error {
    /// Returns the error of a write whose staging directory no longer exists.
    pub(crate) fn taken_over(target: impl Into<String>) -> Error {
        WriteError::TakenOver { target: target.into() }.into()
    }

    /// Returns the error of an array that Zarr metadata cannot describe.
    pub(crate) fn metadata(source: impl Into<BoxError>) -> Error {
        WriteError::Metadata { source: foreign(source) }.into()
    }
}

fn lost(target: &str, missing: Option<&str>, expected: u64, found: u64) -> String {
    match missing {
        Some(key) => format!(
            "chunk {key} of {target} is missing: {expected} chunks were stored, but {found} were \
             found"
        ),
        None => format!(
            "the chunks of {target} changed: {expected} chunks were stored, but {found} with \
             other names or sizes were found"
        ),
    }
}
