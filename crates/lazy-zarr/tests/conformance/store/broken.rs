//! Stores with one mistake, and the cases that find them.

use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use lazy_zarr::{
    ByteRange, Listing, MemoryStore, NoteTag, Object, ObjectInfo, ObjectRanges, PutCondition,
    Store, StoreError, Tag,
};

use Broken::*;

/// A mistake of a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    /// No mistake.
    Nothing,
    /// Every operation panics.
    Panics,

    /// `get` returns at most 64 KiB.
    GetsOneBuffer,
    /// `get` of nothing is an error of another kind.
    GetsWithoutKind,
    /// `get` of nothing is empty.
    GetsNothing,
    /// `get`, `put`, `head` and `delete` make no difference between cases of letters.
    FoldsKeys,

    /// `get_noting` returns the beginning of the object.
    NotingGetsOneByte,
    /// `get_noting` notes nothing.
    NotesNothing,
    /// `get_noting` notes another tag than it returns.
    NotesOtherTags,

    /// `get_ranges` returns the parts in the order of the object.
    SortsRanges,
    /// `get_ranges` takes a number of bytes at the end for an offset.
    RangesFromTheBeginning,
    /// `get_ranges` fails if the object ends before a range does.
    RangesExactly,
    /// `get_ranges` of nothing is an error of another kind.
    RangesWithoutKind,
    /// `get_ranges` without ranges does not look for the object.
    RangesOfNothing,

    /// `head` returns an empty key.
    HeadsWithoutKey,
    /// `head` counts blocks of 512 bytes.
    HeadsBlocks,
    /// `head` of nothing is an error of another kind.
    HeadsWithoutKind,

    /// The tag of `put` is another one.
    PutsOtherTags,
    /// The tag of `head` is another one.
    HeadsOtherTags,
    /// The tag of `get_ranges` is another one.
    RangesOtherTags,
    /// `get_ranges` asks for the tag after it has read the ranges.
    RangesLaterTags,
    /// The tag of `list` is another one.
    ListsOtherTags,
    /// The tag of an object is its size.
    TagsSizes,

    /// `put` does not replace an object that is longer.
    KeepsLonger,
    /// `put` overwrites the beginning of the object.
    Overwrites,
    /// `put` replaces objects whose keys begin with the key. This and the following mistakes do not
    /// affect empty objects, of which some cases put many.
    PutsOverSiblings,
    /// `put` deletes the object first.
    DeletesFirst,
    /// `put` writes half of the object first.
    PutsInHalves,
    /// `put` reads the number of objects that are there, and loses one that is put meanwhile.
    LosesObjects,

    /// `delete` deletes nothing.
    DeletesNothing,
    /// `delete` deletes all objects whose keys begin with the key.
    DeletesPrefixes,
    /// `delete` of nothing is an error.
    DeletesExisting,
    /// `delete_all` leaves the last object.
    DeletesAllButLast,
    /// `delete` leaves an empty object.
    LeavesMarkers,

    /// `put` ignores `IfAbsent`.
    IgnoresAbsent,
    /// `put` with `IfAbsent` always fails.
    RefusesAbsent,
    /// `put` with `IfAbsent` looks first and puts then.
    LooksBeforeAbsent,
    /// `put` with `IfAbsent` fails with another kind.
    RefusesAbsentWithoutKind,
    /// `put` with `IfAbsent` is unsupported, but puts the object.
    PutsUnsupported,
    /// `put` with `IfAbsent` fails for a key that was deleted.
    RemembersDeletions,

    /// `put` ignores `IfUnchanged`.
    IgnoresUnchanged,
    /// `put` with `IfUnchanged` always fails.
    RefusesUnchanged,
    /// `put` with `IfUnchanged` looks first and puts then.
    LooksBeforeUnchanged,
    /// `put` with `IfUnchanged` puts an object where there is none.
    PutsUnchangedNothing,
    /// `put` with `IfUnchanged` fails with another kind.
    RefusesUnchangedWithoutKind,
    /// There are no tags, and `put` with `IfUnchanged` puts the object.
    IgnoresUnchangedWithoutTags,

    /// `list` returns at most 1000 objects.
    ListsOnePage,
    /// `list` ignores the prefix.
    ListsEverything,
    /// `list` compares the prefix without the `/` at its end.
    ListsSiblings,
    /// `list` of nothing is an error.
    ListsExisting,
    /// `list` counts blocks of 512 bytes.
    ListsBlocks,
    /// `list` leaves out objects directly below the prefix.
    ListsDeep,

    /// `list_directory` returns no prefixes.
    ListsNoPrefixes,
    /// `list_directory` returns prefixes without the `/` at their end.
    ListsPrefixesWithoutSlash,
    /// `list_directory` of nothing is an error.
    ListsExistingDirectories,
    /// `list_directory` returns at most 1000 prefixes.
    ListsOnePageOfPrefixes,
    /// Counts only the objects directly below a prefix.
    IsEmptyAboveDirectories,
    /// `list_directory` returns the sizes of empty objects.
    ListsNoSizes,
}

