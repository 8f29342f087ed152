//! The place of an array, of a group or of a folder: a path, or a URL with the options of its store.
//!
//! Knows how the library understands URLs. Ignorant of what lies at a place.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use lazy_chunks::zarr::{self, StoreOptions, Target};

/// The place of an array, of a group or of a folder, as the user wrote it.
#[derive(Clone)]
pub(crate) enum Location {
    Path(PathBuf),
    Url(Arc<Url>),
}

/// A URL, and what the library makes of it.
pub(crate) struct Url {
    text: String,
    options: StoreOptions,
    /// The target of the library, with the options.
    target: Target,
    /// The path of a `file://` URL. None for a URL of a store.
    path: Option<PathBuf>,
}

/// An option of a store, written as a key and a value: `endpoint=http://localhost:9000`.
#[derive(Clone)]
pub(crate) struct StoreOption {
    key: String,
    value: String,
}

impl Location {
    /// Returns the place that a text names. A text with a scheme is a URL, and any other text a
    /// path.
    ///
    /// # Errors
    ///
    /// The error of the library if the URL is invalid or no store has its scheme, or if an option is
    /// unknown.
    pub(crate) fn new(text: OsString, options: &StoreOptions) -> zarr::Result<Location> {
        // A URL is valid Unicode.
        match text.into_string() {
            Ok(text) if has_scheme(&text) => Ok(Location::Url(Arc::new(Url::new(text, options)?))),
            Ok(text) => Ok(Location::Path(text.into())),
            Err(text) => Ok(Location::Path(text.into())),
        }
    }

    /// Returns the path, or the path of a `file://` URL. None for a place in a store.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Location::Path(path) => Some(path),
            Location::Url(url) => url.path.as_deref(),
        }
    }

    pub(crate) fn target(&self) -> Target {
        match self {
            Location::Path(path) => Target::from(path),
            Location::Url(url) => url.target.clone(),
        }
    }

    /// Returns the place of the member of a group with this name, or with this path in the group.
    pub(crate) fn member(&self, name: &str) -> Location {
        match self {
            Location::Path(path) => Location::Path(path.join(name)),
            Location::Url(url) => Location::Url(Arc::new(Url {
                text: format!("{}/{name}", url.text.trim_end_matches('/')),
                options: url.options.clone(),
                target: name.split('/').fold(url.target.clone(), |group, name| group.member(name)),
                path: url.path.as_ref().map(|path| path.join(name)),
            })),
        }
    }

    /// Returns the place of the group that could hold this place, and the name in it. None if no
    /// group could, or if the name is not Unicode.
    pub(crate) fn parent(&self) -> Option<(Location, String)> {
        match self {
            Location::Path(path) => {
                let parent = match path.parent()? {
                    parent if parent.as_os_str().is_empty() => Path::new("."),
                    parent => parent,
                };
                Some((Location::Path(parent.to_owned()), name(path)?))
            }
            Location::Url(url) => {
                let (parent, name) = url.split()?;
                Some((Location::Url(Arc::new(parent)), name))
            }
        }
    }
}

impl Url {
    fn new(text: String, options: &StoreOptions) -> zarr::Result<Url> {
        let target = Target::from(&text).with_store_options(options.clone());
        let path = target.path()?;
        Ok(Url { text, options: options.clone(), target, path })
    }

    /// Splits off the last name. None if there is no name.
    fn split(&self) -> Option<(Url, String)> {
        let (scheme, rest) = self.text.split_once("://")?;
        let (above, last) = rest.trim_end_matches('/').rsplit_once('/')?;
        let name = match &self.path {
            // The URL may have escapes, which the path does not.
            Some(path) => name(path)?,
            None => last.to_owned(),
        };
        // Without its slash, the URL of the root directory would be invalid.
        let slash = if above.is_empty() || above == "localhost" { "/" } else { "" };
        let above = Url::new(format!("{scheme}://{above}{slash}"), &self.options).ok()?;
        Some((above, name))
    }
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// Returns true if a text has a scheme, so that the library takes it as a URL.
fn has_scheme(text: &str) -> bool {
    let is_file_url = text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("file:/"));
    let is_scheme = |(scheme, _): (&str, &str)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "+-.:".contains(letter))
    };
    is_file_url || text.split_once("://").is_some_and(is_scheme)
}

/// Returns true if a text, such as that of a target, is a URL of a store.
pub(crate) fn is_in_store(text: &str) -> bool {
    has_scheme(text) && !text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"))
}

/// Returns the options of stores for the library, or the key that is set twice.
pub(crate) fn store_options(options: Vec<StoreOption>) -> Result<StoreOptions, String> {
    for (i, StoreOption { key, .. }) in options.iter().enumerate() {
        if options[..i].iter().any(|before| before.key.eq_ignore_ascii_case(key)) {
            return Err(key.clone());
        }
    }
    let with = |all: StoreOptions, StoreOption { key, value }| all.with(key, value);
    Ok(options.into_iter().fold(StoreOptions::new(), with))
}

