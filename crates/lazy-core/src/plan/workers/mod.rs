//! The place of this process among the workers of a plan.

mod detect;
mod engines;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::str::FromStr;
use std::{env, fmt};

use crate::error::Case;
use crate::{Error, Result};

/// The environment variable that decides alone which worker a process is.
const SETTING: &str = "LAZY_WORKER";

/// The place of this process among the workers that run the same plan.
///
/// An engine, such as a Slurm array, `mpirun` or a Kubernetes job, starts many processes that run
/// the same program. Each of them is a worker. It has an index, counted from 0, and usually knows
/// the number of workers. [`from_env`](Self::from_env) asks the environment, in which each engine
/// leaves its variables, and [`Display`](fmt::Display) shows in one line which variables it found.
///
/// The index only tells a worker where to begin. No result depends on it or on the number of
/// workers.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::Workers;
///
/// let worker = Workers::new(3, 64)?;
/// assert_eq!((worker.index(), worker.count()), (3, Some(64)));
/// assert_eq!(worker.to_string(), "worker 3 of 64");
/// // 64 workers share 1000 parts: 15 or 16 for each.
/// assert_eq!(worker.share(1000), 46..62);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Workers {
    index: usize,
    count: Option<usize>,
    /// True if the indices of all workers are known to be 0 to `count - 1`.
    is_exact: bool,
    /// The environment variables that were found, or the reason for a single worker. Empty if the
    /// worker is not from the environment.
    origin: String,
}

impl Workers {
    /// Returns the only worker.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Workers;
    ///
    /// let worker = Workers::alone();
    /// assert!(worker.is_alone());
    /// assert_eq!(worker.to_string(), "the only worker");
    /// assert_eq!(worker.share(1000), 0..1000);
    /// ```
    #[must_use]
    pub fn alone() -> Workers {
        Workers { index: 0, count: Some(1), is_exact: true, origin: String::new() }
    }

    /// Returns worker `index` of `count`. The index is counted from 0.
    ///
    /// See [`Workers`] for an example.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Workers`](crate::ErrorKind::Workers) if `index` is not less than `count`.
    pub fn new(index: usize, count: usize) -> Result<Workers> {
        if index >= count {
            return Err(Case::WorkerIndex { index, count }.into());
        }
        Ok(Workers { index, count: Some(count), is_exact: true, origin: String::new() })
    }

    /// Asks the environment of this process which worker it is.
    ///
    /// If the variable `LAZY_WORKER` is set, it decides alone: `3/64` is worker 3 of 64, counted
    /// from 0, and `off` is a single worker. Otherwise, this function reads the variables of these
    /// engines:
    ///
    /// - arrays of batch systems: Slurm, Grid Engine, PBS and LSF;
    /// - launchers: `srun`, Open MPI, MPICH, others that set `PMI_RANK` or `PMIX_RANK`, and
    ///   torchrun;
    /// - indexed jobs: Kubernetes, AWS Batch, Google Batch and Cloud Run;
    /// - GNU parallel.
    ///
    /// Without any of them, the process is the only worker. So is a plain Slurm batch script,
    /// whatever number of tasks it asks for.
    ///
    /// **Several engines.** A launcher in a task of an array starts workers for this task: the
    /// number of workers is the product. A launcher of a single process names no worker when
    /// another engine does. `srun` may have started only the daemons of an MPI launcher, so the
    /// variables of the launcher win over those of `srun`. `PMIX_RANK` and the variable of GNU
    /// parallel count only if there is no other source. All other sources must name the same
    /// worker.
    ///
    /// **Inherited variables.** A process inherits the variables of the process that starts it. So
    /// does a Slurm job that is submitted from within a worker: set `LAZY_WORKER` in that job.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Workers`](crate::ErrorKind::Workers) if a variable is malformed, if the
    /// variables of one engine are inconsistent, or if two engines name different workers. The
    /// message has the variables and their values.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Workers;
    ///
    /// let worker = Workers::from_env()?;
    /// // For example: worker 3 of 64 (OMPI_COMM_WORLD_RANK=3, OMPI_COMM_WORLD_SIZE=64)
    /// println!("{worker}");
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn from_env() -> Result<Workers> {
        detect::detect(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Parses a setting of a user: `env` for [`from_env`](Self::from_env), or a text that
    /// [`FromStr`] accepts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Workers`](crate::ErrorKind::Workers) if the text has another form, if the index
    /// is not less than the count, or if [`from_env`](Self::from_env) fails.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Workers;
    ///
    /// assert_eq!(Workers::parse("3/64")?.to_string(), "worker 3 of 64");
    /// assert_eq!(Workers::parse("off")?.to_string(), "the only worker");
    /// assert_eq!(
    ///     Workers::parse("three").unwrap_err().to_string(),
    ///     "a worker must be `env`, `off` or an index from 0 and a count, such as `3/64`, \
    ///      got `three`"
    /// );
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Workers> {
        if text == "env" { Workers::from_env() } else { parse(text, "a worker", "`env`, `off`") }
    }

    /// Returns the index of this worker.
    ///
    /// It is counted from 0 if the number of workers is known. Otherwise, it is the index that the
    /// engine tells. Different workers usually have different indices. If the indices are not
    /// [exact](Self::is_exact), two workers may have the same one.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the number of workers, or `None` if the engine does not tell it.
    ///
    /// If the number is known, the index is less than it.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.count
    }

    /// Returns true if this process is the only worker, as far as it knows.
    ///
    /// A rerun of one task of an array is alone as well, although other tasks have done parts of
    /// the same plan, or do them now.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.count == Some(1)
    }