/// Each mistake, and the cases that fail because of it. Where `...` follows, more cases may fail.
pub(crate) const MISTAKES: &[(Broken, &[&str])] = &[
    (Nothing, &[]),
    (GetsOneBuffer, &["get::returns_the_bytes"]),
    (
        GetsWithoutKind,
        &[
            "get::of_nothing_is_not_found",
            "get_noting::returns_what_get_returns",
            "delete::removes_the_object_alone",
        ],
    ),
    (
        GetsNothing,
        &[
            "get::of_nothing_is_not_found",
            "get_noting::returns_what_get_returns",
            "delete::removes_the_object_alone",
        ],
    ),
    (NotingGetsOneByte, &["get_noting::returns_what_get_returns"]),
    (NotesNothing, &["get_noting::notes_the_tag_of_the_bytes"]),
    (NotesOtherTags, &["get_noting::notes_the_tag_of_the_bytes"]),
    (FoldsKeys, &["get::tells_keys_apart"]),
    (SortsRanges, &["get_ranges::keeps_the_order", "get_ranges::from_the_end"]),
    (RangesFromTheBeginning, &["get_ranges::from_the_end", "get_ranges::ends_with_the_object"]),
    (RangesExactly, &["get_ranges::ends_with_the_object", "tag::of_ranges_is_the_same"]),
    (RangesWithoutKind, &["get_ranges::of_nothing_is_not_found"]),
    (RangesOfNothing, &["get_ranges::of_nothing_is_not_found"]),
    (HeadsWithoutKey, &["head::has_the_key_and_the_size"]),
    (HeadsBlocks, &["head::has_the_key_and_the_size"]),
    (HeadsWithoutKind, &["head::of_nothing_is_not_found"]),
    (
        PutsOtherTags,
        &[
            "tag::is_the_same_everywhere",
            "put_if_absent::puts_an_object",
            "put_if_unchanged::replaces_the_object",
        ],
    ),
    (HeadsOtherTags, &["tag::is_the_same_everywhere"]),
    (RangesOtherTags, &["tag::of_ranges_is_the_same"]),
    (RangesLaterTags, &["tag::of_ranges_belongs_to_their_bytes"]),
    (ListsOtherTags, &["tag::is_the_same_everywhere"]),
    (
        TagsSizes,
        &[
            "tag::differs_if_the_bytes_differ",
            "put_if_unchanged::of_another_object_has_changed",
            "...",
        ],
    ),
    (KeepsLonger, &["put::replaces_the_object"]),
    (Overwrites, &["put::replaces_the_object", "put_if_unchanged::replaces_the_object", "..."]),
    (PutsOverSiblings, &["put::changes_no_other_object"]),
    (DeletesFirst, &["put::is_seen_whole_or_not_at_all"]),
    (PutsInHalves, &["put::is_seen_whole_or_not_at_all"]),
    (LosesObjects, &["put::from_threads"]),
    (
        DeletesNothing,
        &[
            "delete::removes_the_object_alone",
            "delete::makes_room_for_another_object",
            "delete_all::removes_these_objects_alone",
            "put_if_absent::succeeds_after_deletion",
            "put_if_unchanged::of_nothing_has_changed",
        ],
    ),
    (
        DeletesPrefixes,
        &[
            "delete::removes_the_object_alone",
            "delete::of_nothing_succeeds",
            "delete_all::removes_these_objects_alone",
        ],
    ),
    (DeletesExisting, &["delete::of_nothing_succeeds", "delete_all::removes_these_objects_alone"]),
    (DeletesAllButLast, &["delete_all::removes_these_objects_alone"]),
    (
        LeavesMarkers,
        &[
            "delete::removes_the_object_alone",
            "delete::makes_room_for_another_object",
            "delete_all::removes_these_objects_alone",
            "put_if_absent::succeeds_after_deletion",
        ],
    ),
    (
        IgnoresAbsent,
        &["put_if_absent::of_something_exists", "put_if_absent::succeeds_for_one_thread"],
    ),
    (
        RefusesAbsent,
        &[
            "put_if_absent::puts_an_object",
            "put_if_absent::succeeds_after_deletion",
            "put_if_absent::succeeds_for_one_thread",
        ],
    ),
    (LooksBeforeAbsent, &["put_if_absent::succeeds_for_one_thread"]),
    (
        RefusesAbsentWithoutKind,
        &["put_if_absent::of_something_exists", "put_if_absent::succeeds_for_one_thread"],
    ),
    (
        PutsUnsupported,
        &[
            "put_if_absent::puts_an_object",
            "put_if_absent::of_something_exists",
            "put_if_absent::succeeds_after_deletion",
        ],
    ),
    (RemembersDeletions, &["put_if_absent::succeeds_after_deletion"]),
    (
        IgnoresUnchanged,
        &[
            "put_if_unchanged::of_another_object_has_changed",
            "put_if_unchanged::of_nothing_has_changed",
            "put_if_unchanged::succeeds_for_one_thread",
        ],
    ),
    (
        RefusesUnchanged,
        &["put_if_unchanged::replaces_the_object", "put_if_unchanged::succeeds_for_one_thread"],
    ),
    (LooksBeforeUnchanged, &["put_if_unchanged::succeeds_for_one_thread"]),
    (PutsUnchangedNothing, &["put_if_unchanged::of_nothing_has_changed"]),
    (
        RefusesUnchangedWithoutKind,
        &[
            "put_if_unchanged::of_another_object_has_changed",
            "put_if_unchanged::of_nothing_has_changed",
            "put_if_unchanged::succeeds_for_one_thread",
        ],
    ),
    (IgnoresUnchangedWithoutTags, &["put_if_unchanged::needs_tags"]),
    (ListsOnePage, &["list::of_many_objects"]),
    (ListsEverything, &["list::has_the_objects_below_a_prefix", "list::of_nothing_is_empty"]),
    (ListsSiblings, &["list::has_the_objects_below_a_prefix", "list::of_nothing_is_empty"]),
    (ListsExisting, &["list::of_nothing_is_empty"]),
    (ListsBlocks, &["put::replaces_the_object", "list::has_the_sizes"]),
    (
        ListsDeep,
        &[
            "put::changes_no_other_object",
            "list::has_all_objects",
            "list::has_the_objects_below_a_prefix",
            "list::has_the_sizes",
        ],
    ),
    (ListsNoPrefixes, &["list_directory::has_objects_and_prefixes", "list_directory::of_many"]),
    (ListsPrefixesWithoutSlash, &["list_directory::has_objects_and_prefixes"]),
    (ListsExistingDirectories, &["list_directory::of_nothing_is_empty"]),
    (ListsOnePageOfPrefixes, &["list_directory::of_many"]),
    (IsEmptyAboveDirectories, &["is_empty::finds_objects_below"]),
    (ListsNoSizes, &["list_directory::has_the_sizes"]),
];

