//! Verification finds every flipped bit of a checksummed array, every torn and every missing file,
//! and names the chunk.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazy_chunks::zarr::{
    BloscCompressor, Checksum, Codec, DefectKind, Error, ErrorKind, MemoryStore, MetadataChecksum,
    MissingChunks, PutCondition, Shuffle, Store, StoredArray, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};

/// The files of a stored array in memory, which tests damage.
struct Files {
    store: Arc<MemoryStore>,
    /// The array, opened before any damage.
    array: StoredArray,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Stores an array of shape (3, 4) in write chunks of shape (2, 2).
    fn stored(sink: impl Fn(ZarrSink) -> ZarrSink) -> Files {
        let store = Arc::new(MemoryStore::new());
        let block = ArrayBlock::from_vec([3, 4], (0..12).collect::<Vec<i16>>()).unwrap();
        LazyChunkSequence::new(|| [block.clone()])
            .to_zarr(sink(ZarrSink::new(Arc::clone(&store))))
            .unwrap();
        let mut files = BTreeMap::new();
        for object in store.list("").unwrap() {
            let bytes = store.get(&object.key).unwrap().bytes.to_vec();
            files.insert(object.key, bytes);
        }
        assert_eq!(files.len(), 5, "expected four write chunks and the metadata");
        let array = StoredArray::open(Arc::clone(&store)).unwrap();
        assert_eq!(array.metadata_checksum(), MetadataChecksum::Match);
        Files { store, array, files }
    }

    fn chunks(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        self.files.iter().filter(|(key, _)| *key != "zarr.json")
    }

    /// Replaces the bytes at a key, or removes the key.
    fn put(&self, key: &str, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => {
                self.store.put(key, bytes.to_vec().into(), PutCondition::Always).unwrap();
            }
            None => self.store.delete(key).unwrap(),
        }
    }

    fn open(&self) -> Result<StoredArray, Error> {
        StoredArray::open(Arc::clone(&self.store))
    }

    /// Asserts that verification finds a defect in this file and no other, and that reading fails
    /// too.
    #[track_caller]
    fn assert_found(&self, key: &str, what: &str) -> DefectKind {
        let array = &self.array;
        let mut verify = array.verify();
        let defects = verify.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!((verify.n_checked(), verify.n_chunks()), (4, 4));
        let [defect] = <[_; 1]>::try_from(defects)
            .unwrap_or_else(|defects| panic!("{key}, {what}: {} defects", defects.len()));
        let index: Vec<usize> =
            key.split('/').skip(1).map(|index| index.parse().unwrap()).collect();
        assert_eq!((&defect.key[..], &defect.chunk), (key, &index), "{what}");

        let error = array.read().unwrap_err();
        assert!(error.defect().is_some() && error.chunk() == Some(&index[..]), "{error}");
        defect.kind
    }
}

const CODECS: [Codec; 4] = [
    Codec::None,
    Codec::Zstd { level: 3 },
    Codec::Gzip { level: 6 },
    Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle: Shuffle::Bit },
];

/// Returns checksummed arrays, one for each codec, in chunks and in shards of two.
fn arrays() -> impl Iterator<Item = (String, Files)> {
    CODECS.into_iter().flat_map(|codec| {
        [false, true].map(|is_sharded| {
            let files = Files::stored(|sink| {
                let sink = sink.with_codec(codec).with_checksum(Checksum::Crc32c);
                if is_sharded {
                    sink.with_chunk_shape([1, 2]).with_shard_shape([2, 2])
                } else {
                    sink.with_chunk_shape([2, 2])
                }
            });
            (format!("{codec:?}, in shards: {is_sharded}"), files)
        })
    })
}

#[test]
fn a_whole_array_has_no_defects() {
    for (name, files) in arrays() {
        let array = files.open().unwrap();
        assert_eq!(array.metadata_checksum(), MetadataChecksum::Match);
        assert_eq!(array.verify().count(), 0, "{name}");
    }
}

#[test]
fn every_bit_of_a_chunk_is_checked() {
    for (name, files) in arrays() {
        for (key, bytes) in files.chunks() {
            let mut damaged = bytes.clone();
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    damaged[at] ^= 1 << bit;
                    files.put(key, Some(&damaged));
                    let kind = files.assert_found(key, &format!("{name}, byte {at}, bit {bit}"));
                    assert!(matches!(kind, DefectKind::Corrupt { .. }), "{kind}");
                    damaged[at] ^= 1 << bit;
                }
            }
            files.put(key, Some(bytes));
        }
    }
}

#[test]
fn every_bit_of_the_metadata_is_checked() {
    // The codec hardly changes the metadata.
    for (name, files) in arrays().skip(2 * (CODECS.len() - 1)) {
        let metadata = &files.files["zarr.json"];
        let mut damaged = metadata.clone();
        let mut n_opened = 0;
        for at in 0..metadata.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                files.put("zarr.json", Some(&damaged));
                if let Ok(array) = files.open() {
                    n_opened += 1;
                    let checksum = array.metadata_checksum();
                    assert_eq!(
                        checksum,
                        MetadataChecksum::Mismatch,
                        "{name}, byte {at}, bit {bit}"
                    );
                }
                damaged[at] ^= 1 << bit;
            }
        }
        assert!(n_opened > 100, "only {n_opened} damaged arrays could be opened");
    }
}

