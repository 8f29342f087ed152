//! The staging directory of a write: its lock, record and journal, and cleaning up after the write.
//!
//! Handles files, keys and checksums, and does not depend on blocks, codecs or reading.

mod appended_rows;
mod chunk_files;
mod claim;
pub(crate) mod directory;
mod entry;
mod file_journal;
pub(crate) mod flush;
mod holder;
mod journal;
mod lease;
mod part_record;
mod permissions;
mod plan;
mod plan_document;
mod plan_objects;
mod plan_place;
mod process;
mod record;
pub(crate) mod removal;
mod removed;
mod store_journal;
mod superseded;
mod taken_part;
mod taking;
mod tally;
mod unfinished;
mod unfinished_in_store;

pub(crate) use appended_rows::AppendedRows;
pub(crate) use chunk_files::{ChunkFiles, PartChunkRows};
pub(crate) use claim::{Claim, Claimed};
pub(crate) use directory::Staging;
pub(crate) use entry::Entry;
pub(crate) use file_journal::FileJournal;
pub(crate) use journal::{ChunkJournal, Journal};
pub(crate) use part_record::PartRecord;
pub(crate) use permissions::Permissions;
pub(crate) use plan::{PlanDirectory, fragment, open_plan};
pub(crate) use plan_document::PlanDocument;
pub(crate) use plan_objects::{FinishLease, PartJournal, PartLease, PlanObjects};
pub(crate) use plan_place::{HeldPart, PlanPlace};
pub(crate) use process::{Liveness, token};
pub(crate) use record::{Difference, Record, stored_rows};
pub(crate) use store_journal::StoreJournal;
pub use superseded::Superseded;
pub(crate) use taken_part::TakenPart;
pub(crate) use taking::Taken;
pub(crate) use tally::{TaggedTally, Tally};
pub(crate) use unfinished::clean_up;
pub use unfinished::{SharedProgress, UnfinishedWrite, WriteState};
pub(crate) use unfinished_in_store::{appended, clean_up_store, resumable_record};
