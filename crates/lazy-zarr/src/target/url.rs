//! File URLs.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::{Result, TargetError};

/// Splits a URL into its scheme, or schemes as in `simplecache::s3`, and everything after `://`.
/// Returns `None` if the text has no scheme.
pub(super) fn scheme_and_rest(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.:".contains(letter));
    is_scheme.then_some((scheme, rest))
}

pub(super) fn path_of_url(url: &str) -> Result<PathBuf> {
    let invalid = |reason| TargetError::InvalidUrl { url: url.to_owned(), reason };
    let (scheme, rest) = scheme_and_rest(url).ok_or(invalid("it has no :// after its scheme"))?;
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(
            TargetError::UnknownScheme { url: url.to_owned(), scheme: scheme.to_owned() }.into()
        );
    }
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(invalid("it names a host").into());
    }
    if path.contains(['?', '#']) {
        return Err(invalid("it has a query or a fragment").into());
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(PathBuf::from(path.into_owned())),
        Err(_) => Err(invalid("it does not decode to UTF-8").into()),
    }
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
    }
}
