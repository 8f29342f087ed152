//! `RemoteStore` and URLs, on the stores that come with `object_store` and on a server that fails.

mod faults;
mod permanent;
mod server;
mod urls;

use std::sync::Arc;

use lazy_core::conformance::run_cases;
use lazy_zarr::conformance::StoreSuite;
use lazy_zarr::{PutCondition, RemoteStore, Store, StoreError};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use tempfile::tempdir;

use server::Server;

#[test]
fn a_store_in_memory_conforms() {
    StoreSuite::new(|| RemoteStore::new(Arc::new(InMemory::new()))).run();
}

#[test]
fn a_store_below_a_prefix_conforms() {
    let store = || RemoteStore::new(Arc::new(PrefixStore::new(InMemory::new(), "some/where")));
    StoreSuite::new(store).run();
}

#[test]
fn a_local_file_system_conforms() {
    let store = || {
        let directory = tempdir().unwrap().keep();
        RemoteStore::new(Arc::new(LocalFileSystem::new_with_prefix(directory).unwrap()))
    };
    // A directory cannot be deleted like a key that does not exist.
    let cases = StoreSuite::new(store).cases().into_iter();
    run_cases(cases.filter(|case| case.name() != "delete::of_nothing_succeeds"));
}

/// The client would ask a server of the cloud for credentials, for minutes.
#[test]
fn missing_credentials_are_an_error_at_once() {
    let test = "opens_without_credentials";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env_clear()
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
}

#[test]
#[ignore = "is run in a process without environment variables"]
fn opens_without_credentials() {
    use lazy_zarr::{ErrorKind, StoreOptions, StoredArray, Target};
    use std::net::TcpStream;
    use std::time::Duration;

    let server = ([169, 254, 169, 254], 80).into();
    if TcpStream::connect_timeout(&server, Duration::from_secs(2)).is_ok() {
        // On a virtual machine of a cloud, the client may ask for credentials.
        return;
    }
    let target = Target::from("s3://bucket/a.zarr");
    let error = StoredArray::open(&target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!(said(&error), "there are no credentials for s3://bucket/a.zarr");
    assert!(error.hint().unwrap().contains("skip_signature"));
    // A request without a signature needs none.
    let nowhere = StoreOptions::new()
        .with("skip_signature", "true")
        .with("endpoint", "http://127.0.0.1:1")
        .with("allow_http", "true")
        .with("max_retries", "0");
    let error = StoredArray::open(target.with_store_options(nowhere)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// Returns the store of a server with the interface of S3.
fn bucket(server: &Server) -> RemoteStore {
    let retry = object_store::RetryConfig {
        backoff: object_store::BackoffConfig {
            init_backoff: std::time::Duration::from_millis(1),
            max_backoff: std::time::Duration::from_millis(4),
            base: 2.0,
        },
        max_retries: 20,
        ..Default::default()
    };
    let store = AmazonS3Builder::new()
        .with_endpoint(server.url())
        .with_allow_http(true)
        .with_bucket_name("bucket")
        .with_access_key_id("id")
        .with_secret_access_key("hunter2")
        .with_retry(retry)
        .build();
    RemoteStore::new(Arc::new(store.unwrap()))
}

fn put(store: &dyn Store, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
    store.put(key, bytes.to_vec().into(), PutCondition::Always).map(drop)
}

/// Returns an error and its causes.
fn said(error: &dyn std::error::Error) -> String {
    lazy_core::report(error).to_string()
}
