//! Where an array lies or is to lie.

use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use zarrs::storage::{
    ReadableWritableListableStorage, ReadableWritableListableStorageTraits, StorePrefix,
};

use crate::destination::{absolute, is_staging};
use crate::node::{Node, zarr_node_at_path};
use crate::{EntryKind, Error, FileSystem, LocalFileSystem, Result};

/// Where an array lies or is to lie: a path, a `file://` URL, or a path within a store instance.
///
/// Made from a string, which is a URL when it has a scheme (`file:///data/array.zarr`) and a path
/// otherwise; from a path, which never is a URL; or from a store, where the array lies at the root.
/// [`member`](Target::member) names an array in the group that lies there.
///
/// Nothing is looked at before the target is used: by [`ToZarr`](crate::ToZarr) or another pass with a
/// [`ZarrSink`](crate::ZarrSink), or by [`StoredArray::open`](crate::StoredArray::open). A URL that leads
/// to no path is an error then, [`Error::UnknownScheme`] or [`Error::InvalidUrl`]; so is an empty path,
/// [`Error::InvalidPath`].
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use lazy_zarr::{MemoryStore, Target};
///
/// assert_eq!(Target::from("data/array.zarr").to_string(), "data/array.zarr");
/// assert_eq!(Target::from("file:///data/array.zarr").to_string(), "file:///data/array.zarr");
///
/// let store = Arc::new(MemoryStore::new());
/// assert_eq!(Target::in_store(store, "/group/array").to_string(), "store:/group/array");
///
/// let values = Target::from("influence.zarr").member("values");
/// assert_eq!(values.to_string(), "influence.zarr/values");
/// ```
#[derive(Clone)]
pub struct Target {
    place: Place,
    /// Names below the place: of groups, and of the array.
    members: Vec<String>,
}

#[derive(Clone)]
enum Place {
    Path { file_system: Arc<dyn FileSystem>, path: PathBuf },
    Url(String),
    Store { store: ReadableWritableListableStorage, path: String },
}

/// A target that was found to be one.
pub(crate) struct Resolved {
    pub(crate) place: ResolvedPlace,
    /// Names below the place: of groups, and of the array.
    pub(crate) members: Vec<String>,
}

/// A directory, or a path in a store.
pub(crate) enum ResolvedPlace {
    Directory { file_system: Arc<dyn FileSystem>, path: PathBuf },
    Store { store: ReadableWritableListableStorage, path: String },
}

impl Target {
    /// A path of a file system other than the machine's.
    pub fn on(file_system: impl FileSystem, path: impl Into<PathBuf>) -> Target {
        Target::at(Place::Path { file_system: Arc::new(file_system), path: path.into() })
    }

    /// A path within a store: `/` for its root, `/group/array` for an array in a group. A path that
    /// does not begin with `/`, or has empty parts, is [`Error::InvalidStorePath`] when the target is
    /// used.
    pub fn in_store<S>(store: Arc<S>, path: impl Into<String>) -> Target
    where
        S: ReadableWritableListableStorageTraits + 'static,
    {
        Target::at(Place::Store { store, path: path.into() })
    }

    fn at(place: Place) -> Target {
        Target { place, members: Vec::new() }
    }

