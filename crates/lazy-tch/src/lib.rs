//! libtorch tensors for lazily evaluated, chunked arrays.
//!
//! All that links libtorch is behind the feature `tch`, so that the workspace builds on machines
//! without it. There is nothing behind the feature yet.
