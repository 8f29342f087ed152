//! URLs of arrays.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::name::check_store_path;
use crate::error::{Result, TargetError};

/// The place that a URL leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    Path(PathBuf),
    /// A path in the store of this name in memory.
    Memory {
        name: String,
        path: String,
    },
    Remote {
        service: Service,
        root: String,
        path: String,
    },
}

/// A protocol of object stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
    Http,
}

impl Service {
    fn of_scheme(scheme: &str) -> Option<Service> {
        Some(match scheme {
            "s3" | "s3a" => Service::S3,
            "gs" => Service::Gcs,
            "az" | "abfs" | "abfss" => Service::Azure,
            "http" | "https" => Service::Http,
            _ => return None,
        })
    }

    /// Returns the feature of this crate that the protocol needs, and whether it is enabled.
    pub(super) fn feature(self) -> (&'static str, bool) {
        match self {
            Service::S3 => ("s3", cfg!(feature = "s3")),
            Service::Gcs => ("gcs", cfg!(feature = "gcs")),
            Service::Azure => ("azure", cfg!(feature = "azure")),
            Service::Http => ("http", cfg!(feature = "http")),
        }
    }
}

/// Splits a URL into its scheme, or schemes as in `simplecache::s3`, and everything after `://`.
/// Returns `None` if the text has no scheme.
pub(super) fn scheme_and_rest(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.:".contains(letter));
    is_scheme.then_some((scheme, rest))
}

/// Returns a URL without what may be secret: a user, a password, and the query of a URL that is
/// not a file's.
pub(super) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = scheme_and_rest(url) else { return url.to_owned() };
    let scheme_lower = scheme.to_ascii_lowercase();
    if scheme_lower == "file" {
        return url.to_owned();
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        // The part before `@` is a container, not a user.
        Some((container, _))
            if Service::of_scheme(&scheme_lower) == Some(Service::Azure)
                && !container.contains(':') =>
        {
            authority
        }
        Some((_, host)) => host,
        None => authority,
    };
    format!("{scheme}://{authority}{path}")
}

/// Finds out where a URL leads.
pub(super) fn locate(url: &str) -> Result<Location> {
    let invalid = |reason| TargetError::InvalidUrl { url: without_secrets(url), reason };
    let (scheme, rest) = scheme_and_rest(url).ok_or(invalid("it has no :// after its scheme"))?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "file" {
        return path_of_file(rest).map(Location::Path).map_err(|reason| invalid(reason).into());
    }
    let service = Service::of_scheme(&scheme);
    if service.is_none() && scheme != "memory" {
        return Err(TargetError::UnknownScheme { url: without_secrets(url), scheme }.into());
    }
    if rest.contains(['?', '#']) {
        return Err(invalid("it has a query or a fragment").into());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(invalid(match service {
            None => "it names no store",
            Some(Service::Http) => "it names no host",
            Some(_) => "it names no bucket",
        })
        .into());
    }
    let is_container = service == Some(Service::Azure) && !authority.contains(':');
    if authority.contains('@') && !is_container {
        return Err(invalid("it contains a user name or a password").into());
    }
    let path = path.trim_end_matches('/');
    let path = match service {
        // The tools of object stores take keys as they are.
        Some(Service::Http) => match percent_decode_str(path).decode_utf8() {
            Ok(path) => path.into_owned(),
            Err(_) => return Err(invalid("it does not decode to UTF-8").into()),
        },
        _ => path.to_owned(),
    };
    let path = if path.is_empty() { "/".to_owned() } else { path };
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(invalid("its path has a part . or ..").into());
    }
    check_store_path(&path)?;
    Ok(match service {
        None => Location::Memory { name: authority.to_owned(), path },
        Some(service) => {
            Location::Remote { service, root: format!("{scheme}://{authority}"), path }
        }
    })
}

/// Returns the path of a file URL without its scheme.
fn path_of_file(rest: &str) -> std::result::Result<PathBuf, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("it names a host");
    }
    if path.contains(['?', '#']) {
        return Err("it has a query or a fragment");
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(PathBuf::from(path.into_owned())),
        Err(_) => Err("it does not decode to UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_are_paths() {
        let path = |url| locate(url).map_err(|error| error.to_string());
        assert_eq!(path("file:///a/b%20c"), Ok(Location::Path("/a/b c".into())));
        assert_eq!(path("FILE://localhost/a"), Ok(Location::Path("/a".into())));
        for (url, reason) in [
            ("file://host/a", "names a host"),
            ("file://a", "names a host"),
            ("file:///a?b", "has a query"),
            ("file:///a%ff", "UTF-8"),
            ("gopher://host/a", "scheme gopher"),
        ] {
            let message = path(url).unwrap_err();
            assert!(message.contains(reason) && message.contains(url), "{message}");
        }
    }

    #[test]
    fn urls_of_stores_have_a_root_and_a_path() {
        use Service::{Azure, Gcs, Http, S3};
        for (url, service, root, path) in [
            ("s3://bucket/a/b.zarr", S3, "s3://bucket", "/a/b.zarr"),
            ("S3A://bucket/a/", S3, "s3a://bucket", "/a"),
            ("s3://bucket", S3, "s3://bucket", "/"),
            ("s3://bucket/", S3, "s3://bucket", "/"),
            ("s3://bucket/a b%20c@d", S3, "s3://bucket", "/a b%20c@d"),
            ("gs://bucket/a", Gcs, "gs://bucket", "/a"),
            ("az://container/a", Azure, "az://container", "/a"),
            (
                "abfss://container@account.dfs.core.windows.net/a",
                Azure,
                "abfss://container@account.dfs.core.windows.net",
                "/a",
            ),
            ("https://host:8080/a%20b/c", Http, "https://host:8080", "/a b/c"),
        ] {
            let expected = Location::Remote { service, root: root.into(), path: path.into() };
            assert_eq!(locate(url).unwrap(), expected, "{url}");
        }
        let memory = Location::Memory { name: "name".into(), path: "/a".into() };
        assert_eq!(locate("memory://name/a").unwrap(), memory);
    }

    #[test]
    fn invalid_urls_are_errors_without_secrets() {
        for (url, message) in [
            ("s3:///a", "invalid URL s3:///a: it names no bucket"),
            ("https:///a", "invalid URL https:///a: it names no host"),
            ("memory:///a", "invalid URL memory:///a: it names no store"),
            (
                "https://host/a?token=hunter2",
                "invalid URL https://host/a: it has a query or a fragment",
            ),
            (
                "https://user:hunter2@host/a",
                "invalid URL https://host/a: it contains a user name or a password",
            ),
            (
                "abfs://container:hunter2@account/a",
                "invalid URL abfs://account/a: it contains a user name or a password",
            ),
            ("s3://bucket/a/../b", "invalid URL s3://bucket/a/../b: its path has a part . or .."),
            (
                "ftp://user:hunter2@host/a?hunter2",
                "the scheme ftp of ftp://host/a is not supported",
            ),
        ] {
            assert_eq!(locate(url).unwrap_err().to_string(), message);
        }
        let message = locate("s3://bucket//a").unwrap_err().to_string();
        assert!(message.contains("no empty parts"), "{message}");
    }

    #[test]
    fn only_strings_with_a_scheme_are_urls() {
        for text in ["/a/b", "a", "a:b", "1a://b", "dir/x://y"] {
            assert!(scheme_and_rest(text).is_none(), "{text}");
        }
    }
}
