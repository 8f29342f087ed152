// What the C interface of torch-sys does not tell of a tensor. Nothing here throws, and what is pointed
// to is to be a defined tensor.

#include <atomic>

#include <ATen/core/TensorBase.h>
#include <c10/core/Allocator.h>

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

// Whether a tensor's memory is libtorch's own, and this the only handle to the only tensor in it: then no
// view, no clone and no computation graph can reach that memory, and it is nobody else's: no mapped file, no
// array of another library, no buffer that a device is still writing to.
bool lazy_tch_owns_memory_alone(const at::TensorBase *tensor) noexcept {
  if (!tensor->has_storage() || tensor->use_count() != 1) {
    return false;
  }
  const c10::Storage &storage = tensor->unsafeGetTensorImpl()->unsafe_storage();
  if (storage.use_count() != 1) {
    return false;
  }
  // The counts are read without ordering. Whoever gave up the last other handle, on whatever thread, has
  // written before that, and is seen to have.
  std::atomic_thread_fence(std::memory_order_acquire);
  try {
    const c10::DeleterFnPtr own = c10::GetAllocator(storage.device_type())->raw_deleter();
    return own != nullptr && storage.data_ptr().get_deleter() == own;
  } catch (...) {
    return false;
  }
}

// The bytes of the memory that a tensor with storage is in, the whole or a part.
size_t lazy_tch_memory_bytes(const at::TensorBase *tensor) noexcept {
  try {
    return tensor->unsafeGetTensorImpl()->unsafe_storage().nbytes();
  } catch (...) {
    return 0;
  }
}
}
