//! Reading a stored array.
//!
//! This module uses stores, codecs and elements. It knows nothing of writing and staging
//! directories.

mod array;
mod chunk;
mod describe;
mod elements;
mod fingerprint;
mod gather;
mod grid;
#[cfg(target_os = "linux")]
mod large;
mod locate;
mod missing;
mod open;
mod output;
mod refused;
mod untrusted;
mod verify;

pub use array::StoredArray;
pub use describe::StoredSize;
pub use missing::MissingChunks;
pub use verify::Verify;
