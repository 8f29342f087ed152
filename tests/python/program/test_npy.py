"""What `np.load` takes is taken, and what is not supported is said to be that."""

import gzip
import io
import itertools
import subprocess
import zipfile

import numpy as np

from support import LAZY, ProgramTest, peak_memory, stream

ROWS = np.arange(20.0).reshape(4, 5)


def record(descr="'<f8'", order="False", shape="(4, 5)", text=None, data=ROWS.tobytes(), version=1):
    """A record with the header that is given."""
    text = text or f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


HEADERS = {
    "sizes of Python 2": record(shape="(4L, 5L)"),
    "no order of bytes": record(descr="'f8'"),
    "native order": record(descr="'=f8'"),
    "a name": record(descr="'float64'"),
    "a letter": record(descr="'d'"),
    "text of Python 2": record(descr="u'<f8'"),
    "double quotes": record(descr='"<f8"'),
    "another order of entries": record(text="{'shape': (4, 5), 'fortran_order': False, 'descr': '<f8'}"),
    "lines": record(text="{\n'descr':\n'<f8',\t'fortran_order'\n: False, 'shape': (4,\n5)}\n"),
    "no comma": record(text="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 5)}"),
    "parentheses": record(text="({'descr': ('<f8'), 'fortran_order': (False), 'shape': ((4), 5,)})"),
    "Fortran's order": record(order="True"),
    "the other order of bytes": record(descr="'>f8'"),
    "version 2": record(version=2),
    "version 3": record(version=3),
    "not enough entries": record(text="{'descr': '<f8', 'shape': (4, 5)}"),
    "too many entries": record(text="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 5), 'x': 1}"),
    "a list of sizes": record(shape="[4, 5]"),
    "a size that is none": record(shape="(4, -5)"),
    "a size as text": record(shape="('4', 5)"),
    "an order that is none": record(order="0"),
    "no dtype": record(descr="'x8'"),
    "no literal": record(descr="f8"),
    "a call": record(shape="(4, int(5))"),
    "not closed": record(text="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 5)"),
    "more behind it": record(text="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 5)} 1"),
}


class Headers(ProgramTest):
    def test_headers_are_those_of_numpy(self):
        for number, (what, bytes_) in enumerate(HEADERS.items()):
            with self.subTest(what=what):
                try:
                    expected = np.load(io.BytesIO(bytes_))
                except Exception:  # Whatever it is, NumPy does not take it.
                    expected = None
                self.path("a.npy").write_bytes(bytes_)
                for source, stdin in (("a.npy", b""), ("-", bytes_)):
                    name = f"{number}{source}.zarr"
                    if expected is None:
                        self.assertIn("is corrupt: its header does not describe an array", self.fails("store", source, "-o", name, stdin=stdin, code=3))
                    else:
                        self.lazy("store", source, "-o", name, stdin=stdin)
                        np.testing.assert_array_equal(self.array(name)[:], expected)

    def test_what_is_not_supported_is_said(self):
        for array, name, remedy in (
            (np.zeros(3, "longdouble"), "longdouble", "astype('float64')"),
            (np.zeros(3, "clongdouble"), "clongdouble", "astype('complex128')"),
            (np.zeros(3, "M8[ns]"), "datetime64[ns]", "view('int64')"),
            (np.zeros(3, "m8[25s]"), "timedelta64[25s]", "view('int64')"),
            (np.zeros(3, "U7"), "U7 (text)", "save"),
            (np.zeros(3, "V16"), "V16 (raw bytes)", "save"),
            (np.zeros(3, [("x", "f4"), ("y", "i8", (2,))]), "structured (fields x, y)", "array['name']"),
        ):
            with self.subTest(name=name):
                self.save("a.npy", array)
                said = self.fails("store", "a.npy", "-o", "a.zarr")
                self.assertIn(f"has dtype {name}, which is not supported", said)
                self.assertIn(remedy, said)
        self.save("a.npy", np.zeros(3, [("x", "f4"), ("y", "O")]), allow_pickle=True)
        self.assertIn("Python objects", self.fails("store", "a.npy", "-o", "a.zarr"))

    def test_headers_take_time_linear_in_their_length(self):
        for shape in ("[" * 24, "(" * 30000 + ")" * 30000, "{" * 24, "(" + "1," * 30000 + ")", "'" + "\\\\" * 20000):
            bytes_ = record(shape=shape)
            self.path("a.npy").write_bytes(bytes_)
            with zipfile.ZipFile(self.path("a.npz"), "w") as archive:
                archive.writestr("a.npy", bytes_)
            for source, stdin in (("a.npy", b""), ("-", bytes_), ("a.npz", b"")):
                done = subprocess.run([LAZY, "store", source, "-o", "a.zarr"], input=stdin, cwd=self.directory,
                                      capture_output=True, timeout=20)
                self.assertIn(done.returncode, (1, 3), done.stderr)

    def test_records_in_one_file_follow_each_other(self):
        with open(self.path("a.npy"), "wb") as file:
            np.save(file, ROWS)
            np.save(file, ROWS[:1] + 100)
            np.save(file, np.asfortranarray(ROWS + 200))
        self.lazy("store", "a.npy", "-o", "a.zarr")
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate([ROWS, ROWS[:1] + 100, ROWS + 200]))
        self.assertIn(" from 3 arrays in 1 file as", self.errors)
        with open(self.path("a.npy"), "ab") as file:
            file.write(b"more")
        said = self.fails("store", "a.npy", "-o", "b.zarr", code=3)
        self.assertIn("it has 4 bytes after the array, which are not another .npy record", said)
        self.save("b.npy", ROWS)
        with open(self.path("b.npy"), "ab") as file:
            np.save(file, ROWS.astype("f4"))
        self.assertIn("b.npy, record 1 has dtype float32", self.fails("store", "b.npy", "-o", "b.zarr"))


