//! Remedies in terms of the command line. The library's own hints name Rust items.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::iter;

use lazy_chunks::report;
use lazy_chunks::zarr::{self, ErrorKind};

use super::Failure;
use crate::input::{InputError, list_unfinished};

pub(super) const REPLACE: &str = "choose another path, or replace it with --replace";
const REPLACE_OR_APPEND: &str =
    "choose another path, replace it with --replace, or add rows to it with --append";
const ANOTHER_PATH: &str = "choose another path";
const WAIT: &str = "wait until that process ends, or stop it";
const RESUME_OR_RESTART: &str = "continue it with --resume, or start anew with --restart";

impl Failure {
    /// Returns a remedy, if one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Failure::Input(error) => hint_of_cause(error),
            Failure::Block(block) => hint_of_cause(&*block.error),
            Failure::Zarr(error) => hint_of_array(error),
            Failure::Pass(error) => hint_of_cause(error),
            Failure::Kept { failure, .. } => {
                let kept = "the stored chunks are kept: continue with --resume";
                Some(joined(failure.hint(), kept))
            }
            Failure::KeptParts { output, failure } if failure.is_of_changed_input() => {
                Some(start_anew(output))
            }
            Failure::KeptParts { failure, .. } => {
                let kept = "the stored parts are kept: continue with the same command";
                Some(joined(failure.hint(), kept))
            }
            Failure::OtherPlan(error) => Some(hint_of_other_plan(error)),
            Failure::Shared { target, .. } => Some(continue_or_remove_shared(target)),
            Failure::NotShared(target) => Some(list_unfinished(target)),
            Failure::BeingWritten { .. } | Failure::InProgress { .. } => Some(WAIT.to_owned()),
            Failure::Left { output, failure } => {
                let remove = remove_unfinished(output);
                Some(joined(failure.hint(), &format!("an unfinished write is left; {remove}")))
            }
            Failure::Unchanged { failure, .. } | Failure::AfterStoring { failure, .. } => {
                failure.hint()
            }
            Failure::StatisticMemory(_) => {
                Some("ask for fewer statistics, or allow more memory with --memory".to_owned())
            }
            Failure::Incomplete(path) => Some(list_unfinished(path)),
            Failure::Running { .. } => Some(WAIT.to_owned()),
            Failure::HasUnfinished(error) => error.target().map(remove_unfinished),
            Failure::Exists(_) => Some(REPLACE_OR_APPEND.to_owned()),
            Failure::InTheWay { .. } => Some(ANOTHER_PATH.to_owned()),
            Failure::Unfinished(_) => Some(RESUME_OR_RESTART.to_owned()),
            _ => None,
        }
    }
}

/// Returns a remedy with another one after it.
fn joined(first: Option<String>, second: &str) -> String {
    first.map_or_else(|| second.to_owned(), |first| format!("{first}; {second}"))
}

/// Returns the message of an error in an argument, with its remedy.
pub(crate) fn with_hint(error: &zarr::Error) -> String {
    let hint = hint_of_array(error).map_or_else(String::new, |hint| format!("; {hint}"));
    report(error) + &hint
}

/// Returns the remedy for an error, or for one of its causes.
fn hint_of_cause(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut causes = iter::successors(Some(error), |error| (*error).source());
    causes.find_map(|error| {
        if let Some(error) = error.downcast_ref() {
            return match error {
                InputError::Zarr(error) => hint_of_array(error),
                error => error.hint(),
            };
        }
        match error.downcast_ref() {
            Some(error) => hint_of_array(error),
            None => hint_of_pass(error.downcast_ref()?),
        }
    })
}

