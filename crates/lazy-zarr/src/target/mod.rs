//! The location of an array.
//!
//! Knows paths, URLs and names. Ignorant of the data at a target.

mod connect;
mod name;
mod options;
mod url;

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Result, TargetError};
use crate::fs::{FileSystem, LocalFileSystem};
use crate::objects::{MemoryStore, Store};
use connect::connect;
pub(crate) use name::store_prefix;
use name::{check_name, check_store_path};
pub use options::StoreOptions;
use url::{Location, locate, scheme_and_rest, without_secrets};

/// The location of an array: a path, a URL, or a path within a store instance.
///
/// A target converts from a string, a path or a store. A string with a scheme is a URL, and any
/// other string is a path. A [`Path`] or [`PathBuf`] is never a URL. A store leads to the array at
/// its root. [`member`](Target::member) leads to an array in the group at the target.
///
/// | URL | leads to | feature |
/// |---|---|---|
/// | `file:///data/array.zarr` | a path | |
/// | `memory://name/array.zarr` | [`MemoryStore::named`] | |
/// | `s3://bucket/array.zarr`, `s3a://…` | Amazon S3, or a store with its interface | `s3` |
/// | `gs://bucket/array.zarr` | Google Cloud Storage | `gcs` |
/// | `az://container/array.zarr`, `abfs://…`, `abfss://container@account.dfs.core.windows.net/…` | Azure Blob Storage | `azure` |
/// | `https://host/array.zarr`, `http://…` | a web server, for reading | `http` |
///
/// In the URLs of a file and of a web server, `%20` is a space. The keys of object stores are taken
/// as they are.
///
/// The client of a store takes its settings and credentials from
/// [`with_store_options`](Target::with_store_options) and from the environment. It is made when the
/// target is first used. Clones and members of the target share it.
///
/// The target is checked when it is used: by [`ToZarr`](crate::ToZarr), by another pass with a
/// [`ZarrSink`](crate::ZarrSink), or by [`StoredArray::open`](crate::StoredArray::open). An empty
/// path or an invalid URL is then an error of the kind
/// [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget).
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{MemoryStore, Target};
///
/// assert_eq!(Target::from("data/array.zarr").to_string(), "data/array.zarr");
/// assert_eq!(Target::from("file:///data/array.zarr").to_string(), "file:///data/array.zarr");
/// assert_eq!(Target::from("s3://bucket/array.zarr").to_string(), "s3://bucket/array.zarr");
///
/// let store = MemoryStore::new();
/// assert_eq!(Target::in_store(store, "/group/array").to_string(), "store:/group/array");
///
/// let values = Target::from("influence.zarr").member("values");
/// assert_eq!(values.to_string(), "influence.zarr/values");
/// ```
#[derive(Clone)]
pub struct Target {
    place: Root,
    /// The names of groups and of the array below the place.
    members: Vec<String>,
}

#[derive(Clone)]
enum Root {
    Path { file_system: Arc<dyn FileSystem>, path: PathBuf },
    Url(Url),
    Store { store: Arc<dyn Store>, path: String },
}

#[derive(Clone)]
struct Url {
    text: String,
    options: StoreOptions,
    /// The store, from its first use on.
    store: Arc<Mutex<Option<Arc<dyn Store>>>>,
}

impl Url {
    fn new(text: String, options: StoreOptions) -> Url {
        Url { text, options, store: Arc::default() }
    }

    /// Returns the directory or the store that the URL leads to.
    fn resolve(&self) -> Result<StorageRoot> {
        Ok(match locate(&self.text)? {
            Location::Path(path) => {
                StorageRoot::Directory { file_system: Arc::new(LocalFileSystem), path }
            }
            Location::Memory { name, path } => {
                StorageRoot::Store { store: Arc::new(MemoryStore::named(&name)), path }
            }
            Location::Remote { service, root, path } => {
                let mut cached = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                let store = match &*cached {
                    Some(store) => Arc::clone(store),
                    None => {
                        let url = without_secrets(&self.text);
                        Arc::clone(cached.insert(connect(service, &root, &url, &self.options)?))
                    }
                };
                StorageRoot::Store { store, path }
            }
        })
    }
}