    /// Returns true if the [shares](Self::share) of all workers are known to cover every part
    /// exactly once.
    ///
    /// This is false if the number of workers is unknown. It is also false in a task of a Slurm
    /// array with gaps, such as `--array=1,5,6,9` or `--array=0-90:10`: the environment contains
    /// the smallest index, the largest one and the number of tasks, but not the list. The index of
    /// the worker is then estimated from these numbers, such that it increases with the index of
    /// the task, and is less than the number of tasks.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Workers;
    ///
    /// assert!(Workers::new(3, 64)?.is_exact());
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Returns the share of this worker in parts 0 to `n_parts - 1`: a contiguous range.
    ///
    /// The shares of worker 0 to `count - 1` cover all parts exactly once, in order, and their
    /// sizes differ by at most one. If the number of workers is unknown, the share is all parts. If
    /// the worker is not [exact](Self::is_exact), shares of different workers may overlap, and
    /// parts may be in no share.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Workers;
    ///
    /// let shares = (0..3).map(|index| Ok(Workers::new(index, 3)?.share(10)));
    /// assert_eq!(shares.collect::<lazy_chunks::Result<Vec<_>>>()?, [0..3, 3..6, 6..10]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn share(&self, n_parts: usize) -> Range<usize> {
        let Some(count) = self.count else { return 0..n_parts };
        let start = |index: usize| (index as u128 * n_parts as u128 / count as u128) as usize;
        start(self.index)..start(self.index + 1)
    }
}

/// Shows the worker and the environment variables that name it, in one line.
///
/// # Example
///
/// ```text
/// worker 3 of 64 (SLURM_ARRAY_TASK_ID=4, SLURM_ARRAY_TASK_MIN=1, SLURM_ARRAY_TASK_COUNT=64)
/// worker 5, of an unknown number (JOB_COMPLETION_INDEX=5)
/// the only worker (no engine found)
/// ```
impl fmt::Display for Workers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workers { index, count, is_exact, origin } = self;
        match count {
            Some(1) => formatter.write_str("the only worker"),
            Some(count) if *is_exact => write!(formatter, "worker {index} of {count}"),
            Some(count) => write!(formatter, "about worker {index} of {count}"),
            None => write!(formatter, "worker {index}, of an unknown number"),
        }?;
        if origin.is_empty() { Ok(()) } else { write!(formatter, " ({origin})") }
    }
}

/// Parses an index from 0 and a count, such as `3/64`, or `off` for a single worker.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::Workers;
///
/// let worker: Workers = "3/64".parse()?;
/// assert_eq!((worker.index(), worker.count()), (3, Some(64)));
/// assert!("off".parse::<Workers>()?.is_alone());
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
impl FromStr for Workers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Workers> {
        parse(text, "a worker", "`off`")
    }
}

/// Parses `off` or an index and a count. `subject` and `words` are parts of the error's message:
/// the item that has the text, and the words that it may consist of.
fn parse(text: &str, subject: &'static str, words: &'static str) -> Result<Workers> {
    if text == "off" {
        return Ok(Workers::alone());
    }
    let numbers = text.split_once('/').and_then(|(i, n)| Some((number(i)?, number(n)?)));
    match numbers {
        Some((index, count)) => Workers::new(index, count),
        None => Err(Case::WorkerText { subject, words, actual: text.to_owned() }.into()),
    }
}

/// Parses a number that consists of digits only.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
