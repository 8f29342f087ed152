//! File systems: the trait that writing and reading use, the machine's file systems, and a file
//! system in memory.
//!
//! Knows paths and bytes. Ignorant of Zarr, and of everything else in this crate.

mod default_operations;
mod entry_kind;
mod file_system;
mod fingerprint;
mod layer;
mod local;
mod lock;
mod memory;
mod mount;
mod open;
#[cfg(unix)]
mod permissions;
mod pin;
mod removal;

pub use entry_kind::EntryKind;
pub use file_system::FileSystem;
pub use layer::FileSystemLayer;
pub use local::LocalFileSystem;
pub use lock::{FileLock, LockScope};
pub use memory::MemoryFileSystem;
pub use pin::FilePin;
pub(crate) use removal::remove_if_empty;
