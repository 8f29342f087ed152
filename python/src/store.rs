//! `store` and `reduce`.

use lazy_chunks::Workers;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::blocks::Blocks;
use crate::callback::Callback;
use crate::errors::{named, raised};
use crate::pass;
use crate::progress::Display;
use crate::sequence::Declared;
use crate::settings::{Settings, target, wrong};
use crate::statistics::Statistics;
use crate::stored::StoredArray;

/// Stores blocks. Returns the array, and a dict of the statistics.
#[pyfunction]
pub(crate) fn store<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    place: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
) -> PyResult<(StoredArray, Bound<'py, PyDict>)> {
    let settings = Settings(settings);
    let declared = settings.declared()?;
    let statistics = Statistics::of(settings.get("stats")?.as_ref())?;
    let answers = statistics.answers(py)?;
    let callback = settings.function("on_block")?.map(Callback::new);
    let workers = settings.get("workers")?.map(|workers| self::workers(&workers)).transpose()?;
    let n_parts = settings.count("parts")?;
    let mut display = Display::new(py, settings.get("progress")?)?;
    let target = target(place)?;
    let blocks = Blocks::of(blocks, || settings.check_target(&target))?;
    let sink = settings.sink(target, blocks.dtype(py)?)?;
    check_cast(py, &blocks, &declared)?;
    if settings.get("resume")?.is_some() && matches!(blocks, Blocks::Array(_)) {
        return Err(PyTypeError::new_err(
            "one array cannot be resumed, since it is stored from its beginning each time; pass \
             (sizes, function), such as `from_rows(split(len(x), 1000), lambda rows: x[rows])`",
        ));
    }
    if settings.get("resume")?.is_some() && blocks.is_stream() {
        return Err(PyTypeError::new_err(
            "a generator cannot be resumed, since it starts from its beginning each time; pass \
             (sizes, function), `from_rows` or `from_regions`",
        ));
    }
    let (outputs, stored) = match workers {
        None => pass::run(py, blocks, declared, &mut display, move |sequence| {
            let (outputs, _, stored) =
                sequence.compute((statistics.reducers()?, callback, sink))?;
            Ok((outputs, stored))
        })?,
        Some(_) if !blocks.has_grid() => {
            return Err(PyTypeError::new_err(
                "workers share blocks that are given as (sizes, function), which has any block at \
                 any time",
            ));
        }
        Some(_) if callback.is_some() => {
            return Err(PyTypeError::new_err("on_block is not called if workers share a write"));
        }
        Some(_) if declared.row_type.is_none() || settings.get("resume")?.is_none() => {
            return Err(PyTypeError::new_err(
                "workers need `row_type`, the dtype and shape of a row, and `resume`, the key of the \
                 write",
            ));
        }
        Some(workers) => pass::run(py, blocks, declared, &mut display, move |sequence| {
            Ok(sequence.plan((statistics.reducers()?, sink), n_parts, |plan| {
                warn_of_few_parts(plan.parts().len(), &workers);
                plan.compute(&workers)
            })?)
        })?,
    };
    answers.with_array(py, outputs, StoredArray::new(stored))
}

/// Computes statistics. Returns a dict of them.
#[pyfunction]
pub(crate) fn reduce<'py>(
    py: Python<'py>,
    blocks: &Bound<'py, PyAny>,
    settings: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let settings = Settings(settings);
    let declared = settings.declared()?;
    let statistics = Statistics::of(settings.get("stats")?.as_ref())?;
    let answers = statistics.answers(py)?;
    let callback = settings.function("on_block")?.map(Callback::new);
    let mut display = Display::new(py, settings.get("progress")?)?;
    let is_iterator = blocks.hasattr("__next__")?;
    let blocks = Blocks::of(blocks, || Ok(()))?;
    if is_iterator && blocks.has_no_first() && declared.row_type.is_none() {
        return Err(named(
            py,
            "BlockError",
            "the iterator yields no blocks; a generator yields its blocks once, so make a new one",
        ));
    }
    let outputs = pass::run(py, blocks, declared, &mut display, move |sequence| {
        Ok(sequence.compute((statistics.reducers()?, callback))?.0)
    })?;
    answers.to_dict(py, outputs)
}

/// Checks that blocks of a declared dtype may be cast, before the first block.
pub(crate) fn check_cast(py: Python<'_>, blocks: &Blocks, declared: &Declared) -> PyResult<()> {
    let of_rows = declared.row_type.as_ref().map(|(dtype, _)| *dtype);
    match (declared.cast, of_rows.or_else(|| blocks.stored_dtype())) {
        (Some(cast), Some(from)) => cast.check(py, from),
        _ => Ok(()),
    }
}

/// Warns of workers that have nothing to do.
fn warn_of_few_parts(n_parts: usize, workers: &Workers) {
    if let Some(n_workers) = workers.count().filter(|n_workers| *n_workers > n_parts) {
        tracing::warn!(
            n_parts,
            n_workers,
            "there are fewer parts than workers; a part has whole rows of chunks, so choose smaller \
             chunks, or more `parts`"
        );
    }
}

/// Reads the argument `workers`: `"env"`, or a text or a pair of an index and a count.
fn workers(workers: &Bound<'_, PyAny>) -> PyResult<Workers> {
    let read = match workers.extract::<String>() {
        Ok(text) if text == "env" => Workers::from_env(),
        Ok(text) => Workers::parse(&text),
        Err(_) => {
            let (index, count) = workers
                .extract()
                .map_err(|_| wrong("workers", "\"env\" or (index, count)", workers))?;
            Workers::new(index, count)
        }
    };
    read.map_err(|error| raised(workers.py(), error))
}