impl FromStr for StoreOption {
    type Err = String;

    fn from_str(text: &str) -> Result<StoreOption, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(StoreOption { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("a store option is a key and a value: aws_region=eu-west-1".to_owned()),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Location {
        Location::Path(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        Location::Path(path.to_owned())
    }
}

impl From<&Location> for Target {
    fn from(location: &Location) -> Target {
        location.target()
    }
}

/// Formats the path or the URL as the user wrote it.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Path(path) => path.display().fmt(formatter),
            Location::Url(url) => url.text.fmt(formatter),
        }
    }
}

/// Leaves out the options, which may hold passwords.
impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Location({self})")
    }
}

/// Leaves out the value, which may be a password.
impl fmt::Debug for StoreOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoreOption({}=…)", self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn location(text: &str) -> Location {
        Location::new(text.into(), &StoreOptions::default()).unwrap()
    }

    #[test]
    fn a_text_is_a_url_if_the_library_takes_it_as_one() {
        for text in [
            "a.zarr",
            "/a/b",
            "a:b",
            "1a://b",
            "dir/x://y",
            "://a",
            "file",
            "file:a",
            "file:///a",
            "FILE:///a",
            "file:/a",
            "file://localhost/a",
            "gopher://a/b",
            "s3://a/b",
            "memory://a/b",
            "simplecache::s3://a/b",
        ] {
            let is_path = Target::from(text).path().ok().flatten() == Some(PathBuf::from(text));
            assert_eq!(has_scheme(text), !is_path, "{text}");
        }
    }

    #[test]
    fn urls_of_stores_are_told_from_paths() {
        for (text, expected) in [("s3://a/b", true), ("FILE:///a", false), ("a", false)] {
            assert_eq!(is_in_store(text), expected, "{text}");
        }
    }

    #[test]
    fn a_place_is_displayed_as_it_was_written() {
        for text in ["a.zarr/", "./a", "file:///a%20b/", "FILE://localhost/a"] {
            assert_eq!(location(text).to_string(), text);
            assert_eq!(location(text).target().to_string(), text);
        }
        let bytes = OsString::from_vec(b"a\xff".to_vec());
        let place = Location::new(bytes.clone(), &StoreOptions::default()).unwrap();
        assert_eq!(place.path(), Some(Path::new(&bytes)));
    }

    #[test]
    fn a_file_url_leads_to_a_path() {
        assert_eq!(location("file:///a%20b").path(), Some(Path::new("/a b")));
        for invalid in ["file://host/a", "file:/a", "gopher://a/b"] {
            assert!(Location::new(invalid.into(), &StoreOptions::default()).is_err(), "{invalid}");
        }
    }

    #[test]
    fn members_and_groups_are_found_in_texts() {
        for (text, parent, name) in [
            ("a", ".", "a"),
            ("g/a/", "g", "a"),
            ("/a", "/", "a"),
            ("file:///g/a%20b//", "file:///g", "a b"),
            ("file:///a", "file:///", "a"),
            ("file://localhost/a", "file://localhost/", "a"),
        ] {
            let (group, last) = location(text).parent().unwrap();
            assert_eq!((group.to_string().as_str(), last.as_str()), (parent, name), "{text}");
            let member = group.member(&last);
            let components = |place: &Location| place.path().unwrap().components().count();
            let with_dot = usize::from(parent == ".");
            assert_eq!(components(&member), components(&location(text)) + with_dot);
            assert_eq!(member.target().path().unwrap().as_deref(), member.path());
        }
        for text in ["/", "..", "file:///", "file://localhost"] {
            assert!(text == "file://localhost" || location(text).parent().is_none(), "{text}");
        }
        for (text, parent, name) in [
            ("s3://bucket/g/a%20b//", "s3://bucket/g", "a%20b"),
            ("memory://name/a", "memory://name", "a"),
        ] {
            let (group, last) = location(text).parent().unwrap();
            assert_eq!((group.to_string().as_str(), last.as_str()), (parent, name), "{text}");
        }
        assert!(location("s3://bucket/").parent().is_none());
        assert_eq!(location("file:///g").member("a/b").target().to_string(), "file:///g/a/b");
    }

    #[test]
    fn options_are_keys_and_values() {
        let option: StoreOption = "aws_session_token=a=b".parse().unwrap();
        assert_eq!((option.key.as_str(), option.value.as_str()), ("aws_session_token", "a=b"));
        assert_eq!(format!("{option:?}"), "StoreOption(aws_session_token=…)");
        assert!("a".parse::<StoreOption>().is_err() && "=a".parse::<StoreOption>().is_err());
        let options =
            |texts: [&str; 3]| store_options(texts.map(|text| text.parse().unwrap()).into());
        assert_eq!(options(["a=1", "b=2", "A=3"]), Err("A".to_owned()));
        let expected = StoreOptions::new().with("a", "1").with("b", "2").with("c", "");
        assert_eq!(options(["a=1", "b=2", "c="]), Ok(expected));
    }
}