/// Returns the remedy for an error of a pass. The library's own hints about workers name no Rust
/// items.
fn hint_of_pass(error: &lazy_chunks::Error) -> Option<String> {
    match error.kind() {
        lazy_chunks::ErrorKind::Unfinished | lazy_chunks::ErrorKind::Workers => {
            error.hint().map(Into::into)
        }
        lazy_chunks::ErrorKind::SavedState => Some(
            "start all workers with the same version of this program; an unfinished write of \
             another version is removed with `lazy unfinished OUT --remove`"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Returns the remedy for a worker whose input or settings are not those of the other workers.
fn hint_of_other_plan(error: &zarr::Error) -> String {
    let remove = start_anew(error.target().unwrap_or("OUT"));
    if error.difference().is_some() {
        format!("start the worker with the input and the options of the others; or {remove}")
    } else {
        remove
    }
}

fn start_anew(target: impl Display) -> String {
    format!(
        "remove the unfinished write with `lazy unfinished {target} --remove`, and start all \
         workers anew"
    )
}

/// Returns the remedy for an error of the library.
fn hint_of_array(error: &zarr::Error) -> Option<String> {
    let hint = match error.kind() {
        ErrorKind::Sequence => return hint_of_cause(error.sequence()?),
        ErrorKind::InvalidTarget => hint_of_url(error.target()?),
        ErrorKind::Exists if error.difference().is_some() => {
            "if these are other rows, append them without --resume"
        }
        ErrorKind::Exists => REPLACE,
        ErrorKind::Occupied if error.parent().is_some() => "choose a path outside of it",
        ErrorKind::Occupied => ANOTHER_PATH,
        ErrorKind::Unsupported if error.setting() == Some("existing") => ANOTHER_PATH,
        ErrorKind::Unsupported if error.setting() == Some("resume") => "leave out --workers",
        ErrorKind::Consolidated => {
            let group = error.parent()?.trim_end_matches('/');
            return Some(format!(
                "remove the consolidated metadata with `lazy consolidate {group} --remove`, and \
                 consolidate again afterwards"
            ));
        }
        ErrorKind::InUse if error.may_be_stale() => {
            let remove = remove_unfinished(error.target()?);
            return Some(format!(
                "if that process has ended, take over with --take-over, or {remove}"
            ));
        }
        ErrorKind::InUse if error.holder().is_some() => WAIT,
        ErrorKind::ResumeMismatch if error.difference().is_some() => {
            "start anew with --restart, or resume with the original input and settings"
        }
        ErrorKind::ResumeMismatch => "start anew with --restart",
        ErrorKind::Unfinished => {
            let remove = remove_unfinished(error.target()?);
            return Some(format!(
                "continue it with --resume, or with --workers if workers share it, or {remove}"
            ));
        }
        ErrorKind::Io if error.setting() == Some("writer threads") => {
            "use fewer threads with --threads"
        }
        ErrorKind::Io if error.io_kind() == Some(io::ErrorKind::AlreadyExists) => {
            "move that file away, or remove chunks of old versions with `lazy clean`"
        }
        // A bucket is missing, or a server does not answer.
        ErrorKind::Io if error.key().is_some() => return error.hint().map(Into::into),
        ErrorKind::InvalidSetting if error.setting() == Some("chunk size") => {
            "choose smaller chunks with --chunks"
        }
        ErrorKind::InvalidSetting if error.target().is_some() => match error.setting()? {
            "resume" => "store files or Zarr arrays, or leave out --workers",
            "row type" => "append rows of the same dtype and shape",
            "store option" => {
                "check the options that were given with --store-option, and the environment \
                 variables of the store"
            }
            _ => "leave out the option: appended rows are stored like the rows of the array",
        },
        ErrorKind::AccessDenied => {
            "set credentials in the environment, such as AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY; read a public bucket with --store-option skip_signature=true"
        }
        ErrorKind::NotAnArray => {
            let (target, member) = (error.target()?, error.members().first()?);
            return Some(format!("name one of its members, such as {target}/{member}"));
        }
        ErrorKind::Changed if !error.is_published() => "run the command again",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Returns the remedy for a URL that leads to no path.
fn hint_of_url(url: &str) -> &'static str {
    let is_of_file = url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
    if is_of_file {
        "write file:///absolute/path, with three slashes, %3F for ? and %23 for #"
    } else {
        "use a path, or a URL such as s3://bucket/path, gs://bucket/path, az://container/path or \
         https://host/path"
    }
}

fn continue_or_remove_shared(target: &str) -> String {
    format!("continue it with --workers, or {}", remove_unfinished(target))
}

fn remove_unfinished(target: impl Display) -> String {
    format!("remove it with `lazy unfinished {target} --remove`")
}
