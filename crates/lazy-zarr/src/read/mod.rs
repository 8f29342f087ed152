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
mod locate;
mod missing;
mod open;
mod refused;
mod untrusted;
mod verify;

pub use array::StoredArray;
pub use describe::StoredSize;
pub use missing::MissingChunks;
pub use verify::Verify;
