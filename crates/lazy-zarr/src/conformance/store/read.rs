//! Cases of the operations that read an object.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use lazy_core::BoxError;

use super::super::check::{CaseResult, expect_equal};
use super::super::replace::SetWhenDropped;
use super::check::{NamedCheck, expect_error_kind, put};
use crate::objects::{ByteRange, ObjectRanges, PutCondition, Store, StoreError};

pub(super) const CASES: &[NamedCheck] = &[
    ("get::returns_the_bytes", get_bytes),
    ("get::tells_keys_apart", get_tells_keys_apart),
    ("get::of_nothing_is_not_found", get_nothing),
    ("get_noting::returns_what_get_returns", get_noting_returns),
    ("get_noting::notes_the_tag_of_the_bytes", get_noting_notes),
    ("get_ranges::keeps_the_order", ranges_in_order),
    ("get_ranges::from_the_end", ranges_from_the_end),
    ("get_ranges::ends_with_the_object", ranges_past_the_end),
    ("get_ranges::of_nothing_is_not_found", ranges_of_nothing),
    ("head::has_the_key_and_the_size", head_of_objects),
    ("head::of_nothing_is_not_found", head_of_nothing),
    ("tag::is_the_same_everywhere", tag_everywhere),
    ("tag::of_ranges_is_the_same", tag_of_ranges),
    ("tag::of_ranges_belongs_to_their_bytes", tag_of_replaced_ranges),
    ("tag::differs_if_the_bytes_differ", tag_of_other_bytes),
];

fn get_bytes(store: &dyn Store) -> CaseResult {
    // The object is larger than any intermediate buffer.
    let long: Vec<u8> = (0..300_001_u32).map(|i| (i % 251) as u8).collect();
    for bytes in [&b""[..], b"\0", b"bytes\r\n\xff", &long] {
        put(store, "key", bytes)?;
        let read = store.get("key")?.bytes;
        expect_equal("the number of bytes", read.len(), bytes.len())?;
        let differs = read.iter().zip(bytes).position(|(a, b)| a != b);
        expect_equal("the first byte that differs", differs, None)?;
    }
    Ok(())
}

fn get_tells_keys_apart(store: &dyn Store) -> CaseResult {
    let keys = [
        "key",
        "KEY",
        "key.json",
        "a/key",
        "a/b/key",
        ".hidden",
        "a b/c+d",
        "%61%2f",
        "Ærøskøbing/数组",
        "!'()*-_~$&@,;=[]{}#^`",
    ];
    for key in keys {
        put(store, key, key.as_bytes())?;
    }
    keys.iter().try_for_each(|key| expect_equal(key, &*store.get(key)?.bytes, key.as_bytes()))
}

/// Keys without an object, if an object exists under `a/key`.
const ABSENT: [&str; 5] = ["nothing", "a", "a/k", "key", "a/nothing/key"];

fn get_nothing(store: &dyn Store) -> CaseResult {
    put(store, "a/key", b"bytes")?;
    ABSENT.iter().try_for_each(|key| expect_error_kind(key, store.get(key), &StoreError::NotFound))
}

fn get_noting_returns(store: &dyn Store) -> CaseResult {
    put(store, "key", b"bytes")?;
    let object = store.get_noting("key", Box::new(|_| {}))?;
    expect_equal("the object", object, store.get("key")?)?;
    let nothing = store.get_noting("nothing", Box::new(|_| {}));
    expect_error_kind("get_noting", nothing, &StoreError::NotFound)
}

fn get_noting_notes(store: &dyn Store) -> CaseResult {
    put(store, "key", b"bytes")?;
    let (sender, noted) = mpsc::channel();
    let note = move |tag| drop(sender.send(tag));
    let object = store.get_noting("key", Box::new(note))?;
    let noted = noted.try_iter().last().ok_or("no tag was noted")?;
    expect_equal("the last tag that was noted", noted, object.tag)
}

/// Puts an object with the bytes `0123456789`, and returns ranges of it as text.
fn ranges_of_ten_digits(store: &dyn Store, ranges: &[ByteRange]) -> Result<Vec<String>, BoxError> {
    put(store, "digits", b"0123456789")?;
    let parts = store.get_ranges("digits", ranges)?.parts;
    Ok(parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect())
}

fn ranges_in_order(store: &dyn Store) -> CaseResult {
    let bounds = [6..8, 0..1, 6..8, 0..10, 7..9, 3..3];
    let parts = ranges_of_ten_digits(store, &bounds.map(ByteRange::Bounded))?;
    expect_equal("the parts", parts, texts(["67", "0", "67", "0123456789", "78", ""]))?;
    expect_equal("no parts", ranges_of_ten_digits(store, &[])?, Vec::new())
}

fn ranges_from_the_end(store: &dyn Store) -> CaseResult {
    let ranges = [ByteRange::From(7), ByteRange::Last(2), ByteRange::From(0), ByteRange::Last(0)];
    let parts = ranges_of_ten_digits(store, &ranges)?;
    expect_equal("the parts", parts, texts(["789", "89", "0123456789", ""]))
}

