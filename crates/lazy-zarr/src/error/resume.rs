//! Errors of resuming an unfinished write.

use std::path::PathBuf;

use super::{ErrorKind, Facts};

/// An unfinished write cannot be resumed, or blocks another write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error("a write of {target} cannot be resumed: {reason}")]
    NotResumable { target: String, reason: &'static str },
    #[error(
        "cannot resume the unfinished write of {target} in {}: its {what} changed from {expected} \
         to {actual}",
        directory.display()
    )]
    Mismatch {
        target: String,
        directory: PathBuf,
        what: &'static str,
        expected: String,
        actual: String,
    },
    #[error("an unfinished write of {target} with the key {key:?} is in {}", directory.display())]
    Unfinished { target: String, directory: PathBuf, key: String },
    #[error(
        "workers share an unfinished write of {target} with the key {key:?} in {}",
        directory.display()
    )]
    Planned { target: String, directory: PathBuf, key: String },
    #[error(
        "cannot join the plan of {target} in {}: its {what} changed from {expected} to {actual}",
        directory.display()
    )]
    PlanMismatch {
        target: String,
        directory: PathBuf,
        what: &'static str,
        expected: String,
        actual: String,
    },
    #[error("there is no plan of several workers at {target}")]
    NoPlan { target: String },
    #[error("a plan of several workers cannot {action}: {target}")]
    NotPlannable { target: String, action: &'static str },
    #[error("the record {} of an unfinished write is invalid: {reason}", path.display())]
    InvalidRecord { path: PathBuf, reason: String },
}

impl ResumeError {
    pub(super) fn facts(&self) -> Facts<'_> {
        match self {
            ResumeError::NotResumable { target, .. } => Facts {
                target: Some(target),
                setting: Some("resume"),
                ..Facts::of(ErrorKind::Unsupported)
            },
            ResumeError::Mismatch { target, directory, what, .. }
            | ResumeError::PlanMismatch { target, directory, what, .. } => Facts {
                target: Some(target),
                path: Some(directory),
                difference: Some(what),
                ..Facts::of(ErrorKind::ResumeMismatch)
            },
            ResumeError::Unfinished { target, directory, key } => Facts {
                target: Some(target),
                path: Some(directory),
                resume_key: Some(key),
                ..Facts::of(ErrorKind::Unfinished)
            },
            ResumeError::Planned { target, directory, key } => Facts {
                target: Some(target),
                setting: Some("workers"),
                path: Some(directory),
                resume_key: Some(key),
                ..Facts::of(ErrorKind::Unfinished)
            },
            ResumeError::NoPlan { target } | ResumeError::NotPlannable { target, .. } => {
                Facts { target: Some(target), ..Facts::of(ErrorKind::Unsupported) }
            }
            ResumeError::InvalidRecord { path, .. } => {
                Facts { path: Some(path), ..Facts::of(ErrorKind::ResumeMismatch) }
            }
        }
    }

    pub(super) fn hint(&self) -> &'static str {
        match self {
            ResumeError::NotResumable { .. } => {
                "build the sequence with `from_fn`, and store it at a path"
            }
            ResumeError::Mismatch { .. } => {
                "resume with the same key and settings, or start over with `Resume::or_restart`"
            }
            ResumeError::Unfinished { .. } => {
                "resume it with `ZarrSink::with_resume`, or remove it with \
                 `UnfinishedWrite::remove`"
            }
            ResumeError::Planned { .. } => {
                "finish it with workers of the same plan, or remove it with \
                 `UnfinishedWrite::remove`"
            }
            ResumeError::PlanMismatch { .. } => {
                "start all workers with the same key, settings and sequence, or remove the plan with \
                 `UnfinishedWrite::remove`"
            }
            ResumeError::NoPlan { .. } => "list unfinished writes with `UnfinishedWrite::list`",
            ResumeError::NotPlannable { .. } => "store it in one process",
            ResumeError::InvalidRecord { .. } => {
                "start over with `Resume::or_restart`, or remove it with `UnfinishedWrite::remove`"
            }
        }
    }
}
