//! Failures that pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use lazy_core::{ArrayBlock, ErrorKind, LazyChunkSequence};
use lazy_zarr::{ByteRange, Codec, PutCondition, Store, StoreError, Tag, Target, ZarrSink};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::server::{Fault, Request, Server};
use crate::{bucket, put};

const SLOW_DOWN: Fault =
    Fault::Status(503, "", "<Error><Code>SlowDown</Code><Message>Reduce</Message></Error>");
const FAULTS: [Fault; 8] = [
    Fault::Status(500, "", "<Error><Code>InternalError</Code></Error>"),
    SLOW_DOWN,
    Fault::Status(429, "Retry-After: 0\r\n", ""),
    Fault::Status(408, "", ""),
    Fault::Break,
    Fault::Truncate,
    Fault::Pause,
    Fault::NoResponse,
];

/// Returns a function for [`Server::start`] that applies faults to 3 of 10 requests.
fn sometimes(faults: Vec<Fault>) -> impl FnMut(&Request) -> Fault + Send {
    let mut random = SmallRng::seed_from_u64(7);
    move |request| {
        let fault = faults[random.random_range(0..faults.len())].clone();
        // Without a range, the client cannot know that half of an object is not all of it.
        let is_detected = fault != Fault::Truncate || request.header("range").is_some();
        if is_detected && random.random_bool(0.3) { fault } else { Fault::No }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// Puts, reads and deletes objects, and compares all that is read.
fn exercise(store: &dyn Store) {
    for i in 0..12 {
        let (key, bytes) = (format!("a/{i}"), pattern(i * 5000));
        put(store, &key, &bytes).unwrap();
        assert_eq!(store.get(&key).unwrap().bytes, bytes);
        assert_eq!(store.head(&key).unwrap().size, bytes.len() as u64);
        let ranges = [ByteRange::Bounded(3..4000), ByteRange::Last(7), ByteRange::From(100)];
        let read = store.get_ranges(&key, &ranges).unwrap();
        assert_eq!(read.tag, store.get(&key).unwrap().tag);
        for (range, part) in ranges.iter().zip(read.parts) {
            let range = range.within(bytes.len() as u64);
            assert_eq!(part, bytes[range.start as usize..range.end as usize], "{i}: {range:?}");
        }
        if i % 3 == 0 {
            store.delete(&key).unwrap();
            assert!(matches!(store.get(&key), Err(StoreError::NotFound)));
        }
    }
}

#[test]
fn each_fault_alone_is_survived() {
    std::thread::scope(|scope| {
        for fault in FAULTS {
            scope.spawn(|| {
                let server = Server::start(sometimes(vec![fault]));
                exercise(&bucket(&server));
            });
        }
    });
}

#[test]
fn all_faults_together_are_survived() {
    let server = Server::start(sometimes(FAULTS.to_vec()));
    exercise(&bucket(&server));
}

#[test]
fn a_broken_response_without_a_tag_is_read_anew() {
    let mut n_requests = 0;
    let server = Server::start(move |_| {
        n_requests += 1;
        if n_requests < 4 { Fault::Break } else { Fault::No }
    })
    .without_e_tags();
    server.put("key", &pattern(100_000));
    let store = http(&server, "10");
    assert_eq!(store.get("key").unwrap().bytes, pattern(100_000));
    assert_eq!(server.take_requests().len(), 4);
}

/// Returns the store of a plain web server.
fn http(server: &Server, max_retries: &str) -> std::sync::Arc<dyn Store> {
    use object_store::ClientOptions;
    use object_store::http::HttpBuilder;
    let retry = object_store::RetryConfig {
        max_retries: max_retries.parse().unwrap(),
        ..Default::default()
    };
    let store = HttpBuilder::new()
        .with_url(server.url())
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(retry)
        .build();
    std::sync::Arc::new(lazy_zarr::RemoteStore::new(std::sync::Arc::new(store.unwrap())))
}

#[test]
fn a_server_without_ranges_is_read_whole() {
    let server = Server::start(|_| Fault::No).without_ranges();
    server.put("key", &pattern(1000));
    let ranges = [ByteRange::Bounded(10..20), ByteRange::Last(5), ByteRange::Bounded(990..2000)];
    let read = http(&server, "1").get_ranges("key", &ranges).unwrap();
    let all = pattern(1000);
    assert_eq!(read.parts, [&all[10..20], &all[995..], &all[990..]]);
    assert_eq!(read.tag, http(&server, "1").get("key").unwrap().tag);
}

/// Returns a function for [`Server::start`] that applies a fault to each of the first requests.
fn each(faults: Vec<Fault>) -> impl FnMut(&Request) -> Fault + Send {
    let mut faults = faults.into_iter();
    move |_| faults.next().unwrap_or(Fault::No)
}

#[test]
fn ranges_of_a_replaced_object_have_no_tag() {
    let (old, new) = (vec![1; 3 << 20], vec![2; 3 << 20]);
    // Each range takes a request.
    let ranges = [ByteRange::Bounded(0..3), ByteRange::Bounded(2 << 20..(2 << 20) + 3)];
    for n_before in 0..2 {
        let mut faults = vec![Fault::No; n_before];
        faults.push(Fault::Replace(new.clone()));
        let server = Server::start(each(faults));
        server.put("key", &old);
        let store = bucket(&server);
        let read = store.get_ranges("key", &ranges).unwrap();
        assert_eq!(server.take_requests().len(), 2);
        let mut parts: Vec<_> = read.parts.iter().map(|part| part[0]).collect();
        parts.sort_unstable();
        if n_before == 0 {
            assert_eq!((parts, read.tag), (vec![2, 2], store.head("key").unwrap().tag));
        } else {
            assert_eq!((parts, read.tag), (vec![1, 2], None));
        }
    }
}

#[test]
fn a_range_that_is_read_anew_has_the_tag_of_the_new_object() {
    let (old, new) = (vec![1; 1000], vec![2; 1000]);
    let ranges = [ByteRange::Bounded(0..1000)];
    for first in [Fault::Break, Fault::Truncate, Fault::NoResponse, SLOW_DOWN] {
        let server = Server::start(each(vec![first.clone(), Fault::Replace(new.clone())]));
        server.put("key", &old);
        let store = bucket(&server);
        let read = store.get_ranges("key", &ranges).unwrap();
        assert_eq!(read.parts, [&new[..]], "{first:?}");
        assert!(read.tag.is_some(), "{first:?}");
        assert_eq!(read.tag, store.head("key").unwrap().tag, "{first:?}");
    }
}

#[test]
fn close_ranges_are_one_request() {
    let server = Server::start(|_| Fault::No);
    server.put("key", &pattern(100_000));
    let ranges: Vec<_> = (0..50).map(|i| ByteRange::Bounded(i * 1000..i * 1000 + 10)).collect();
    let parts = bucket(&server).get_ranges("key", &ranges).unwrap().parts;
    assert!(parts.iter().enumerate().all(|(i, part)| *part == pattern(100_000)[i * 1000..][..10]));
    assert_eq!(server.take_requests().len(), 1);
}

#[test]
fn many_objects_are_deleted_by_few_requests() {
    let server = Server::start(first("POST", Fault::NoResponse));
    let keys: Vec<_> = (0..1500).map(|i| format!("a/{i}")).collect();
    keys.iter().step_by(2).for_each(|key| server.put(key, b"1"));
    server.put("b", b"1");
    let store = bucket(&server);
    store.delete_all(&keys).unwrap();
    assert!(keys.iter().all(|key| server.object(key).is_none()));
    assert!(server.object("b").is_some());
    assert!(server.take_requests().len() <= 4);
    store.delete_all(&[]).unwrap();
    assert!(server.take_requests().is_empty());
}

/// A fault for the first of the requests of a method.
fn first(method: &'static str, fault: Fault) -> impl FnMut(&Request) -> Fault + Send {
    let mut is_done = false;
    move |request| {
        if is_done || request.method != method {
            return Fault::No;
        }
        is_done = true;
        fault.clone()
    }
}

#[test]
fn a_put_on_a_condition_whose_response_is_lost_is_ambiguous() {
    for fault in [Fault::StatusAfterwards, Fault::NoResponse] {
        let server = Server::start(first("PUT", fault.clone()));
        let store = bucket(&server);
        let put = store.put("key", Bytes::from_static(b"1"), PutCondition::IfAbsent);
        assert!(matches!(put, Err(StoreError::Other(_))), "{fault:?}: {put:?}");
        assert_eq!(server.object("key").unwrap(), b"1");
        let again = store.put("key", Bytes::from_static(b"2"), PutCondition::IfAbsent);
        assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");

        let server = Server::start(first("PUT", fault.clone()));
        server.put("key", b"1");
        let store = bucket(&server);
        let tag = store.get("key").unwrap().tag.unwrap();
        let put = store.put("key", Bytes::from_static(b"2"), PutCondition::IfUnchanged(tag));
        assert!(matches!(put, Err(StoreError::Other(_))), "{fault:?}: {put:?}");
        assert_eq!(server.object("key").unwrap(), b"2");
    }
}

#[test]
fn a_put_on_a_condition_is_retried_if_the_server_is_overloaded() {
    let server = Server::start(first("PUT", SLOW_DOWN));
    let store = bucket(&server);
    store.put("key", Bytes::from_static(b"1"), PutCondition::IfAbsent).unwrap();
    let stale = PutCondition::IfUnchanged(Tag::new("\"stale\""));
    let put = store.put("key", Bytes::from_static(b"2"), stale);
    assert!(matches!(put, Err(StoreError::Changed)), "{put:?}");
}

/// S3 refuses one of two creations at once, and the other one may fail.
#[test]
fn a_conflict_without_an_object_is_retried() {
    let conflict = Fault::Status(409, "", "<Error><Code>ConditionalRequestConflict</Code></Error>");
    let server = Server::start(first("PUT", conflict.clone()));
    bucket(&server).put("key", Bytes::from_static(b"1"), PutCondition::IfAbsent).unwrap();
    assert_eq!(server.object("key").unwrap(), b"1");

    let server = Server::start(first("PUT", conflict));
    server.put("key", b"1");
    let put = bucket(&server).put("key", Bytes::from_static(b"2"), PutCondition::IfAbsent);
    assert!(matches!(put, Err(StoreError::Exists)), "{put:?}");
}

const LARGE: usize = 33 << 20;

#[test]
fn a_large_object_is_put_in_parts() {
    let server = Server::start(sometimes(vec![SLOW_DOWN]));
    put(&bucket(&server), "key", &vec![1; LARGE]).unwrap();
    // The server stores the number of parts.
    assert_eq!(server.object("key").unwrap(), b"5");

    // A put on a condition is one request.
    let server = Server::start(|_| Fault::No);
    let bytes = Bytes::from(vec![1; LARGE]);
    bucket(&server).put("key", bytes, PutCondition::IfAbsent).unwrap();
    assert_eq!(server.object("key").unwrap().len(), LARGE);
}

#[test]
fn the_parts_of_a_put_that_fails_are_deleted() {
    let denied = Fault::Status(403, "", "<Error><Code>AccessDenied</Code></Error>");
    let server = Server::start(move |request| {
        if request.query.contains("partNumber=3") { denied.clone() } else { Fault::No }
    });
    let error = put(&bucket(&server), "key", &vec![1; LARGE]).unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)), "{error}");
    let requests = server.take_requests();
    let last = requests.last().unwrap();
    assert_eq!((&*last.method, &*last.query), ("DELETE", "uploadId=7"));
    assert_eq!(server.object("key"), None);
}

