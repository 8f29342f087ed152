//! Writing to the working directory does not move it. A single test, since the working directory
//! belongs to the process.

use lazy_chunks::zarr::{Existing, StoredArray, Target, ToZarr, ZarrSink};
use lazy_tests::{flat, names};

#[test]
fn storing_in_the_working_directory_does_not_move_it() {
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    // No directory is moved, so the working directory can be an array or a group.
    let sink = || ZarrSink::new(".").with_existing(Existing::Replace);
    for n_rows in 1..4 {
        flat(&[&[n_rows]]).to_zarr(sink()).unwrap();
        assert_eq!(StoredArray::open(".").unwrap().shape(), [n_rows]);
        assert_eq!(StoredArray::open(directory.path()).unwrap().shape(), [n_rows]);
    }
    for name in names(directory.path()) {
        let path = directory.path().join(name);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
            .unwrap();
    }

    flat(&[&[1]]).to_zarr("a.zarr").unwrap();
    flat(&[&[1]]).to_zarr(Target::from("g.zarr").member("a")).unwrap();
    std::env::set_current_dir("g.zarr").unwrap();
    flat(&[&[2]]).to_zarr(Target::from(".").member("b")).unwrap();
    assert_eq!(StoredArray::open("b").unwrap().shape(), [2]);
    assert_eq!(StoredArray::open("../a.zarr").unwrap().shape(), [1]);

    std::env::set_current_dir("b").unwrap();
    flat(&[&[3]]).to_zarr(sink()).unwrap();
    assert_eq!(StoredArray::open("../b").unwrap().shape(), [3]);
    std::env::set_current_dir("/").unwrap();
}
