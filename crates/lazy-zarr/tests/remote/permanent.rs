//! Failures that do not pass: they are reported at once, in plain words.

use lazy_zarr::{Store, StoreError};

use crate::server::{Fault, Server};
use crate::{bucket, put, said};

/// Reads a key from a server that answers each request so. Returns the error, and checks that the
/// request was sent once.
fn refused(status: u16, body: &'static str) -> StoreError {
    let server = Server::start(move |_| Fault::Status(status, "", body));
    let error = bucket(&server).get("a/key").unwrap_err();
    assert_eq!(server.take_requests().len(), 1);
    error
}

const START: &str = "could not read a/key in AmazonS3(bucket)";

#[test]
fn a_refusal_is_said_once_in_plain_words() {
    for (status, body, message) in [
        (
            403,
            "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access \
             Denied</Message></Error>",
            "access is denied (403 AccessDenied: Access Denied)",
        ),
        (401, "", "access is denied (401)"),
        (
            400,
            "<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>",
            "access is denied (400 ExpiredToken: The token has expired.)",
        ),
        (
            404,
            "<Error><Code>NoSuchBucket</Code></Error>",
            "the bucket or container does not exist (404 NoSuchBucket)",
        ),
        (400, "bad\nrequest", "the server refused the request (400: bad)"),
    ] {
        let error = refused(status, body);
        assert_eq!(said(&error), format!("{START}: {message}"));
        let is_denied = message.starts_with("access is denied");
        assert_eq!(matches!(error, StoreError::Denied(_)), is_denied, "{message}");
    }
    assert!(matches!(refused(404, ""), StoreError::NotFound));
}

#[test]
fn a_redirect_names_the_option() {
    let message = refused(301, "").to_string();
    assert!(message.contains("aws_region"), "{message}");
}

#[test]
fn a_missing_bucket_is_no_missing_object() {
    let server =
        Server::start(|_| Fault::Status(404, "", "<Error><Code>NoSuchBucket</Code></Error>"));
    let store = bucket(&server);
    let errors = [
        put(&store, "key", b"1").unwrap_err(),
        store.delete("key").unwrap_err(),
        store.list("a/").unwrap_err(),
        store.list_directory("").unwrap_err(),
        store.get_ranges("key", &[]).err().unwrap_or(StoreError::NotFound),
    ];
    for error in &errors[..4] {
        assert!(error.to_string().contains("the bucket or container does not exist"), "{error}");
    }
    // The response to HEAD has no body that tells.
    assert!(matches!(errors[4], StoreError::NotFound));
}

#[test]
fn a_server_that_always_fails_is_an_error_in_the_end() {
    let server = Server::start(|_| Fault::Status(503, "", "<Error><Code>SlowDown</Code></Error>"));
    let error = bucket(&server).get("a/key").unwrap_err();
    let expected = "the server is overloaded (503 SlowDown), and so did all retries";
    assert_eq!(said(&error), format!("{START}: {expected}"));
    assert_eq!(server.take_requests().len(), 21);
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_cause() {
    let server = {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let options = lazy_zarr::StoreOptions::new().with("max_retries", "1");
    let target = lazy_zarr::Target::from(format!("{server}/a.zarr")).with_store_options(options);
    let error = lazy_zarr::StoredArray::open(target).unwrap_err();
    let said = said(&error);
    assert!(said.contains(&format!("could not read a.zarr/zarr.json in {server}")), "{said}");
    assert!(said.contains("onnection refused"), "{said}");
    assert_eq!(said.matches("refused").count(), 1, "{said}");
}

#[test]
fn a_key_that_no_store_takes_is_an_error() {
    let server = Server::start(|_| Fault::No);
    let store = bucket(&server);
    for key in ["a\nb", "a//b", "a/../b", "/a"] {
        assert!(matches!(store.get(key), Err(StoreError::Other(_))), "{key:?}");
    }
    assert!(server.take_requests().is_empty());
}
