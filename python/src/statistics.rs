//! The statistics that a user asks for, and their results.

use lazy_chunks::{ArrayBlock, BoxedDivisibleReducer, Error};
use lazy_cli::statistics::{Answer, Axis, Form, Found, Plan, StatisticList};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyType};

use crate::arrays::give_scalar;
use crate::attach::attach;
use crate::errors::{add_note, raised, unless_failed};
use crate::own_statistic::OwnStatistic;
use crate::settings::wrong;
use crate::stored::StoredArray;

/// The result of a reducer.
pub(crate) enum Output {
    Named(Found),
    /// That of a statistic in Python, or the exception that its method `finish` has raised.
    Own(PyResult<Py<PyAny>>),
}

/// A reducer of one or several statistics.
pub(crate) type AnyReducer = BoxedDivisibleReducer<'static, Output>;

/// Statistics in the order of their results.
#[derive(Default)]
pub(crate) struct Statistics {
    items: Vec<Item>,
}

struct Item {
    /// The key of the result.
    key: String,
    kind: Kind,
}

enum Kind {
    Named { text: String, form: Form },
    Own(Py<PyAny>),
}

/// The way from the results of reducers to those of statistics.
pub(crate) struct Answers {
    groups: Vec<Group>,
    /// The key of each result, and where it is found.
    results: Vec<(String, Place)>,
}

/// Statistics by name of one form, which share reducers.
struct Group {
    form: Form,
    texts: Vec<String>,
    plan: Option<Plan>,
    n_reducers: usize,
}

enum Place {
    /// The index of a group, and of a statistic in it.
    Named(usize, usize),
    /// The index among the statistics in Python.
    Own(usize),
}

impl Statistics {
    /// Reads the argument `stats`: a text, a statistic, several of them, or a mapping of names.
    pub(crate) fn of(stats: Option<&Bound<'_, PyAny>>) -> PyResult<Statistics> {
        let mut statistics = Statistics::default();
        let Some(stats) = stats else { return Ok(statistics) };
        if let Ok(mapping) = stats.cast::<PyMapping>() {
            for pair in mapping.items()?.iter() {
                let (key, item): (String, Bound<'_, PyAny>) = pair.extract()?;
                statistics.add(Some(key), &item)?;
            }
        } else if stats.is_instance_of::<PyString>() || is_statistic(stats)? || stats.is_callable()
        {
            statistics.add(None, stats)?;
        } else {
            let Some(items) = unless_failed(stats.py(), stats.try_iter())? else {
                return Err(wrong(
                    "stats",
                    "a name, a Stat, a Statistic, or several of them",
                    stats,
                ));
            };
            for item in items {
                statistics.add(None, &item?)?;
            }
        }
        Ok(statistics)
    }

    fn add(&mut self, key: Option<String>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(text) = item.extract::<String>() {
            let list: StatisticList = text.parse().map_err(|problem| unknown(&text, problem))?;
            let texts = list.texts();
            if let (Some(key), [_, _, ..]) = (&key, &texts[..]) {
                return Err(PyValueError::new_err(format!(
                    "{key:?} names {} statistics",
                    texts.len()
                )));
            }
            for text in texts {
                let kind = Kind::Named { text: text.to_owned(), form: Form::WHOLE };
                self.push(key.clone().unwrap_or_else(|| text.to_owned()), kind)?;
            }
            return Ok(());
        }
        if item.hasattr("_text")? {
            let text: String = item.getattr("_text")?.extract()?;
            let key = match key {
                Some(key) => key,
                None => item.getattr("name")?.extract()?,
            };
            let form = Form {
                axis: axis(&item.getattr("axis")?)?,
                ignore_nan: item.getattr("ignore_nan")?.extract()?,
                rank_error: item.getattr("rank_error")?.extract()?,
            };
            return self.push(key, Kind::Named { text, form });
        }
        if !is_statistic(item)? {
            let advice = if item.is_callable() { "; call it first" } else { "" };
            return Err(PyTypeError::new_err(format!(
                "{} is not a statistic: it is neither a name such as \"mean\" nor an object with \
                 the methods empty, update, merge and finish{advice}",
                item.repr()?
            )));
        }
        let key = match key {
            Some(key) => key,
            None => {
                let name = item.getattr_opt("name")?.and_then(|name| name.extract().ok());
                name.map_or_else(|| item.get_type().name()?.extract(), Ok)?
            }
        };
        self.push(key, Kind::Own(item.clone().unbind()))
    }

    fn push(&mut self, key: String, kind: Kind) -> PyResult<()> {
        if self.items.iter().any(|item| item.key == key) {
            return Err(PyValueError::new_err(format!(
                "two statistics have the name {key:?}; pass them as a dict with other names"
            )));
        }
        self.items.push(Item { key, kind });
        Ok(())
    }

    /// Returns the reducers that compute the statistics.
    pub(crate) fn reducers(&self) -> lazy_chunks::Result<Vec<AnyReducer>> {
        let made = attach(|py| self.make(py));
        made.map(|(reducers, _)| reducers).map_err(Error::other)
    }

    /// Returns the way from the results of the reducers to those of the statistics.
    pub(crate) fn answers(&self, py: Python<'_>) -> PyResult<Answers> {
        self.make(py).map(|(_, answers)| answers)
    }

    fn make(&self, py: Python<'_>) -> PyResult<(Vec<AnyReducer>, Answers)> {
        let mut groups: Vec<Group> = Vec::new();
        let mut own = Vec::new();
        let mut results = Vec::new();
        for Item { key, kind } in &self.items {
            let place = match kind {
                Kind::Named { text, form } => {
                    let found = groups.iter().position(|group| group.form == *form);
                    let group = found.unwrap_or_else(|| {
                        groups.push(Group {
                            form: *form,
                            texts: Vec::new(),
                            plan: None,
                            n_reducers: 0,
                        });
                        groups.len() - 1
                    });
                    groups[group].texts.push(text.clone());
                    Place::Named(group, groups[group].texts.len() - 1)
                }
                Kind::Own(statistic) => {
                    own.push(statistic.bind(py).clone());
                    Place::Own(own.len() - 1)
                }
            };
            results.push((key.clone(), place));
        }
        let mut reducers = Vec::new();
        for group in &mut groups {
            let list: StatisticList =
                group.texts.join(",").parse().map_err(PyValueError::new_err::<String>)?;
            let (of_group, plan) =
                list.plan(group.form).map_err(PyValueError::new_err::<String>)?;
            group.plan = Some(plan);
            group.n_reducers = of_group.len();
            let boxed = |reducer| BoxedDivisibleReducer::new(reducer, Output::Named);
            reducers.extend(of_group.into_iter().map(boxed));
        }
        let boxed =
            |statistic| BoxedDivisibleReducer::new(OwnStatistic::new(statistic), Output::Own);
        reducers.extend(own.into_iter().map(boxed));
        Ok((reducers, Answers { groups, results }))
    }
}

impl Answers {
    /// Returns an array and a dict of the results. The exception of a statistic says that the array is
    /// complete.
    pub(crate) fn with_array<'py>(
        &self,
        py: Python<'py>,
        outputs: Vec<Output>,
        array: StoredArray,
    ) -> PyResult<(StoredArray, Bound<'py, PyDict>)> {
        match self.to_dict(py, outputs) {
            Ok(results) => Ok((array, results)),
            Err(exception) => {
                add_note(py, &exception, "the array is stored; `lazy_chunks.open` opens it");
                Err(exception)
            }
        }
    }

