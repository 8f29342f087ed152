//! The operations of a file system that are those of the local one.

/// Implements the operations of these names, within an `impl FileSystem`, by `LocalFileSystem`.
macro_rules! forward_to_local {
    ($($operation:ident)*) => {
        $($crate::forward::forward_to_local!(@ $operation);)*
    };
    (@ kind) => {
        fn kind(&self, path: &std::path::Path) -> std::io::Result<Option<lazy_chunks::zarr::EntryKind>> {
            lazy_chunks::zarr::LocalFileSystem.kind(path)
        }
    };
    (@ entry_kind) => {
        fn entry_kind(&self, path: &std::path::Path) -> std::io::Result<Option<lazy_chunks::zarr::EntryKind>> {
            lazy_chunks::zarr::LocalFileSystem.entry_kind(path)
        }
    };
    (@ canonicalize) => {
        fn canonicalize(&self, path: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
            lazy_chunks::zarr::LocalFileSystem.canonicalize(path)
        }
    };
    (@ list) => {
        fn list(&self, directory: &std::path::Path) -> std::io::Result<Vec<std::ffi::OsString>> {
            lazy_chunks::zarr::LocalFileSystem.list(directory)
        }
    };
    (@ read) => {
        fn read(&self, path: &std::path::Path, offset: u64, length: Option<u64>) -> std::io::Result<bytes::Bytes> {
            lazy_chunks::zarr::LocalFileSystem.read(path, offset, length)
        }
    };
    (@ read_into) => {
        fn read_into(&self, path: &std::path::Path, offset: u64, buffers: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
            lazy_chunks::zarr::LocalFileSystem.read_into(path, offset, buffers)
        }
    };
    (@ size) => {
        fn size(&self, path: &std::path::Path) -> std::io::Result<u64> {
            lazy_chunks::zarr::LocalFileSystem.size(path)
        }
    };
    (@ pin) => {
        fn pin(&self, path: &std::path::Path) -> std::io::Result<lazy_chunks::zarr::FilePin> {
            lazy_chunks::zarr::LocalFileSystem.pin(path)
        }
    };
    (@ create_directory) => {
        fn create_directory(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.create_directory(path)
        }
    };
    (@ create_directories) => {
        fn create_directories(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.create_directories(path)
        }
    };
    (@ write) => {
        fn write(&self, path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.write(path, bytes)
        }
    };
    (@ write_slices) => {
        fn write_slices(&self, path: &std::path::Path, slices: &[std::io::IoSlice<'_>]) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.write_slices(path, slices)
        }
    };
    (@ append) => {
        fn append(&self, path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.append(path, bytes)
        }
    };
    (@ remove_file) => {
        fn remove_file(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.remove_file(path)
        }
    };
    (@ remove_directory) => {
        fn remove_directory(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.remove_directory(path)
        }
    };
    (@ lock) => {
        fn lock(&self, path: &std::path::Path) -> std::io::Result<lazy_chunks::zarr::FileLock> {
            lazy_chunks::zarr::LocalFileSystem.lock(path)
        }
    };
    (@ lock_scope) => {
        fn lock_scope(&self, directory: &std::path::Path) -> std::io::Result<lazy_chunks::zarr::LockScope> {
            lazy_chunks::zarr::LocalFileSystem.lock_scope(directory)
        }
    };
    (@ rename_directory) => {
        fn rename_directory(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.rename_directory(from, to)
        }
    };
    (@ rename_file) => {
        fn rename_file(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.rename_file(from, to)
        }
    };
    (@ rename_new_file) => {
        fn rename_new_file(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.rename_new_file(from, to)
        }
    };
    (@ copy_permissions) => {
        fn copy_permissions(
            &self,
            from: &std::path::Path,
            to: &std::path::Path,
        ) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.copy_permissions(from, to)
        }
    };
    (@ have_same_permissions) => {
        fn have_same_permissions(
            &self,
            one: &std::path::Path,
            other: &std::path::Path,
        ) -> std::io::Result<bool> {
            lazy_chunks::zarr::LocalFileSystem.have_same_permissions(one, other)
        }
    };
    (@ check_replaceable) => {
        fn check_replaceable(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.check_replaceable(path)
        }
    };
    (@ sync_file) => {
        fn sync_file(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.sync_file(path)
        }
    };
    (@ sync_directory) => {
        fn sync_directory(&self, directory: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.sync_directory(directory)
        }
    };
    (@ sync_file_system) => {
        fn sync_file_system(&self, directory: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.sync_file_system(directory)
        }
    };
}

pub(crate) use forward_to_local;
