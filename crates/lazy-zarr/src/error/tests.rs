//! Tests of messages, hints, kinds and conversions.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use lazy_core::{
    ArrayBlock, BoxError, Error as CoreError, ErrorKind as CoreErrorKind, LazyChunkSequence, report,
};

use super::examples::all as example_errors;
use super::{Error, ErrorKind};

const ALL_KINDS: [ErrorKind; 20] = [
    ErrorKind::InvalidTarget,
    ErrorKind::InvalidSetting,
    ErrorKind::InvalidRegion,
    ErrorKind::Exists,
    ErrorKind::Occupied,
    ErrorKind::NotAnArray,
    ErrorKind::NotAGroup,
    ErrorKind::Consolidated,
    ErrorKind::NotFound,
    ErrorKind::InUse,
    ErrorKind::Unfinished,
    ErrorKind::ResumeMismatch,
    ErrorKind::Changed,
    ErrorKind::Corrupt,
    ErrorKind::Unsupported,
    ErrorKind::Memory,
    ErrorKind::Encode,
    ErrorKind::AccessDenied,
    ErrorKind::Io,
    ErrorKind::Sequence,
];

#[test]
fn an_error_is_one_pointer() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
}

#[test]
fn each_kind_has_an_example() {
    for kind in ALL_KINDS {
        assert!(example_errors().iter().any(|error| error.kind() == kind), "{kind:?}");
    }
    for error in example_errors() {
        assert!(ALL_KINDS.contains(&error.kind()), "{error}");
    }
}

#[test]
fn messages_are_clauses_without_rust_items() {
    let mut messages = BTreeMap::new();
    for error in example_errors() {
        let message = error.to_string();
        let first = message.chars().next().unwrap();
        assert!(!first.is_uppercase() && !message.ends_with('.'), "{message}");
        for name in ["::", "with_", "from_fn", "()", "Existing", "Unfinished", "Sink", "  "] {
            assert!(!message.contains(name), "{message}");
        }
        *messages.entry(message).or_insert(0) += 1;
    }
    // Two examples of one case differ only in their cause.
    messages.retain(|_, n| *n > 1);
    let repeated: Vec<_> = messages.into_iter().collect();
    let [(not_writable, 2), (chunk, 4)] = &repeated[..] else { panic!("{repeated:?}") };
    assert!(not_writable.starts_with("cannot write a.zarr: could not create files in "));
    assert_eq!(chunk, "could not read chunk [0, 0] (key c/0/0) of a.zarr");
}

#[test]
fn a_cause_and_a_hint_are_no_part_of_the_message() {
    for error in example_errors() {
        let said = report(&error);
        assert!(said.matches("the disk is on fire").count() <= 1, "{said}");
        let mut cause: &dyn StdError = &error;
        while let Some(next) = cause.source() {
            assert!(!cause.to_string().contains(&next.to_string()), "{said}");
            cause = next;
        }
        assert!(error.hint().is_none_or(|hint| !said.contains(&*hint)), "{said}");
        assert_eq!(format!("{error:?}"), said);
        assert!(format!("{error:#?}").contains(&format!("kind: {:?}", error.kind())));
    }
}

#[test]
fn conversions_lose_nothing() {
    for error in example_errors() {
        let (kind, said) = (error.kind(), report(&error));
        let there = CoreError::from(error);
        assert_eq!(report(&there), said);
        assert_eq!(there.kind() == CoreErrorKind::Other, kind != ErrorKind::Sequence);
        let back = Error::from(there);
        assert_eq!((back.kind(), report(&back)), (kind, said));
    }
}

#[test]
fn an_error_is_found_among_causes() {
    type Wrap = fn(Error) -> Box<dyn StdError>;
    let wraps: [Wrap; 5] = [
        |error| error.into(),
        |error| CoreError::from(error).into(),
        |error| producer(error).into(),
        |error| Error::from(producer(error)).into(),
        |error| io::Error::other(producer(CoreError::from(error))).into(),
    ];
    for wrap in wraps {
        for error in example_errors() {
            let (kind, said) = (error.kind(), error.to_string());
            let wrapped = wrap(error);
            let found = Error::find(&*wrapped).map(|found| (found.kind(), found.to_string()));
            let expected = (kind != ErrorKind::Sequence).then_some((kind, said));
            assert_eq!(found, expected, "{wrapped}");
        }
    }
    assert!(Error::find(&io::Error::other("the disk is on fire")).is_none());
}

fn producer(error: impl Into<BoxError>) -> CoreError {
    let error = Mutex::new(Some(error.into()));
    let failing = LazyChunkSequence::<ArrayBlock>::try_new(|| {
        [Err(error.lock().unwrap().take().expect("the pass runs once"))]
    });
    failing.collect().unwrap_err()
}

#[test]
fn the_hint_of_a_cause_counts() {
    for error in example_errors() {
        let hint = error.hint();
        assert_eq!(Error::from(producer(CoreError::from(error))).hint(), hint);
    }
}

#[test]
fn fields_are_of_the_case() {
    for error in example_errors() {
        let (kind, said) = (error.kind(), error.to_string());
        assert!(error.target().is_none_or(|target| said.contains(target)), "{said}");
        assert!(error.path().is_none_or(|path| said.contains(path.to_str().unwrap())), "{said}");
        assert!(error.key().is_none_or(|key| said.contains(key)), "{said}");
        assert!(error.parent().is_none_or(|parent| said.contains(parent)), "{said}");
        assert!(error.holder().is_none_or(|holder| said.contains(holder)), "{said}");
        assert!(error.resume_key().is_none_or(|key| said.contains(key)), "{said}");
        assert!(error.members().iter().all(|member| said.contains(member)), "{said}");
        assert_eq!(error.resume_key().is_some(), kind == ErrorKind::Unfinished);
        let differs = said.contains(" changed from ") || said.contains(", and differ from it");
        assert_eq!(error.difference().is_some(), differs, "{said}");
        assert_eq!(error.sequence().is_some(), kind == ErrorKind::Sequence);
        assert_eq!(error.defect().is_some(), said.starts_with("could not read chunk"));
        assert_eq!(error.may_be_stale(), said.contains("may still be written"));
        assert_eq!(
            error.is_published(),
            said.starts_with("a.zarr is complete") || said.starts_with("a.zarr was published")
        );
        assert!(error.setting().is_some() || kind != ErrorKind::InvalidSetting, "{said}");
        assert!(!error.is_cancelled());
    }
    let cancel = AtomicBool::new(true);
    let cancelled = LazyChunkSequence::new(|| [1]).with_observer(&cancel).collect().unwrap_err();
    assert!(Error::from(cancelled).is_cancelled());
}