/// A target that was checked.
pub(crate) struct Resolved {
    pub(crate) place: StorageRoot,
    /// The names of groups and of the array below the place.
    pub(crate) members: Vec<String>,
}

/// A directory, or a path in a store.
pub(crate) enum StorageRoot {
    Directory { file_system: Arc<dyn FileSystem>, path: PathBuf },
    Store { store: Arc<dyn Store>, path: String },
}

impl Target {
    /// Returns a target at a path of any file system.
    pub fn on(file_system: impl FileSystem, path: impl Into<PathBuf>) -> Target {
        Target::at(Root::Path { file_system: Arc::new(file_system), path: path.into() })
    }

    /// Returns a target at a path within a store: `/` for its root, `/group/array` for an array in
    /// a group.
    ///
    /// A path that does not begin with `/`, or that has empty parts, is an error of the kind
    /// [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) when the target is used.
    pub fn in_store(store: impl Store + 'static, path: impl Into<String>) -> Target {
        Target::at(Root::Store { store: Arc::new(store), path: path.into() })
    }

    /// Returns the target at a path of a shared file system.
    pub(crate) fn on_shared(file_system: Arc<dyn FileSystem>, path: PathBuf) -> Target {
        Target::at(Root::Path { file_system, path })
    }

    fn at(place: Root) -> Target {
        Target { place, members: Vec::new() }
    }

    /// Sets the settings of the client for the URL of this target. Without them, all settings come
    /// from the environment.
    ///
    /// Targets that need no client ignore them: paths, `file://` and `memory://` URLs, and store
    /// instances.
    ///
    /// # Example
    ///
    /// Reads a public bucket without credentials:
    ///
    /// ```no_run
    /// # mod lazy_chunks { pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::{StoreOptions, StoredArray, Target};
    ///
    /// let options = StoreOptions::new()
    ///     .with("aws_region", "us-west-2")
    ///     .with("aws_skip_signature", "true");
    /// let target = Target::from("s3://bucket/values.zarr").with_store_options(options);
    /// println!("{:?}", StoredArray::open(target)?.shape());
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    #[must_use]
    pub fn with_store_options(mut self, options: StoreOptions) -> Target {
        if let Root::Url(url) = self.place {
            self.place = Root::Url(Url::new(url.text, options));
        }
        self
    }

