//! libtorch tensors for lazily evaluated, chunked arrays.
//!
//! All that needs libtorch is behind the feature `tch`, so that the workspace builds on machines
//! without it.
