"""What is wrong with the input is said in one line, which names the file and the block; nothing is left behind."""

import os
import pickle
import resource
import subprocess
import sys
import time
import unittest

import numpy as np
import zarr
from safetensors.numpy import save_file

from support import LAZY, PATIENCE, ProgramTest, stream

WHOLE = stream([np.ones((3, 4))])
CORRUPT = 3


class Streams(ProgramTest):
    def store(self, stdin, *arguments, code=1):
        return self.fails("store", "-", "-o", "a.zarr", *arguments, stdin=stdin, code=code)

    def test_every_end_in_the_middle(self):
        for end in [1, 5, 8, 9, 10, 60, 127, 128, 129, len(WHOLE) - 1]:
            said = self.store(WHOLE + WHOLE[:end], code=CORRUPT)
            self.assertIn("block 1: record 1 of standard input ends early", said)
            self.assertIn("check whether the program that wrote it failed", said)
        said = self.store(WHOLE[:100], code=CORRUPT)
        self.assertIn("record 0 of standard input ends early", said)

    def test_no_blocks(self):
        self.assertIn("standard input has no blocks", self.store(b""))

    def test_no_npy(self):
        self.assertIn('not a .npy record, but text: it begins with "a,b\\n1,2\\n"', self.store(b"a,b\n1,2\n"))
        self.assertIn("block 1: record 1", self.store(WHOLE + b"\n"))
        self.assertIn("which is not a .npy record", self.store(WHOLE + b"\0", code=CORRUPT))

    def test_objects_are_never_unpickled(self):
        class Trap:
            def __reduce__(self):
                return open, (str(trap), "w")

        trap = self.path("unpickled")
        records = stream([np.array([Trap()], dtype=object)])
        self.assertIn(b"unpickled", records)
        self.assertIn("record 0 of standard input holds pickled Python objects", self.store(records))
        structured = np.zeros(3, dtype=[("x", "f4"), ("y", object)])
        self.assertIn("holds pickled Python objects", self.store(stream([structured])))
        self.assertIn("a Python pickle", self.store(pickle.dumps(Trap())))

    def test_dtypes_that_zarr_has_not(self):
        others = [np.array(["a"]), np.array([b"a"]), np.array(["2026-11-26"], "M8[D]"), np.zeros(2, "f4,i4")]
        for array in others + [np.zeros(2, np.longdouble)]:
            said = self.store(stream([array]))
            self.assertIn("record 0 of standard input has dtype ", said)

    def test_blocks_that_do_not_fit_together(self):
        said = self.store(WHOLE + stream([np.ones((3, 5))]))
        self.assertIn("block 1 has shape [3, 5], but its sizes from axis 1 on must be [4]", said)
        said = self.store(WHOLE + stream([np.ones((3, 4), "f4")]))
        self.assertIn("block 1: record 1 of standard input has dtype float32, but record 0", said)
        said = self.store(WHOLE * 5, "--grid", "2")
        self.assertIn("the input has 5 blocks, but --grid 2 needs a multiple of 2", said)
        said = self.store(WHOLE + stream([np.ones((2, 4))]), "--grid", "2")
        self.assertIn("block (0, 1) has 2 rows, but the first block of its band has 3", said)
        self.assertIn("is a single number", self.store(stream([np.float64(3)])))
        said = self.store(stream([np.ones(3)]), "--grid", "2")
        self.assertIn("--grid needs blocks of at least two axes", said)

    def test_headers_are_not_believed(self):
        def record(text, version=b"\x01\x00", length=None):
            text = text.encode() + b"\n"
            size = 2 if version[0] == 1 else 4
            return b"\x93NUMPY" + version + (length or len(text)).to_bytes(size, "little") + text

        whole = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }"
        for text in [whole % "99999999999999,", whole % "9999999999, 99999999", whole % "-1,", "[" * 60_000, "{}", ""]:
            self.lazy("store", "-", "-o", "a.zarr", stdin=record(text), code=CORRUPT)
            self.check_said(self.errors)
        said = self.store(record("", b"\x02\x00", 2**32 - 1), code=CORRUPT)
        self.assertIn("its header declares a length of 4294967295 bytes", said)
        deep = record("[" * (2**20 - 10), b"\x02\x00")
        self.store(deep, code=CORRUPT)

    def test_a_stream_is_not_gone_on_with(self):
        said = self.store(WHOLE, "--resume", code=2)
        self.assertIn("a stream cannot be read again", said)
        self.save("b.npy", np.ones((3, 4)))
        said = self.fails("store", "b.npy", "-", "-o", "a.zarr", stdin=WHOLE, code=2)
        self.assertIn("cannot be joined with other inputs", said)

    def test_what_was_there_is_as_it_was(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=WHOLE)
        self.store(WHOLE + WHOLE[:200], "--replace", code=CORRUPT)


