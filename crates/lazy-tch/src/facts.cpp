// Properties of a tensor that the C interface of torch-sys does not expose. No function here
// throws. Each argument must point to a defined tensor.

#include <atomic>

#include <ATen/core/TensorBase.h>
#include <c10/core/Allocator.h>

extern "C" {

// Returns the name of the element type, such as "UInt16". The string is never freed; this holds for
// all functions here.
const char *lazy_tch_kind_name(const at::TensorBase *tensor) noexcept {
  return c10::toString(tensor->scalar_type());
}

// Returns the name of the layout: "strided" if the elements lie in memory at a fixed distance along
// each axis.
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

// Returns true if libtorch owns a tensor's memory and this is the only handle to the only tensor in
// it. Then no view, clone or computation graph can reach that memory. It is not a mapped file, an
// array of another library, or a buffer that a device is still writing to.
bool lazy_tch_owns_memory_alone(const at::TensorBase *tensor) noexcept {
  if (!tensor->has_storage() || tensor->use_count() != 1) {
    return false;
  }
  const c10::Storage &storage = tensor->unsafeGetTensorImpl()->unsafe_storage();
  if (storage.use_count() != 1) {
    return false;
  }
  // The counts are read without ordering. The fence makes the writes visible of the thread that
  // released the last other handle, since it wrote before it released.
  std::atomic_thread_fence(std::memory_order_acquire);
  try {
    const c10::DeleterFnPtr own = c10::GetAllocator(storage.device_type())->raw_deleter();
    return own != nullptr && storage.data_ptr().get_deleter() == own;
  } catch (...) {
    return false;
  }
}

// Returns the size in bytes of the storage that a tensor lies in. The tensor may fill only a part
// of it.
size_t lazy_tch_memory_bytes(const at::TensorBase *tensor) noexcept {
  try {
    return tensor->unsafeGetTensorImpl()->unsafe_storage().nbytes();
  } catch (...) {
    return 0;
  }
}
}
