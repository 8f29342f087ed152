//! Arrays in groups: the groups that a write creates, the view of readers during a write, and
//! errors.

use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{
    Error, Existing, MemoryStore, PutCondition, Store, StoredArray, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::{Fault, FaultyFileSystem, assert_target_refused, flat, names, zeros};

const GROUP: &str = r#"{"zarr_format":3,"node_type":"group"}"#;

fn group_in(directory: &Path) -> Target {
    Target::from(directory.join("g.zarr"))
}

#[test]
fn a_group_holds_several_arrays() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    for group in [group_in(directory.path()), Target::from(Arc::clone(&store))] {
        flat(&[&[2, 3]]).to_zarr(group.member("a")).unwrap();
        flat(&[&[4]]).to_zarr(group.member("b")).unwrap();
        flat(&[&[5]]).to_zarr(group.member("inner").member("c")).unwrap();
        let opened = |target: Target| StoredArray::open(target).unwrap();
        assert_eq!(opened(group.member("a")).read().unwrap(), zeros(&[2, 3]));
        assert_eq!(opened(group.member("b")).shape(), [4]);
        assert_eq!(opened(group.member("inner").member("c")).shape(), [5]);

        let error = report(&StoredArray::open(group.clone()).unwrap_err());
        assert!(error.ends_with("it is a Zarr group with the members a, b, inner"), "{error}");
        let replace = ZarrSink::new(group.member("a")).with_existing(Existing::Replace);
        assert_eq!(flat(&[&[1, 1]]).to_zarr(replace).unwrap().shape(), [1, 1]);
        assert_target_refused(group.member("b"), "already exists");
        assert_target_refused(group.member("inner"), "is a Zarr group");
        assert_target_refused(group.member("b").member("d"), "lies inside the Zarr array");
    }
    assert_eq!(names(directory.path()), ["g.zarr"]);
    assert_eq!(names(&directory.path().join("g.zarr")), ["a", "b", "inner", "zarr.json"]);
}

#[test]
fn one_pass_stores_several_arrays_of_a_new_group() {
    let directory = tempfile::tempdir().unwrap();
    for group in [group_in(directory.path()), Target::from(Arc::new(MemoryStore::new()))] {
        let sink = |name: &str| ZarrSink::new(group.member("inner").member(name));
        let stored = flat(&[&[2, 3]]).compute((sink("a"), sink("b"), sink("c"))).unwrap();
        assert_eq!(stored.2.read().unwrap(), zeros(&[2, 3]));
        for name in ["a", "b", "c"] {
            let stored = StoredArray::open(group.member("inner").member(name)).unwrap();
            assert_eq!(stored.read().unwrap(), zeros(&[2, 3]));
        }
    }
    assert_eq!(names(directory.path()), ["g.zarr"]);
    assert_eq!(names(&directory.path().join("g.zarr/inner")), ["a", "b", "c", "zarr.json"]);
}

#[test]
fn a_new_group_appears_just_before_its_array() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    // An empty directory may already exist.
    for is_there in [false, true] {
        if is_there {
            std::fs::create_dir_all(&path).unwrap();
        }
        let blocks = LazyChunkSequence::new(|| {
            (0..3).map(|_| {
                assert!(!path.join("zarr.json").exists());
                assert!(!path.join("inner/zarr.json").exists());
                assert!(!path.join("inner/a/zarr.json").exists());
                zeros(&[1, 2])
            })
        });
        let sink = ZarrSink::new(Target::from(&path).member("inner").member("a"));
        blocks.to_zarr(sink.with_chunk_bytes(1)).unwrap();
        assert_eq!(names(directory.path()), ["g.zarr"]);
        for group in [path.clone(), path.join("inner")] {
            let metadata = std::fs::read(group.join("zarr.json")).unwrap();
            let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
            assert_eq!(
                (&metadata["node_type"], &metadata["zarr_format"]),
                (&"group".into(), &3.into())
            );
        }
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_failing_write_makes_no_group() {
    let directory = tempfile::tempdir().unwrap();
    let failing = || LazyChunkSequence::try_new(|| [Ok(zeros(&[1, 2])), Err("out of memory")]);
    let sink = |target: Target| ZarrSink::new(target.member("a").member("b")).with_chunk_bytes(1);
    failing().to_zarr(sink(group_in(directory.path()))).unwrap_err();
    assert_eq!(names(directory.path()), [""; 0]);

    let store = Arc::new(MemoryStore::new());
    failing().to_zarr(sink(Arc::clone(&store).into())).unwrap_err();
    flat(&[&[1]]).to_zarr(store).expect("the store is vacant");
}

#[test]
fn a_fault_at_any_operation_leaves_no_group_or_a_whole_one() {
    for n in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/g.zarr");
        let fault = Fault { change: Some(n), ..Fault::default() };
        let file_system = Arc::new(FaultyFileSystem::new(fault));
        let target = Target::on(Arc::clone(&file_system), &path);
        let result = flat(&[&[2, 3]]).to_zarr(target.member("inner").member("a"));
        let found = StoredArray::open(Target::from(&path).member("inner").member("a"));
        let is_published = result.as_ref().map_or_else(Error::is_published, |_| true);
        assert_eq!(is_published, found.is_ok(), "fault {n}: {result:?}");
        // If cleaning up fails as well, the remains are not an array or a group.
        if !is_published && path.exists() {
            assert!(!path.join("zarr.json").exists() && !path.join("inner/zarr.json").exists());
            flat(&[&[2, 3]]).to_zarr(Target::from(&path).member("inner").member("a")).unwrap();
        }
        if file_system.n_changes() <= n {
            assert!(
                n > 8,
                "staging, a chunk, three metadata files, their directories and a rename: {n}"
            );
            return;
        }
    }
}

