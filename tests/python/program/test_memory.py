"""Statistics take no more memory than they may, whatever shapes are declared; and large results are not gathered."""

import json
import os
import resource
import shutil
import struct
import subprocess

import numpy as np
import zarr

from support import LAZY, ProgramTest, peak_memory, stream

EACH = [
    "count", "sum", "mean", "var", "std", "min", "max", "argmin", "argmax", "top:3", "bottom:2", "l1", "l2", "linf",
    "quantiles:0,0.25,1", "histogram:-1,0,0.5,2",
]
EDGES = ",".join(map(str, range(20_001)))

#: The memory that the program may have in these tests.
MEMORY = 3 << 30


def header(shape, dtype="<f8"):
    """The header of a .npy file."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


class Memory(ProgramTest):
    def limited(self, *arguments, stdin=b""):
        """Runs the program with little memory; its exit code, what it printed, and what it said."""

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

        command = [LAZY, *map(str, arguments), "--threads", "2"]
        done = subprocess.run(command, input=stdin, capture_output=True, cwd=self.directory, preexec_fn=limit)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def refused(self, *arguments, stdin=b""):
        code, printed, said = self.limited(*arguments, "-q", stdin=stdin)
        self.assertEqual((code, printed), (1, ""), said[-1000:])
        self.check_said(said)
        self.assertLess(len(said), 500)
        return said

    def safetensors(self, name, shape):
        text = json.dumps({"w": {"dtype": "F64", "shape": shape, "data_offsets": [0, 0]}}).encode()
        self.path(name).write_bytes(struct.pack("<Q", len(text)) + text)

    def zarr(self, name, shape, chunks):
        """An array whose metadata were changed by hand."""
        zarr.create_array(self.path(name), shape=[0] * len(shape), dtype="u1", chunks=chunks)
        path = self.path(name) / "zarr.json"
        metadata = json.loads(path.read_text())
        metadata["shape"] = shape
        path.write_text(json.dumps(metadata))


class Shapes(Memory):
    def check(self, name, axis, n_cells):
        for one in EACH + [",".join(EACH)]:
            with self.subTest(name=name, axis=axis, stats=one[:30]):
                said = self.refused("reduce", name, "--axis", axis, "--stats", one)
                # Of no elements, some have no value.
                if "elements" not in said:
                    self.assertRegex(said, rf"^lazy: {n_cells} states of .* of each {axis[:-1]} take .*iB, but the limit is 1.5 GiB\nhint: ask")

    def test_many_rows_without_columns(self):
        # What is accumulated, and the one block.
        self.path("a.npy").write_bytes(header((2**40, 0)))
        self.check("a.npy", "rows", 2**41)
        self.zarr("a.zarr", [2**40, 0], [2**30, 1])
        self.check("a.zarr", "rows", 2**41)
        for name in ("a.npy", "a.zarr"):
            for axis in ("columns", "all"):
                code, printed, said = self.limited("reduce", name, "--axis", axis, "--stats", "count,mean", "--json", "-q")
                self.assertEqual(code, 0, said)
                count = json.loads(printed)["count"]
                self.assertEqual(count, [] if axis == "columns" else 0)

    def test_many_columns_without_rows(self):
        # What is accumulated, and the one block.
        self.safetensors("a.safetensors", [0, 2**53])
        self.check("a.safetensors", "columns", 2**54)
        self.path("a.npy").write_bytes(header((0, 2**31, 2**28)))
        self.check("a.npy", "columns", 2**60)
        self.zarr("a.zarr", [0, 2**50], [1, 2**30])
        said = self.refused("reduce", "a.zarr", "--axis", "columns", "--stats", "count")
        self.assertIn(" states of the count of each column take 16 PiB, but ", said)
        for name in ("a.safetensors", "a.npy"):
            for stats in ("cov", "corr", "gram"):
                self.assertIn("2 states of the covariance take more than 1024 EiB", self.refused("reduce", name, "--stats", stats))
            code, printed, said = self.limited("reduce", name, "--axis", "rows", "--stats", "count,mean", "--json", "-q")
            self.assertEqual((code, json.loads(printed)), (0, {"count": [], "mean": []}), said)

    def test_a_stream(self):
        self.refused("reduce", "-", "--axis", "rows", "--stats", "count", stdin=header((2**40, 0)))
        self.refused("reduce", "-", "--axis", "columns", "--stats", "quantiles:0.5", stdin=header((0, 2**53)))
        self.refused("reduce", "-", "--stats", "cov", stdin=header((0, 2**53)))


class Limit(Memory):
    def test_a_wide_histogram(self):
        data = np.zeros((2, 100_000), "f4")
        self.save("a.npy", data)
        arguments = ["--axis", "columns", "--stats", "histogram:" + EDGES]
        for source, stdin in (("a.npy", b""), ("-", stream([data]))):
            said = self.refused("reduce", source, *arguments, stdin=stdin)
            self.assertRegex(said, r"states of the histogram between the edges \[0.0, 1.0, .* … .* of each column take [0-9.]+ GiB, ")
            self.assertIn("but the limit is 1.5 GiB\nhint: ask", said)

    def test_the_limit_can_be_set(self):
        data = np.random.default_rng(0).normal(size=(4, 1000))
        self.save("a.npy", data)
        reduce = ["reduce", "a.npy", "--axis", "columns", "--stats", "mean,max"]
        for enough in ("1M", "128KiB", str(1 << 20), "1 GiB"):
            self.assertEqual(len(self.json(*reduce, "--memory", enough)["mean"]), 1000)
        said = self.fails(*reduce, "--memory", "40K")
        self.assertEqual(said, "lazy: 2000 states of the mean and variance of each column take 46.9 KiB, but the limit is "
                               "40 KiB\nhint: ask for fewer statistics, or allow more memory with --memory\n")
        # Both together.
        said = self.fails(*reduce, "--memory", "100K")
        self.assertIn("states of the largest element of each column take ", said)
        self.assertIn("the limit is 100 KiB, of which 46.9 KiB are in use\nhint: ask", said)
        # Of a stream, it is known when the first block has come.
        said = self.fails("reduce", "-", *reduce[2:], "--memory", "20K", stdin=stream([data]))
        self.assertRegex(said, "^lazy: block 0 could not be reduced: [0-9]+ states of the mean and variance of each column take ")
        self.assertIn("but the limit is 20 KiB", said)

    def test_of_what_is_stored(self):
        data = np.random.default_rng(0).normal(size=(10, 300))
        self.save("a.npy", data)
        said = self.fails("store", "a.npy", "-o", "a.zarr", "--stats", "cov", "--memory", "1M")
        self.assertIn("2 states of the covariance take 1.5 MiB, but the limit is 1 MiB\nhint: ask", said)
        # The limit is not one of the write.
        self.lazy("store", "a.npy", "-o", "a.zarr", "--stats", "mean", "--memory", "1K", "-q")
        np.testing.assert_array_equal(self.array("a.zarr")[:], data)

    def test_sizes_that_make_no_sense(self):
        self.save("a.npy", np.zeros(3))
        for wrong in ("", "0", "-1", "8X", "much", "1.5G", "99999999999T"):
            self.lazy("reduce", "a.npy", "--stats", "mean", f"--memory={wrong}", code=2)
            self.assertIn("such as 8G", self.errors)
        self.assertIn("half of the machine's memory", " ".join(self.lazy("reduce", "--help").split()))

    def test_sketches_are_refused_before_they_grow(self):
        data = np.random.default_rng(2).normal(size=(2000, 300))
        self.save("a.npy", data)
        arguments = ["--axis", "columns", "--stats", "quantiles:0.5"]
        said = self.fails("reduce", "a.npy", *arguments, "--memory", "3M")
        self.assertIn("states of the quantiles [0.5] within 0.001 in rank of each column take ", said)
        self.assertNotIn("block", said)
        said = self.fails("reduce", "-", *arguments, "--memory", "3M", stdin=stream(np.split(data, 20)))
        self.assertRegex(said, "^lazy: block [0-9]+ could not be reduced: .* states of the quantiles")
        found = self.json("reduce", "a.npy", *arguments, "--memory", "3M", "--rank-error", "0.2")
        self.assertEqual(len(found["quantiles:0.5"]), 300)


class LargeResults(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = np.random.default_rng(5).normal(size=(50, 40))
        self.save("a.npy", self.data)

    def test_matrices_that_are_stored_are_not_printed(self):
        for print_as in ([], ["--json"]):
            printed = self.lazy("reduce", "a.npy", "--stats", "cov,gram", "-o", "a.zarr", "--replace", *print_as)
            self.assertEqual(printed, "")
            group = zarr.open_group(self.path("a.zarr"), mode="r")
            np.testing.assert_allclose(group["cov"][:], np.cov(self.data, rowvar=False), atol=1e-12)
            np.testing.assert_allclose(group["gram"][:], self.data.T @ self.data, atol=1e-11)
        found = self.json("reduce", "a.npy", "--stats", "mean,corr,top:3,top:1500", "-o", "b.zarr")
        self.assertEqual(list(found), ["mean", "top:3"], "1,500 numbers are not few")
        self.assertEqual(zarr.open_group(self.path("b.zarr"), mode="r")["top-2/values"].shape, (1500,))

    def test_what_could_not_be_stored_is_printed(self):
        def limit():
            # Files have a thousand bytes at most.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        command = [LAZY, "reduce", "a.npy", "--stats", "cov", "-o", "b.zarr", "--json", "-q"]
        done = subprocess.run(command, capture_output=True, cwd=self.directory, preexec_fn=limit)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("File too large", done.stderr.decode())
        self.assertEqual(np.shape(json.loads(done.stdout)["cov"]), (40, 40))

    def test_who_has_read_enough_is_not_told_that_there_is_more(self):
        self.save("wide.npy", np.zeros((2, 500)))
        for print_as in ([], ["--json"]):
            for of in (["cov"], ["mean", "--axis", "columns"]):
                command = [LAZY, "reduce", "wide.npy", "-q", *print_as, "--stats", *of]
                process = subprocess.Popen(command, cwd=self.directory, stdout=-1, stderr=-1)
                process.stdout.close()
                self.assertEqual((process.stderr.read(), process.wait()), (b"", 0))
                process.stderr.close()

    def test_a_large_matrix_takes_the_memory_of_the_matrix(self):
        n_columns = 1500
        matrix = 8 * n_columns**2
        self.save("wide.npy", np.random.default_rng(0).normal(size=(2, n_columns)).astype("f4"))
        for print_as in ("> printed", "--json > printed", "-o wide.zarr"):
            peak = peak_memory(f"{LAZY} reduce wide.npy --stats cov --threads 1 -q {print_as}", self.directory)
            # The sums, and those of the block; besides, the program.
            self.assertLess(peak, 2.5 * matrix + (48 << 20), print_as)


class FewThreads(ProgramTest):
    def test_no_more_threads_are_started_than_are_asked_for(self):
        program = self.path("lazy")
        shutil.copy(LAZY, program)
        program.chmod(0o755)
        self.directory.chmod(0o777)
        self.save("a.npy", np.random.default_rng(0).normal(size=(200, 200)))

        def limit():
            # The superuser has as many as there are.
            if os.getuid() == 0:
                os.setgid(54321)
                os.setuid(54321)
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

        for command in (["store", "a.npy", "-o", "a.zarr", "--chunks", "50,50", "--shards", "100,100", "--threads", "1"],
                        ["verify", "a.zarr"], ["export", "a.zarr", "-o", "b.npy"], ["view", "a.zarr", "-o", "a.png"],
                        ["reduce", "a.zarr", "--stats", "mean"]):
            done = subprocess.run([program, *command], cwd=self.directory, capture_output=True, preexec_fn=limit)
            self.assertEqual(done.returncode, 0, done.stderr)
        command = [program, "store", "a.npy", "-o", "b.zarr", "--threads", "2"]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, preexec_fn=limit)
        self.assertIn(b"could not start a thread to write chunks", done.stderr)
        self.assertEqual(done.returncode, 1)
