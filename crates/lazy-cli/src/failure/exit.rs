//! Exit codes of failures. `lazy --help` lists them.

use std::error::Error as StdError;

use lazy_chunks::zarr;

use super::Failure;
use crate::input::{InputError, is_of_corrupt_array};
use crate::stop;

/// The exit code of a worker that a signal stopped: `EX_TEMPFAIL` of `sysexits.h`. Batch systems
/// can be told to start such a job again.
const STOPPED_WORKER: u8 = 75;

impl Failure {
    /// Returns the exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Corrupt(_) => 3,
            Failure::AfterStoring { .. } => 4,
            failure if failure.is_of_published_array() => 4,
            Failure::Stopped(_) => stop::exit_code(),
            Failure::StoppedWorker(_) => STOPPED_WORKER,
            Failure::Kept { failure, .. }
            | Failure::KeptParts { failure, .. }
            | Failure::Left { failure, .. }
            | Failure::Unchanged { failure, .. } => failure.exit_code(),
            failure if failure.is_of_corrupt_data() => 3,
            _ => 1,
        }
    }

    fn is_of_corrupt_data(&self) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = match self {
            Failure::Input(error) => Some(error),
            Failure::Block(block) => Some(&*block.error),
            Failure::Zarr(error) | Failure::OtherPlan(error) => Some(error),
            Failure::Pass(error) => Some(error),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<InputError>() {
                return error.is_of_corrupt_data();
            }
            if let Some(error) = error.downcast_ref::<zarr::Error>() {
                return is_of_corrupt_array(error);
            }
            cause = error.source();
        }
        false
    }
}
