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
    (@ canonicalize) => {
        fn canonicalize(&self, path: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
            lazy_chunks::zarr::LocalFileSystem.canonicalize(path)
        }
    };
    (@ check_writable) => {
        fn check_writable(&self, directory: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.check_writable(directory)
        }
    };
    (@ is_same_device) => {
        fn is_same_device(
            &self,
            one: &std::path::Path,
            other: &std::path::Path,
        ) -> std::io::Result<bool> {
            lazy_chunks::zarr::LocalFileSystem.is_same_device(one, other)
        }
    };
    (@ identity) => {
        fn identity(
            &self,
            directory: &std::path::Path,
        ) -> std::io::Result<lazy_chunks::zarr::DirectoryId> {
            lazy_chunks::zarr::LocalFileSystem.identity(directory)
        }
    };
    (@ list) => {
        fn list(&self, directory: &std::path::Path) -> std::io::Result<Vec<std::ffi::OsString>> {
            lazy_chunks::zarr::LocalFileSystem.list(directory)
        }
    };
    (@ read) => {
        fn read(
            &self,
            path: &std::path::Path,
            offset: u64,
            length: Option<u64>,
        ) -> std::io::Result<bytes::Bytes> {
            lazy_chunks::zarr::LocalFileSystem.read(path, offset, length)
        }
    };
    (@ size) => {
        fn size(&self, path: &std::path::Path) -> std::io::Result<u64> {
            lazy_chunks::zarr::LocalFileSystem.size(path)
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
    (@ lock) => {
        fn lock(
            &self,
            path: &std::path::Path,
            holder: &[u8],
        ) -> std::io::Result<lazy_chunks::zarr::FileLock> {
            lazy_chunks::zarr::LocalFileSystem.lock(path, holder)
        }
    };
    (@ rename_directory) => {
        fn rename_directory(
            &self,
            from: &std::path::Path,
            to: &std::path::Path,
        ) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.rename_directory(from, to)
        }
    };
    (@ exchange_directories) => {
        fn exchange_directories(
            &self,
            one: &std::path::Path,
            other: &std::path::Path,
        ) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.exchange_directories(one, other)
        }
    };
    (@ sync_directory) => {
        fn sync_directory(&self, directory: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.sync_directory(directory)
        }
    };
    (@ remove_directory) => {
        fn remove_directory(&self, path: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.remove_directory(path)
        }
    };
    (@ sync_tree) => {
        fn sync_tree(&self, directory: &std::path::Path) -> std::io::Result<()> {
            lazy_chunks::zarr::LocalFileSystem.sync_tree(directory)
        }
    };
}

pub(crate) use forward_to_local;