    /// The member of this name in the group that this target leads to.
    ///
    /// Where there is no such group, writing the array creates it, just before the array appears. A group holds any number of arrays, and
    /// other groups; xarray opens a group whose arrays have
    /// [names for their dimensions](crate::ZarrSink::with_dimension_names).
    ///
    /// A name is one word of a path: not empty, without `/`, `\` and NUL, not of dots alone, and of 255
    /// bytes at most; it does not begin with `__`, and is not `zarr.json`. Another name is
    /// [`Error::InvalidName`] when the target is used.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_zarr::{StoredArray, Target, ToZarr};
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let group = Target::from(directory.path().join("influence.zarr"));
    /// for name in ["factors", "values"] {
    ///     LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i)))
    ///         .convert(NdarrayConverter)
    ///         .to_zarr(group.clone().member(name))?;
    /// }
    /// assert_eq!(StoredArray::open(group.member("values"))?.shape(), [8, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn member(mut self, name: impl Into<String>) -> Target {
        self.members.push(name.into());
        self
    }

    /// Returns the path that this leads to; none of an array in a store.
    ///
    /// # Errors
    ///
    /// When it leads nowhere: [`Error::UnknownScheme`], [`Error::InvalidUrl`], [`Error::InvalidPath`],
    /// [`Error::InvalidStorePath`] and [`Error::InvalidName`].
    ///
    /// # Example
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use lazy_zarr::Target;
    ///
    /// let group = Target::from("file:///data/my%20run.zarr");
    /// assert_eq!(group.path()?.as_deref(), Some(Path::new("/data/my run.zarr")));
    /// assert_eq!(group.member("values").path()?.unwrap(), Path::new("/data/my run.zarr/values"));
    /// assert!(Target::from("gopher://host/run.zarr").path().is_err());
    /// # Ok::<(), lazy_zarr::Error>(())
    /// ```
    pub fn path(&self) -> Result<Option<PathBuf>> {
        let Resolved { place, members } = self.resolve()?;
        Ok(match place {
            ResolvedPlace::Directory { path, .. } => {
                Some(members.iter().fold(path, |path, name| path.join(name)))
            }
            ResolvedPlace::Store { .. } => None,
        })
    }

    /// Returns the name of the array in the group, if it was named as a member.
    pub(crate) fn member_name(&self) -> Option<&str> {
        self.members.last().map(String::as_str)
    }

    /// The last name of the path, or of the members.
    pub(crate) fn name(&self) -> String {
        let of_place = || match &self.place {
            Place::Path { path, .. } => {
                path.file_stem().map(|name| name.to_string_lossy().into_owned())
            }
            Place::Url(url) => url.rsplit('/').next().map(str::to_owned),
            Place::Store { path, .. } => path.rsplit('/').next().map(str::to_owned),
        };
        self.members.last().cloned().or_else(of_place).unwrap_or_default()
    }

    /// The directory or the store that this leads to.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        let place = match &self.place {
            Place::Path { path, .. } if path.as_os_str().is_empty() => {
                let reason = "it is empty";
                return Err(Error::InvalidPath { path: path.clone(), reason });
            }
            Place::Path { file_system, path } => ResolvedPlace::Directory {
                file_system: Arc::clone(file_system),
                path: path.clone(),
            },
            Place::Url(url) => ResolvedPlace::Directory {
                file_system: Arc::new(LocalFileSystem),
                path: path_of_url(url)?,
            },
            Place::Store { store, path } => {
                check_store_path(path)?;
                ResolvedPlace::Store { store: Arc::clone(store), path: path.clone() }
            }
        };
        self.members.iter().try_for_each(|name| check_name(name))?;
        Ok(Resolved { place, members: self.members.clone() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = match &self.place {
            Place::Path { path, .. } => path.display().to_string(),
            Place::Url(url) => url.clone(),
            Place::Store { path, .. } => format!("store:{path}"),
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

impl From<&str> for Target {
    fn from(path_or_url: &str) -> Target {
        let is_file_url =
            path_or_url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("file:/"));
        if is_file_url || scheme_and_rest(path_or_url).is_some() {
            Target::at(Place::Url(path_or_url.to_owned()))
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

impl<S: ReadableWritableListableStorageTraits + 'static> From<Arc<S>> for Target {
    fn from(store: Arc<S>) -> Target {
        Target::in_store(store, "/")
    }
}

/// The scheme of a URL, or schemes as in `simplecache::s3`, and what follows `://`.
fn scheme_and_rest(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.:".contains(letter));
    is_scheme.then_some((scheme, rest))
}

fn path_of_url(url: &str) -> Result<PathBuf> {
    let invalid = |reason| Error::InvalidUrl { url: url.to_owned(), reason };
    let (scheme, rest) = scheme_and_rest(url).ok_or(invalid("it has no :// behind its scheme"))?;
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(Error::UnknownScheme { url: url.to_owned(), scheme: scheme.to_owned() });
    }
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(invalid("it names a host"));
    }
    if path.contains(['?', '#']) {
        return Err(invalid("it has a query or a fragment"));
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(PathBuf::from(path.into_owned())),
        Err(_) => Err(invalid("it does not decode to UTF-8")),
    }
}

fn check_store_path(path: &str) -> Result<()> {
    match zarrs::node::NodePath::new(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::InvalidStorePath {
            path: path.to_owned(),
            reason: "it starts with / and has no empty parts, as / or /group/array".to_owned(),
        }),
    }
}

/// The prefix of the keys of a member, below a path in a store.
pub(crate) fn store_prefix(path: &str, members: &[String]) -> Result<StorePrefix> {
    let names = path.split('/').chain(members.iter().map(String::as_str));
    let prefix: String =
        names.filter(|name| !name.is_empty()).flat_map(|name| [name, "/"]).collect();
    StorePrefix::new(prefix).map_err(|error| Error::InvalidStorePath {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Visits the directory that a target leads to, and those below it in which an array can lie or be about to:
/// not those within arrays, and none that a link leads to.
pub(crate) fn directories_below(
    target: &Target,
    mut visit: impl FnMut(&Arc<dyn FileSystem>, &Path) -> Result<()>,
) -> Result<()> {
    let Resolved { place, members } = target.resolve()?;
    let ResolvedPlace::Directory { file_system, mut path } = place else { return Ok(()) };
    path.extend(&members);
    let path = absolute(&*file_system, &path)?;
    if file_system.kind(&path).ok().flatten() != Some(EntryKind::Directory) {
        return Ok(());
    }
    let mut open = vec![path];
    while let Some(directory) = open.pop() {
        visit(&file_system, &directory)?;
        let names = match file_system.list(&directory) {
            // It was removed just now, or belongs to another user.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                continue;
            }
            names => names.map_err(|source| Error::Examine { path: directory.clone(), source })?,
        };
        let names: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
        let is_array = names.iter().any(|name| is_staging(name) || *name == ".zarray")
            || zarr_node_at_path(&*file_system, &directory).ok().flatten() == Some(Node::Array);
        if is_array {
            continue;
        }
        for name in names {
            let below = directory.join(name);
            let kind = file_system.entry_kind(&below);
            let kind = kind.map_err(|source| Error::Examine { path: below.clone(), source })?;
            if kind == Some(EntryKind::Directory) {
                open.push(below);
            }
        }
    }
    Ok(())
}

/// Whether a member of a group can have this name; the rules are those of Zarr v3.
fn check_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.contains(['/', '\\', '\0']) {
        "it is more than one word of a path"
    } else if name.chars().all(|letter| letter == '.') {
        "it has nothing but dots, which lead out of the group"
    } else if name.starts_with("__") {
        "names that begin with __ are reserved"
    } else if name.len() > 255 {
        "it has more than 255 bytes"
    } else if name == "zarr.json" {
        "the group's own metadata has that name"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_are_paths() {
        let path = |url| path_of_url(url).map_err(|error| error.to_string());
        assert_eq!(path("file:///a/b%20c"), Ok(PathBuf::from("/a/b c")));
        assert_eq!(path("FILE://localhost/a"), Ok(PathBuf::from("/a")));
        for (url, reason) in [
            ("file://host/a", "names a host"),
            ("file://a", "names a host"),
            ("file:///a?b", "has a query"),
            ("file:///a%ff", "UTF-8"),
            ("s3://bucket/a", "scheme s3"),
        ] {
            let message = path(url).unwrap_err();
            assert!(message.contains(reason) && message.contains(url), "{message}");
        }
    }

    #[test]
    fn only_strings_with_a_scheme_are_urls() {
        for text in ["/a/b", "a", "a:b", "1a://b", "dir/x://y"] {
            assert!(scheme_and_rest(text).is_none(), "{text}");
        }
        assert!(matches!(Target::from(Path::new("s3://a")).place, Place::Path { .. }));
        assert!(matches!(Target::from("s3://a").place, Place::Url(_)));
    }
}
