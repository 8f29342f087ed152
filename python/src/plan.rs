//! The operations of a plan. Each one joins the plan at its target anew, so that any process can
//! call it.

use lazy_chunks::PartOutcome;
use lazy_chunks::zarr::StoredArray as Stored;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::blocks::Blocks;
use crate::pass;
use crate::progress::Display;
use crate::sequence::AnyPlan;
use crate::settings::{Settings, target};
use crate::statistics::{Answers, Output, Statistics};
use crate::store::check_cast;
use crate::stored::StoredArray;

/// The results of a plan: those of its statistics, and the array.
type Outputs = (Vec<Output>, Stored);

/// The outcome of a part, the number of its blocks and the seconds if it was computed, and the name of
/// the process that computes it if it is held.
type RunResult = (&'static str, Option<usize>, Option<f64>, Option<String>);

/// The number of parts, the finished ones, those that are held with the holders, and whether the array
/// is published.
type Status = (usize, Vec<usize>, Vec<(usize, String)>, bool);

/// Joins a plan, and calls a function with it.
fn with_plan<'py, T: Send + 'static>(
    py: Python<'py>,
    (blocks, place, settings): (&Bound<'py, PyAny>, &Bound<'py, PyAny>, Bound<'py, PyDict>),
    work: impl FnOnce(&dyn AnyPlan<Outputs>) -> lazy_chunks::Result<T> + Send + 'static,
) -> PyResult<(T, Answers)> {
    let settings = Settings(settings);
    let blocks = Blocks::of(blocks, || Ok(()))?;
    if !blocks.has_grid() {
        return Err(PyTypeError::new_err(
            "the blocks of a plan are given as (sizes, function), which has any block at any time",
        ));
    }
    let statistics = Statistics::of(settings.get("stats")?.as_ref())?;
    let answers = statistics.answers(py)?;
    let declared = settings.declared()?;
    let sink = settings.sink(target(place)?, None)?;
    check_cast(py, &blocks, &declared)?;
    if declared.row_type.is_none() || settings.get("resume")?.is_none() {
        return Err(PyTypeError::new_err("a plan needs `row_type` and `resume`"));
    }
    let n_parts = settings.count("parts")?;
    let mut display = Display::new(py, settings.get("progress")?)?;
    let found = pass::run(py, blocks, declared, &mut display, move |sequence| {
        Ok(sequence.plan((statistics.reducers()?, sink), n_parts, work)?)
    })?;
    Ok((found, answers))
}

/// Creates or joins a plan. Returns the rows of each part, as a start and an end.
#[pyfunction]
pub(crate) fn plan_parts<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    place: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
) -> PyResult<Vec<(usize, usize)>> {
    let (rows, _) = with_plan(py, (blocks, place, settings), |plan| {
        Ok(plan.parts().iter().map(|part| (part.rows().start, part.rows().end)).collect())
    })?;
    Ok(rows)
}

/// Computes a part.
#[pyfunction]
pub(crate) fn plan_run<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    place: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
    number: isize,
) -> PyResult<RunResult> {
    let (outcome, _) = with_plan(py, (blocks, place, settings), move |plan| {
        let part = usize::try_from(number).ok().and_then(|number| plan.parts().get(number));
        part.map(|part| plan.run(part)).transpose()
    })?;
    Ok(match outcome {
        Some(PartOutcome::Finished(report)) => {
            ("finished", Some(report.n_blocks), Some(report.seconds), None)
        }
        Some(PartOutcome::FinishedBefore) => ("finished before", None, None, None),
        // Later kinds of outcomes are those of parts that were not computed.
        Some(PartOutcome::Held(holder)) => ("held", None, None, Some(holder.name().to_owned())),
        Some(_) => ("held", None, None, None),
        None => {
            return Err(PyIndexError::new_err(format!("the plan has no part {number}")));
        }
    })
}

/// Publishes the array. Returns it, and a dict of the statistics.
#[pyfunction]
pub(crate) fn plan_finish<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    place: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
) -> PyResult<(StoredArray, Bound<'py, PyDict>)> {
    let ((outputs, stored), answers) =
        with_plan(py, (blocks, place, settings), |plan| plan.finish())?;
    answers.with_array(py, outputs, StoredArray::new(stored))
}

/// Returns the state of a plan.
#[pyfunction]
pub(crate) fn plan_status<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    place: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
) -> PyResult<Status> {
    let (status, _) = with_plan(py, (blocks, place, settings), |plan| plan.status())?;
    let taken = status.taken().iter().map(|(part, holder)| (*part, holder.name().to_owned()));
    Ok((status.n_parts(), status.finished().to_vec(), taken.collect(), status.is_published()))
}
