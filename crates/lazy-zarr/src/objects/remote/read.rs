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

/// Reads an object, or a range of it that ends with the object.
///
/// The client retries requests, and resumes a response that breaks off if the object has an `ETag`.
/// This function starts anew in all other cases, for instance if the object was replaced meanwhile.
pub(super) async fn fetch(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    range: Option<GetRange>,
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

/// Reads ranges, in few requests.
pub(super) async fn fetch_ranges(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    ranges: &[ByteRange],
) -> Result<Vec<Bytes>> {
    let requests = merged(ranges);
    if requests.is_empty() {
        // An object that does not exist is an error even if no byte is needed.
        head(store, retries, path).await?;
    }
    let fetches = requests.iter().map(|range| fetch_range(store, retries, path, range));
    // As a `Vec`, since the compiler cannot prove that the lazy iterator is `Send`.
    let fetches: Vec<_> = fetches.collect();
    let parts: Vec<Bytes> = stream::iter(fetches).buffered(MAX_REQUESTS).try_collect().await?;
    let cut = |range: &ByteRange| {
        let found = requests.iter().position(|request| contains(request, range));
        let Some(i) = found else { return Bytes::new() };
        match (range, &requests[i]) {
            (ByteRange::Bounded(range), ByteRange::Bounded(request)) => {
                let offset = |at: u64| (at - request.start).min(parts[i].len() as u64) as usize;
                parts[i].slice(offset(range.start)..offset(range.end))
            }
            _ => parts[i].clone(),
        }
    };
    Ok(ranges.iter().map(cut).collect())
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

/// Reads the bytes of a range that exist.
async fn fetch_range(
    store: &dyn ObjectStore,
    retries: &Retries,
    path: &Path,
    range: &ByteRange,
) -> Result<Bytes> {
    let asked = request(range);
    let mut error = None;
    if let Some(asked) = &asked {
        match fetch(store, retries, path, Some(asked.clone())).await {
            Ok(fetched) => return Ok(fetched.bytes),
            Err(missing @ object_store::Error::NotFound { .. }) => return Err(missing),
            Err(other) => error = Some(other),
        }
    }
    // The range does not lie within the object, or the server does not support it.
    let within = range.within(head(store, retries, path).await?.size);
    if within.is_empty() {
        return Ok(Bytes::new());
    }
    let bounded = GetRange::Bounded(within);
    if asked.as_ref() != Some(&bounded) && error.as_ref().is_none_or(is_unsupported) {
        match fetch(store, retries, path, Some(bounded)).await {
            Ok(fetched) => return Ok(fetched.bytes),
            Err(other) => error = Some(other),
        }
    }
    match error {
        Some(error) if !is_unsupported(&error) => Err(error),
        _ => {
            let Fetched { bytes, meta } = fetch(store, retries, path, None).await?;
            let within = range.within(meta.size);
            Ok(bytes.slice(within.start as usize..within.end as usize))
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