class OtherKinds(ProgramTest):
    def test_what_is_no_record_is_named(self):
        zipped, packed = io.BytesIO(), gzip.compress(stream([ROWS]))
        np.savez(zipped, ROWS)
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n"
        for start, says, remedy in (
            (b"Loading the model\n" + stream([ROWS]), '"Loading the model\\n', "file=sys.stderr"),
            (zipped.getvalue(), "a zip archive", ".npz"),
            (packed, "compressed with gzip", "gunzip"),
            (pointer, "a Git LFS pointer", "git lfs pull"),
        ):
            with self.subTest(says=says):
                said = self.fails("store", "-", "-o", "a.zarr", stdin=start)
                self.assertIn("record 0 of standard input is not a .npy record, but ", said)
                self.assertTrue(says in said and remedy in said, said)
                self.path("b.npy").write_bytes(start)
                said = self.fails("store", "b.npy", "-o", "a.zarr")
                self.assertTrue("b.npy is not a .npy record" in said and says in said, said)
        # Behind the first record, too.
        said = self.fails("store", "-", "-o", "a.zarr", stdin=stream([ROWS]) + b"Epoch 1\n" + stream([ROWS]))
        self.assertIn('record 1 of standard input is not a .npy record, but text: it begins with "Epoch 1\\n', said)
        # Bytes of no known kind are wrong bytes.
        self.assertIn('begins with "\\x00\\x01', self.fails("store", "-", "-o", "a.zarr", stdin=b"\0\1\xff" * 9, code=3))

    def test_archives_name_the_choice_of_arrays(self):
        np.savez(self.path("e.npz"), x=ROWS, lr=0.1)
        np.savez(self.path("f.npz"), x=ROWS, names=np.array(["a"]))
        np.savez(self.path("g.npz"), x=ROWS, y=ROWS[0])
        for name in ("e.npz", "f.npz", "g.npz"):
            self.assertIn("choose arrays of the file by name with --select", self.fails("store", name, "-o", "a.zarr"))
            self.lazy("store", name, "--select", "x", "-o", f"{name}.zarr")
        with zipfile.ZipFile(self.path("m.npz"), "w") as archive:
            archive.writestr("x.npy", stream([ROWS]))
            archive.writestr("__MACOSX/._x.npy", b"Mac OS X")
            archive.writestr("notes.txt", "x")
        self.lazy("store", "m.npz", "-o", "m.zarr")
        self.assertIn("ignored 2 of 3 entries of m.npz: __MACOSX/._x.npy, notes.txt", self.errors)