class DeadProducers(ProgramTest):
    """A producer that dies between two records is not taken for one that is done."""

    def setUp(self):
        super().setUp()
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((4, 3))] * 5))

    def test_a_size_that_was_declared(self):
        six = stream([np.ones((3, 4))] * 2)
        for declared, said in [
            (["--rows", 20], "the input has 6 rows, but --rows is 20"),
            (["--blocks", 5], "the input has 2 blocks, but --blocks is 5"),
            (["--rows", 5], "the input has more rows than --rows 5"),
            (["--blocks", 1], "the input has more blocks than --blocks 1"),
        ]:
            for command in (["store", "-", "-o", "a.zarr", "--replace"], ["reduce", "-", "--stats", "sum"]):
                self.assertIn(said, self.fails(*command, *declared, stdin=six))
        for command in (["store", "-", "-o", "a.zarr", "--replace"], ["reduce", "-", "--stats", "sum"]):
            self.lazy(*command, "--rows", 6, "--blocks", 2, stdin=six)
        self.assertEqual(self.array("a.zarr").shape, (6, 4))
        # Of bands, and of files.
        grid = ["store", "-", "-o", "b.zarr", "--grid", 2, "--rows"]
        self.fails(*grid, 6, stdin=six)
        self.lazy(*grid, 3, stdin=six)
        self.save("x.npy", np.ones((3, 4)))
        self.assertIn("the input has 3 rows", self.fails("store", "x.npy", "-o", "c.zarr", "--rows", 4))

    def test_a_larger_array_is_not_replaced_unasked(self):
        six = stream([np.ones((3, 4))] * 2)
        store = ["store", "-", "-o", "a.zarr", "--replace"]
        said = self.fails(*store, stdin=six)
        self.assertIn("ended after 6 rows, but the array to replace has 20", said)
        self.lazy(*store, stdin=stream([np.ones((4, 3))] * 5))
        self.lazy(*store, "--allow-fewer-rows", stdin=six)
        self.assertEqual(self.array("a.zarr").shape, (6, 4))

    def test_a_command(self):
        write = "import sys, numpy as np\nfor i in range(2):\n    np.save(sys.stdout.buffer, np.full((3, 4), i))\n"
        for name, end in [("done", ""), ("die", "sys.exit(3)"), ("kill", "import os; os.kill(os.getpid(), 9)"),
                          ("torn", "sys.stdout.buffer.write(b'\\x93NUMPY'); sys.stdout.flush(); sys.exit(4)")]:
            self.path(f"{name}.py").write_text(write + end)
        self.path("none.py").write_text("")

        def command(name):
            return ["--from-command", f"exec '{sys.executable}' {name}.py"]

        for store in (["store", "-o", "a.zarr", "--replace"], ["store", "-o", "b.zarr"], ["reduce", "--stats", "sum"]):
            self.assertIn("die.py` ended with exit code 3, so blocks may be missing", self.fails(*store, *command("die")))
            self.assertIn("kill.py` was killed by signal 9", self.fails(*store, *command("kill")))
            self.assertIn("torn.py` ended with exit code 4", self.fails(*store, *command("torn")))
            self.assertIn("the command's output has no blocks", self.fails(*store, *command("none")))
            self.assertIn("ended with exit code 127", self.fails(*store, "--from-command", "no-such-program 2>&-"))
            self.lazy(*store, *command("done"))
        self.assertEqual(self.array("a.zarr").shape, (6, 4))
        self.lazy("store", "x.npy", *command("done"), "-o", "c.zarr", code=2)
        self.lazy("store", "-o", "c.zarr", code=2)

    def test_a_command_is_stopped(self):
        self.path("wait.py").write_text(
            "import os, sys, time, numpy as np\nnp.save(sys.stdout.buffer, np.ones((3, 4)))\nsys.stdout.flush()\n"
            "open('id', 'w').write(str(os.getpid()))\ntime.sleep(1000)\n"
        )
        command = f"exec '{sys.executable}' wait.py"
        process = subprocess.Popen([LAZY, "store", "--from-command", command, "-o", "b.zarr"], cwd=self.directory, stderr=-1)
        self.addCleanup(process.kill)
        end = time.monotonic() + PATIENCE
        while not (self.path("id").exists() and self.path("id").read_text()):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 128 + 15, errors)
        self.assertFalse(self.path("b.zarr").exists())
        with self.assertRaises(ProcessLookupError):
            os.kill(int(self.path("id").read_text()), 0)


