//! Reading objects and ranges of them.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::super::byte_range::ByteRange;
use super::retry::Retries;

type Result<T> = std::result::Result<T, object_store::Error>;

/// Ranges with a gap of at most this many bytes are read by one request.
const MAX_GAP: u64 = 1 << 20;
/// The requests for one object that run at once.
const MAX_REQUESTS: usize = 8;
/// The greatest offset that servers parse.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// The part of an object that a request has returned.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    pub(super) meta: ObjectMeta,
}

/// Reads an object, or a range of it that ends with the object. Calls `begun` when a response has
/// begun.
///
/// The client retries requests, and resumes a response that breaks off if the object has an `ETag`.
/// This function starts anew in all other cases, for instance if the object was replaced meanwhile.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    range: Option<GetRange>,
    begun: impl Fn(&ObjectMeta),
) -> Result<Fetched> {
    let mut pauses = retries.pauses();
    loop {
        let options = GetOptions { range: range.clone(), ..GetOptions::default() };
        let result = match store.get_opts(path, options).await {
            Ok(result) => result,
            Err(error) => {
                pauses.wait_after_passing(error).await?;
                continue;
            }
        };
        begun(&result.meta);
        let (meta, expected) = (result.meta.clone(), result.range.end - result.range.start);
        let problem = match result.bytes().await {
            Ok(bytes) if bytes.len() as u64 == expected => return Ok(Fetched { bytes, meta }),
            Ok(bytes) => {
                let source = format!("the response has {} of {expected} bytes", bytes.len());
                object_store::Error::Generic { store: "remote", source: source.into() }
            }
            Err(error) => error,
        };
        pauses.wait_after(problem).await?;
    }
}

/// Reads the properties of an object.
pub(super) async fn head(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
) -> Result<ObjectMeta> {
    let mut pauses = retries.pauses();
    loop {
        match store.head(path).await {
            Ok(meta) => return Ok(meta),
            Err(error) => pauses.wait_after_passing(error).await?,
        }
    }
}

/// Reads ranges, in few requests. Returns the properties of the object as well, if all responses
/// belong to the same one.
pub(super) async fn fetch_ranges(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    ranges: &[ByteRange],
) -> Result<(Vec<Bytes>, Option<ObjectMeta>)> {
    let requests = merged(ranges);
    if requests.is_empty() {
        // An object that does not exist is an error even if no byte is needed.
        let meta = head(store, retries, path).await?;
        return Ok((vec![Bytes::new(); ranges.len()], of_one_object([meta])));
    }
    let fetches = requests.iter().map(|range| fetch_range(store, retries, path, range));
    // As a `Vec`, since the compiler cannot prove that the lazy iterator is `Send`.
    let fetches: Vec<_> = fetches.collect();
    let fetched: Vec<Fetched> = stream::iter(fetches).buffered(MAX_REQUESTS).try_collect().await?;
    let cut = |range: &ByteRange| {
        let found = requests.iter().position(|request| contains(request, range));
        let Some(i) = found else { return Bytes::new() };
        match (range, &requests[i]) {
            (ByteRange::Bounded(range), ByteRange::Bounded(request)) => {
                let bytes = &fetched[i].bytes;
                let offset = |at: u64| (at - request.start).min(bytes.len() as u64) as usize;
                bytes.slice(offset(range.start)..offset(range.end))
            }
            _ => fetched[i].bytes.clone(),
        }
    };
    let parts = ranges.iter().map(cut).collect();
    Ok((parts, of_one_object(fetched.into_iter().map(|fetched| fetched.meta))))
}

/// Returns the properties of the object that several responses belong to. Returns `None` if it was
/// replaced between them, or if its identifiers cannot tell.
fn of_one_object(metas: impl IntoIterator<Item = ObjectMeta>) -> Option<ObjectMeta> {
    let mut metas = metas.into_iter();
    let first = metas.next()?;
    // A server that gives an object a weak `ETag` may give the next one the same.
    let is_strong = first.e_tag.as_ref().is_some_and(|e_tag| !e_tag.starts_with("W/"));
    let is_same = |other: ObjectMeta| other.e_tag == first.e_tag && other.version == first.version;
    let is_one = (first.version.is_some() || is_strong) && metas.all(is_same);
    is_one.then_some(first)
}

/// Returns true if the response to a request contains a range.
fn contains(request: &ByteRange, range: &ByteRange) -> bool {
    match (request, range) {
        (ByteRange::Bounded(request), ByteRange::Bounded(range)) => {
            !range.is_empty() && request.start <= range.start && range.end <= request.end
        }
        _ => request == range,
    }
}