fn ranges_past_the_end(store: &dyn Store) -> CaseResult {
    let ranges = [
        (ByteRange::Bounded(7..12), "789"),
        (ByteRange::Bounded(7..u64::MAX), "789"),
        (ByteRange::Bounded(10..12), ""),
        (ByteRange::Bounded(4096..u64::MAX), ""),
        (ByteRange::From(10), ""),
        (ByteRange::From(u64::MAX), ""),
        (ByteRange::Last(11), "0123456789"),
        (ByteRange::Last(u64::MAX), "0123456789"),
    ];
    for (range, expected) in ranges {
        let parts = ranges_of_ten_digits(store, std::slice::from_ref(&range))?;
        expect_equal(&format!("{range:?}"), parts, texts([expected]))?;
    }
    put(store, "empty", b"")?;
    let read = store.get_ranges("empty", &[ByteRange::From(0), ByteRange::Last(1)])?;
    expect_equal("of an empty object", read.parts, vec![Bytes::new(), Bytes::new()])
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn ranges_of_nothing(store: &dyn Store) -> CaseResult {
    put(store, "a/key", b"bytes")?;
    for ranges in [&[ByteRange::Bounded(0..1), ByteRange::Last(1)][..], &[]] {
        for key in ABSENT {
            let read = store.get_ranges(key, ranges);
            expect_error_kind(key, read, &StoreError::NotFound)?;
        }
    }
    Ok(())
}

fn head_of_objects(store: &dyn Store) -> CaseResult {
    for (key, bytes) in [("a/key", &b"bytes"[..]), ("empty", b"")] {
        put(store, key, bytes)?;
        let head = store.head(key)?;
        expect_equal("the key", &*head.key, key)?;
        expect_equal("the size", head.size, bytes.len() as u64)?;
    }
    Ok(())
}

fn head_of_nothing(store: &dyn Store) -> CaseResult {
    put(store, "a/key", b"bytes")?;
    ABSENT.iter().try_for_each(|key| expect_error_kind(key, store.head(key), &StoreError::NotFound))
}

fn tag_everywhere(store: &dyn Store) -> CaseResult {
    for bytes in [&b"old"[..], b"new"] {
        let put = store.put("a/key", Bytes::copy_from_slice(bytes), Default::default())?;
        for _ in 0..2 {
            expect_equal("the tag of get", store.get("a/key")?.tag, put.clone())?;
            expect_equal("the tag of head", store.head("a/key")?.tag, put.clone())?;
        }
        let directory = store.list_directory("a/")?.objects;
        for object in store.list("")?.into_iter().chain(directory) {
            if object.tag.is_some() {
                expect_equal("the tag of a listing", object.tag, put.clone())?;
            }
        }
    }
    Ok(())
}

/// Objects of ten bytes, ranges of which are read. An object keeps its size when it is replaced.
fn tag_of_ranges(store: &dyn Store) -> CaseResult {
    let ranges = [ByteRange::Last(2), ByteRange::Bounded(3..5), ByteRange::Bounded(12..14)];
    for bytes in [b"0123456789", b"9876543210"] {
        put(store, "a/key", bytes)?;
        let expected = store.get("a/key")?.tag;
        // No range, a range at a time, and all of them.
        for ranges in [&[][..], &ranges[..1], &ranges[1..2], &ranges[2..], &ranges] {
            let tag = store.get_ranges("a/key", ranges)?.tag;
            if tag.is_some() {
                expect_equal(&format!("the tag of {ranges:?}"), tag, expected.clone())?;
            }
        }
    }
    Ok(())
}

/// Ranges of an object that is replaced all the time. If they have a tag, all of them come from the
/// object with this tag.
fn tag_of_replaced_ranges(store: &dyn Store) -> CaseResult {
    const N_READS: usize = 20;
    // Each version has its own size.
    let version = |i: usize| Bytes::from(format!("{i:06}{}", " ".repeat(i)));
    let put = |i: usize| store.put("key", version(i), PutCondition::Always);
    let mut tags = vec![put(0)?];
    let is_done = AtomicBool::new(false);
    let read_all = || -> Result<Vec<ObjectRanges>, StoreError> {
        let _done = SetWhenDropped(&is_done);
        let ranges = [ByteRange::From(0), ByteRange::Bounded(0..6)];
        (0..N_READS).map(|_| store.get_ranges("key", &ranges)).collect()
    };
    let all_read = std::thread::scope(|scope| -> Result<_, BoxError> {
        let reader = scope.spawn(read_all);
        while !is_done.load(Ordering::Acquire) {
            tags.push(put(tags.len())?);
        }
        Ok(reader.join().map_err(|_| "a reader panicked")?)
    })?;
    let all_read = match all_read {
        // Another case finds a store in which an object is missing while it is replaced.
        Err(StoreError::NotFound) => return Ok(()),
        all_read => all_read?,
    };
    for ObjectRanges { parts, tag } in all_read {
        let Some(i) = tags.iter().position(|put| tag.is_some() && *put == tag) else { continue };
        let what = format!("the ranges with the tag of version {i}");
        expect_equal(&what, parts, vec![version(i), version(i).slice(..6)])?;
    }
    Ok(())
}

fn tag_of_other_bytes(store: &dyn Store) -> CaseResult {
    put(store, "key", b"old")?;
    let Some(old) = store.get("key")?.tag else { return Ok(()) };
    // An object of the same length, one of another length, and one that is put after a deletion.
    for bytes in [&b"new"[..], b"longer", b""] {
        if bytes.is_empty() {
            store.delete("key")?;
        }
        put(store, "key", bytes)?;
        if store.get("key")?.tag.as_ref() == Some(&old) {
            return Err(format!("two objects of different bytes have the tag {old}").into());
        }
    }
    Ok(())
}
