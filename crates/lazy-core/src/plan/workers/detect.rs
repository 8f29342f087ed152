//! The one worker that all variables name together.

use super::engines::{self, Variables};
use super::{SETTING, Workers, parse};
use crate::error::Case;
use crate::{Error, Result};

/// Finds out which worker a process with these environment variables is.
pub(super) fn detect(look_up: impl Fn(&str) -> Option<String>) -> Result<Workers> {
    if let Some(setting) = look_up(SETTING) {
        return from_setting(&setting);
    }
    let variables = Variables(&look_up);
    let array = agreed([
        engines::slurm_array(&variables)?,
        engines::grid_engine(&variables)?,
        engines::pbs(&variables)?,
        engines::torque(&variables)?,
        engines::lsf(&variables)?,
    ])?;
    let found = agreed([
        in_array(array, launched(&variables)?)?,
        engines::kubernetes(&variables)?,
        engines::aws_batch(&variables)?,
        engines::google_batch(&variables)?,
        engines::cloud_run(&variables)?,
    ])?;
    // All processes below a job of GNU parallel inherit its variable, those of other engines too.
    let found = found.or(engines::gnu_parallel(&variables)?);
    Ok(found.unwrap_or_else(|| Workers { origin: reason_for_one(&variables), ..Workers::alone() }))
}

fn from_setting(text: &str) -> Result<Workers> {
    let origin = format!("{SETTING}={text}");
    match parse(text, SETTING, "`off`").map_err(Error::into_case) {
        Ok(workers) => Ok(Workers { origin, ..workers }),
        Err(Case::WorkerIndex { .. }) => {
            let problem = "the index must be less than the number of workers";
            Err(Case::WorkerVariables { variables: origin, problem }.into())
        }
        Err(case) => Err(case.into()),
    }
}

fn reason_for_one(variables: &Variables<'_>) -> String {
    match variables.text("SLURM_JOB_ID") {
        Some(job) => format!("SLURM_JOB_ID={job}, but no SLURM_STEP_ID"),
        None => "no engine found".to_owned(),
    }
}

/// Returns the worker that the launchers name.
///
/// MPI launchers in a Slurm job start a daemon on each node with `srun`. Their processes inherit
/// the variables of the daemon's task, which name a node. So the variables of the launcher win over
/// those of `srun`, and over those that `srun` has set for other interfaces.
fn launched(variables: &Variables<'_>) -> Result<Option<Workers>> {
    let step = engines::srun(variables)?;
    let open_mpi = engines::open_mpi(variables)?;
    let pmi = engines::pmi(variables)?;
    let torch = engines::torch(variables)?;
    let sources = [&open_mpi, &pmi, &step, &torch];
    let ranks: Vec<_> = sources.into_iter().flatten().map(Workers::index).collect();

    let is_of_step = |pmi: &Workers| step.as_ref().is_some_and(|step| step.agrees_with(pmi));
    let pmi = pmi.filter(|pmi| open_mpi.is_none() || !is_of_step(pmi));
    let launched = match (agreed([open_mpi, pmi])?, step) {
        (Some(mpi), Some(step)) if !mpi.is_alone() && !mpi.agrees_with(&step) => Some(mpi),
        (mpi, step) => agreed([step, mpi])?,
    };
    let launched = agreed([launched, torch])?;
    match (launched, engines::pmix(variables)?) {
        (Some(launched), Some(pmix)) if !ranks.contains(&pmix.index) => {
            Err(contradiction(&launched, &pmix))
        }
        (launched, pmix) => Ok(launched.or(pmix)),
    }
}

/// Returns the worker that a launcher has started in a task of an array. Each task of an array is a
/// job of its own, and a launcher starts processes within its job.
fn in_array(array: Option<Workers>, launched: Option<Workers>) -> Result<Option<Workers>> {
    let (task, process) = match (array, launched) {
        (Some(task), Some(process)) => (task, process),
        (task, process) => return Ok(task.or(process)),
    };
    let Some(n_processes) = process.count else { return Err(contradiction(&task, &process)) };
    let origin = format!("{}, {}", task.origin, process.origin);
    let index = task.index.checked_mul(n_processes).and_then(|i| i.checked_add(process.index));
    let count = task.count.map(|n_tasks| n_tasks.checked_mul(n_processes));
    let (Some(index), None | Some(Some(_))) = (index, count) else {
        let problem = "there are too many workers";
        return Err(Case::WorkerVariables { variables: origin, problem }.into());
    };
    let is_exact = task.is_exact && process.is_exact;
    Ok(Some(Workers { index, count: count.flatten(), is_exact, origin }))
}

/// Returns the worker that all sources name, if there are any.
fn agreed<const N: usize>(sources: [Option<Workers>; N]) -> Result<Option<Workers>> {
    let mut sources = sources.into_iter().flatten();
    let Some(first) = sources.next() else { return Ok(None) };
    sources.try_fold(first, both).map(Some)
}

/// Returns the worker that two sources name. A source of a single worker yields to any other.
fn both(first: Workers, second: Workers) -> Result<Workers> {
    if first.is_alone() != second.is_alone() {
        return Ok(if first.is_alone() { second } else { first });
    }
    if !first.agrees_with(&second) {
        return Err(contradiction(&first, &second));
    }
    let origin = format!("{}, {}", first.origin, second.origin);
    let known = if first.count.is_some() { first } else { second };
    Ok(Workers { origin, ..known })
}

impl Workers {
    /// Returns true if both may name the same worker.
    fn agrees_with(&self, other: &Workers) -> bool {
        let counts = self.count.zip(other.count);
        self.index == other.index && counts.is_none_or(|(own, other)| own == other)
    }
}

fn contradiction(first: &Workers, second: &Workers) -> Error {
    Case::WorkerConflict { first: first.to_string(), second: second.to_string() }.into()
}
