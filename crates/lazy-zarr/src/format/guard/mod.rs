//! Codecs of untrusted arrays: what they allocate is bounded, what they decode is checked, and checksums
//! are added and removed without a copy.

mod chain;
mod codec;
mod decompress;
mod whole;

pub(crate) use chain::{ShardCodecs, guarded};
