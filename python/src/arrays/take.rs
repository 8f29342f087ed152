//! Blocks out of arrays of any Python library, with one copy or none.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::numpy::PyUntypedArray;
use bytes::Bytes;
use dlpark::python::ImportRequest;
use lazy_chunks::half::{bf16, f16};
use lazy_chunks::num_complex::Complex;
use lazy_chunks::{ArrayBlock, BlockPool, DType, Element};
use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use pyo3::{PyTypeInfo, intern};

use super::strided::Strided;
use super::{dlpack, numpy};
use crate::cast::Cast;
use crate::errors::{named, raised, unless_failed};
use crate::sequence::Declared;

/// The copies that were made in this process, and their bytes.
static N_COPIES: AtomicU64 = AtomicU64::new(0);
static N_BYTES: AtomicU64 = AtomicU64::new(0);

/// Returns the number of copies that were made in this process, and their bytes.
pub(crate) fn copies() -> (u64, u64) {
    (N_COPIES.load(Ordering::Relaxed), N_BYTES.load(Ordering::Relaxed))
}

/// Copies of fewer bytes keep the interpreter, and arrays of fewer bytes are always copied.
pub(super) const MANY_BYTES: usize = 64 << 10;

/// Takes blocks out of arrays. It copies them into memory that it uses again, because a program may
/// change an array later. It keeps an array that nothing else refers to.
pub(crate) struct Taker {
    /// True if all arrays are kept, since the user promises that they do not change.
    keeps_all: bool,
    /// The cast of the blocks, which is checked here.
    cast: Option<Cast>,
    pool: Option<(DType, Box<dyn Any + Send>)>,
}

impl Taker {
    pub(crate) fn new(declared: &Declared) -> Taker {
        Taker { keeps_all: declared.keeps_arrays, cast: declared.cast, pool: None }
    }

    /// Keeps all arrays from now on.
    pub(crate) fn keeping_all(self) -> Taker {
        Taker { keeps_all: true, ..self }
    }

    /// Takes the elements of an array that is a block, which has rows.
    pub(crate) fn take_block(&mut self, object: &Bound<'_, PyAny>) -> PyResult<ArrayBlock> {
        drop_returned(object.py());
        let block = self.take(object)?;
        if let Some(cast) = self.cast {
            cast.check(object.py(), block.dtype())?;
        }
        if block.shape().is_empty() {
            return Err(named(
                object.py(),
                "BlockError",
                "an array without axes has no rows; `.reshape(1)` gives it an axis",
            ));
        }
        Ok(block)
    }

    /// Takes the elements of an array.
    fn take(&mut self, object: &Bound<'_, PyAny>) -> PyResult<ArrayBlock> {
        let py = object.py();
        if let Ok(array) = object.cast::<PyUntypedArray>() {
            refuse_masked(object)?;
            return self.elements_of(array);
        }
        if has(object, intern!(py, "__dlpack__"))? {
            if let Some(plain) = plain_tensor(object)? {
                return self.take(&plain);
            }
            let request = ImportRequest::new(object.as_borrowed())?;
            // Only a tensor that has no such method is asked without it.
            let is_host = request.device().map_or(true, dlpack::is_host);
            if !is_host {
                return self.take(&on_host(object)?);
            }
            let tensor = match request.import(None, None) {
                // Before version 1.0 of the protocol, the method had other parameters.
                Err(error) if error.is_instance_of::<PyTypeError>(py) => {
                    let capsule = object.call_method0(intern!(py, "__dlpack__"));
                    let capsule = unless_failed(py, capsule)?.ok_or(error)?;
                    ImportRequest::new(capsule.as_borrowed())?.import(None, None)
                }
                tensor => tensor,
            };
            let tensor = tensor.map_err(|error| advised(py, error))?;
            let tensor_ref =
                tensor.validate().map_err(|error| PyBufferError::new_err(error.to_string()))?;
            let elements = dlpack::elements(&tensor_ref)?;
            if self.keeps_all && elements.bytes().is_some() {
                return keep(py, elements, tensor);
            }
            return self.copy(py, &elements);
        }
        if !is_array(object)? {
            let kind = object.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a block must be an array, got {kind}; `numpy.asarray` makes one of a list of numbers"
            )));
        }
        let array =
            py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (object,))?;
        self.elements_of(array.cast::<PyUntypedArray>()?)
    }

    fn elements_of(&mut self, array: &Bound<'_, PyUntypedArray>) -> PyResult<ArrayBlock> {
        let elements = numpy::elements(array)?;
        if elements.bytes().is_some() && (self.keeps_all || numpy::is_unshared(array)) {
            let owner = Lent(Some(array.clone().into_any().unbind()));
            return keep(array.py(), elements, owner);
        }
        self.copy(array.py(), &elements)
    }

    fn copy(&mut self, py: Python<'_>, elements: &Strided) -> PyResult<ArrayBlock> {
        macro_rules! by_dtype {
            ($($variant:ident $element:ty),*) => {
                match elements.dtype {
                    $(DType::$variant => self.copy_of::<$element>(py, elements),)*
                }
            };
        }
        by_dtype!(
            Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32,
            UInt64 u64, Float16 f16, BFloat16 bf16, Float32 f32, Float64 f64,
            Complex64 Complex<f32>, Complex128 Complex<f64>
        )
    }

    fn copy_of<A: Element>(&mut self, py: Python<'_>, elements: &Strided) -> PyResult<ArrayBlock> {
        let pool = match &self.pool {
            Some((dtype, pool)) if *dtype == elements.dtype => pool,
            _ => &self.pool.insert((elements.dtype, Box::new(BlockPool::<A>::new()))).1,
        };
        let pool = pool.downcast_ref::<BlockPool<A>>().expect("the pool has the dtype");
        let buffer = pool.buffer(elements.shape.clone()).map_err(|error| raised(py, error))?;
        let copy = move || {
            let mut buffer = buffer;
            let n_bytes = elements.n_bytes();
            let first = buffer.view_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: the buffer has this many bytes, which nothing else uses. The owner of the
            // elements is alive, and a program that changes an array while it hands it over has a
            // data race of its own.
            unsafe {
                let destination = std::slice::from_raw_parts_mut(first, n_bytes);
                elements.copy_to(destination);
            }
            N_COPIES.fetch_add(1, Ordering::Relaxed);
            N_BYTES.fetch_add(n_bytes as u64, Ordering::Relaxed);
            buffer.into_block()
        };
        Ok(if elements.n_bytes() < MANY_BYTES { copy() } else { py.detach(copy) })
    }
}

