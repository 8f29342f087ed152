//! A stored array, and regions of it.

use std::ops::Range;

use lazy_chunks::zarr::{Defect, DefectKind, ErrorKind, StoredArray as Stored, UnfinishedWrite};
use lazy_chunks::{ArrayBlock, BlockSizes, Indexed, LazyChunkSequence};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyEllipsis, PySlice, PyTuple};

use crate::arrays::give;
use crate::detached::detached;
use crate::errors::{named, noted, raised};

/// A defect: its kind, the index and the key of the chunk, and a text.
type FoundDefect = (&'static str, Vec<usize>, String, String);

/// The most bytes, with those between its elements, of a region with steps that is read at once.
const MOST_BYTES_WITH_GAPS: usize = 64 << 20;

/// The bytes up to which a region with steps is read at once even if whole chunks lie between its
/// elements.
const LEAST_BYTES_WITH_GAPS: usize = 1 << 20;

/// The indices of a region along one axis of the array.
#[derive(Clone, Copy)]
struct Along {
    start: usize,
    step: isize,
    size: usize,
    /// True if the axis is left out, after an integer.
    is_dropped: bool,
}

impl Along {
    fn whole(size: usize) -> Along {
        Along { start: 0, step: 1, size, is_dropped: false }
    }

    /// Returns the least range of indices that has all of the region.
    fn hull(&self) -> Range<usize> {
        if self.size == 0 {
            return 0..0;
        }
        let last = self.start.wrapping_add_signed((self.size as isize - 1) * self.step);
        self.start.min(last)..self.start.max(last) + 1
    }

    /// Returns the part of this axis that a slice, with these indices, selects.
    fn sliced(self, start: isize, step: isize, size: usize) -> Along {
        let start =
            if size == 0 { self.start } else { self.start.wrapping_add_signed(start * self.step) };
        Along { start, step: self.step * step, size, is_dropped: false }
    }
}

/// A stored array, or a region of it, which is read when its elements are asked for.
#[pyclass(frozen, subclass, name = "_StoredArray", module = "lazy_chunks._lazy_chunks")]
pub(crate) struct StoredArray {
    stored: Stored,
    axes: Vec<Along>,
}

impl StoredArray {
    pub(crate) fn new(stored: Stored) -> StoredArray {
        let axes = stored.shape().iter().map(|size| Along::whole(*size)).collect();
        StoredArray { stored, axes }
    }

    fn is_whole(&self) -> bool {
        let sizes = self.stored.shape().iter();
        self.axes
            .iter()
            .zip(sizes)
            .all(|(axis, size)| axis.size == *size && axis.step == 1 && !axis.is_dropped)
    }

    /// Returns the blocks of the array, or `None` for a region.
    pub(crate) fn sequence(
        &self,
        py: Python<'_>,
    ) -> PyResult<Option<LazyChunkSequence<'static, ArrayBlock, Indexed>>> {
        if !self.is_whole() || self.axes.is_empty() {
            return Ok(None);
        }
        let rows = BlockSizes::uniform(self.axes[0].size, self.rows_of_unit());
        self.stored.sequence(rows).map(Some).map_err(|error| raised(py, error))
    }

    /// Returns the number of rows of the region. Returns 1 if it has no axes.
    pub(crate) fn n_rows(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Returns the axis to cut the region at, and the number of its indices before the cut, if
    /// reading the region at once would read much that lies between its elements.
    fn halves(&self) -> Option<(usize, usize)> {
        let gap = |axis: &Along| if axis.size > 1 { axis.step.unsigned_abs() } else { 1 };
        let n_elements = self.axes.iter().map(|axis| axis.hull().len());
        let n_bytes = n_elements.fold(self.stored.dtype().size(), usize::saturating_mul);
        if n_bytes <= LEAST_BYTES_WITH_GAPS || self.axes.iter().all(|axis| gap(axis) == 1) {
            return None;
        }
        // Whole chunks lie between the elements.
        let chunk = self.stored.chunk_shape();
        let skips = self.axes.iter().zip(chunk).position(|(axis, size)| gap(axis) > *size);
        let is_large = n_bytes > MOST_BYTES_WITH_GAPS;
        let cut = skips.or_else(|| self.axes.iter().position(|axis| is_large && axis.size > 1))?;
        Some((cut, self.axes[cut].size / 2))
    }

    /// Reads the elements into an array of NumPy.
    fn read_into(&self, py: Python<'_>, elements: &Bound<'_, PyAny>) -> PyResult<()> {
        let Some((cut, n_before)) = self.halves() else {
            return elements.set_item(PyEllipsis::get(py), self.read_at_once(py)?);
        };
        let n_axes_before = self.axes[..cut].iter().filter(|axis| !axis.is_dropped).count();
        for (start, end) in [(0, n_before), (n_before, self.axes[cut].size)] {
            let mut axes = self.axes.clone();
            axes[cut] = axes[cut].sliced(start as isize, 1, end - start);
            let part = StoredArray { stored: self.stored.clone(), axes };
            let mut keys = vec![PySlice::full(py); n_axes_before];
            keys.push(PySlice::new(py, start as isize, end as isize, 1));
            part.read_into(py, &elements.get_item(PyTuple::new(py, keys)?)?)?;
        }
        Ok(())
    }

    /// Reads the elements, and all that lies between them.
    fn read_at_once<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let region: Vec<_> = self.axes.iter().map(Along::hull).collect();
        let stored = self.stored.clone();
        let read = detached(py, move || stored.read_region(&region))?;
        let array = give(py, read.map_err(|error| raised(py, error))?)?;
        if self.axes.iter().all(|axis| axis.step == 1 && !axis.is_dropped) {
            return Ok(array);
        }
        // The elements of the hull are in the order of the array.
        let key = |axis: &Along| {
            if axis.is_dropped {
                return Ok(0_usize.into_pyobject(py)?.into_any());
            }
            let bounds = (None::<isize>, None::<isize>, axis.step);
            py.get_type::<PySlice>().call1(bounds)
        };
        let keys: Vec<_> = self.axes.iter().map(key).collect::<PyResult<_>>()?;
        array.get_item(PyTuple::new(py, keys)?)
    }

    /// Returns the number of rows of a shard, or of a chunk if there are no shards.
    fn rows_of_unit(&self) -> usize {
        self.stored
            .shard_shape()
            .unwrap_or(self.stored.chunk_shape())
            .first()
            .map_or(1, |rows| (*rows).max(1))
    }
}

