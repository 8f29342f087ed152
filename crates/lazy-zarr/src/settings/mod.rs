//! Settings of a write: plain values that a user chooses.
//!
//! Knows their names, defaults and limits. Ignorant of zarrs, and of all I/O and threads.

mod codec;
mod durability;
mod existing;
mod fill;
mod layout;
mod resume;
mod write;

pub use codec::{BloscCompressor, Checksum, Codec, Shuffle};
pub use durability::Durability;
pub use existing::{Existing, OldChunks};
pub(crate) use fill::FillElement;
pub(crate) use layout::{LayoutSettings, Sizes};
pub use resume::Resume;
pub(crate) use write::WriteSettings;
