//! The variables of each engine.

use super::{Workers, number};
use crate::Result;
use crate::error::Case;

/// The variables of the environment.
pub(super) struct Variables<'e>(pub(super) &'e dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// Returns the value of a variable. An empty variable counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0(name).filter(|value| !value.is_empty())
    }

    fn number(&self, name: &'static str) -> Result<Option<usize>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        match number(&value) {
            Some(number) => Ok(Some(number)),
            None => Err(Case::WorkerVariable { name, value }.into()),
        }
    }

    /// Returns the worker that an index from 0 and a count name. Without the count, the number of
    /// workers is unknown.
    fn index_and_count(
        &self,
        index_name: &'static str,
        count_name: &'static str,
    ) -> Result<Option<Workers>> {
        let Some(index) = self.number(index_name)? else { return Ok(None) };
        let Some(count) = self.number(count_name)? else {
            return Ok(Some(of_unknown_number(index_name, index)));
        };
        let origin = listed(&[(index_name, index), (count_name, count)]);
        if index >= count {
            return Err(inconsistent(origin, "the index must be less than the number of workers"));
        }
        Ok(Some(Workers { index, count: Some(count), is_exact: true, origin }))
    }

    /// Returns the worker that an index names, of an unknown number of workers.
    fn index(&self, name: &'static str) -> Result<Option<Workers>> {
        Ok(self.number(name)?.map(|index| of_unknown_number(name, index)))
    }
}

/// Returns the task of a Slurm array.
///
/// The environment has the smallest index, the largest one and the number of tasks. They determine
/// the list of indices if there are no gaps, or at most two tasks. The step of the array is of no
/// use: `--array=0-2:2,3,6` has the same numbers and the same step as `--array=0-6:2`.
pub(super) fn slurm_array(variables: &Variables<'_>) -> Result<Option<Workers>> {
    const NAMES: [&str; 4] = [
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX",
        "SLURM_ARRAY_TASK_COUNT",
    ];
    let Some(id) = variables.number(NAMES[0])? else { return Ok(None) };
    let [min, max, count] = [NAMES[1], NAMES[2], NAMES[3]].map(|name| variables.number(name));
    let (Some(min), Some(max), Some(count)) = (min?, max?, count?) else {
        return Ok(Some(of_unknown_number(NAMES[0], id)));
    };
    let all = [(NAMES[0], id), (NAMES[1], min), (NAMES[2], max), (NAMES[3], count)];
    // The number of indices from the smallest to the largest one.
    let span = (max as u128 + 1).saturating_sub(min as u128);
    if !(min..=max).contains(&id) || count == 0 || count as u128 > span {
        return Err(inconsistent(listed(&all), "the numbers do not belong to one array"));
    }
    // This is exact for the smallest index, for the largest one, and if the gaps are even.
    let index = ((id - min) as u128 * count as u128 / span) as usize;
    let is_exact = count as u128 == span || count <= 2;
    let origin =
        if count as u128 == span { listed(&[all[0], all[1], all[3]]) } else { listed(&all) };
    Ok(Some(Workers { index, count: Some(count), is_exact, origin }))
}

/// Returns the task of an array of Grid Engine: a range of indices with a step.
pub(super) fn grid_engine(variables: &Variables<'_>) -> Result<Option<Workers>> {
    const NAMES: [&str; 4] =
        ["SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"];
    if variables.text(NAMES[0]).is_some_and(|value| value == "undefined") {
        return Ok(None);
    }
    let Some(id) = variables.number(NAMES[0])? else { return Ok(None) };
    let [first, last, step] = [NAMES[1], NAMES[2], NAMES[3]].map(|name| variables.number(name));
    let (Some(first), Some(last), Some(step)) = (first?, last?, step?) else {
        return Ok(Some(of_unknown_number(NAMES[0], id)));
    };
    let origin = listed(&[(NAMES[0], id), (NAMES[1], first), (NAMES[2], last), (NAMES[3], step)]);
    if first == 0
        || !(first..=last).contains(&id)
        || step == 0
        || !(id - first).is_multiple_of(step)
    {
        return Err(inconsistent(origin, "the numbers do not belong to one array"));
    }
    // The first index is 1 or more, so the sum does not overflow.
    let (index, count) = ((id - first) / step, (last - first) / step + 1);
    Ok(Some(Workers { index, count: Some(count), is_exact: true, origin }))
}

/// Returns the task of an array of PBS Pro.
pub(super) fn pbs(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index("PBS_ARRAY_INDEX")
}

/// Returns the task of an array of Torque.
pub(super) fn torque(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index("PBS_ARRAYID")
}

/// Returns the task of an array of LSF. In a job that is no array, the index is 0.
pub(super) fn lsf(variables: &Variables<'_>) -> Result<Option<Workers>> {
    Ok(variables.index("LSB_JOBINDEX")?.filter(|task| task.index > 0))
}

/// Returns the task of a Slurm step. A batch script has `SLURM_PROCID` and a number of tasks as
/// well, but runs once and is no step.
pub(super) fn srun(variables: &Variables<'_>) -> Result<Option<Workers>> {
    if variables.text("SLURM_STEP_ID").is_none() {
        return Ok(None);
    }
    variables.index_and_count("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
}

pub(super) fn open_mpi(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index_and_count("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
}

/// Returns the rank that MPICH, Intel MPI and `srun --mpi=pmi2` set.
pub(super) fn pmi(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index_and_count("PMI_RANK", "PMI_SIZE")
}

/// Returns the rank in a launcher's PMI-Exascale interface, which sets no size.
pub(super) fn pmix(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index("PMIX_RANK")
}

/// Returns the rank of torchrun, and of other launchers that initialize `torch.distributed` from
/// the environment. They set `MASTER_ADDR` as well. `RANK` and `WORLD_SIZE` alone are common words,
/// which may mean anything.
pub(super) fn torch(variables: &Variables<'_>) -> Result<Option<Workers>> {
    if ["RANK", "WORLD_SIZE", "MASTER_ADDR"].iter().any(|name| variables.text(name).is_none()) {
        return Ok(None);
    }
    variables.index_and_count("RANK", "WORLD_SIZE")
}

pub(super) fn kubernetes(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index("JOB_COMPLETION_INDEX")
}

pub(super) fn aws_batch(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index_and_count("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE")
}

pub(super) fn google_batch(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index_and_count("BATCH_TASK_INDEX", "BATCH_TASK_COUNT")
}

pub(super) fn cloud_run(variables: &Variables<'_>) -> Result<Option<Workers>> {
    variables.index_and_count("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT")
}

/// Returns the job of GNU parallel. `PARALLEL_SEQ` counts jobs from 1.
pub(super) fn gnu_parallel(variables: &Variables<'_>) -> Result<Option<Workers>> {
    const NAME: &str = "PARALLEL_SEQ";
    let Some(number) = variables.number(NAME)? else { return Ok(None) };
    let Some(index) = number.checked_sub(1) else {
        return Err(inconsistent(listed(&[(NAME, number)]), "the number must be at least 1"));
    };
    Ok(Some(Workers { index, ..of_unknown_number(NAME, number) }))
}

fn of_unknown_number(name: &'static str, index: usize) -> Workers {
    Workers { index, count: None, is_exact: false, origin: listed(&[(name, index)]) }
}

fn listed(variables: &[(&str, usize)]) -> String {
    let items: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.join(", ")
}

fn inconsistent(variables: String, problem: &'static str) -> crate::Error {
    Case::WorkerVariables { variables, problem }.into()
}
