// What the C interface of torch-sys does not tell of a tensor. Nothing here throws, and a tensor's
// pointer is to be that of a living, defined tensor.

#include <ATen/core/TensorBase.h>

extern "C" {

// The name of the element type, such as "UInt16": a string that is never freed.
const char *lazy_tch_kind_name(const at::TensorBase *tensor) noexcept {
  return c10::toString(tensor->scalar_type());
}

// The layout as a number, 0 for strided; -1 when the tensor does not tell it.
int lazy_tch_layout(const at::TensorBase *tensor) noexcept {
  try {
    return static_cast<int>(tensor->layout());
  } catch (...) {
    return -1;
  }
}

// Whether this tensor is the only one whose elements lie in its memory: no view, no other handle and
// no computation graph can reach it.
bool lazy_tch_owns_memory_alone(const at::TensorBase *tensor) noexcept {
  return tensor->has_storage() && tensor->use_count() == 1 &&
         tensor->unsafeGetTensorImpl()->unsafe_storage().use_count() == 1;
}
}