#[pymethods]
impl StoredArray {
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.axes.iter().filter(|axis| !axis.is_dropped).map(|axis| axis.size).collect()
    }

    #[getter]
    fn dtype_name(&self) -> &'static str {
        self.stored.dtype().name()
    }

    /// Returns the integers and slices that make the region of the array.
    #[getter]
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let key = |axis: &Along| {
            if axis.is_dropped {
                return Ok(axis.start.into_pyobject(py)?.into_any());
            }
            let end = axis.start as isize + axis.size as isize * axis.step;
            // An end before the first element cannot be written as a number.
            let end = (end >= 0).then_some(end);
            let start = if axis.size == 0 { 0 } else { axis.start };
            let end = if axis.size == 0 { Some(0) } else { end };
            py.get_type::<PySlice>().call1((start, end, axis.step))
        };
        PyTuple::new(py, self.axes.iter().map(key).collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn is_region(&self) -> bool {
        !self.is_whole()
    }

    #[getter]
    fn chunks(&self) -> Vec<usize> {
        self.stored.chunk_shape().to_vec()
    }

    #[getter]
    fn shards(&self) -> Option<Vec<usize>> {
        self.stored.shard_shape().map(<[usize]>::to_vec)
    }

    #[getter]
    fn block_rows(&self) -> usize {
        self.rows_of_unit()
    }

    #[getter]
    fn dims(&self) -> Option<Vec<Option<String>>> {
        let names = self.stored.dimension_names()?.iter().zip(&self.axes);
        Some(names.filter(|(_, axis)| !axis.is_dropped).map(|(name, _)| name.clone()).collect())
    }

    /// The attributes, as JSON.
    #[getter]
    fn attributes_json(&self) -> String {
        let attributes = self.stored.attributes();
        serde_json::to_string(attributes).expect("attributes are JSON")
    }

    /// The codecs, as JSON.
    #[getter]
    fn codecs_json(&self) -> String {
        serde_json::to_string(&self.stored.codecs()).expect("codecs are JSON")
    }

    /// Returns the number of stored chunks or shards, and their size in bytes.
    fn stored_size(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let stored = self.stored.clone();
        let size = detached(py, move || stored.stored_size())?;
        let size = size.map_err(|error| raised(py, error))?;
        Ok((size.n_stored, size.bytes))
    }

    /// Returns a region, for integers, slices and an ellipsis.
    fn region(&self, key: &Bound<'_, PyAny>) -> PyResult<StoredArray> {
        let keys: Vec<Bound<'_, PyAny>> = match key.cast::<PyTuple>() {
            Ok(keys) => keys.iter().collect(),
            Err(_) => vec![key.clone()],
        };
        let is_ellipsis = |key: &Bound<'_, PyAny>| key.is_instance_of::<PyEllipsis>();
        let n_axes = self.axes.iter().filter(|axis| !axis.is_dropped).count();
        let n_keys = keys.iter().filter(|key| !is_ellipsis(key)).count();
        if n_keys > n_axes {
            return Err(PyIndexError::new_err(format!(
                "{n_keys} indices for an array with {n_axes} axes"
            )));
        }
        let mut each = Vec::new();
        for key in keys {
            if is_ellipsis(&key) {
                if each.len() > n_keys {
                    return Err(PyIndexError::new_err("an index can have one ellipsis"));
                }
                each.resize_with(each.len() + n_axes - n_keys, || None);
            } else {
                each.push(Some(key));
            }
        }
        each.resize_with(n_axes.max(each.len()), || None);
        let mut each = each.into_iter();
        let mut axes = Vec::new();
        for axis in &self.axes {
            let key = if axis.is_dropped { None } else { each.next().flatten() };
            axes.push(key.map_or(Ok(*axis), |key| indexed(*axis, &key))?);
        }
        Ok(StoredArray { stored: self.stored.clone(), axes })
    }

    /// Reads the elements.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.halves().is_none() {
            return self.read_at_once(py);
        }
        let nothing = vec![0..0; self.axes.len()];
        let stored = self.stored.clone();
        let nothing = detached(py, move || stored.read_region(&nothing))?;
        let nothing = give(py, nothing.map_err(|error| raised(py, error))?)?;
        let elements = (PyTuple::new(py, self.shape())?, nothing.getattr("dtype")?);
        let elements = py.import("numpy")?.call_method1("empty", elements)?;
        self.read_into(py, &elements)?;
        Ok(elements)
    }

    /// Checks all chunks. Returns the number of chunks, and the defects: see [`FoundDefect`].
    fn check(&self, py: Python<'_>) -> PyResult<(u64, Vec<FoundDefect>)> {
        let stored = self.stored.clone();
        let checked = detached(py, move || {
            let mut verify = stored.verify();
            let mut defects = Vec::new();
            while let Some(found) = verify.next_chunks() {
                for defect in found? {
                    let kind = match defect.kind {
                        DefectKind::Missing => "missing",
                        DefectKind::Truncated { .. } => "truncated",
                        _ => "corrupt",
                    };
                    let Defect { chunk, key, kind: found, .. } = defect;
                    defects.push((kind, chunk, key, found.to_string()));
                }
            }
            Ok((verify.n_chunks(), defects))
        })?;
        checked.map_err(|error: lazy_chunks::zarr::Error| raised(py, error))
    }
}

