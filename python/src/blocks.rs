//! The blocks that a user hands over: an array, an iterable, or sizes and a function.

use std::sync::Arc;

use lazy_chunks::{ArrayBlock, BlockSizes, DType, Indexed, LazyChunkSequence};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyIterator, PyString, PyTuple};

use crate::arrays::{dtype_named, is_array};
use crate::errors::{add_note, unless_failed};
use crate::stored::StoredArray;

/// Blocks that Python code yields.
pub(crate) enum Blocks {
    /// One array.
    Array(Py<PyAny>),
    /// The blocks of an iterator, of which the first one is taken already.
    Flat { first: Option<Py<PyAny>>, rest: Py<PyIterator> },
    /// The bands of an iterator, of which the first one is taken already.
    Nested { first: Option<Py<PyAny>>, rest: Py<PyIterator> },
    /// The blocks of a stored array.
    Stored(LazyChunkSequence<'static, ArrayBlock, Indexed>),
    /// The blocks of a function of a block's index.
    Indexed { rows: BlockSizes, function: Arc<Py<PyAny>> },
    /// The blocks of a function of a block's indices.
    NestedIndexed { rows: BlockSizes, columns: BlockSizes, function: Arc<Py<PyAny>> },
}

impl Blocks {
    /// Reads what a user has passed as blocks. Takes the first item of an iterable, after a call of
    /// `check`.
    pub(crate) fn of(
        blocks: &Bound<'_, PyAny>,
        check: impl FnOnce() -> PyResult<()>,
    ) -> PyResult<Blocks> {
        // The class in Python holds the one in Rust.
        let inner = blocks.getattr_opt("_core")?;
        if let Some(stored) = inner.as_ref().and_then(|inner| inner.cast::<StoredArray>().ok()) {
            return match stored.get().sequence(blocks.py())? {
                Some(sequence) => Ok(Blocks::Stored(sequence)),
                // A region of an array, or an array without rows.
                None if stored.get().n_rows() == 0 => Ok(Blocks::Array(blocks.clone().unbind())),
                None => Blocks::of(&blocks.call_method0("blocks")?, check),
            };
        }
        if let Some((sizes, function)) = sizes_and_function(blocks)? {
            return Blocks::of_function(&sizes, function);
        }
        // A zarr.Array or a tensor is one array, although it is iterable.
        if is_array(blocks)? {
            return Ok(Blocks::Array(blocks.clone().unbind()));
        }
        if !blocks.hasattr("__iter__")? && !blocks.hasattr("__getitem__")? {
            let kind = blocks.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "blocks must be an array, an iterable of arrays, an iterable of iterables of \
                 arrays, or (sizes, function), got {kind}"
            )));
        }
        check()?;
        let mut rest = blocks.try_iter()?;
        let first = rest.next().transpose().inspect_err(|error| {
            add_note(blocks.py(), error, "the producer failed at block 0");
        })?;
        let rest = rest.unbind();
        match first {
            Some(first) if !is_array(&first)? && is_band(&first)? => {
                Ok(Blocks::Nested { first: Some(first.unbind()), rest })
            }
            first => Ok(Blocks::Flat { first: first.map(Bound::unbind), rest }),
        }
    }

    fn of_function(sizes: &Bound<'_, PyAny>, function: Py<PyAny>) -> PyResult<Blocks> {
        let function = Arc::new(function);
        if sizes.extract::<Vec<i64>>().is_ok() {
            return Ok(Blocks::Indexed { rows: block_sizes(sizes)?, function });
        }
        let grid = sizes.cast::<PyTuple>().ok().filter(|grid| grid.len() == 2);
        let Some(grid) = grid else {
            return Err(PyTypeError::new_err(
                "the sizes of blocks must be a sequence of integers, or two of them as (rows, \
                 columns)",
            ));
        };
        let (rows, columns) = (block_sizes(&grid.get_item(0)?)?, block_sizes(&grid.get_item(1)?)?);
        Ok(Blocks::NestedIndexed { rows, columns, function })
    }

    /// Returns the dtype of the blocks, if it is known before they are computed.
    pub(crate) fn dtype(&self, py: Python<'_>) -> PyResult<Option<DType>> {
        let array = match self {
            Blocks::Array(array) => array,
            Blocks::Flat { first: Some(first), .. } => first,
            _ => return Ok(None),
        };
        let dtype = array.bind(py).getattr("dtype").and_then(|dtype| dtype_named(&dtype));
        unless_failed(py, dtype)
    }

    /// Returns true if the blocks come from an iterator that has none.
    pub(crate) fn has_no_first(&self) -> bool {
        matches!(self, Blocks::Flat { first: None, .. })
    }

    /// Returns the dtype of a stored array.
    pub(crate) fn stored_dtype(&self) -> Option<DType> {
        let Blocks::Stored(sequence) = self else { return None };
        sequence.spec().row_type().map(|row_type| row_type.dtype)
    }

    /// Returns true if the blocks come from an iterator.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Blocks::Flat { .. } | Blocks::Nested { .. })
    }

    /// Returns true if any block can be computed at any time.
    pub(crate) fn has_grid(&self) -> bool {
        matches!(self, Blocks::Stored(_) | Blocks::Indexed { .. } | Blocks::NestedIndexed { .. })
    }
}

fn sizes_and_function<'py>(
    blocks: &Bound<'py, PyAny>,
) -> PyResult<Option<(Bound<'py, PyAny>, Py<PyAny>)>> {
    let Ok(pair) = blocks.cast::<PyTuple>() else { return Ok(None) };
    if pair.len() != 2 {
        return Ok(None);
    }
    let function = pair.get_item(1)?;
    // Modules of PyTorch are callable, and are no arrays.
    let is_function = function.is_callable() && !is_array(&function)?;
    is_function.then(|| pair.get_item(0).map(|sizes| (sizes, function.unbind()))).transpose()
}

fn block_sizes(sizes: &Bound<'_, PyAny>) -> PyResult<BlockSizes> {
    let sizes: Vec<i64> = sizes.extract()?;
    let size = |size: i64| {
        usize::try_from(size)
            .map_err(|_| PyValueError::new_err(format!("a block cannot have {size} rows")))
    };
    Ok(sizes.into_iter().map(size).collect::<PyResult<Vec<_>>>()?.into())
}

/// Returns true if an item is an iterable of blocks, and not one of characters or bytes.
fn is_band(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_text = item.is_instance_of::<PyString>()
        || item.is_instance_of::<PyBytes>()
        || item.is_instance_of::<PyByteArray>();
    Ok(!is_text && unless_failed(item.py(), item.try_iter())?.is_some())
}
