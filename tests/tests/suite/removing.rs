//! Groups: the list of their members, their attributes, and the removal of members, on file systems
//! and in stores, with failures at any operation.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lazy_chunks::conformance::StoreSuite;
use lazy_chunks::zarr::{
    Consolidation, Durability, Error, ErrorKind, Existing, Group, MemberKind, MemoryFileSystem,
    MemoryStore, Object, ObjectInfo, PutCondition, Store, StoreError, StoredArray, Superseded, Tag,
    Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink, serde_json,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::interrupted::{failing, sink as resuming};
use lazy_tests::{Fault, FaultyFileSystem, VolatileFileSystem, chooser, files, names};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

fn array(value: i32) -> ArrayBlock {
    ArrayBlock::from_vec([4, 5], vec![value; 20]).unwrap()
}

fn store(target: Target, value: i32) {
    store_with(target, value, Durability::None);
}

fn store_with(target: Target, value: i32, durability: Durability) {
    let sink = ZarrSink::new(target)
        .with_chunk_shape([3, 5])
        .with_existing(Existing::Replace)
        .with_durability(durability);
    LazyChunkSequence::new(|| [array(value)]).to_zarr(sink).unwrap();
}

/// Stores the arrays `a`, `b`, `inner/c` and `inner/deep/d` in a group.
fn fill(group: &Target) {
    fill_with(group, Durability::None);
}

fn fill_with(group: &Target, durability: Durability) {
    let inner = group.member("inner");
    store_with(group.member("a"), 1, durability);
    store_with(group.member("b"), 2, durability);
    store_with(inner.member("c"), 3, durability);
    store_with(inner.member("deep").member("d"), 4, durability);
}

fn open(target: impl Into<Target>) -> Group {
    Group::open(target).unwrap()
}

/// Returns the names and kinds of all members.
fn listed(group: &Group) -> Vec<(String, &'static str)> {
    let kind = |kind: &MemberKind| match kind {
        MemberKind::Array => "array",
        MemberKind::Group => "group",
        MemberKind::Broken(_) => "broken",
        _ => unreachable!("there are no other kinds"),
    };
    let members = group.all_members().unwrap();
    members.iter().map(|member| (member.name().to_owned(), kind(member.kind()))).collect()
}

/// Returns the target of a group in a directory, on a file system in memory and in a store.
fn places() -> (TempDir, Vec<Target>) {
    let directory = tempdir().unwrap();
    let targets = vec![
        Target::from(directory.path().join("g.zarr")),
        Target::on(MemoryFileSystem::new(), "/data/g.zarr"),
        Target::in_store(MemoryStore::new(), "/data/g.zarr"),
        Target::from(MemoryStore::new()),
    ];
    (directory, targets)
}

#[test]
fn members_are_listed_in_order_with_their_kinds() {
    let (_directory, targets) = places();
    for target in targets {
        fill(&target);
        // Its path is less than `inner/c` byte for byte.
        store(target.member("inner-2"), 5);
        let group = open(&target);
        assert_eq!(group.zarr_format(), 3);
        let direct: Vec<_> =
            group.members().unwrap().iter().map(|member| member.name().to_owned()).collect();
        assert_eq!(direct, ["a", "b", "inner", "inner-2"]);
        let all = listed(&group);
        let expected = [
            ("a", "array"),
            ("b", "array"),
            ("inner", "group"),
            ("inner/c", "array"),
            ("inner/deep", "group"),
            ("inner/deep/d", "array"),
            ("inner-2", "array"),
        ];
        assert_eq!(all, expected.map(|(name, kind)| (name.to_owned(), kind)));
        // The target of each member opens it.
        for member in group.all_members().unwrap() {
            match member.kind() {
                MemberKind::Array => {
                    assert_eq!(StoredArray::open(member.target()).unwrap().shape(), [4, 5]);
                }
                _ => assert!(!open(member.target()).members().unwrap().is_empty()),
            }
        }
    }
}

#[test]
fn only_a_group_opens_as_a_group() {
    let (directory, targets) = places();
    for target in targets {
        let error = Group::open(target.member("missing")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        fill(&target);
        let error = Group::open(target.member("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAGroup, "{error}");
        assert!(error.to_string().ends_with("is not a Zarr group: it is a Zarr array"), "{error}");
        let error = Group::open(target.member("..")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidTarget, "{error}");
    }
    let path = directory.path();
    std::fs::write(path.join("file"), "").unwrap();
    std::fs::create_dir(path.join("empty")).unwrap();
    for (name, reason) in
        [("file", "it is a file"), ("empty", "it is a directory without Zarr metadata")]
    {
        let error = Group::open(path.join(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAGroup, "{error}");
        assert!(error.to_string().ends_with(reason), "{error}");
    }
}

#[test]
fn broken_members_are_listed_and_other_files_are_not() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    fill(&Target::from(&path));
    failing(1, 2).to_zarr(resuming(path.join("unfinished"))).unwrap_err();
    std::fs::create_dir_all(path.join("folder/below")).unwrap();
    std::fs::write(path.join("notes.txt"), "").unwrap();
    std::fs::write(path.join("a/zarr.json"), "{").unwrap();
    std::fs::write(path.join("b/zarr.json"), r#"{"zarr_format":3,"node_type":"tree"}"#).unwrap();
    std::fs::rename(path.join("inner/deep"), path.join("inner/__deep")).unwrap();
    let group = open(&path);
    let expected = [
        ("a", "broken"),
        ("b", "broken"),
        ("inner", "group"),
        ("inner/__deep", "broken"),
        ("inner/c", "array"),
    ];
    assert_eq!(listed(&group), expected.map(|(name, kind)| (name.to_owned(), kind)));
    let kinds = group.all_members().unwrap().into_iter().filter_map(|member| match member.kind() {
        MemberKind::Broken(error) => Some(error.kind()),
        _ => None,
    });
    let expected = [ErrorKind::Corrupt, ErrorKind::Corrupt, ErrorKind::InvalidTarget];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
}

#[cfg(unix)]
#[test]
fn links_are_members_and_are_not_followed_further() {
    use std::os::unix::fs::symlink;

    let directory = tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    fill(&Target::from(&path));
    store(Target::from(directory.path().join("elsewhere.zarr")), 7);
    symlink(directory.path().join("elsewhere.zarr"), path.join("link")).unwrap();
    symlink(&path, path.join("inner/up")).unwrap();
    symlink("nowhere", path.join("dangling")).unwrap();
    symlink("loop", path.join("loop")).unwrap();
    let group = open(&path);
    let names: Vec<_> =
        listed(&group).into_iter().filter(|(name, _)| !"ab".contains(name)).collect();
    let expected = [
        ("inner", "group"),
        ("inner/c", "array"),
        ("inner/deep", "group"),
        ("inner/deep/d", "array"),
        ("inner/up", "group"),
        ("link", "array"),
        ("loop", "broken"),
    ];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    // A link is removed alone.
    assert_eq!(group.remove("link").unwrap().n_arrays, 0);
    assert!(path.join("link").symlink_metadata().is_err());
    group.remove("inner").unwrap();
    assert_eq!(self::names(&path), ["a", "b", "dangling", "loop", "zarr.json"]);
    let elsewhere = StoredArray::open(directory.path().join("elsewhere.zarr")).unwrap();
    assert_eq!(elsewhere.read().unwrap(), array(7));
    // A group is opened through a link.
    symlink(&path, directory.path().join("h.zarr")).unwrap();
    open(directory.path().join("h.zarr")).remove("a").unwrap();
    assert_eq!(self::names(&path), ["b", "dangling", "loop", "zarr.json"]);
}

/// The metadata of a group, with entries that this crate does not know.
const FOREIGN: &str = r#"{
  "zarr_format": 3, "node_type": "group", "future": {"must_understand": false, "x": 1.50e0},
  "attributes": {"big": 123456789012345678901234567890, "x": 0.30000000000000004, "text": "é"}
}"#;

#[test]
fn setting_an_attribute_keeps_everything_else() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("zarr.json");
    std::fs::write(&path, FOREIGN).unwrap();
    let objects = Arc::new(MemoryStore::new());
    objects.put("zarr.json", FOREIGN.into(), PutCondition::Always).unwrap();
    let texts: [&dyn Fn() -> String; 2] = [&|| std::fs::read_to_string(&path).unwrap(), &|| {
        String::from_utf8(objects.get("zarr.json").unwrap().bytes.to_vec()).unwrap()
    }];
    for (target, text) in
        [Target::from(directory.path()), Target::from(Arc::clone(&objects))].iter().zip(texts)
    {
        let group = open(target);
        group.set_attribute("l2", 0.1).unwrap();
        let changes = [("text", None), ("new", Some(json!([1, null]))), ("absent", None)];
        group.set_attributes(changes).unwrap();
        let found = text();
        for kept in ["1.50e0", "123456789012345678901234567890", "0.30000000000000004"] {
            assert!(found.contains(kept), "{found}");
        }
        let metadata: Value = serde_json::from_str(&found).unwrap();
        let attributes = metadata["attributes"].as_object().unwrap();
        assert_eq!(attributes.keys().collect::<Vec<_>>(), ["big", "l2", "new", "x"]);
        assert_eq!(metadata["future"]["must_understand"], false);
        assert_eq!(group.attributes().unwrap(), *attributes);
        assert_eq!(group.attributes().unwrap()["new"], json!([1, null]));
        for (name, value) in [("nan", f64::NAN), ("provenance", 1.0)] {
            let error = group.set_attribute(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
        }
        assert_eq!(text(), found);
    }
    assert_eq!(names(directory.path()), ["zarr.json"]);
}

#[test]
fn groups_of_zarr_v2_are_only_read() {
    let directory = tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir_all(path.join("inner")).unwrap();
    std::fs::write(path.join(".zgroup"), r#"{"zarr_format":2}"#).unwrap();
    std::fs::write(path.join(".zattrs"), r#"{"x":1}"#).unwrap();
    std::fs::write(path.join("inner/.zgroup"), r#"{"zarr_format":2}"#).unwrap();
    let group = open(path);
    assert_eq!((group.zarr_format(), group.attributes().unwrap()["x"].clone()), (2, json!(1)));
    assert_eq!(listed(&group), [("inner".to_owned(), "group")]);
    assert!(open(path.join("inner")).attributes().unwrap().is_empty());
    let before = files(path);
    let errors: [Error; 5] = [
        group.set_attribute("x", 2).unwrap_err(),
        group.remove("inner").unwrap_err(),
        group.consolidate().unwrap_err(),
        group.remove_consolidated().unwrap_err(),
        group.consolidation().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert_eq!(files(path), before);
}

#[test]
fn a_group_with_consolidated_metadata_is_not_changed() {
    let (_directory, targets) = places();
    for target in targets {
        fill(&target);
        let (group, inner) = (open(&target), open(target.member("inner")));
        assert_eq!(group.consolidation().unwrap(), Consolidation::Missing);
        assert_eq!(group.consolidate().unwrap(), 6);
        assert_eq!(group.consolidation().unwrap(), Consolidation::Current);
        // Its own attributes are not part of the copy.
        group.set_attribute("x", 1).unwrap();
        assert_eq!(group.consolidation().unwrap(), Consolidation::Current);
        let errors = [
            inner.set_attribute("x", 1).unwrap_err(),
            inner.remove("c").unwrap_err(),
            group.remove("inner").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Consolidated, "{error}");
            assert!(error.parent().is_some() && error.hint().is_some(), "{error}");
        }
        assert_eq!(listed(&group).len(), 6);
        assert!(group.remove_consolidated().unwrap());
        assert!(!group.remove_consolidated().unwrap());
        assert_eq!(inner.consolidate().unwrap(), 3);
        // A copy below does not change with a group above it.
        group.set_attribute("x", 2).unwrap();
        assert_eq!(inner.consolidation().unwrap(), Consolidation::Current);
        // A member of the outer group is removed with the copy in it.
        group.remove("inner").unwrap();
        assert_eq!(listed(&group).len(), 2);
    }
}

#[test]
fn consolidated_metadata_that_differ_are_outdated() {
    let changes: [&dyn Fn(&Path); 4] = [
        &|path| std::fs::remove_dir_all(path.join("a")).unwrap(),
        &|path| std::fs::remove_file(path.join("inner/zarr.json")).unwrap(),
        &|path| {
            std::fs::create_dir(path.join("more")).unwrap();
            std::fs::copy(path.join("inner/zarr.json"), path.join("more/zarr.json")).unwrap();
        },
        &|path| {
            let file = path.join("a/zarr.json");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(
                file,
                text.replace("NaN", "Infinity").replace("\"fill_value\": 0", "\"fill_value\": 1"),
            )
            .unwrap();
        },
    ];
    for change in changes {
        let directory = tempdir().unwrap();
        let path = directory.path().join("g.zarr");
        fill(&Target::from(&path));
        let group = open(&path);
        group.consolidate().unwrap();
        assert_eq!(group.consolidation().unwrap(), Consolidation::Current);
        change(&path);
        assert_eq!(group.consolidation().unwrap(), Consolidation::Outdated);
        group.consolidate().unwrap();
        assert_eq!(group.consolidation().unwrap(), Consolidation::Current);
    }
}

#[test]
fn a_removed_member_leaves_nothing() {
    let (directory, targets) = places();
    for target in targets {
        fill(&target);
        // Three versions, whose chunks have different keys.
        for value in [10, 11, 12] {
            let sink = ZarrSink::new(target.member("a")).with_existing(Existing::Replace);
            LazyChunkSequence::new(|| [array(value)]).to_zarr(sink).unwrap();
        }
        let handle = StoredArray::open(target.member("a")).unwrap();
        let group = open(&target);
        let removed = group.remove("a").unwrap();
        assert_eq!((removed.n_arrays, removed.n_groups, removed.kept), (1, 0, vec![]));
        assert_eq!(handle.read().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(group.remove("a").unwrap_err().kind(), ErrorKind::NotFound);
        let removed = group.remove("inner").unwrap();
        assert_eq!((removed.n_arrays, removed.n_groups, removed.kept), (2, 2, vec![]));
        assert_eq!(listed(&group), [("b".to_owned(), "array")]);
        assert_eq!(StoredArray::open(target.member("b")).unwrap().read().unwrap(), array(2));
        // The places are free again.
        store(target.member("a"), 5);
        store(target.member("inner"), 6);
        assert_eq!(listed(&group).len(), 3);
        for name in ["a", "b", "inner"] {
            group.remove(name).unwrap();
        }
        assert_eq!(listed(&group), []);
    }
    assert_eq!(names(&directory.path().join("g.zarr")), ["zarr.json"]);
}

#[test]
fn other_files_are_kept_and_named() {
    let directory = tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("g.zarr");
    fill(&Target::from(&path));
    let kept = [
        "inner/c/c/0/notes.txt",
        "inner/c/c/7x",
        "inner/deep/README",
        "inner/folder/c/0",
        "inner/zarr.json.bak",
    ];
    for name in kept {
        std::fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        std::fs::write(path.join(name), "precious").unwrap();
    }
    // New metadata that a crashed process has left.
    std::fs::write(path.join("inner/.zarr.json.123.456"), "{}").unwrap();
    let removed = open(&path).remove("inner").unwrap();
    assert_eq!((removed.n_arrays, removed.n_groups), (2, 2));
    let paths = kept.map(|name| path.join(name).display().to_string());
    assert_eq!(removed.kept, paths);
    for (_, bytes) in files(&path.join("inner")) {
        assert_eq!(bytes, b"precious");
    }
    assert_eq!(files(&path.join("inner")).len(), kept.len());

    let objects = Arc::new(MemoryStore::new());
    let target = Target::in_store(Arc::clone(&objects), "/g");
    fill(&target);
    let kept = ["g/inner/c/c/0/0/x", "g/inner/c/c/0/notes.txt", "g/inner/notes.txt"];
    for key in kept {
        objects.put(key, "precious".into(), PutCondition::Always).unwrap();
    }
    let removed = open(target).remove("inner").unwrap();
    assert_eq!(removed.kept, kept.map(|key| format!("store:/{key}")));
    let left: BTreeSet<_> =
        objects.list("g/inner/").unwrap().into_iter().map(|object| object.key).collect();
    assert!(left.iter().eq(kept.iter()), "{left:?}");
}

/// An array of another program has no older versions, so files with the names of their chunks are
/// not its own.
#[test]
fn only_chunks_of_its_keys_are_removed_from_a_foreign_array() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    store(Target::from(&path).member("ours"), 1);
    let foreign = |name: &str, keys: &str| {
        let array = path.join(name);
        std::fs::create_dir_all(array.join("c/0")).unwrap();
        let metadata = std::fs::read_to_string(path.join("ours/zarr.json")).unwrap();
        let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
        metadata["attributes"] = json!({});
        metadata["chunk_key_encoding"] = serde_json::from_str(keys).unwrap();
        std::fs::write(array.join("zarr.json"), metadata.to_string()).unwrap();
        for key in ["c/0/0", "0.0", "c.0.0"] {
            std::fs::write(array.join(key), "chunk").unwrap();
        }
    };
    foreign("dotted", r#"{"name":"v2","configuration":{"separator":"."}}"#);
    foreign("unknown", r#"{"name":"fanout"}"#);
    let group = open(&path);
    let removed = group.remove("dotted").unwrap();
    assert_eq!((removed.n_arrays, removed.kept.len()), (1, 2));
    assert_eq!(names(&path.join("dotted")), ["c", "c.0.0"]);
    let error = group.remove("unknown").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(names(&path.join("unknown")), ["0.0", "c", "c.0.0", "zarr.json"]);

    std::fs::create_dir(path.join("v2")).unwrap();
    let metadata = json!({
        "zarr_format": 2, "shape": [4], "chunks": [2], "dtype": "<i4", "compressor": null,
        "fill_value": 0, "order": "C", "filters": null,
    })
    .to_string();
    for (name, text) in
        [(".zarray", &*metadata), (".zattrs", "{}"), ("0", "12345678"), ("1", "12345678")]
    {
        std::fs::write(path.join("v2").join(name), text).unwrap();
    }
    assert_eq!(StoredArray::open(path.join("v2")).unwrap().shape(), [4]);
    assert_eq!(group.remove("v2").unwrap().kept, [""; 0]);
    assert!(!path.join("v2").exists());
}

#[test]
fn what_is_being_written_is_not_removed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    fill(&Target::from(&path));
    for name in ["c", "new"] {
        let target = Target::from(&path).member("inner").member(name);
        let blocks = LazyChunkSequence::new(|| {
            for member in ["inner", "b"] {
                let removed = open(&path).remove(member);
                if member == "inner" {
                    assert_eq!(removed.unwrap_err().kind(), ErrorKind::InUse);
                }
            }
            [array(8)]
        });
        let sink = ZarrSink::new(target.clone()).with_existing(Existing::Replace);
        assert_eq!(blocks.to_zarr(sink).unwrap().read().unwrap(), array(8));
        assert_eq!(StoredArray::open(path.join("inner/deep/d")).unwrap().read().unwrap(), array(4));
        store(Target::from(&path).member("b"), 2);
    }
    // A write that can be resumed is not lost, and one that cannot is removed.
    for (name, fails_at) in [("d", 2), ("left", 2)] {
        let target = path.join("inner/deep").join(name);
        let sink = resuming(&target).with_existing(Existing::Replace);
        failing(9, fails_at).to_zarr(sink).unwrap_err();
        let before = files(&path);
        let error = open(&path).remove("inner").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
        assert_eq!(files(&path), before);
        for write in UnfinishedWrite::list(&target).unwrap() {
            write.remove().unwrap();
        }
    }
    std::fs::create_dir_all(path.join("inner/deep/left/.lazy.1")).unwrap();
    std::fs::create_dir_all(path.join("inner/deep/left/c/0")).unwrap();
    std::fs::write(path.join("inner/deep/left/c/0/0"), "chunk").unwrap();
    assert_eq!(open(&path).remove("inner").unwrap().kept, [""; 0]);
    assert!(!path.join("inner").exists());
}

/// Returns the elements of the array at a target, or `None` without an array. An array that exists
/// must be whole.
fn whole(target: Target) -> Option<i32> {
    match StoredArray::open(target) {
        Ok(stored) => {
            let read = stored.read().unwrap_or_else(|error| panic!("{}", report(&error)));
            let value = read.as_slice::<i32>().unwrap()[0];
            assert_eq!(read, array(value));
            Some(value)
        }
        Err(error) => {
            let kinds = [ErrorKind::NotFound, ErrorKind::NotAnArray];
            assert!(kinds.contains(&error.kind()), "{}", report(&error));
            None
        }
    }
}

/// The places of the arrays that `fill` stores.
const ARRAYS: [(&[&str], i32); 4] =
    [(&["a"], 12), (&["b"], 2), (&["inner", "c"], 3), (&["inner", "deep", "d"], 4)];

/// Checks that every array is whole or gone, and that only those of one member are gone. Returns
/// the number of arrays that exist.
fn check_whole_or_gone(group: &Target, removed: &str) -> usize {
    let mut n_arrays = 0;
    for (names, value) in ARRAYS {
        let target = names.iter().fold(group.clone(), |target, name| target.member(*name));
        let found = whole(target);
        assert!(found.is_none_or(|found| found == value), "{names:?}: {found:?}");
        assert!(found.is_some() || names[0] == removed, "{names:?} is gone");
        n_arrays += usize::from(found.is_some());
    }
    n_arrays
}

/// Stores all arrays, and two more versions of `a`, so that chunks of two versions exist.
fn fill_with_versions(group: &Target, durability: Durability) {
    fill_with(group, durability);
    for value in [11, 12] {
        store_with(group.member("a"), value, durability);
    }
}

/// The steps of a user after a removal that ended early.
#[derive(Clone, Copy, Debug)]
enum After {
    RemoveAgain,
    Write,
    Clean,
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_fault_at_any_operation_of_a_removal_leaves_no_array_in_part() {
    let fails = |n| Fault { change: Some(n), ..Fault::default() };
    let answer_is_lost = |n| Fault { change: Some(n), is_done: true, ..Fault::default() };
    let panics = |n| Fault { panic: Some(n), ..Fault::default() };
    type Course = (&'static str, After, fn(usize) -> Fault);
    let courses: [Course; 5] = [
        ("a", After::RemoveAgain, fails),
        ("a", After::Write, answer_is_lost),
        ("a", After::Clean, panics),
        ("inner", After::RemoveAgain, fails),
        ("inner", After::Clean, answer_is_lost),
    ];
    for (member, after, fault) in courses {
        for n in 0.. {
            let directory = tempdir().unwrap();
            let path = directory.path().join("g.zarr");
            let target = Target::from(&path);
            fill_with_versions(&target, Durability::None);
            let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
            let group = open(Target::on(Arc::clone(&file_system), &path));
            let removed = catch_unwind(AssertUnwindSafe(|| group.remove(member)));
            let is_done = matches!(removed, Ok(Ok(_)));
            let n_arrays = check_whole_or_gone(&target, member);
            if is_done {
                assert!(!path.join(member).exists(), "{member}, fault {n}, {after:?}");
            }
            if file_system.n_changes() <= n {
                assert!(is_done && n > 12, "{member}: {n}");
                break;
            }
            if is_done {
                // The answer of an operation was lost, and its effect was noticed.
                continue;
            }
            match after {
                After::RemoveAgain => match open(&target).remove(member) {
                    Ok(removed) => assert_eq!(removed.kept, [""; 0]),
                    // Only an empty directory may be left.
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                        let left = path.join(member);
                        assert!(!left.exists() || files(&left).is_empty(), "{member}, fault {n}");
                    }
                },
                After::Write => {
                    store(target.member(member), 9);
                    assert_eq!(whole(target.member(member)), Some(9));
                    let left = names(&path.join(member));
                    assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
                }
                After::Clean => {
                    for write in UnfinishedWrite::list(&path).unwrap() {
                        assert_eq!(*write.state(), WriteState::Abandoned);
                        write.remove().unwrap();
                    }
                    for old in Superseded::list(&path).unwrap() {
                        old.remove().unwrap();
                    }
                    assert_eq!(check_whole_or_gone(&target, member), n_arrays);
                    let array = path.join(member);
                    if member == "a" && n_arrays == 3 && array.exists() {
                        assert_eq!(files(&array), [], "fault {n}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_fault_at_any_operation_leaves_the_old_attributes_or_the_new() {
    for is_done in [false, true] {
        for n in 0.. {
            let directory = tempdir().unwrap();
            let path = directory.path().join("g.zarr");
            fill(&Target::from(&path));
            open(&path).set_attribute("x", 1).unwrap();
            let fault = Fault { change: Some(n), is_done, ..Fault::default() };
            let file_system = Arc::new(FaultyFileSystem::new(fault));
            let group = open(Target::on(Arc::clone(&file_system), &path));
            let set = group.set_attribute("x", 2);
            let found = open(&path).attributes().unwrap()["x"].clone();
            match set {
                Ok(()) => assert_eq!(found, 2),
                Err(error) if error.is_published() => assert_eq!(found, 2, "{error}"),
                Err(error) => assert_eq!(found, 1, "{error}"),
            }
            assert_eq!(names(&path), ["a", "b", "inner", "zarr.json"], "fault {n}");
            if file_system.n_changes() <= n {
                assert!(n >= 4, "a file, its flush, the rename and the flush of it: {n}");
                break;
            }
        }
    }
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_power_failure_during_a_removal_leaves_no_array_in_part() {
    let target =
        |file_system: &Arc<VolatileFileSystem>| Target::on(Arc::clone(file_system), "/data/g.zarr");
    for (member, can_sync_all) in [("a", true), ("a", false), ("inner", true)] {
        for seed in 0..2 {
            for n in 0.. {
                let file_system = VolatileFileSystem::new();
                let file_system = Arc::new(if can_sync_all {
                    file_system
                } else {
                    file_system.without_sync_of_all()
                });
                fill_with_versions(&target(&file_system), Durability::Full);
                file_system.fail_at(n);
                let removed = open(target(&file_system)).remove(member);
                let n_changes = file_system.n_changes();
                let after = Arc::new(file_system.after_power_loss(chooser(seed ^ (n as u64) << 8)));
                let n_arrays = check_whole_or_gone(&target(&after), member);
                if removed.is_ok() {
                    assert_eq!(n_arrays, if member == "a" { 3 } else { 2 }, "{member}, {n}");
                }
                // The next removal or write succeeds, even after another power failure.
                let mut choose = chooser(seed ^ !(n as u64));
                after.fail_at(choose(30));
                let _ = Group::open(target(&after)).and_then(|group| group.remove(member));
                let after = Arc::new(after.after_power_loss(choose));
                check_whole_or_gone(&target(&after), member);
                if let Err(error) = open(target(&after)).remove(member) {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                }
                assert_eq!(
                    check_whole_or_gone(&target(&after), member),
                    if member == "a" { 3 } else { 2 }
                );
                store(target(&after).member(member), 12);
                assert_eq!(whole(target(&after).member(member)), Some(12), "{member}, {n}");
                if n_changes <= n {
                    removed.unwrap();
                    break;
                }
            }
        }
    }
}

#[test]
fn a_power_failure_leaves_the_old_attributes_or_the_new() {
    for seed in 0..20 {
        for n in 0.. {
            let file_system = Arc::new(VolatileFileSystem::new());
            let target = |file_system: &Arc<_>| Target::on(Arc::clone(file_system), "/g.zarr");
            store_with(target(&file_system).member("a"), 1, Durability::Full);
            open(target(&file_system)).set_attribute("x", 1).unwrap();
            file_system.fail_at(n);
            let set = open(target(&file_system)).set_attribute("x", 2);
            let n_changes = file_system.n_changes();
            let after = Arc::new(file_system.after_power_loss(chooser(seed ^ (n as u64) << 8)));
            let found = open(target(&after)).attributes().unwrap()["x"].clone();
            assert!(found == 2 || (set.is_err() && found == 1), "{n}: {set:?}, but {found}");
            if n_changes <= n {
                break;
            }
        }
    }
}

/// A store that fails at one operation that changes something.
struct FailingStore {
    inner: MemoryStore,
    fails_at: usize,
    n_changes: AtomicUsize,
    /// True if the failing operation takes effect nevertheless.
    is_done: bool,
    has_tags: bool,
}

impl FailingStore {
    fn change<T>(
        &self,
        operation: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.n_changes.fetch_add(1, Ordering::Relaxed) != self.fails_at {
            return operation();
        }
        if self.is_done {
            operation()?;
        }
        Err(StoreError::other("injected fault"))
    }
}

impl Store for FailingStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        let object = self.inner.get(key)?;
        Ok(Object { tag: object.tag.filter(|_| self.has_tags), ..object })
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.change(|| self.inner.put(key, bytes, condition))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.change(|| self.inner.delete(key))
    }
}

#[test]
fn a_fault_of_a_store_leaves_no_array_in_part() {
    StoreSuite::new(MemoryStore::new).run();
    for (member, is_done, has_tags) in
        [("a", false, true), ("a", true, false), ("inner", false, false), ("inner", true, true)]
    {
        for n in 0.. {
            let inner = MemoryStore::new();
            let target = Target::from(&inner);
            fill(&target);
            let sink = ZarrSink::new(target.member("a")).with_existing(Existing::Replace);
            LazyChunkSequence::new(|| [array(12)]).to_zarr(sink.with_chunk_shape([3, 2])).unwrap();
            let failing = FailingStore {
                inner: inner.clone(),
                fails_at: n,
                n_changes: AtomicUsize::new(0),
                is_done,
                has_tags,
            };
            let failing = Arc::new(failing);
            let group = open(Arc::clone(&failing));
            let set = group.set_attribute("x", 1);
            let has_attribute = open(&target).attributes().unwrap().contains_key("x");
            assert!(set.is_err() || has_attribute);
            let removed = group.remove(member);
            check_whole_or_gone(&target, member);
            match open(&target).remove(member) {
                Ok(removed) => assert_eq!(removed.kept, [""; 0]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
            assert_eq!(inner.list(&format!("{member}/")).unwrap().len(), 0, "{member}, fault {n}");
            store(target.member(member), 3);
            if failing.n_changes.load(Ordering::Relaxed) <= n {
                removed.unwrap();
                break;
            }
        }
    }
}

/// The group is read anew by each call, so a handle notices that the group is gone.
#[test]
fn a_handle_of_a_removed_group_is_an_error() {
    let (_directory, targets) = places();
    for target in targets {
        fill(&target);
        let inner = open(target.member("inner"));
        open(&target).remove("inner").unwrap();
        assert_eq!(inner.attributes().unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(inner.set_attribute("x", 1).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(inner.remove("c").is_err());
        assert!(inner.consolidate().is_err());
    }
}