/// Returns the part of an axis that an integer or a slice selects.
fn indexed(axis: Along, key: &Bound<'_, PyAny>) -> PyResult<Along> {
    if let Ok(slice) = key.cast::<PySlice>() {
        let indices = slice.indices(axis.size as isize)?;
        return Ok(axis.sliced(indices.start, indices.step, indices.slicelength));
    }
    if key.is_instance_of::<PyBool>() {
        return Err(PyIndexError::new_err(
            "an index must be an integer, a slice or an ellipsis, got bool",
        ));
    }
    let index = key.call_method0("__index__").and_then(|index| index.extract::<isize>());
    let Ok(index) = index else {
        return Err(PyIndexError::new_err(format!(
            "an index must be an integer, a slice or an ellipsis, got {}; read the region, and \
             index the NumPy array",
            key.get_type().name()?
        )));
    };
    let size = axis.size as isize;
    let at = if index < 0 { index + size } else { index };
    if !(0..size).contains(&at) {
        return Err(PyIndexError::new_err(format!(
            "index {index} is out of bounds for an axis of size {size}"
        )));
    }
    Ok(Along { is_dropped: true, ..axis.sliced(at, 1, 1) })
}

/// Opens an array.
#[pyfunction]
pub(crate) fn open(py: Python<'_>, place: &Bound<'_, PyAny>) -> PyResult<StoredArray> {
    let target = crate::settings::target(place)?;
    let opened = detached(py, move || {
        let opened = Stored::open(target.clone());
        let is_missing = opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let is_unfinished = is_missing
            && UnfinishedWrite::list(target.clone()).is_ok_and(|writes| !writes.is_empty());
        (opened, is_unfinished.then(|| target.to_string()))
    })?;
    match opened {
        (Ok(stored), _) => Ok(StoredArray::new(stored)),
        (Err(_), Some(target)) => {
            let problem = format!(
                "{target} is not complete: a write of it is in progress or was interrupted"
            );
            let hint = "`lazy unfinished TARGET` describes the write; `store` with the same blocks and \
                        `resume` continues it";
            Err(noted(py, named(py, "UnfinishedError", problem), hint, Some(&target))?)
        }
        (Err(error), None) => Err(raised(py, error)),
    }
}
