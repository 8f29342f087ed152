//! Arrays that are members of groups: what is made for them, what readers see meanwhile, and what is
//! refused.

use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{Error, Existing, MemoryStore, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{LazyChunkSequence, report};
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
        flat(&[&[2, 3]]).to_zarr(group.clone().member("a")).unwrap();
        flat(&[&[4]]).to_zarr(group.clone().member("b")).unwrap();
        flat(&[&[5]]).to_zarr(group.clone().member("inner").member("c")).unwrap();
        let opened = |target: Target| StoredArray::open(target).unwrap();
        assert_eq!(opened(group.clone().member("a")).read().unwrap(), zeros(&[2, 3]));
        assert_eq!(opened(group.clone().member("b")).shape(), [4]);
        assert_eq!(opened(group.clone().member("inner").member("c")).shape(), [5]);

        let error = report(&StoredArray::open(group.clone()).unwrap_err());
        assert!(error.ends_with("it is a Zarr group with the members a, b, inner"), "{error}");
        let replace =
            ZarrSink::new(group.clone().member("a")).with_existing(Existing::ReplaceInPlace);
        assert_eq!(flat(&[&[1, 1]]).to_zarr(replace).unwrap().shape(), [1, 1]);
        assert_target_refused(group.clone().member("b"), "exists already");
        assert_target_refused(group.clone().member("inner"), "is a Zarr group");
        assert_target_refused(group.clone().member("b").member("d"), "lies in the Zarr array");
    }
    assert_eq!(names(directory.path()), ["g.zarr"]);
    assert_eq!(names(&directory.path().join("g.zarr")), ["a", "b", "inner", "zarr.json"]);
}

#[test]
fn one_pass_stores_several_arrays_of_a_new_group() {
    let directory = tempfile::tempdir().unwrap();
    for group in [group_in(directory.path()), Target::from(Arc::new(MemoryStore::new()))] {
        let sink = |name: &str| ZarrSink::new(group.clone().member("inner").member(name));
        let stored = flat(&[&[2, 3]]).compute((sink("a"), sink("b"), sink("c"))).unwrap();
        assert_eq!(stored.2.read().unwrap(), zeros(&[2, 3]));
        for name in ["a", "b", "c"] {
            let stored = StoredArray::open(group.clone().member("inner").member(name)).unwrap();
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
    // An empty directory is no obstacle.
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
    flat(&[&[1]]).to_zarr(store).expect("a vacant store");
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
        // Of what a failed write has created, a fault of its removal leaves nothing that counts.
        if !is_published && path.exists() {
            assert!(!path.join("zarr.json").exists() && !path.join("inner/zarr.json").exists());
            flat(&[&[2, 3]]).to_zarr(Target::from(&path).member("inner").member("a")).unwrap();
        }
        if file_system.n_changes() <= n {
            assert!(n > 8, "staging, a chunk, three metadata, their directories, a rename");
            return;
        }
    }
}

#[test]
fn a_group_that_changes_meanwhile_takes_no_array() {
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
            "lies in the Zarr array",
        ),
        (
            &|group| {
                std::fs::remove_file(group.join("zarr.json")).unwrap();
                std::fs::write(group.join(".zgroup"), r#"{"zarr_format":2}"#).unwrap();
            },
            "lies in the Zarr v2 group",
        ),
        (
            &|group| std::fs::write(group.join("zarr.json"), &consolidated).unwrap(),
            "whose consolidated metadata",
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
                // A path that is in no group any more is one like any other.
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

#[test]
fn a_store_keeps_what_somebody_else_published_meanwhile() {
    let store = Arc::new(MemoryStore::new());
    let target = || Target::in_store(Arc::clone(&store), "/g/a");
    let published = || flat(&[&[4, 2]]).to_zarr(ZarrSink::new(target())).unwrap();
    let failing = LazyChunkSequence::try_new(|| {
        published();
        [Ok(zeros(&[1, 2])), Err("out of memory")]
    });
    let small = |target| ZarrSink::new(target).with_chunk_shape([1, 1]);
    failing.to_zarr(small(target())).unwrap_err();
    assert_eq!(StoredArray::open(target()).unwrap().shape(), [4, 2]);

    let store = Arc::new(MemoryStore::new());
    let outer = LazyChunkSequence::new(|| {
        flat(&[&[4, 2]]).to_zarr(Arc::clone(&store)).unwrap();
        [zeros(&[1, 3])]
    });
    let error = report(&outer.to_zarr(Arc::clone(&store)).unwrap_err());
    assert!(error.contains("exists already"), "{error}");
    let member = LazyChunkSequence::new(|| {
        flat(&[&[4, 2]]).to_zarr(Target::in_store(Arc::clone(&store), "/h")).unwrap();
        [zeros(&[1, 3])]
    });
    let target = Target::in_store(Arc::clone(&store), "/h").member("a");
    let error = report(&member.to_zarr(target).unwrap_err());
    assert!(error.contains("lies in the Zarr array"), "{error}");
    let both = (ZarrSink::new(Arc::clone(&store)), ZarrSink::new(Arc::clone(&store)));
    assert!(flat(&[&[1]]).compute(both).is_err());
}

#[test]
fn what_becomes_no_group_meanwhile_is_left_alone() {
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
            None => "is something else and not a Zarr group",
            Some(_) => "lies in the Zarr array",
        };
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
        assert_eq!(names(directory.path()), ["g.zarr"]);
        std::fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn names_are_single_words() {
    for (name, reason) in [
        ("", "it is empty"),
        (".", "it has nothing but dots"),
        ("..", "it has nothing but dots"),
        ("a/b", "it is more than one word of a path"),
        ("/a", "it is more than one word of a path"),
        ("../a", "it is more than one word of a path"),
        ("a\\b", "it is more than one word of a path"),
        ("a\0b", "it is more than one word of a path"),
        ("__a", "names that begin with __ are reserved"),
        ("zarr.json", "the group's own metadata has that name"),
        (&"a".repeat(256), "it has more than 255 bytes"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        for group in [group_in(directory.path()), Target::from(Arc::new(MemoryStore::new()))] {
            let target = group.member("inner").member(name);
            assert_target_refused(target.clone(), reason);
            let error = report(&StoredArray::open(target).unwrap_err());
            assert!(
                error.starts_with(&format!("{name:?} cannot be the name of a member")),
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
fn what_is_no_group_has_no_members() {
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
        ("file", "is a file and not a Zarr group"),
        ("directory", "is something else and not a Zarr group"),
        ("v2", "in which no reader would see an array of Zarr v3"),
        ("consolidated", "whose consolidated metadata would no longer be true"),
    ] {
        let before = names(directory.path());
        assert_target_refused(Target::from(path(name)).member("a"), message);
        assert_target_refused(Target::from(path(name)).member("a").member("b"), message);
        assert_eq!(names(directory.path()), before);
    }
    assert_target_refused(path("v2/a"), "in which no reader would see an array of Zarr v3");

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1]]).to_zarr(Target::in_store(Arc::clone(&store), "/a/b")).unwrap();
    assert_target_refused(Target::in_store(store, "/a").member("c"), "store:/a/ is something else");
}
