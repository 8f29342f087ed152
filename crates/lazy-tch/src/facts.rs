//! Properties of a tensor that the C interface of torch-sys does not expose.

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

/// Returns the name of the element type, such as `UInt16`, even if tch does not know it.
///
/// Like all functions here, it panics if the tensor is undefined.
pub(crate) fn kind_name(tensor: &Tensor) -> &'static str {
    // SAFETY: as for all functions here, `as_ptr` points to a C++ tensor that lives as long as
    // `tensor`. `of_static` needs a string literal, and the C++ side returns one.
    of_static(unsafe { ffi::lazy_tch_kind_name(defined(tensor)) })
}

/// Returns the name of the layout: `strided` if the elements lie in memory at a fixed distance
/// along each axis.
pub(crate) fn layout_name(tensor: &Tensor) -> &'static str {
    // SAFETY: see `kind_name`.
    of_static(unsafe { ffi::lazy_tch_layout_name(defined(tensor)) })
}

/// Returns true if the tensor's memory comes from libtorch's allocator for its device, no other
/// tensor has elements in it, and this is the only handle to the tensor.
///
/// The answer stays true until another handle is made from this one.
pub(crate) fn owns_memory_alone(tensor: &Tensor) -> bool {
    // SAFETY: see `kind_name`.
    unsafe { ffi::lazy_tch_owns_memory_alone(defined(tensor)) }
}

/// Returns the size in bytes of the memory that a strided tensor lies in. The tensor may fill only
/// a part of it.
pub(crate) fn memory_bytes(tensor: &Tensor) -> usize {
    // SAFETY: see `kind_name`.
    unsafe { ffi::lazy_tch_memory_bytes(defined(tensor)) }
}

fn defined(tensor: &Tensor) -> *const C_tensor {
    assert!(tensor.defined(), "the caller must reject undefined tensors");
    tensor.as_ptr()
}

fn of_static(name: *const c_char) -> &'static str {
    // SAFETY: the C++ side returns string literals.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("unknown")
}

/// The functions in `src/facts.cpp`.
mod ffi {
    use super::{C_tensor, c_char};

    unsafe extern "C" {
        pub(super) fn lazy_tch_kind_name(tensor: *const C_tensor) -> *const c_char;
        pub(super) fn lazy_tch_layout_name(tensor: *const C_tensor) -> *const c_char;
        pub(super) fn lazy_tch_owns_memory_alone(tensor: *const C_tensor) -> bool;
        pub(super) fn lazy_tch_memory_bytes(tensor: *const C_tensor) -> usize;
    }
}
