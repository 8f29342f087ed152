//! Statistics in Python.

use lazy_chunks::{ArrayBlock, BlockPosition, Error, Result, SaveState, Statistic};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arrays::lend;
use crate::attach::attach;
use crate::errors::add_note;

/// A statistic in Python: an object with the methods `empty`, `update`, `merge` and `finish`.
pub(crate) struct OwnStatistic {
    statistic: Py<PyAny>,
    name: String,
}

/// A state, which is a Python object. `None` stands for that of no blocks.
pub(crate) struct State(Option<Py<PyAny>>);

impl OwnStatistic {
    pub(crate) fn new(statistic: Bound<'_, PyAny>) -> OwnStatistic {
        let name = statistic.get_type().fully_qualified_name();
        let name = name.map_or("?".to_owned(), |name| name.to_string());
        OwnStatistic { statistic: statistic.unbind(), name }
    }

    fn state(&self, py: Python<'_>, state: &mut State) -> PyResult<Py<PyAny>> {
        match state.0.take() {
            Some(state) => Ok(state),
            None => self.statistic.call_method0(py, "empty"),
        }
    }
}

/// Returns the error of a function that was called with a block, with a note of the block.
pub(crate) fn failed_at(name: &str, at: BlockPosition, error: PyErr) -> Error {
    let (row, column) = (at.row, at.column);
    // Without a note if the interpreter ends.
    let _ = attach(|py| {
        let note = format!("{name} failed at the block at row {row}, column {column}");
        add_note(py, &error, &note);
        Ok(())
    });
    Error::other(error)
}

/// Returns a state, unless a method has returned none.
fn returned(py: Python<'_>, method: &str, state: Py<PyAny>) -> PyResult<State> {
    if state.is_none(py) {
        return Err(PyTypeError::new_err(format!("{method} returned None instead of a state")));
    }
    Ok(State(Some(state)))
}

impl Statistic for OwnStatistic {
    type State = State;
    type Output = PyResult<Py<PyAny>>;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn empty(&self) -> State {
        State(None)
    }

    fn update(&self, state: &mut State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        attach(|py| {
            let before = self.state(py, state)?;
            let block = lend(py, block.clone())?;
            let at = (at.row, at.column);
            let after = self.statistic.call_method1(py, "update", (before, block, at))?;
            *state = returned(py, "update", after)?;
            Ok(())
        })
        .map_err(|error| failed_at(&self.name, at, error))
    }

    fn merge(&self, state: &mut State, mut next: State) -> Result<()> {
        if next.0.is_none() {
            return Ok(());
        }
        if state.0.is_none() {
            *state = next;
            return Ok(());
        }
        attach(|py| {
            let (first, second) = (self.state(py, state)?, self.state(py, &mut next)?);
            let merged = self.statistic.call_method1(py, "merge", (first, second))?;
            *state = returned(py, "merge", merged)?;
            Ok(())
        })
        .map_err(Error::other)
    }

    /// Returns an exception as the result, so that the array of the same pass is not lost.
    fn finish(&self, mut state: State) -> Result<PyResult<Py<PyAny>>> {
        Ok(attach(|py| {
            let state = self.state(py, &mut state)?;
            self.statistic.call_method1(py, "finish", (state,))
        }))
    }
}

impl SaveState for OwnStatistic {}

/// As a pickle.
impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pickle = |state: &Py<PyAny>| {
            attach(|py| -> PyResult<Vec<u8>> {
                py.import("pickle")?.call_method1("dumps", (state,))?.extract()
            })
        };
        let pickle = self.0.as_ref().map(pickle).transpose().map_err(S::Error::custom)?;
        pickle.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
        let pickle = Option::<Vec<u8>>::deserialize(deserializer)?;
        let state = |pickle: Vec<u8>| {
            attach(|py| -> PyResult<Py<PyAny>> {
                Ok(py.import("pickle")?.call_method1("loads", (&pickle[..],))?.unbind())
            })
        };
        Ok(State(pickle.map(state).transpose().map_err(D::Error::custom)?))
    }
}