    /// Returns the member with this name of the group at this target.
    ///
    /// If the group does not exist, a write creates it just before the array appears. A group
    /// contains any number of arrays and other groups. Xarray opens a group whose arrays have
    /// [dimension names](crate::ZarrSink::with_dimension_names).
    ///
    /// A name must not be empty, contain `/`, `\` or NUL, consist only of dots, have more than 255
    /// bytes, begin with `__`, or be `zarr.json`. An invalid name is an error of the kind
    /// [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) when the target is used.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{StoredArray, Target, ToZarr};
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let group = Target::from(directory.path().join("influence.zarr"));
    /// for name in ["factors", "values"] {
    ///     LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i)))
    ///         .convert(NdarrayConverter)
    ///         .to_zarr(group.member(name))?;
    /// }
    /// assert_eq!(StoredArray::open(group.member("values"))?.shape(), [8, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn member(&self, name: impl Into<String>) -> Target {
        let mut member = self.clone();
        member.members.push(name.into());
        member
    }

    /// Returns the target at a prefix below this one in a store.
    pub(crate) fn below(&self, prefix: &str) -> Target {
        let names = prefix.split('/').filter(|name| !name.is_empty());
        names.fold(self.clone(), |target, name| target.member(name))
    }

    /// Returns the path of this target, or `None` if it is in a store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the path, the URL or a name
    /// is invalid.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::path::Path;
    ///
    /// use lazy_chunks::zarr::Target;
    ///
    /// let group = Target::from("file:///data/my%20run.zarr");
    /// assert_eq!(group.path()?.as_deref(), Some(Path::new("/data/my run.zarr")));
    /// assert_eq!(group.member("values").path()?.unwrap(), Path::new("/data/my run.zarr/values"));
    /// assert!(Target::from("gopher://host/run.zarr").path().is_err());
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    pub fn path(&self) -> Result<Option<PathBuf>> {
        self.members.iter().try_for_each(|name| check_name(name))?;
        let path = match &self.place {
            Root::Path { path, .. } => {
                check_path(path)?;
                path.clone()
            }
            // The client of a remote store is not needed.
            Root::Url(url) => match locate(&url.text)? {
                Location::Path(path) => path,
                Location::Memory { .. } | Location::Remote { .. } => return Ok(None),
            },
            Root::Store { path, .. } => {
                check_store_path(path)?;
                return Ok(None);
            }
        };
        Ok(Some(self.members.iter().fold(path, |path, name| path.join(name))))
    }

    /// Returns the number of requests that the store of the target should have in flight at a time,
    /// if it is a store that waits.
    pub(crate) fn concurrency(&self) -> Option<usize> {
        match self.resolve().ok()?.place {
            StorageRoot::Store { store, .. } => store.concurrency(),
            StorageRoot::Directory { .. } => None,
        }
    }

    /// Returns the name of the array in its group, if the target is a member.
    pub(crate) fn member_name(&self) -> Option<&str> {
        self.members.last().map(String::as_str)
    }

    /// Returns the last name of the members, or of the path if there are no members.
    pub(crate) fn name(&self) -> String {
        let of_place = || match &self.place {
            Root::Path { path, .. } => {
                path.file_stem().map(|name| name.to_string_lossy().into_owned())
            }
            Root::Url(url) => {
                let url = without_secrets(&url.text);
                url.trim_end_matches('/').rsplit('/').next().map(str::to_owned)
            }
            Root::Store { path, .. } => path.rsplit('/').next().map(str::to_owned),
        };
        self.members.last().cloned().or_else(of_place).unwrap_or_default()
    }

    /// Checks the target, and returns its directory or store.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        self.members.iter().try_for_each(|name| check_name(name))?;
        let place = match &self.place {
            Root::Path { file_system, path } => {
                check_path(path)?;
                StorageRoot::Directory { file_system: Arc::clone(file_system), path: path.clone() }
            }
            Root::Url(url) => url.resolve()?,
            Root::Store { store, path } => {
                check_store_path(path)?;
                StorageRoot::Store { store: Arc::clone(store), path: path.clone() }
            }
        };
        Ok(Resolved { place, members: self.members.clone() })
    }
}

fn check_path(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        let reason = "it is empty";
        return Err(TargetError::InvalidPath { path: path.to_owned(), reason }.into());
    }
    Ok(())
}

/// Prints the path or the URL and the names of members. A user, a password and a query in a URL are
/// left out.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = match &self.place {
            Root::Path { path, .. } => path.display().to_string(),
            Root::Url(url) => without_secrets(&url.text),
            Root::Store { path, .. } => format!("store:{path}"),
        };
        for name in &self.members {
            let separator = if text.ends_with('/') { "" } else { "/" };
            write!(text, "{separator}{name}")?;
        }
        formatter.write_str(&text)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({self})")
    }
}

/// Clones the target.
impl From<&Target> for Target {
    fn from(target: &Target) -> Target {
        target.clone()
    }
}

impl From<&str> for Target {
    fn from(path_or_url: &str) -> Target {
        let is_file_url =
            path_or_url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("file:/"));
        if is_file_url || scheme_and_rest(path_or_url).is_some() {
            Target::at(Root::Url(Url::new(path_or_url.to_owned(), StoreOptions::new())))
        } else {
            Target::from(Path::new(path_or_url))
        }
    }
}