#[test]
fn every_torn_chunk_is_found() {
    for (name, files) in arrays() {
        for (key, bytes) in files.chunks() {
            for length in 0..bytes.len() {
                files.put(key, Some(&bytes[..length]));
                let kind = files.assert_found(key, &format!("{name}, {length} bytes"));
                if name.starts_with("None, in shards: false") {
                    let lengths = (bytes.len() as u64, length as u64);
                    assert!(
                        matches!(kind, DefectKind::Truncated { expected, actual }
                            if (expected, actual) == lengths),
                        "{kind}"
                    );
                }
            }
            // A file that is too long.
            files.put(key, Some(&[bytes, &bytes[..1]].concat()));
            files.assert_found(key, &name);
            files.put(key, Some(bytes));
        }
    }
}

#[test]
fn every_missing_file_is_found() {
    for (name, files) in arrays() {
        for (key, bytes) in files.chunks() {
            files.put(key, None);
            assert!(matches!(files.assert_found(key, &name), DefectKind::Missing));
            // Fill values on request, as Zarr specifies.
            let lenient = files.open().unwrap().with_missing_chunks(MissingChunks::FillValue);
            assert_eq!(lenient.verify().count(), 0);
            files.put(key, Some(bytes));
        }
        files.put("zarr.json", None);
        assert!(files.open().is_err_and(|error| error.kind() == ErrorKind::NotAnArray));
    }
}

#[test]
fn without_a_checksum_only_lengths_and_codecs_are_checked() {
    let files = Files::stored(|sink| sink.with_codec(Codec::None).with_chunk_shape([2, 2]));
    let bytes = &files.files["c/0/1"];
    files.put("c/0/1", Some(&bytes[..3]));
    let kind = files.assert_found("c/0/1", "torn");
    assert_eq!(kind.to_string(), "it has 3 bytes, but 8 were stored");
    files.put("c/0/1", Some(&[0; 8]));
    assert_eq!(files.open().unwrap().verify().count(), 0, "any bytes are valid elements");
}

#[test]
fn defects_are_returned_in_order() {
    let store = Arc::new(MemoryStore::new());
    // More chunks than are checked at once.
    let n_chunks = 3000;
    LazyChunkSequence::new(|| [ArrayBlock::from_vec([n_chunks], vec![7_u8; n_chunks]).unwrap()])
        .to_zarr(ZarrSink::new(Arc::clone(&store)).with_chunk_shape([1]))
        .unwrap();
    let array = StoredArray::open(Arc::clone(&store)).unwrap();
    let damaged = [0, 1, 5, 1023, 1024, 2999];
    for i in damaged {
        store.delete(&format!("c/{i}")).unwrap();
    }
    let mut verify = array.verify();
    let mut n_checked = 0;
    let mut found = Vec::new();
    while let Some(defect) = verify.next() {
        assert!(verify.n_checked() >= n_checked);
        n_checked = verify.n_checked();
        found.push(defect.unwrap().chunk[0]);
    }
    assert_eq!(found, damaged);
    assert_eq!(verify.n_checked(), n_chunks as u64);
    assert!(verify.next().is_none());
}

#[test]
fn reading_a_part_of_a_chunk_checks_the_whole_chunk() {
    for (name, files) in arrays() {
        let region = [0..1, 1..2];
        let expected = files.open().unwrap().read_region(&region).unwrap();
        assert_eq!(expected.as_slice::<i16>().unwrap(), [1]);
        let bytes = &files.files["c/0/0"];
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            damaged[at] ^= 1;
            files.put("c/0/0", Some(&damaged));
            damaged[at] ^= 1;
            match files.open().unwrap().read_region(&region) {
                // In a shard, only the chunk that is read and the index are checked.
                Ok(read) => assert!(name.ends_with("true") && read == expected, "{name}, {at}"),
                Err(error) => assert!(error.defect().is_some(), "{error}"),
            }
        }
        // The first byte belongs to the chunk that is read.
        damaged[0] ^= 1;
        files.put("c/0/0", Some(&damaged));
        files.open().unwrap().read_region(&region).unwrap_err();
    }
}

#[test]
fn arrays_of_other_programs_have_no_metadata_checksum() {
    let files = Files::stored(|sink| sink.with_chunk_shape([2, 2]));
    let mut metadata: serde_json::Value =
        serde_json::from_slice(&files.files["zarr.json"]).unwrap();
    // Rewritten by another program, which keeps the attributes.
    files.put("zarr.json", Some(metadata.to_string().as_bytes()));
    assert_eq!(files.open().unwrap().metadata_checksum(), MetadataChecksum::Mismatch);
    metadata["attributes"] = serde_json::json!({"provenance": "a notebook"});
    files.put("zarr.json", Some(metadata.to_string().as_bytes()));
    let array = files.open().unwrap();
    assert_eq!(array.metadata_checksum(), MetadataChecksum::Missing);
    assert_eq!(array.verify().count(), 0);
    files.put("c/1/1", None);
    assert_eq!(array.verify().count(), 0, "a missing chunk reads as the fill value");
}
