//! Groups: their members, attributes and consolidated metadata, and the removal of members.
//!
//! Handles names and metadata documents, and does not depend on elements, codecs, reading or
//! writing.

mod attributes;
mod consolidated;
mod handle;
mod members;
mod metadata;
mod place;
mod removal;

pub use consolidated::Consolidation;
pub use handle::Group;
pub use members::{Member, MemberKind};
pub use removal::Removed;