impl From<String> for Target {
    fn from(path_or_url: String) -> Target {
        Target::from(path_or_url.as_str())
    }
}

impl From<&String> for Target {
    fn from(path_or_url: &String) -> Target {
        Target::from(path_or_url.as_str())
    }
}

impl From<&Path> for Target {
    fn from(path: &Path) -> Target {
        Target::on(LocalFileSystem, path)
    }
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Target {
        Target::on(LocalFileSystem, path)
    }
}

impl From<&PathBuf> for Target {
    fn from(path: &PathBuf) -> Target {
        Target::from(path.as_path())
    }
}

/// Leads to the root of the store.
impl<S: Store + ?Sized + 'static> From<Arc<S>> for Target {
    fn from(store: Arc<S>) -> Target {
        Target::in_store(store, "/")
    }
}

/// Leads to the root of the store.
impl From<MemoryStore> for Target {
    fn from(store: MemoryStore) -> Target {
        Target::in_store(store, "/")
    }
}

/// Leads to the root of the store.
impl From<&MemoryStore> for Target {
    fn from(store: &MemoryStore) -> Target {
        Target::in_store(store.clone(), "/")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::objects::PutCondition;

    #[test]
    fn only_strings_are_urls() {
        assert!(matches!(Target::from(Path::new("s3://a")).place, Root::Path { .. }));
        assert!(matches!(Target::from("s3://a").place, Root::Url(_)));
    }

    #[test]
    fn secrets_are_not_printed() {
        for url in
            ["https://user:hunter2@host/a", "https://host/a?sig=hunter2", "s3://k:hunter2@host/a"]
        {
            let target = Target::from(url).member("m");
            let printed = format!("{target} {target:?} {:?}", target.path().unwrap_err());
            assert!(!printed.contains("hunter2") && printed.contains("://host/a/m"), "{printed}");
        }
        let options = StoreOptions::new().with("token", "hunter2");
        let target = Target::from("s3://bucket/a").with_store_options(options);
        assert_eq!(format!("{target:?}"), "Target(s3://bucket/a)");
    }

    #[test]
    fn a_url_of_a_store_has_a_name_and_no_path() {
        for url in ["s3://bucket/run/a.zarr", "gs://bucket/a.zarr/", "memory://name/a.zarr"] {
            assert_eq!(Target::from(url).path().unwrap(), None);
            assert_eq!(Target::from(url).name(), "a.zarr");
        }
    }

    fn store(target: &Target) -> (Arc<dyn Store>, String) {
        match target.resolve().unwrap().place {
            StorageRoot::Store { store, path } => (store, path),
            StorageRoot::Directory { .. } => panic!("a directory"),
        }
    }

    #[test]
    fn a_name_in_memory_is_one_store() {
        let first = Target::from("memory://target-tests/a/b");
        let (store_of_first, path) = store(&first);
        assert_eq!(path, "/a/b");
        store_of_first.put("key", Bytes::from_static(b"1"), PutCondition::Always).unwrap();
        let (other, _) = store(&Target::from("memory://target-tests"));
        assert_eq!(other.get("key").unwrap().bytes, "1");
        let (another, _) = store(&Target::from("memory://target-tests-2"));
        assert!(another.get("key").is_err());
    }

    #[cfg(feature = "http")]
    #[test]
    fn clones_and_members_share_a_client() {
        let target = Target::from("https://host/a");
        let same = |a: &Target, b: &Target| Arc::ptr_eq(&store(a).0, &store(b).0);
        assert!(same(&target, &target.clone()));
        assert!(same(&target.clone().member("m"), &target));
        assert!(!same(&target, &Target::from("https://host/a")));
        let others = target.clone().with_store_options(StoreOptions::new().with("timeout", "1s"));
        assert!(!same(&target, &others));
    }
}
