//! The kinds of entries in a file system.

/// The kind of entry at a path.
///
/// # Example
///
/// Lists the arrays and groups in a directory:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::ffi::OsString;
/// use std::io;
/// use std::path::Path;
///
/// use lazy_chunks::zarr::{EntryKind, FileSystem, LocalFileSystem};
///
/// fn nodes(directory: &Path) -> io::Result<Vec<OsString>> {
///     let mut nodes = Vec::new();
///     for name in LocalFileSystem.list(directory)? {
///         let metadata = directory.join(&name).join("zarr.json");
///         if LocalFileSystem.kind(&metadata)? == Some(EntryKind::File) {
///             nodes.push(name);
///         }
///     }
///     Ok(nodes)
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # for name in ["values.zarr", "pictures"] {
/// #     std::fs::create_dir(directory.path().join(name))?;
/// # }
/// # std::fs::write(directory.path().join("values.zarr/zarr.json"), "{}")?;
/// assert_eq!(nodes(directory.path())?, ["values.zarr"]);
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link. Where links are followed, it is a broken link.
    Link,
    /// Any other kind, such as a device, a pipe or a socket.
    Other,
}