#[test]
fn a_write_that_is_stopped_leaves_no_parts() {
    for stops_at in ["uploads", "partNumber=1", "partNumber=5", "uploadId=7"] {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        let server = Server::start(move |request| {
            stop.fetch_or(request.query.starts_with(stops_at), Ordering::Relaxed);
            Fault::No
        });
        let target = Target::in_store(bucket(&server), "/values.zarr");
        let sink = ZarrSink::new(target)
            .with_chunk_shape([LARGE])
            .with_codec(Codec::None)
            .with_unconditional_puts();
        let block = |_| ArrayBlock::from_vec([LARGE], vec![1_u8; LARGE]).unwrap();
        let stored = LazyChunkSequence::from_fn(vec![LARGE; 20], block)
            .with_observer(is_stopped)
            .compute(sink);
        let error = stored.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{stops_at}: {error}");

        let requests = server.take_requests();
        let n = |method, query| {
            let is_such =
                |request: &&Request| request.method == method && request.query.starts_with(query);
            requests.iter().filter(is_such).count()
        };
        let (n_begun, n_aborted) = (n("POST", "uploads"), n("DELETE", "uploadId"));
        assert!(0 < n_begun && n_begun < 20, "{stops_at}: {n_begun}");
        assert_eq!(n_begun, n("POST", "uploadId") + n_aborted, "{stops_at}");
        assert_eq!(server.keys(), [""; 0], "{stops_at}");
    }
}
