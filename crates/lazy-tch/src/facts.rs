//! What the C interface of torch-sys does not tell of a tensor.

use std::ffi::{CStr, c_char};

use tch::Tensor;
use torch_sys::C_tensor;

/// The name of the element type, such as `UInt16`, whether or not tch knows it.
///
/// The tensor is to be defined, as for all functions here.
pub(crate) fn kind_name(tensor: &Tensor) -> &'static str {
    // SAFETY: as for all functions here, `as_ptr` is that of a C++ tensor which lives as long as
    // `tensor`, and `of_static` asks for what the C++ side promises: a literal.
    of_static(unsafe { ffi::lazy_tch_kind_name(defined(tensor)) })
}

/// The name of the layout: `strided` when the elements lie in memory at a fixed distance along each
/// axis.
pub(crate) fn layout_name(tensor: &Tensor) -> &'static str {
    // SAFETY: see `kind_name`.
    of_static(unsafe { ffi::lazy_tch_layout_name(defined(tensor)) })
}

/// Whether the tensor's memory comes from libtorch's allocator for its device, no other tensor's elements
/// lie in it, and there is no other handle to this one.
///
/// Then it stays so for as long as no handle is made from this one.
pub(crate) fn owns_memory_alone(tensor: &Tensor) -> bool {
    // SAFETY: see `kind_name`.
    unsafe { ffi::lazy_tch_owns_memory_alone(defined(tensor)) }
}

/// The bytes of the memory that a strided tensor is in, the whole or a part.
pub(crate) fn memory_bytes(tensor: &Tensor) -> usize {
    // SAFETY: see `kind_name`.
    unsafe { ffi::lazy_tch_memory_bytes(defined(tensor)) }
}

fn defined(tensor: &Tensor) -> *const C_tensor {
    assert!(tensor.defined(), "an undefined tensor was to be refused before");
    tensor.as_ptr()
}

fn of_static(name: *const c_char) -> &'static str {
    // SAFETY: the C++ side returns string literals.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("unknown")
}

/// `src/facts.cpp`.
mod ffi {
    use super::{C_tensor, c_char};

    unsafe extern "C" {
        pub(super) fn lazy_tch_kind_name(tensor: *const C_tensor) -> *const c_char;
        pub(super) fn lazy_tch_layout_name(tensor: *const C_tensor) -> *const c_char;
        pub(super) fn lazy_tch_owns_memory_alone(tensor: *const C_tensor) -> bool;
        pub(super) fn lazy_tch_memory_bytes(tensor: *const C_tensor) -> usize;
    }
}