/// Returns a block of the bytes of an array, which lie together. It keeps the owner of the array.
fn keep(py: Python<'_>, elements: Strided, owner: impl Send + 'static) -> PyResult<ArrayBlock> {
    let bytes = elements.bytes().expect("the caller has looked");
    let kept = Bytes::from_owner(Kept { bytes, _owner: owner });
    let block = ArrayBlock::new(elements.dtype, elements.shape, kept);
    block.map_err(|error| raised(py, error))
}

/// True if arrays were dropped since the last call of [`drop_returned`].
static HAS_RETURNED: AtomicBool = AtomicBool::new(false);

/// Drops the arrays whose blocks were dropped without the interpreter. `PyO3` does so when a thread
/// gets the interpreter back. Otherwise, they would take memory until it is next let go.
pub(crate) fn drop_returned(py: Python<'_>) {
    if HAS_RETURNED.swap(false, Ordering::Relaxed) {
        py.detach(|| ());
    }
}

/// An array that a block keeps alive.
struct Lent(Option<Py<PyAny>>);

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.0.take());
        HAS_RETURNED.store(true, Ordering::Relaxed);
    }
}

/// Bytes of an array, and what keeps them alive.
struct Kept<O> {
    bytes: *const [u8],
    _owner: O,
}

// SAFETY: the address is plain data, and the bytes may be read from any thread.
unsafe impl<O: Send> Send for Kept<O> {}

impl<O> AsRef<[u8]> for Kept<O> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the owner keeps the bytes alive. They do not change: nothing else refers to the
        // array, or the user says so.
        unsafe { &*self.bytes }
    }
}

/// Returns true if blocks can be taken out of an object. A list is not an array.
pub(crate) fn is_array(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.is_instance_of::<PyUntypedArray>()
        || has(object, intern!(py, "__dlpack__"))?
        || has(object, intern!(py, "__array__"))?
        || is_buffer_of_numbers(object)?)
}

/// Returns true if an object has the buffer protocol. The bytes of a text are not an array.
fn is_buffer_of_numbers(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(!object.is_instance_of::<pyo3::types::PyBytes>()
        && !object.is_instance_of::<pyo3::types::PyByteArray>()
        && unless_failed(object.py(), PyMemoryView::from(object))?.is_some())
}

fn has(object: &Bound<'_, PyAny>, name: &Bound<'_, pyo3::types::PyString>) -> PyResult<bool> {
    object.hasattr(name)
}

/// Refuses an array whose mask would be lost.
fn refuse_masked(array: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = array.py();
    let kind = array.get_type();
    if kind.is(PyUntypedArray::type_object(py)) {
        return Ok(());
    }
    let masked = py.import("numpy")?.getattr("ma")?.getattr("MaskedArray")?;
    if array.is_instance(&masked)? {
        return Err(PyTypeError::new_err(
            "the mask of a masked array would be lost; `.filled(value)` fills in a value",
        ));
    }
    Ok(())
}

/// Returns a tensor of PyTorch whose memory holds its elements, if that of this one does not: if it
/// is the conjugate or the negative of what is there. A tensor that is not dense is refused.
fn plain_tensor<'py>(tensor: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = tensor.py();
    if !has(tensor, intern!(py, "is_conj"))? {
        return Ok(None);
    }
    let layout = tensor.getattr(intern!(py, "layout"))?.str()?.to_string();
    if layout != "torch.strided" {
        return Err(PyTypeError::new_err(format!(
            "a tensor with layout {layout} is not dense; `.to_dense()` makes it so"
        )));
    }
    let is = |method| tensor.call_method0(method)?.extract::<bool>();
    if is(intern!(py, "is_conj"))? {
        return tensor.call_method0(intern!(py, "resolve_conj")).map(Some);
    }
    if is(intern!(py, "is_neg"))? {
        return tensor.call_method0(intern!(py, "resolve_neg")).map(Some);
    }
    Ok(None)
}

/// Moves a tensor to the memory of the host.
fn on_host<'py>(tensor: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = tensor.py();
    // PyTorch, then CuPy.
    for method in [intern!(py, "cpu"), intern!(py, "get")] {
        if has(tensor, method)? {
            return tensor.call_method0(method);
        }
    }
    py.import("numpy")?.call_method1("asarray", (tensor,))
}

/// Adds what to call to the error of a tensor that cannot be handed over.
fn advised(py: Python<'_>, error: PyErr) -> PyErr {
    // Older versions of PyTorch do not hand over a tensor with a gradient.
    if !(error.is_instance_of::<PyBufferError>(py) || error.is_instance_of::<PyRuntimeError>(py))
        || !error.value(py).to_string().contains("grad")
    {
        return error;
    }
    let advised = PyTypeError::new_err(
        "the tensor cannot be handed over; `.detach()` takes the values without their gradient",
    );
    advised.set_cause(py, Some(error));
    advised
}