class Files(ProgramTest):
    def store(self, *inputs, code=1):
        return self.fails("store", *inputs, "-o", "a.zarr", code=code)

    def test_missing_and_unreadable(self):
        self.assertIn("nothing.npy cannot be read: No such file", self.store("nothing.npy"))
        self.path("text.txt").write_text("hello")
        self.assertIn("text.txt is not an array file", self.store("text.txt"))
        self.path("empty").mkdir()
        self.assertIn("empty is not a Zarr array, and has no .npy", self.store("empty"))
        if os.geteuid() != 0:
            self.save("a.npy", np.ones(3)).chmod(0)
            self.assertIn("a.npy cannot be read: Permission denied", self.store("a.npy"))

    def test_names_with_line_ends(self):
        self.path("a\nb.npy").write_bytes(b"")
        self.assertIn("a\\nb.npy is corrupt", self.store("a\nb.npy", code=CORRUPT))

    def test_cut_off_and_too_long(self):
        self.save("a.npy", np.ones((3, 4)))
        data = self.save("b.npy", np.ones((3, 4))).read_bytes()
        for end in [0, 1, 50, 128, len(data) - 1]:
            self.path("b.npy").write_bytes(data[:end])
            said = self.store("a.npy", "b.npy", code=CORRUPT)
            self.assertRegex(said, "b.npy (is truncated|is corrupt|ends early)")
        self.path("b.npy").write_bytes(data + b"xyz")
        self.assertIn("b.npy is corrupt: it has 3 bytes after the array", self.store("a.npy", "b.npy", code=CORRUPT))

    def test_files_that_do_not_fit_together(self):
        self.save("a.npy", np.ones((3, 4)))
        self.save("b.npy", np.ones((3, 5)))
        self.save("c.npy", np.ones((3, 4), "f4"))
        self.save("d.npy", np.ones((2, 4)))
        self.assertIn("b.npy has shape [3, 5], but a.npy has [3, 4]; blocks may differ only", self.store("a.npy", "b.npy"))
        same = "with --stack, all inputs must have the same shape\n"
        self.assertIn(f"b.npy has shape [3, 5], but a.npy has [3, 4]; {same}", self.store("a.npy", "b.npy", "--stack"))
        said = self.fails("store", "-", "--stack", "-o", "a.zarr", stdin=stream([np.ones((2, 4)), np.ones((3, 4))]))
        self.assertIn(f"record 1 of standard input has shape [3, 4], but record 0 of standard input has [2, 4]; {same}", said)
        self.save("e.npy", np.ones(4))
        self.assertIn(f"e.npy has shape [4], but a.npy has [3, 4]; {same}", self.store("a.npy", "e.npy", "--stack"))
        self.assertIn("b.npy has shape [3, 5], but a.npy has [3, 4]; with --stack and --grid, inputs may differ only along "
                      "the first axis\n", self.store("a.npy", "b.npy", "--stack", "--grid", "2"))
        self.assertIn("c.npy has dtype float32, but a.npy has float64", self.store("a.npy", "c.npy"))
        said = self.fails("store", "a.npy", "d.npy", "-o", "a.zarr", "--grid", "2")
        self.assertIn("d.npy has 2 rows, but a.npy, the first block of its band, has 3", said)
        said = self.fails("store", "a.npy", "b.npy", "-o", "a.zarr", "--grid", "1")
        self.assertIn("b.npy has 5 columns, but a.npy, above it, has 4", said)
        said = self.fails("store", "a.npy", "d.npy", "a.npy", "-o", "a.zarr", "--grid", "2")
        self.assertIn("the input has 3 blocks, but --grid 2 needs a multiple of 2", said)

    def test_archives(self):
        np.savez(self.path("a.npz"), x=np.ones((3, 4)))
        data = self.path("a.npz").read_bytes()
        self.assertIn("has no arrays whose names match \"y*\"", self.fails(
            "store", "a.npz", "--select", "y*", "-o", "a.zarr"))
        self.assertIn("the pattern of --select is invalid", self.fails(
            "store", "a.npz", "--select", "[", "-o", "a.zarr", code=2))
        self.path("a.npz").write_bytes(data[: len(data) // 2])
        self.assertIn("a.npz is corrupt", self.store("a.npz", code=CORRUPT))
        # An element is not what it was.
        place = data.index(np.ones(2).tobytes())
        self.path("a.npz").write_bytes(data[:place] + b"\x01" + data[place + 1 :])
        self.assertIn("a.npz, array \"x\" is corrupt", self.store("a.npz", code=CORRUPT))

    def test_safetensors(self):
        save_file({"x": np.ones((3, 4), "f4"), "y": np.ones((3, 4), "f8")}, self.path("a.safetensors"))
        self.assertIn("tensor \"y\" has dtype float64, but a.safetensors, tensor \"x\"", self.store("a.safetensors"))
        data = self.path("a.safetensors").read_bytes()
        for end in [0, 7, 30, len(data) - 1]:
            self.path("a.safetensors").write_bytes(data[:end])
            self.assertIn("a.safetensors is corrupt", self.store("a.safetensors", code=CORRUPT))

    def test_zarr_arrays(self):
        array = zarr.create_array(self.path("old.zarr"), shape=(8, 4), dtype="f4", chunks=(4, 4))
        array[:] = 1
        self.path("old.zarr/c/1/0").write_bytes(b"not a chunk")
        said = self.store("old.zarr", code=CORRUPT)
        self.assertIn("could not read chunk [1, 0] (key c/1/0) of old.zarr", said)
        self.path("old.zarr/zarr.json").write_text("{")
        self.assertIn("old.zarr", self.store("old.zarr", code=CORRUPT))


class FullDisk(ProgramTest):
    def limited(self, *arguments, stdin=b""):
        """The program, which can write no file of more than 100 kB."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        return subprocess.run(
            [LAZY, *arguments], input=stdin, capture_output=True, cwd=self.directory, preexec_fn=limit,
        )

    def test_nothing_is_left_of_a_stream(self):
        blocks = np.random.default_rng(0).normal(size=(100, 400))
        done = self.limited("store", "-", "-o", "a.zarr", "--codec", "none", stdin=stream([blocks]))
        self.assertEqual(done.returncode, 1)
        self.assertIn("File too large", done.stderr.decode())
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertEqual(self.tree(), {})

    def test_files_are_gone_on_with(self):
        data = np.random.default_rng(0).normal(size=(100, 400))
        data[:50] = 0
        self.save("a.npy", data)
        # One thread writes the first chunk before the second, which is too large.
        arguments = ["store", "a.npy", "-o", "a.zarr", "--codec", "zstd", "--chunks", "50,400", "--threads", "1"]
        done = self.limited(*arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn("\nhint: the stored chunks are kept: continue with --resume", done.stderr.decode())
        self.assertIn("c/1/0; the target is unchanged: File too large", done.stderr.decode())
        self.check_said(done.stderr.decode())
        said = self.fails(*arguments)
        self.assertIn("continue it with --resume", said)
        self.lazy(*arguments, "--resume")
        np.testing.assert_array_equal(self.array("a.zarr")[:], data)

    def test_an_export(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((100, 400))]))
        before = self.tree()
        done = self.limited("export", "a.zarr", "-o", "a.npy")
        self.assertEqual((done.returncode, self.tree()), (1, before))
        self.assertIn("a.npy cannot be written: File too large", done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
