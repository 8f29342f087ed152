//! Tests of the built program that need no Python. The directory `tests/python/program` has those
//! that need NumPy and zarr-python.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lazy_chunks::zarr::{StoredArray, ZarrSink};
use lazy_chunks::{ArrayBlock, DType, LazyChunkSequence, Plan};
use tempfile::TempDir;

/// Returns a `.npy` record of `float32` elements that count from `first` on.
fn record(shape: [usize; 2], first: usize) -> Vec<u8> {
    let [n_rows, n_columns] = shape;
    let text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {n_columns}), }}\n");
    let mut record = b"\x93NUMPY\x01\x00".to_vec();
    record.extend((text.len() as u16).to_le_bytes());
    record.extend(text.as_bytes());
    record.extend((first..first + n_rows * n_columns).flat_map(|i| (i as f32).to_le_bytes()));
    record
}

fn lazy(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazy"));
    command.current_dir(directory);
    command
}

/// Runs a command, and checks its exit code. Returns standard output and standard error.
fn run(directory: &Path, line: &str, stdin: &[u8], code: i32) -> (String, String) {
    let output = lazy(directory)
        .args(line.split_whitespace())
        .write_stdin(stdin)
        .assert()
        .code(code)
        .get_output()
        .clone();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn a_stream_is_stored_and_summarized() {
    let directory = TempDir::new().unwrap();
    let stream = [record([2, 3], 0), record([1, 3], 6)].concat();
    let line = "store - -o a.zarr --stats mean,max,argmax,top:2,quantiles:0,1,histogram:0,4,8";
    let (table, notes) = run(directory.path(), line, &stream, 0);
    let expected = "
                 value  row  index
mean                 4
max                  8
argmax               8    2      2
top:2                8    2      2
                     7    2      1
quantiles 0          0
quantiles 1          8
histogram 0..4       4
histogram 4..8       5
histogram below      0
histogram above      0
histogram nan        0
";
    assert_eq!(format!("\n{table}"), expected);
    assert!(notes.starts_with("stored float32 [3, 3] as a.zarr: 36 B in 1 chunk,"), "{notes}");
    let stored = StoredArray::open(directory.path().join("a.zarr")).unwrap();
    let expected: Vec<_> = (0..9).map(|i| i as f32).collect();
    assert_eq!(stored.read().unwrap().as_slice::<f32>().unwrap(), expected);
}

#[test]
fn files_are_cut_into_the_same_array() {
    let directory = TempDir::new().unwrap();
    for i in 0..4 {
        fs::write(directory.path().join(format!("{i}.npy")), record([2, 3], 6 * i)).unwrap();
    }
    let line = "store 0.npy 1.npy 2.npy 3.npy -o a.zarr --grid 2 --chunks 3,4 --codec zstd:1";
    run(directory.path(), line, b"", 0);
    let stored = StoredArray::open(directory.path().join("a.zarr")).unwrap();
    assert_eq!((stored.shape(), stored.chunk_shape()), (&[4, 6][..], &[3, 4][..]));
    let first_row = stored.read_region(&[0..1, 0..6]).unwrap();
    assert_eq!(first_row.as_slice::<f32>().unwrap(), [0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);

    // A part of it is exported.
    run(directory.path(), "export a.zarr -o part.npy --rows 2: --cols 3:", b"", 0);
    let part = fs::read(directory.path().join("part.npy")).unwrap();
    assert_eq!(part.len(), 128 + 4 * 6);
    assert_eq!(part[128..132], 18_f32.to_le_bytes());
}

#[test]
fn blocks_become_chunks() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let stream = [record([64, 8], 0), record([1000, 8], 512), record([10, 8], 8512)].concat();
    run(at, "store - -o a.zarr --chunks blocks", &stream, 0);
    let (described, _) = run(at, "info a.zarr", b"", 0);
    for line in [
        "  chunks      rectilinear, the first of 64 × 8\n",
        "  axis 0      64, 1000, 10\n  axis 1      8\n",
        "  stored      3 of 3 chunks\n",
    ] {
        assert!(described.contains(line), "{described}");
    }
    let (json, _) = run(at, "info a.zarr --json", b"", 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["chunk_grid"], "rectilinear");
    assert_eq!(json["chunk_sizes"], serde_json::json!([[64, 1000, 10], [8]]));
    run(at, "verify a.zarr", b"", 0);
    run(at, "view a.zarr -o a.png", b"", 0);
    let (maximum, _) = run(at, "reduce a.zarr --stats max,cov", b"", 0);
    assert!(maximum.contains("8591"), "{maximum}");
    run(at, "export a.zarr -o part.npy --rows 60:70 --cols 3:", b"", 0);
    let part = fs::read(at.join("part.npy")).unwrap();
    assert_eq!(part[128..132], 483_f32.to_le_bytes());
    let (defects, _) = {
        fs::write(at.join("a.zarr/c/1/0"), b"torn").unwrap();
        run(at, "verify a.zarr", b"", 3)
    };
    assert!(defects.starts_with("chunk [1, 0] (key c/1/0): "), "{defects}");

    // Files side by side, each as one chunk, and a copy that has the same chunks. A member of a
    // group is listed with their number.
    for i in 0..6 {
        let shape = [2 + i / 2, 3 + i % 2];
        fs::write(at.join(format!("{i}.npy")), record(shape, 100 * i)).unwrap();
    }
    let files = "0.npy 1.npy 2.npy 3.npy 4.npy 5.npy";
    run(at, &format!("store {files} -o g.zarr --array a --grid 2 --chunks blocks"), b"", 0);
    run(at, "store g.zarr/a -o g.zarr --array b --chunks blocks --resume", b"", 0);
    let open = |name: &str| StoredArray::open(at.join("g.zarr").join(name)).unwrap();
    for axis in [0, 1] {
        assert_eq!(open("b").chunk_sizes(axis).unwrap(), open("a").chunk_sizes(axis).unwrap());
    }
    assert_eq!(open("b").read().unwrap(), open("a").read().unwrap());
    let (listed, _) = run(at, "info g.zarr", b"", 0);
    assert!(listed.contains("  b  float32  9 × 7  in 6 rectilinear chunks\n"), "{listed}");

    let one = record([2, 3], 0);
    for (line, problem) in [
        ("store - -o b.zarr --chunks blocks --shards auto", "cannot lie in shards"),
        ("store - -o b.zarr --chunks blocks --shards 4,4", "cannot lie in shards"),
        ("store - -o b.zarr --shards blocks", "only --chunks can be `blocks`"),
    ] {
        let (_, message) = run(at, line, &one, 2);
        assert!(message.contains(problem), "{message}");
    }
    run(at, "store - -o c.zarr --chunks blocks --append", &one, 0);
    let (_, message) = run(at, "store - -o c.zarr --append", &one, 1);
    assert!(message.contains("its chunk grid is not regular"), "{message}");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    let whole = record([2, 3], 0);
    run(at, "store - -o a.zarr", &whole, 0);
    run(at, "store - -o a.zarr", &whole, 1);
    run(at, "info nothing", b"", 1);
    run(at, "store - -o b.zarr --resume", &whole, 2);
    run(at, "store - -o b.zarr --chunks 0", &whole, 2);
    run(at, "reduce - --stats median", &whole, 2);
    run(at, "store - -o b.zarr", &whole[..whole.len() - 1], 3);
    run(at, "verify a.zarr", b"", 0);
    fs::write(at.join("a.zarr/c/0/0"), b"torn").unwrap();
    let (defects, message) = run(at, "verify a.zarr", b"", 3);
    assert!(defects.starts_with("chunk [0, 0] (key c/0/0): "), "{defects}");
    assert_eq!(message, "lazy: 1 of 1 chunks of a.zarr are missing or corrupt\n");
    let (help, _) = run(at, "--help", b"", 0);
    for code in [
        "0      success",
        "1      failure",
        "2      invalid",
        "3      corrupt data",
        "4      an array was stored",
        "75     a signal stopped a worker",
        "128+N  stopped",
    ] {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn every_command_has_help_with_examples() {
    let directory = TempDir::new().unwrap();
    for command in [
        "store",
        "reduce",
        "view",
        "export",
        "status",
        "finish",
        "attributes",
        "remove",
        "consolidate",
        "completions",
    ] {
        let (help, _) = run(directory.path(), &format!("{command} --help"), b"", 0);
        assert!(help.contains(&format!("Usage: lazy {command}")), "{help}");
        let (_, examples) = help.split_once("Examples:\n").expect("there are examples");
        assert!(examples.contains(&format!("lazy {command}")), "{examples}");
    }
    // The long help lists the statistics.
    let (help, _) = run(directory.path(), "reduce --help", b"", 0);
    assert!(help.contains("quantiles:Q"), "{help}");
    for command in ["info", "verify", "unfinished"] {
        run(directory.path(), &format!("{command} --help"), b"", 0);
    }
}

#[test]
fn members_of_a_group_are_listed_and_removed() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    for name in ["a", "b"] {
        let line = format!("store - -o g.zarr --array {name} --quiet");
        run(at, &line, &record([2, 3], 0), 0);
    }
    let (printed, _) = run(at, "attributes g.zarr --set l2=0.1 --set model=digits", b"", 0);
    assert_eq!(printed, "l2 0.1\nmodel \"digits\"\n");
    let (printed, _) = run(at, "info g.zarr", b"", 0);
    let expected = "
g.zarr
  group        Zarr v3
  consolidated no
  attribute    l2 0.1
  attribute    model \"digits\"
  members      2
  a  float32  2 × 3  in chunks of 2 × 3
  b  float32  2 × 3  in chunks of 2 × 3
";
    assert_eq!(format!("\n{printed}"), expected);
    run(at, "consolidate g.zarr", b"", 0);
    let (_, message) = run(at, "remove g.zarr/a", b"", 1);
    assert!(message.contains("hint: remove the consolidated metadata with `lazy "), "{message}");
    run(at, "consolidate g.zarr --remove", b"", 0);
    let (_, note) = run(at, "remove g.zarr/a", b"", 0);
    assert_eq!(note, "removed g.zarr/a\n");
    let (_, message) = run(at, "remove g.zarr/a", b"", 1);
    assert!(message.ends_with("g.zarr/a does not exist\n"), "{message}");
    fs::write(at.join("g.zarr/b/zarr.json"), "{").unwrap();
    let (printed, _) = run(at, "info g.zarr", b"", 3);
    assert!(printed.contains("  b  broken"), "{printed}");
}

#[test]
fn workers_store_one_array() {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    for i in 0..4 {
        fs::write(at.join(format!("{i}.npy")), record([2, 3], 6 * i)).unwrap();
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let line = "store 0.npy 1.npy 2.npy 3.npy --chunks 3,3 --parts 3 --stats mean,top:2 --json";
    let (alone, _) = run(at, &format!("{line} -o alone.zarr --workers off"), b"", 0);
    let (first, notes) = run(at, &format!("{line} -o a.zarr --workers 1/2"), b"", 0);
    assert!(notes.starts_with("worker 1 of 2\nstored float32 [8, 3] from 4 arrays as"), "{notes}");
    assert_eq!(json(&first)["statistics"], json(&alone)["statistics"]);
    assert_eq!(json(&first)["statistics"]["mean"], 11.5);
    for (field, expected) in
        [("parts", 3.into()), ("computed_parts", 3.into()), ("outcome", "finished".into())]
    {
        let expected: serde_json::Value = expected;
        assert_eq!(json(&first)[field], expected, "{first}");
    }
    let (second, _) = run(at, &format!("{line} -o a.zarr --workers 0/2"), b"", 0);
    assert_eq!(json(&second)["outcome"], "finished before", "{second}");
    assert_eq!(json(&second)["statistics"], serde_json::Value::Null);
    for name in ["zarr.json", "c/0/0", "c/1/0", "c/2/0"] {
        let read = |array: &str| fs::read(at.join(array).join(name)).unwrap();
        assert_eq!(read("a.zarr"), read("alone.zarr"), "{name}");
    }
    for (line, problem) in [
        ("store 0.npy -o b.zarr --workers 3/3", "got 3 of 3"),
        ("store 0.npy -o b.zarr --workers x", "got `x`"),
        ("store 0.npy -o b.zarr --workers off --parts 0", "from 1 on"),
        ("store 0.npy -o b.zarr --parts 2", "--workers"),
        ("store - -o b.zarr --workers off", "cannot share a stream"),
    ] {
        let (_, message) = run(at, line, b"", 2);
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn finished_parts_are_published() {
    let directory = TempDir::new().unwrap();
    let (at, path) = (directory.path(), directory.path().join("a.zarr"));
    let block = |i| ArrayBlock::from_vec([2, 3], vec![i as f32; 6]).unwrap();
    let sequence = LazyChunkSequence::from_fn([2; 4], block).with_row_type(DType::Float32, [3]);
    let sink = ZarrSink::new(&path).with_chunk_shape([3, 3]).with_resume("the job");
    let plan = Plan::of(&sequence, sink).with_parts(2).create().unwrap();
    plan.run(&plan.parts()[1]).unwrap();
    let status = |command: &str| run(at, &format!("{command} a.zarr"), b"", 0).0;
    let half = "a.zarr: 1 of 2 parts are finished, 0 running, 1 waiting; 1 of 4 blocks, ";
    assert!(status("status").contains(half), "{}", status("status"));
    let (_, message) = run(at, "finish a.zarr", b"", 1);
    assert!(message.contains("1 of 2 parts is not finished: 0\nhint: start workers"), "{message}");
    plan.run(&plan.parts()[0]).unwrap();
    assert!(
        status("unfinished").contains(": 2 of 2 parts are finished, 0 running, 0 waiting, in ")
    );
    let (_, note) = run(at, "finish a.zarr", b"", 0);
    assert!(note.starts_with("published a.zarr: float32 [8, 3] in 3 chunks, "), "{note}");
    assert_eq!(status("status"), "a.zarr is complete: float32 [8, 3]\n");
    let (json, note) = run(at, "finish a.zarr --json --quiet", b"", 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["outcome"], &json["shape"]), (&"finished before".into(), &[8, 3][..].into()));
    assert_eq!(note, "");
    run(at, "verify a.zarr", b"", 0);
    let stored = StoredArray::open(&path).unwrap().read().unwrap();
    let expected: Vec<_> = (0..24).map(|i| (i / 6) as f32).collect();
    assert_eq!(stored.as_slice::<f32>().unwrap(), expected);
}

#[test]
fn a_stream_that_fails_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    for (stdin, expected) in [
        (Vec::new(), "standard input has no blocks"),
        ([record([2, 3], 0), record([2, 4], 0)].concat(), "block 1 has shape [2, 4]"),
        (record([2, 3], 0)[..40].to_vec(), "record 0 of standard input ends early"),
    ] {
        let code = if expected.ends_with("early") { 3 } else { 1 };
        let (_, message) = run(directory.path(), "store - -o a.zarr", &stdin, code);
        let (failure, hint) = message.split_once('\n').unwrap();
        assert!(failure.contains(expected), "{message}");
        assert!(hint.is_empty() || hint.starts_with("hint: "), "{message}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
