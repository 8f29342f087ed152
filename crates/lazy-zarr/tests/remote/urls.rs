//! Arrays that URLs lead to.

use lazy_core::{LazyChunkSequence, NdarrayConverter};
use lazy_zarr::{ErrorKind, MemoryStore, Store, StoreOptions, StoredArray, Target, ToZarr};
use ndarray::Array2;

use crate::said;
use crate::server::{Fault, Server};

fn store_values(target: &Target) -> lazy_zarr::Result<StoredArray> {
    LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((3, 5), f64::from(i))))
        .convert(NdarrayConverter)
        .to_zarr(target)
}

/// A server with an array below `a b/x%.zarr`.
fn server_with_array(
    faults: impl FnMut(&crate::server::Request) -> Fault + Send + 'static,
) -> Server {
    let memory = MemoryStore::new();
    store_values(&Target::in_store(memory.clone(), "/a b/x%.zarr")).unwrap();
    let server = Server::start(faults);
    for object in memory.list("").unwrap() {
        server.put(&object.key, &memory.get(&object.key).unwrap().bytes);
    }
    server
}

#[test]
fn a_web_server_is_read() {
    let server = server_with_array(|_| Fault::No);
    let target = Target::from(format!("{}/a%20b/x%25.zarr", server.url()));
    let stored = StoredArray::open(&target).unwrap();
    assert_eq!(stored.shape(), [12, 5]);
    assert_eq!(stored.read().unwrap().as_slice::<f64>().unwrap()[59], 3.0);
}

#[test]
fn a_web_server_is_not_written() {
    let server = server_with_array(|_| Fault::No);
    let error = store_values(&Target::from(format!("{}/new.zarr", server.url()))).unwrap_err();
    let said = said(&error);
    assert!(said.contains("a server of plain HTTP is only read"), "{said}");
    let requests = server.take_requests();
    assert!(requests.iter().all(|request| matches!(&*request.method, "GET" | "HEAD")));
}

/// Returns the target of a bucket.
fn s3(server: &Server, path: &str) -> Target {
    let options = StoreOptions::new()
        .with("endpoint", server.url())
        .with("allow_http", "true")
        .with("skip_signature", "true")
        .with("max_retries", "3");
    Target::from(format!("s3://bucket/{path}")).with_store_options(options)
}

#[test]
fn a_bucket_is_read_by_url() {
    let server = server_with_array(|_| Fault::No);
    let group = s3(&server, "a b/");
    let stored = StoredArray::open(group.member("x%.zarr")).unwrap();
    assert_eq!(stored.read().unwrap().as_slice::<f64>().unwrap()[0], 0.0);
    assert_eq!(group.member("x%.zarr").to_string(), "s3://bucket/a b/x%.zarr");
    let missing = StoredArray::open(group.member("y.zarr"));
    // The server lists nothing, so the array is not found, or it is not known what is there.
    assert!(missing.is_err());
}

#[test]
fn denied_access_has_a_kind_and_a_hint() {
    let server =
        Server::start(|_| Fault::Status(403, "", "<Error><Code>AccessDenied</Code></Error>"));
    let error = StoredArray::open(s3(&server, "x.zarr")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.hint().unwrap().contains("skip_signature"));
    let said = said(&error);
    assert!(
        said.contains("could not read x.zarr/zarr.json in s3://bucket: access is denied"),
        "{said}"
    );
}

#[test]
fn a_chunk_that_cannot_be_read_names_the_store() {
    let server = server_with_array(|request| {
        if request.key.contains("/c/") { Fault::Status(403, "", "") } else { Fault::No }
    });
    let stored = StoredArray::open(s3(&server, "a b/x%.zarr")).unwrap();
    let error = stored.read().unwrap_err();
    assert_eq!(error.key(), Some("c/0/0"));
    assert!(error.hint().unwrap().contains("skip_signature"));
    let said = said(&error);
    assert_eq!(said.matches("access is denied").count(), 1, "{said}");
    assert!(said.contains("s3://bucket"), "{said}");
}

#[test]
fn a_missing_bucket_and_a_silent_server_have_hints() {
    let no_bucket = Fault::Status(404, "", "<Error><Code>NoSuchBucket</Code></Error>");
    for (fault, message, hint) in [
        (
            no_bucket,
            "the bucket or container does not exist (404 NoSuchBucket)",
            "create the bucket, or correct its name in the URL",
        ),
        (Fault::NoResponse, "and neither could any retry", "check the network"),
    ] {
        let target = s3(&Server::start(move |_| fault.clone()), "array");
        let errors = [StoredArray::open(&target).unwrap_err(), store_values(&target).unwrap_err()];
        for error in errors {
            let text = said(&error);
            assert!(text.contains(message), "{text}");
            // The key is said once.
            assert_eq!(text.matches("zarr.json").count(), 1, "{text}");
            assert!(error.hint().unwrap().starts_with(hint), "{text}");
        }
    }
}
