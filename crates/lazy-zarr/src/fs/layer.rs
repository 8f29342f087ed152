//! File systems that change some operations of another one.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::default_operations;
use super::entry_kind::EntryKind;
use super::file_system::FileSystem;
use super::lock::{FileLock, LockScope};
use super::pin::FilePin;

macro_rules! layer {
    (
        inner: $(fn $operation:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*
        own: $(fn $derived:ident(&self $(, $with:ident: $with_type:ty)*) -> $derived_result:ty;)*
    ) => {
        /// A file system that changes some operations of an inner one.
        ///
        /// Every operation of [`FileSystem`] has a method of the same name here, which by default
        /// calls the inner file system. An implementation names the inner file system, and
        /// overrides the operations that it changes. A layer is a [`FileSystem`].
        ///
        /// By default, [`read_into`](Self::read_into), [`write_slices`](Self::write_slices) and
        /// [`create_directories`](Self::create_directories) call the layer's own
        /// [`read`](Self::read), [`write`](Self::write) and
        /// [`create_directory`](Self::create_directory), so that a layer changes both of a pair at
        /// once. A layer that changes neither may pass them to the inner file system, which is
        /// faster. [`rename_new_file`](Self::rename_new_file) does not call
        /// [`rename_file`](Self::rename_file).
        ///
        /// # Example
        ///
        /// A full disk, to see how a program handles it:
        ///
        /// ```
        /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
        /// use std::io;
        /// use std::path::Path;
        ///
        /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
        /// use lazy_chunks::zarr::{
        ///     FileSystem, FileSystemLayer, MemoryFileSystem, Target, ToZarr,
        /// };
        /// use ndarray::array;
        ///
        /// #[derive(Debug)]
        /// struct FullDisk(MemoryFileSystem);
        ///
        /// impl FileSystemLayer for FullDisk {
        ///     type Inner = MemoryFileSystem;
        ///
        ///     fn inner(&self) -> &MemoryFileSystem {
        ///         &self.0
        ///     }
        ///
        ///     fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        ///         Err(io::ErrorKind::StorageFull.into())
        ///     }
        /// }
        ///
        /// let files = MemoryFileSystem::new();
        /// let target = Target::on(FullDisk(files.clone()), "values.zarr");
        /// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
        /// let error = sequence.to_zarr(target).unwrap_err();
        /// assert!(lazy_chunks::report(&error).contains("no storage space"));
        /// assert_eq!(files.list(Path::new("/"))?.len(), 0, "nothing is left behind");
        /// # Ok::<(), io::Error>(())
        /// ```
        pub trait FileSystemLayer: fmt::Debug + Send + Sync + 'static {
            /// The type of the inner file system.
            type Inner: FileSystem + ?Sized;

            /// Returns the inner file system.
            fn inner(&self) -> &Self::Inner;
            $(
                #[doc = concat!("Calls [`FileSystem::", stringify!($operation), "`].")]
                ///
                /// # Errors
                ///
                /// Those of the inner file system.
                fn $operation(&self $(, $argument: $type)*) -> io::Result<$result> {
                    self.inner().$operation($($argument),*)
                }
            )*
            $(
                #[doc = concat!("Does the same as [`FileSystem::", stringify!($derived), "`].")]
                ///
                /// # Errors
                ///
                /// Those of the operations that it calls.
                fn $derived(&self $(, $with: $with_type)*) -> io::Result<$derived_result> {
                    default_operations::$derived(self $(, $with)*)
                }
            )*
        }

        impl<L: FileSystemLayer + ?Sized> FileSystem for L {
            $(
                fn $operation(&self $(, $argument: $type)*) -> io::Result<$result> {
                    FileSystemLayer::$operation(self $(, $argument)*)
                }
            )*
            $(
                fn $derived(&self $(, $with: $with_type)*) -> io::Result<$derived_result> {
                    FileSystemLayer::$derived(self $(, $with)*)
                }
            )*
        }
    };
}

layer! {
    inner:
    fn kind(&self, path: &Path) -> Option<EntryKind>;
    fn entry_kind(&self, path: &Path) -> Option<EntryKind>;
    fn canonicalize(&self, path: &Path) -> PathBuf;
    fn list(&self, directory: &Path) -> Vec<OsString>;
    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> Bytes;
    fn size(&self, path: &Path) -> u64;
    fn modified(&self, path: &Path) -> Option<SystemTime>;
    fn pin(&self, path: &Path) -> FilePin;
    fn create_directory(&self, path: &Path) -> ();
    fn write(&self, path: &Path, bytes: &[u8]) -> ();
    fn append(&self, path: &Path, bytes: &[u8]) -> ();
    fn remove_file(&self, path: &Path) -> ();
    fn remove_directory(&self, path: &Path) -> ();
    fn lock(&self, path: &Path) -> FileLock;
    fn lock_scope(&self, directory: &Path) -> LockScope;
    fn rename_directory(&self, from: &Path, to: &Path) -> ();
    fn rename_file(&self, from: &Path, to: &Path) -> ();
    fn rename_new_file(&self, from: &Path, to: &Path) -> ();
    fn copy_permissions(&self, from: &Path, to: &Path) -> ();
    fn have_same_permissions(&self, one: &Path, other: &Path) -> bool;
    fn check_replaceable(&self, path: &Path) -> ();
    fn sync_file(&self, path: &Path) -> ();
    fn sync_directory(&self, directory: &Path) -> ();
    fn sync_file_system(&self, directory: &Path) -> ();
    own:
    fn read_into(&self, path: &Path, offset: u64, buffers: &mut [IoSliceMut<'_>]) -> usize;
    fn create_directories(&self, path: &Path) -> ();
    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> ();
}

/// Passes every operation to the file system in the `Arc`.
impl<F: FileSystem + ?Sized> FileSystemLayer for Arc<F> {
    type Inner = F;

    fn inner(&self) -> &F {
        self
    }

    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        (**self).read_into(path, offset, buffers)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        (**self).create_directories(path)
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        (**self).write_slices(path, slices)
    }
}
