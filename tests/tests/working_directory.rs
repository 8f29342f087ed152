//! The working directory is not taken away from the process. One test, since it is the process's.

use lazy_chunks::zarr::{Existing, StoredArray, Target, ToZarr, ZarrSink};
use lazy_tests::{assert_target_refused, flat};

#[test]
fn the_working_directory_stays_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    let message = "it is the working directory; name a target below it";
    assert_target_refused(".", message);
    assert_target_refused(Target::from(".").member("a"), message);

    flat(&[&[1]]).to_zarr("a.zarr").unwrap();
    flat(&[&[1]]).to_zarr(Target::from("g.zarr").member("a")).unwrap();
    std::env::set_current_dir("g.zarr").unwrap();
    flat(&[&[2]]).to_zarr(Target::from(".").member("b")).unwrap();
    assert_eq!(StoredArray::open("b").unwrap().shape(), [2]);
    assert_eq!(StoredArray::open("../a.zarr").unwrap().shape(), [1]);

    std::env::set_current_dir("b").unwrap();
    assert_target_refused(ZarrSink::new(".").with_existing(Existing::Replace), message);
    std::env::set_current_dir("/").unwrap();
}