#[test]
fn a_group_that_changes_during_the_write_is_an_error() {
    type Change<'c> = (&'c dyn Fn(&Path), &'static str);
    let consolidated = GROUP.replace('}', r#","consolidated_metadata":{}}"#);
    let changes: [Change<'_>; 4] = [
        (
            &|group| std::fs::remove_file(group.join("zarr.json")).unwrap(),
            "is no longer a Zarr group",
        ),
        (
            &|group| {
                let metadata = GROUP.replace("group", "array");
                std::fs::write(group.join("zarr.json"), metadata).unwrap();
            },
            "lies inside the Zarr array",
        ),
        (
            &|group| {
                std::fs::remove_file(group.join("zarr.json")).unwrap();
                std::fs::write(group.join(".zgroup"), r#"{"zarr_format":2}"#).unwrap();
            },
            "is a Zarr v2 group",
        ),
        (
            &|group| std::fs::write(group.join("zarr.json"), &consolidated).unwrap(),
            "it would make the consolidated metadata of",
        ),
    ];
    for (change, message) in changes {
        for names_in_group in [&["a"][..], &["inner", "a"], &[]] {
            let is_member = !names_in_group.is_empty();
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("g.zarr");
            flat(&[&[1]]).to_zarr(Target::from(&path).member("first")).unwrap();
            let blocks = LazyChunkSequence::new(|| {
                change(&path);
                [zeros(&[1, 2])]
            });
            let target = match names_in_group {
                [] => Target::from(path.join("a")),
                names => names.iter().fold(Target::from(&path), |group, name| group.member(*name)),
            };
            match blocks.to_zarr(target) {
                // A path that is no longer in a group is a valid target.
                Ok(_) => assert!(!is_member && message == "is no longer a Zarr group"),
                Err(error) => {
                    assert!(report(&error).contains(message), "{error}");
                    assert!(!path.join("a").exists() && !path.join("inner").exists());
                }
            }
            assert_eq!(names(directory.path()), ["g.zarr"]);
        }
    }
}

/// Puts an array below a prefix of a store, as a program does that knows no claims.
fn put_by_another_program(store: &MemoryStore, prefix: &str) {
    let other = MemoryStore::new();
    flat(&[&[4, 2]]).to_zarr(&other).unwrap();
    for object in other.list("").unwrap() {
        let bytes = other.get(&object.key).unwrap().bytes;
        store.put(&format!("{prefix}{}", object.key), bytes, PutCondition::Always).unwrap();
    }
}

#[test]
fn a_store_keeps_an_array_that_another_program_published() {
    let store = MemoryStore::new();
    let target = || Target::in_store(store.clone(), "/g/a");
    let failing = LazyChunkSequence::try_new(|| {
        put_by_another_program(&store, "g/a/");
        [Ok(zeros(&[1, 2])), Err("out of memory")]
    });
    let small = |target| ZarrSink::new(target).with_chunk_shape([1, 1]);
    failing.to_zarr(small(target())).unwrap_err();
    assert_eq!(StoredArray::open(target()).unwrap().shape(), [4, 2]);

    let store = MemoryStore::new();
    let outer = LazyChunkSequence::new(|| {
        put_by_another_program(&store, "");
        [zeros(&[1, 3])]
    });
    // The chunks of both have the same keys.
    let error = report(&outer.to_zarr(&store).unwrap_err());
    assert!(error.contains("another process has changed c/0/0"), "{error}");
    assert_eq!(StoredArray::open(&store).unwrap().shape(), [4, 2]);
    let store = MemoryStore::new();
    let outer = LazyChunkSequence::new(|| {
        put_by_another_program(&store, "i/");
        [ArrayBlock::from_vec([0, 3], vec![0; 0]).unwrap()]
    });
    let error = report(&outer.to_zarr(Target::in_store(store.clone(), "/i")).unwrap_err());
    assert!(error.contains("already exists"), "{error}");
    let member = LazyChunkSequence::new(|| {
        put_by_another_program(&store, "h/");
        [zeros(&[1, 3])]
    });
    let target = Target::in_store(store.clone(), "/h").member("a");
    let error = report(&member.to_zarr(target).unwrap_err());
    assert!(error.contains("lies inside the Zarr array"), "{error}");
    let both = (ZarrSink::new(&store), ZarrSink::new(&store));
    assert!(flat(&[&[1]]).compute(both).is_err());
}

#[test]
fn a_directory_that_is_no_group_after_the_write_is_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    for metadata in [None, Some(r#"{"zarr_format":3,"node_type":"array"}"#)] {
        let blocks = LazyChunkSequence::new(|| {
            std::fs::write(path.join("file"), "precious").unwrap();
            if let Some(metadata) = metadata {
                std::fs::write(path.join("zarr.json"), metadata).unwrap();
            }
            [zeros(&[1, 2])]
        });
        let error = report(&blocks.to_zarr(Target::from(&path).member("a")).unwrap_err());
        let expected = match metadata {
            None => "is a directory without Zarr metadata, not a Zarr group",
            Some(_) => "lies inside the Zarr array",
        };
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
        assert_eq!(names(directory.path()), ["g.zarr"]);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn a_member_name_is_a_single_path_component() {
    for (name, reason) in [
        ("", "it is empty"),
        (".", "it consists of dots"),
        ("..", "it consists of dots"),
        ("a/b", "it contains /, \\ or NUL"),
        ("/a", "it contains /, \\ or NUL"),
        ("../a", "it contains /, \\ or NUL"),
        ("a\\b", "it contains /, \\ or NUL"),
        ("a\0b", "it contains /, \\ or NUL"),
        ("__a", "names that begin with __ are reserved"),
        ("zarr.json", "it is the name of the group's metadata"),
        (&"a".repeat(256), "it has more than 255 bytes"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        for group in [group_in(directory.path()), Target::from(Arc::new(MemoryStore::new()))] {
            let target = group.member("inner").member(name);
            assert_target_refused(target.clone(), reason);
            let error = report(&StoredArray::open(target).unwrap_err());
            assert!(
                error.starts_with(&format!("invalid name {name:?} of a group member: ")),
                "{error}"
            );
        }
        assert_eq!(names(directory.path()), [""; 0]);
    }
    let longest = "ä".repeat(127);
    for name in ["a", "a.b", "ünï cödé", "c", "..a", &longest] {
        let directory = tempfile::tempdir().unwrap();
        flat(&[&[1]]).to_zarr(group_in(directory.path()).member(name)).unwrap();
        assert_eq!(names(&directory.path().join("g.zarr")).len(), 2);
        let group = Target::from(Arc::new(MemoryStore::new()));
        assert_eq!(flat(&[&[1]]).to_zarr(group.member(name)).unwrap().shape(), [1], "{name}");
    }
}

#[test]
fn a_member_of_something_else_than_a_group_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "precious").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    std::fs::write(path("directory/file"), "precious").unwrap();
    std::fs::create_dir(path("v2")).unwrap();
    std::fs::write(path("v2/.zgroup"), r#"{"zarr_format":2}"#).unwrap();
    std::fs::create_dir(path("consolidated")).unwrap();
    let consolidated = GROUP.replace('}', r#","consolidated_metadata":{}}"#);
    std::fs::write(path("consolidated/zarr.json"), consolidated).unwrap();

    for (name, message) in [
        ("file", "is a file, not a Zarr group"),
        ("directory", "is a directory without Zarr metadata, not a Zarr group"),
        ("v2", "is a Zarr v2 group, which cannot hold a Zarr v3 array"),
        ("consolidated", "it would make the consolidated metadata of"),
    ] {
        let before = names(directory.path());
        assert_target_refused(Target::from(path(name)).member("a"), message);
        assert_target_refused(Target::from(path(name)).member("a").member("b"), message);
        assert_eq!(names(directory.path()), before);
    }
    assert_target_refused(path("v2/a"), "is a Zarr v2 group, which cannot hold a Zarr v3 array");

    let store = Arc::new(MemoryStore::new());
    store.put("a/notes.txt", "precious".into(), PutCondition::Always).unwrap();
    assert_target_refused(
        Target::in_store(store, "/a").member("c"),
        "store:/a/ is a directory without Zarr metadata",
    );
}
