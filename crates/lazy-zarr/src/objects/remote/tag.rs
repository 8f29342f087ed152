//! Tags that contain the `ETag` and the version of an object.

use std::borrow::Cow;

use object_store::UpdateVersion;

use super::super::object::Tag;

/// Stands between the `ETag` and the version. Neither contains it.
const SEPARATOR: &str = "; version=";

/// Returns a tag with both identifiers, as far as they exist.
pub(super) fn tag(e_tag: Option<&str>, version: Option<&str>) -> Option<Tag> {
    match (e_tag, version) {
        (None, None) => None,
        (Some(e_tag), None) => Some(Tag::new(e_tag)),
        (e_tag, Some(version)) => {
            Some(Tag::new(format!("{}{SEPARATOR}{version}", e_tag.unwrap_or_default())))
        }
    }
}

/// Returns an `ETag` of a listing as the header of a response about the object has it.
///
/// Listings of Azure have it without quotes.
pub(super) fn of_header(e_tag: &str) -> Cow<'_, str> {
    if e_tag.ends_with('"') { e_tag.into() } else { format!("\"{e_tag}\"").into() }
}

/// Returns the identifiers in a tag.
pub(super) fn identifiers(tag: &Tag) -> UpdateVersion {
    match tag.as_str().rsplit_once(SEPARATOR) {
        None => UpdateVersion { e_tag: Some(tag.as_str().to_owned()), version: None },
        Some((e_tag, version)) => UpdateVersion {
            e_tag: (!e_tag.is_empty()).then(|| e_tag.to_owned()),
            version: Some(version.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_may_have_no_quotes() {
        for (listed, expected) in [
            ("0x27E124886C1ED80", "\"0x27E124886C1ED80\""),
            ("\"abc\"", "\"abc\""),
            ("W/\"abc\"", "W/\"abc\""),
        ] {
            assert_eq!(of_header(listed), expected);
        }
    }

    #[test]
    fn both_identifiers_come_back() {
        for e_tag in [None, Some("\"abc\""), Some("W/\"a; b\"")] {
            for version in [None, Some("1732"), Some("a=b")] {
                let Some(tag) = tag(e_tag, version) else {
                    assert_eq!((e_tag, version), (None, None));
                    continue;
                };
                let back = identifiers(&tag);
                assert_eq!((back.e_tag.as_deref(), back.version.as_deref()), (e_tag, version));
            }
        }
    }
}