class Stacks(ProgramTest):
    def test_vectors_become_rows(self):
        vectors = np.random.default_rng(0).normal(size=(12, 7))
        for i, vector in enumerate(vectors):
            self.save(f"v/{i}.npy", vector)
            self.lazy("store", f"v/{i}.npy", "-o", f"z/{i}.zarr")
        np.savez(self.path("v.npz"), *vectors)
        sources = [("v", b""), ("-", stream(vectors)), ("z", b""), ("v.npz", b"")]
        for (source, stdin), options in itertools.product(sources, ([], ["--threads", "1"])):
            if source == "-" and options:
                continue
            with self.subTest(source=source, options=options):
                self.lazy("store", source, "-o", "s.zarr", "--stack", "--replace", *options, stdin=stdin)
                np.testing.assert_array_equal(self.array("s.zarr")[:], vectors)
                self.assertNotIn("--stack", self.errors)
                # Without it they are one axis, which is said.
                self.lazy("store", source, "-o", "f.zarr", "--replace", "--allow-fewer-rows", *options, stdin=stdin)
                np.testing.assert_array_equal(self.array("f.zarr")[:], vectors.reshape(-1))
                note = "12 arrays of one axis, each of 7 elements, are joined to one of 84; use --stack to make"
                self.assertIn(note, self.errors)

    def test_arrays_of_any_axes_become_rows(self):
        for shape in ((), (3,), (3, 4), (2, 3, 4)):
            for order in "CF":
                arrays = [np.asarray(np.random.default_rng(i).normal(size=shape), order=order) for i in range(3)]
                for i, array in enumerate(arrays):
                    self.save(f"{len(shape)}{order}/{i}.npy", array)
                self.lazy("store", f"{len(shape)}{order}", "-o", "s.zarr", "--stack", "--replace")
                np.testing.assert_array_equal(self.array("s.zarr")[:], np.stack(arrays))
                self.lazy("store", "-", "-o", "s.zarr", "--stack", "--replace", stdin=stream(arrays))
                np.testing.assert_array_equal(self.array("s.zarr")[:], np.stack(arrays))
        self.assertIn("--stack", self.fails("store", "0C", "-o", "t.zarr"))
        self.assertIn("--stack", self.fails("store", "-", "-o", "t.zarr", stdin=stream([np.float64(1)])))
        # Side by side, too.
        self.lazy("store", "1C", "1F", "-o", "g.zarr", "--stack", "--grid", "2")
        self.assertEqual(self.array("g.zarr").shape, (3, 6))

    def test_what_differs_is_not_stacked(self):
        said = self.fails("store", "-", "-o", "s.zarr", "--stack", stdin=stream([np.zeros(3), np.zeros(4)]))
        self.assertIn("shape [4], but record 0 of standard input has [3]", said)


class LargeRecords(ProgramTest):
    def test_a_record_is_cut(self):
        data = np.arange(3 << 20, dtype="u8").reshape(-1, 64)
        stdin = stream([data, data[:1]])
        self.lazy("store", "-", "-o", "a.zarr", "--blocks", "2", "--rows", len(data) + 1, "--chunks", "1000,64", stdin=stdin)
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate([data, data[:1]]))
        said = self.fails("store", "-", "-o", "b.zarr", "--blocks", "1", stdin=stdin)
        self.assertIn("the input has more blocks than --blocks 1", said)
        middle = f"ends early: it has {len(stdin) // 2 - 128} of {data.nbytes} bytes of the elements"
        for part, end in ((stdin[: len(stdin) // 2], middle), (stdin[:-9], "record 1 of standard input ends")):
            self.assertIn(end, self.fails("store", "-", "-o", "b.zarr", stdin=part, code=3))

    def test_memory_is_bounded(self):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 600)})
        self.path("head").write_bytes(header.getvalue())
        feed = "(cat head; head -c 629145600 /dev/zero)"
        peak = peak_memory(f"{feed} | {LAZY} store - -o a.zarr -q", self.directory)
        self.assertLess(peak, 300 << 20, "a record of 600 MiB is not held whole")

    def test_a_large_row_is_cut(self):
        data = np.arange(2 * (40 << 20), dtype="u4").reshape(2, -1)
        for order in "CF":
            self.save("a.npy", np.asarray(data, order=order))
            self.lazy("store", "a.npy", "-o", "a.zarr", "--replace")
            np.testing.assert_array_equal(self.array("a.zarr")[:], data)
            found = self.json("reduce", "a.npy", "--stats", "max,argmax", "--axis", "rows")
            self.assertEqual(found["argmax"]["indices"], [(40 << 20) - 1] * 2)