/// Returns ranges that contain all others and are not empty. Ranges that are close to each other
/// become one.
fn merged(ranges: &[ByteRange]) -> Vec<ByteRange> {
    let mut bounded = Vec::new();
    let mut requests = Vec::new();
    for range in ranges {
        match range {
            ByteRange::Bounded(range) if range.is_empty() => {}
            ByteRange::Bounded(range) => bounded.push(range.clone()),
            ByteRange::Last(0) => {}
            range if requests.contains(range) => {}
            range => requests.push(range.clone()),
        }
    }
    bounded.sort_unstable_by_key(|range| range.start);
    let mut last: Option<Range<u64>> = None;
    for range in bounded {
        match &mut last {
            Some(last) if range.start <= last.end.saturating_add(MAX_GAP) => {
                last.end = last.end.max(range.end);
            }
            _ => requests.extend(last.replace(range).map(ByteRange::Bounded)),
        }
    }
    requests.extend(last.map(ByteRange::Bounded));
    requests
}

/// Reads the bytes of a range that exist. All of them belong to the object whose properties are
/// returned.
async fn fetch_range(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    range: &ByteRange,
) -> Result<Fetched> {
    let asked = request(range);
    let mut error = None;
    if let Some(asked) = &asked {
        match fetch(store, retries, path, Some(asked.clone()), |_| {}).await {
            Ok(fetched) => return Ok(fetched),
            Err(missing @ object_store::Error::NotFound { .. }) => return Err(missing),
            Err(other) => error = Some(other),
        }
    }
    // The range does not lie within the object, or the server does not support it.
    let meta = head(store, retries, path).await?;
    let within = range.within(meta.size);
    if within.is_empty() {
        return Ok(Fetched { bytes: Bytes::new(), meta });
    }
    let bounded = GetRange::Bounded(within);
    if asked.as_ref() != Some(&bounded) && error.as_ref().is_none_or(is_unsupported) {
        match fetch(store, retries, path, Some(bounded), |_| {}).await {
            Ok(fetched) => return Ok(fetched),
            Err(other) => error = Some(other),
        }
    }
    match error {
        Some(error) if !is_unsupported(&error) => Err(error),
        _ => {
            let Fetched { bytes, meta } = fetch(store, retries, path, None, |_| {}).await?;
            let within = range.within(meta.size);
            let bytes = bytes.slice(within.start as usize..within.end as usize);
            Ok(Fetched { bytes, meta })
        }
    }
}

/// Returns the range to ask for. Returns `None` if servers would not understand it.
fn request(range: &ByteRange) -> Option<GetRange> {
    match *range {
        ByteRange::Bounded(ref range) if range.end <= MAX_OFFSET => {
            Some(GetRange::Bounded(range.clone()))
        }
        ByteRange::Bounded(Range { start, .. }) | ByteRange::From(start) if start <= MAX_OFFSET => {
            Some(GetRange::Offset(start))
        }
        ByteRange::Last(length) if length <= MAX_OFFSET => Some(GetRange::Suffix(length)),
        _ => None,
    }
}

/// Returns true if the server does not support the range, or returned the whole object instead.
fn is_unsupported(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotSupported { .. })
        || error.to_string().contains("non-partial response")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_of_one_object_have_the_same_strong_identifiers() {
        let meta = |e_tag: Option<&str>, version: Option<&str>| ObjectMeta {
            location: Path::from("key"),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 1,
            e_tag: e_tag.map(str::to_owned),
            version: version.map(str::to_owned),
        };
        let identifiers = [
            (Some("\"a\""), None, true),
            (Some("\"b\""), None, true),
            (Some("W/\"a\""), None, false),
            (None, None, false),
            (Some("\"a\""), Some("1"), true),
            (Some("W/\"a\""), Some("1"), true),
            (None, Some("1"), true),
            (None, Some("2"), true),
        ];
        for (i, (e_tag, version, is_strong)) in identifiers.into_iter().enumerate() {
            for (j, (other_e_tag, other_version, _)) in identifiers.into_iter().enumerate() {
                let metas = [meta(e_tag, version), meta(other_e_tag, other_version)];
                let is_one = of_one_object(metas).is_some();
                assert_eq!(is_one, i == j && is_strong, "{i}, {j}");
            }
        }
    }

    #[test]
    fn close_ranges_become_one_request() {
        use ByteRange::{Bounded, From, Last};
        let far = 100 + MAX_GAP;
        let ranges = [
            Bounded(50..60),
            Last(4),
            Bounded(0..10),
            Bounded(5..8),
            Bounded(7..7),
            Bounded(far..far + 1),
            Last(4),
            Bounded(far + 2 + MAX_GAP..u64::MAX),
            From(3),
            Last(0),
        ];
        let expected = [
            Last(4),
            From(3),
            Bounded(0..60),
            Bounded(far..far + 1),
            Bounded(far + 2 + MAX_GAP..u64::MAX),
        ];
        assert_eq!(merged(&ranges), expected);
        assert_eq!(merged(&[Bounded(0..10), Bounded(10 + MAX_GAP..20 + MAX_GAP)]).len(), 1);
        assert_eq!(merged(&[]), []);
    }
}