/// A store in memory with one mistake.
pub(crate) struct BrokenStore {
    broken: Broken,
    store: MemoryStore,
    /// The keys that were deleted.
    deleted: MemoryStore,
}

impl BrokenStore {
    pub(crate) fn new(broken: Broken) -> BrokenStore {
        BrokenStore { broken, store: MemoryStore::new(), deleted: MemoryStore::new() }
    }

    fn key(&self, key: &str) -> String {
        if self.broken == FoldsKeys { key.to_lowercase() } else { key.to_owned() }
    }

    /// Replaces `NotFound` by another error.
    fn without_kind<T>(result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(StoreError::other)
    }

    fn is_there(&self, key: &str) -> bool {
        self.store.get(key).is_ok()
    }

    /// Lets other threads run between two steps of an operation.
    fn pause() {
        sleep(Duration::from_millis(1));
    }

    fn siblings(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let objects = self.store.list("")?.into_iter();
        Ok(objects.map(|object| object.key).filter(|other| other.starts_with(key)).collect())
    }
}

fn other_tag() -> Option<Tag> {
    Some(Tag::new("other"))
}

impl Store for BrokenStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        let object = self.store.get(&self.key(key));
        let size = object.as_ref().map_or(0, |object| object.bytes.len());
        match self.broken {
            GetsOneBuffer => {
                let Object { bytes, tag } = object?;
                Ok(Object { bytes: bytes.slice(..size.min(64 << 10)), tag })
            }
            GetsWithoutKind => BrokenStore::without_kind(object),
            GetsNothing => Ok(object.unwrap_or(Object { bytes: Bytes::new(), tag: None })),
            TagsSizes => Ok(Object { tag: Some(Tag::new(size.to_string())), ..object? }),
            IgnoresUnchangedWithoutTags => Ok(Object { tag: None, ..object? }),
            _ => object,
        }
    }

    fn get_noting(&self, key: &str, begun: NoteTag) -> Result<Object, StoreError> {
        let object = self.get(key)?;
        match self.broken {
            NotesNothing => return Ok(object),
            NotesOtherTags => begun(other_tag()),
            _ => begun(object.tag.clone()),
        }
        match self.broken {
            NotingGetsOneByte => Ok(Object { bytes: object.bytes.slice(..1), ..object }),
            _ => Ok(object),
        }
    }

    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        let get = |ranges: &[ByteRange]| self.store.get_ranges(&self.key(key), ranges);
        match self.broken {
            SortsRanges => {
                let mut sorted = ranges.to_vec();
                sorted.sort_by_key(|range| range.within(10).start);
                get(&sorted)
            }
            RangesFromTheBeginning => {
                let from = |range: &ByteRange| match range {
                    ByteRange::Last(length) => ByteRange::From(*length),
                    range => range.clone(),
                };
                get(&ranges.iter().map(from).collect::<Vec<_>>())
            }
            RangesExactly => {
                let size = self.store.head(key)?.size;
                let is_exact = |range: &ByteRange| match range {
                    ByteRange::Bounded(range) => range.end <= size,
                    ByteRange::From(length) | ByteRange::Last(length) => *length <= size,
                };
                if !ranges.iter().all(is_exact) {
                    return Err(StoreError::other("the range ends after the object"));
                }
                get(ranges)
            }
            RangesWithoutKind => BrokenStore::without_kind(get(ranges)),
            RangesOfNothing if ranges.is_empty() => {
                Ok(ObjectRanges { parts: Vec::new(), tag: None })
            }
            RangesOtherTags => Ok(ObjectRanges { tag: other_tag(), ..get(ranges)? }),
            RangesLaterTags => {
                let read = get(ranges)?;
                BrokenStore::pause();
                Ok(ObjectRanges { tag: self.store.head(key)?.tag, ..read })
            }
            TagsSizes => Ok(ObjectRanges { tag: self.head(key)?.tag, ..get(ranges)? }),
            IgnoresUnchangedWithoutTags => Ok(ObjectRanges { tag: None, ..get(ranges)? }),
            _ => get(ranges),
        }
    }

    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        let head =
            self.store.head(&self.key(key)).map(|head| ObjectInfo { key: key.into(), ..head });
        match self.broken {
            HeadsWithoutKey => Ok(ObjectInfo { key: String::new(), ..head? }),
            HeadsBlocks => {
                let head = head?;
                Ok(ObjectInfo { size: head.size.next_multiple_of(512), ..head })
            }
            HeadsWithoutKind => BrokenStore::without_kind(head),
            HeadsOtherTags => Ok(ObjectInfo { tag: other_tag(), ..head? }),
            TagsSizes => {
                let head = head?;
                Ok(ObjectInfo { tag: Some(Tag::new(head.size.to_string())), ..head })
            }
            IgnoresUnchangedWithoutTags => Ok(ObjectInfo { tag: None, ..head? }),
            _ => head,
        }
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        let key = &*self.key(key);
        let put = |bytes: Bytes, condition| self.store.put(key, bytes, condition);
        match (self.broken, condition) {
            (PutsOtherTags, condition) => put(bytes, condition).map(|_| other_tag()),
            (TagsSizes, condition) => {
                let tag = Some(Tag::new(bytes.len().to_string()));
                let condition = match condition {
                    PutCondition::IfUnchanged(tag) => match self.store.head(key) {
                        Ok(head) if head.size.to_string() == tag.as_str() => PutCondition::Always,
                        _ => return Err(StoreError::Changed),
                    },
                    condition => condition,
                };
                put(bytes, condition).map(|_| tag)
            }
            (KeepsLonger, condition) => {
                let is_longer =
                    self.store.head(key).is_ok_and(|head| head.size > bytes.len() as u64);
                if is_longer && condition == PutCondition::Always {
                    return Ok(self.store.head(key)?.tag);
                }
                put(bytes, condition)
            }
            (Overwrites, condition) => {
                let old = self.store.get(key).map_or(Bytes::new(), |object| object.bytes);
                let rest = old.get(bytes.len()..).unwrap_or_default();
                put([&bytes, rest].concat().into(), condition)
            }
            (PutsOverSiblings, condition) if !bytes.is_empty() => {
                for sibling in self.siblings(key)? {
                    if sibling != key {
                        self.store.put(&sibling, bytes.clone(), PutCondition::Always)?;
                    }
                }
                put(bytes, condition)
            }
            (DeletesFirst, PutCondition::Always) if !bytes.is_empty() => {
                self.store.delete(key)?;
                BrokenStore::pause();
                put(bytes, PutCondition::Always)
            }
            (PutsInHalves, PutCondition::Always) if !bytes.is_empty() => {
                put(bytes.slice(..bytes.len() / 2), PutCondition::Always)?;
                BrokenStore::pause();
                put(bytes, PutCondition::Always)
            }
            (LosesObjects, PutCondition::Always) if !bytes.is_empty() => {
                let before = self.store.list("")?.len();
                std::thread::yield_now();
                let tag = put(bytes, PutCondition::Always)?;
                BrokenStore::pause();
                if self.store.list("")?.len() > before + 1 {
                    self.store.delete(key)?;
                }
                Ok(tag)
            }
            (IgnoresAbsent, PutCondition::IfAbsent) => put(bytes, PutCondition::Always),
            (RefusesAbsent, PutCondition::IfAbsent) => Err(StoreError::Exists),
            (LooksBeforeAbsent, PutCondition::IfAbsent) => {
                if self.is_there(key) {
                    return Err(StoreError::Exists);
                }
                BrokenStore::pause();
                put(bytes, PutCondition::Always)
            }
            (RefusesAbsentWithoutKind, PutCondition::IfAbsent) => {
                BrokenStore::without_kind(put(bytes, PutCondition::IfAbsent))
            }
            (PutsUnsupported, PutCondition::IfAbsent) => {
                put(bytes, PutCondition::Always)?;
                Err(StoreError::Unsupported)
            }
            (RemembersDeletions, PutCondition::IfAbsent) if self.deleted.get(key).is_ok() => {
                Err(StoreError::Exists)
            }
            (IgnoresUnchanged, PutCondition::IfUnchanged(_)) => put(bytes, PutCondition::Always),
            (RefusesUnchanged, PutCondition::IfUnchanged(_)) => Err(StoreError::Changed),
            (LooksBeforeUnchanged, PutCondition::IfUnchanged(tag)) => {
                if self.store.get(key).ok().and_then(|object| object.tag) != Some(tag) {
                    return Err(StoreError::Changed);
                }
                BrokenStore::pause();
                put(bytes, PutCondition::Always)
            }
            (PutsUnchangedNothing, PutCondition::IfUnchanged(_)) if !self.is_there(key) => {
                put(bytes, PutCondition::Always)
            }
            (RefusesUnchangedWithoutKind, condition @ PutCondition::IfUnchanged(_)) => {
                BrokenStore::without_kind(put(bytes, condition))
            }
            (IgnoresUnchangedWithoutTags, PutCondition::IfUnchanged(_)) => {
                put(bytes, PutCondition::Always).map(|_| None)
            }
            (IgnoresUnchangedWithoutTags, condition) => put(bytes, condition).map(|_| None),
            (_, condition) => put(bytes, condition),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let mut objects = self.store.list(prefix)?;
        match self.broken {
            Panics => panic!("listed"),
            ListsOnePage => objects.truncate(1000),
            ListsEverything => return self.store.list(""),
            ListsSiblings => return self.store.list(prefix.trim_end_matches('/')),
            ListsExisting if objects.is_empty() && !prefix.is_empty() => {
                return Err(StoreError::NotFound);
            }
            ListsBlocks => {
                objects
                    .iter_mut()
                    .for_each(|object| object.size = object.size.next_multiple_of(512));
            }
            ListsDeep => objects.retain(|object| object.key[prefix.len()..].contains('/')),
            ListsOtherTags => objects.iter_mut().for_each(|object| object.tag = other_tag()),
            TagsSizes | IgnoresUnchangedWithoutTags => {
                objects.iter_mut().for_each(|object| object.tag = None);
            }
            _ => {}
        }
        Ok(objects)
    }

    fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
        let mut listing = self.store.list_directory(prefix)?;
        match self.broken {
            ListsNoPrefixes => listing.prefixes.clear(),
            ListsPrefixesWithoutSlash => listing.prefixes.iter_mut().for_each(|prefix| {
                prefix.pop();
            }),
            ListsExistingDirectories if listing == Listing::default() && !prefix.is_empty() => {
                return Err(StoreError::NotFound);
            }
            ListsOnePageOfPrefixes => listing.prefixes.truncate(1000),
            ListsNoSizes => listing.objects.iter_mut().for_each(|object| object.size = 0),
            TagsSizes | IgnoresUnchangedWithoutTags => {
                listing.objects.iter_mut().for_each(|object| object.tag = None);
            }
            _ => {}
        }
        Ok(listing)
    }

    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        match self.broken {
            IsEmptyAboveDirectories => Ok(self.store.list_directory(prefix)?.objects.is_empty()),
            _ => self.store.is_empty(prefix),
        }
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let key = &*self.key(key);
        match self.broken {
            DeletesNothing => return Ok(()),
            DeletesPrefixes => {
                return self.siblings(key)?.iter().try_for_each(|key| self.store.delete(key));
            }
            DeletesExisting if !self.is_there(key) => return Err(StoreError::NotFound),
            LeavesMarkers if self.is_there(key) => {
                return self.store.put(key, Bytes::new(), PutCondition::Always).map(drop);
            }
            RemembersDeletions => {
                self.deleted.put(key, Bytes::new(), PutCondition::Always)?;
            }
            _ => {}
        }
        self.store.delete(key)
    }

    fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
        let n_left = usize::from(self.broken == DeletesAllButLast && !keys.is_empty());
        keys[..keys.len() - n_left].iter().try_for_each(|key| self.delete(key))
    }
}
