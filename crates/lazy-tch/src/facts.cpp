// What the C interface of torch-sys does not tell of a tensor. Nothing here throws, and what is pointed
// to is to be a defined tensor.

#include <atomic>

#include <ATen/core/TensorBase.h>

extern "C" {

// The name of the element type, such as "UInt16": a string that is never freed, as are those below.
const char *lazy_tch_kind_name(const at::TensorBase *tensor) noexcept {
  return c10::toString(tensor->scalar_type());
}

// The name of the layout: "strided" when the elements lie in memory at a fixed distance along each axis.
const char *lazy_tch_layout_name(const at::TensorBase *tensor) noexcept {
  if (tensor->is_nested()) {
    return "nested";
  }
  try {
    switch (tensor->layout()) {
    case c10::kStrided:
      return tensor->has_storage() ? "strided" : "opaque";
    case c10::kSparse:
      return "sparse_coo";
    case c10::kSparseCsr:
      return "sparse_csr";
    case c10::kSparseCsc:
      return "sparse_csc";
    case c10::kSparseBsr:
      return "sparse_bsr";
    case c10::kSparseBsc:
      return "sparse_bsc";
    case c10::kMkldnn:
      return "mkldnn";
    case c10::kJagged:
      return "jagged";
    default:
      return "unknown";
    }
  } catch (...) {
    return "unknown";
  }
}

// Whether a strided tensor is the only one whose elements lie in its memory, and this the only handle to
// it: then no view, no clone and no computation graph can reach that memory.
bool lazy_tch_owns_memory_alone(const at::TensorBase *tensor) noexcept {
  const bool is_alone = tensor->has_storage() && tensor->use_count() == 1 &&
                        tensor->unsafeGetTensorImpl()->unsafe_storage().use_count() == 1;
  // The counts are read without ordering. Whoever gave up the last other handle, on whatever thread, has
  // written before that, and is seen to have.
  std::atomic_thread_fence(std::memory_order_acquire);
  return is_alone;
}
}
