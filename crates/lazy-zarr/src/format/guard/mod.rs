//! Codecs for untrusted arrays. Their allocations are bounded, their output is checked, and
//! checksums are added and removed without a copy.

mod chain;
mod codec;
mod decompress;
mod index;
mod whole;

pub(crate) use chain::{ShardCodecs, guarded};
pub(crate) use index::ABSENT;