    /// Returns a dict of the results.
    pub(crate) fn to_dict<'py>(
        &self,
        py: Python<'py>,
        outputs: Vec<Output>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut outputs = outputs.into_iter();
        let mut answers: Vec<Vec<Option<Answer>>> = Vec::new();
        for group in &self.groups {
            let found = outputs.by_ref().take(group.n_reducers).map(|output| match output {
                Output::Named(found) => found,
                Output::Own(_) => unreachable!("reducers by name come first"),
            });
            let found: Vec<Found> = found.collect();
            let plan = group.plan.as_ref().expect("the group has reducers");
            answers.push(plan.answers(&found).into_iter().map(Some).collect());
        }
        let own = outputs.map(|output| match output {
            Output::Own(result) => result,
            Output::Named(_) => unreachable!("reducers in Python come last"),
        });
        let own = own.collect::<PyResult<Vec<_>>>()?;
        let dict = PyDict::new(py);
        for (key, place) in &self.results {
            let result = match place {
                Place::Named(group, i) => {
                    let answer = answers[*group][*i].take().expect("each answer is used once");
                    named_result(py, answer)?
                }
                Place::Own(i) => own[*i].bind(py).clone(),
            };
            dict.set_item(key, result)?;
        }
        Ok(dict)
    }
}

/// Returns the exception for a text that names no statistics.
fn unknown(text: &str, problem: String) -> PyErr {
    let along_axis = text.split(',').find_map(|name| {
        let (name, axis) = name.split_once('/')?;
        Some(format!("; `stats.{name}(axis={axis})` is a statistic along an axis"))
    });
    PyValueError::new_err(problem + &along_axis.unwrap_or_default())
}

/// Returns an array, or a small object with several arrays.
fn named_result(py: Python<'_>, answer: Answer) -> PyResult<Bound<'_, PyAny>> {
    let name = answer.name().to_owned();
    // A value of the whole array has no axes, in the way of NumPy.
    let is_value = answer.axis == Axis::All && !answer.has_entries();
    let mut parts = answer.parts;
    for part in parts.iter_mut().filter(|part| is_value && part.array.shape() == [1]) {
        let (dtype, data) = (part.array.dtype(), part.array.data().clone());
        part.array = ArrayBlock::new(dtype, [], data).map_err(|error| raised(py, error))?;
    }
    if let [part] = &mut parts[..]
        && part.name.is_empty()
    {
        let part = parts.remove(0);
        return give_scalar(py, part.array);
    }
    let fields = PyDict::new(py);
    for part in parts {
        let field = if part.name.is_empty() { &name } else { part.name };
        fields.set_item(field, give_scalar(py, part.array)?)?;
    }
    if fields.len() == 1
        && let Some(only) = fields.values().iter().next()
    {
        return Ok(only);
    }
    py.import("lazy_chunks.stats")?.call_method1("_result", (name, fields))
}

fn is_statistic(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    // A class is no statistic, but its instances are.
    if object.is_instance_of::<PyType>() {
        return Ok(false);
    }
    if object.hasattr("_text")? {
        return Ok(true);
    }
    for method in ["empty", "update", "merge", "finish"] {
        if !object.hasattr(method)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads an axis in the way of NumPy: that over which a statistic goes.
fn axis(axis: &Bound<'_, PyAny>) -> PyResult<Axis> {
    if axis.is_none() {
        return Ok(Axis::All);
    }
    match axis.extract::<i64>() {
        Ok(0) => Ok(Axis::Columns),
        Ok(1) => Ok(Axis::Rows),
        _ => Err(PyValueError::new_err(format!(
            "axis must be None for the whole array, 0 for each column or 1 for each row, got {}",
            axis.repr()?
        ))),
    }
}
