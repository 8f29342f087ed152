"""Arrays that only say that they are huge, or are nearly empty: linear in what is there, refused, or stopped at once."""

import io
import json
import os
import resource
import signal
import subprocess

import numpy as np
import zarr

from support import LAZY, PATIENCE, ProgramTest

#: More than any of these needs, and less than what they declare.
MEMORY = 6 << 30


def declare_zarr(path, shape, chunks, codecs=None):
    path.mkdir()
    bytes_codec = {"name": "bytes", "configuration": {"endian": "little"}}
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "float64",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs or [bytes_codec],
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(metadata))


def shards_of(chunk):
    bytes_codec = {"name": "bytes", "configuration": {"endian": "little"}}
    configuration = {"chunk_shape": chunk, "codecs": [bytes_codec], "index_codecs": [bytes_codec, {"name": "crc32c"}]}
    return [{"name": "sharding_indexed", "configuration": configuration}]


def declare_npy(path, shape):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    path.write_bytes(header.getvalue())


def declare_safetensors(path, shape):
    header = json.dumps({"x": {"dtype": "F64", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


class Declared(ProgramTest):
    def run_all(self, name, *commands):
        """None of the commands panics, aborts or takes much memory; what takes long is stopped by a signal, at once."""
        for command in commands:
            with self.subTest(name=name, command=command):
                process = subprocess.Popen(
                    [LAZY, *command], cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
                )
                try:
                    _, said = process.communicate(timeout=2)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGINT)
                    _, said = process.communicate(timeout=PATIENCE)
                self.assertIn(process.returncode, (0, 1, 2, 3, 130), said)
                self.assertNotIn(b"panicked", said)
                self.assertLess(len(said), 1000)

    def commands(self, name):
        stored = [["info", name], ["verify", name], ["view", name, "-o", "p.png", "--replace"],
                  ["export", name, "-o", "e.npy", "--replace"]]
        reduced = [["reduce", name, "--stats", "mean,max,top:2,quantiles:0.5,histogram:0,1", "--axis", axis, "-o", "r.zarr", "--replace"]
                   for axis in ("all", "rows", "columns")]
        rest = [["reduce", name, "--stats", "cov"], ["store", name, "-o", "o.zarr", "--replace"],
                ["store", name, "-o", "s.zarr", "--replace", "--stack"]]
        return (stored if name.endswith(".zarr") else []) + reduced + rest

    def test_zarr_arrays(self):
        for i, (shape, chunks, codecs) in enumerate((
            ([2**60], [1], None),
            ([2**60, 0], [1, 1], None),
            ([0, 2**60], [1, 1], None),
            ([2**63 - 1], [2**63 - 1], None),
            ([2] * 62, [1] * 62, None),
            ([2**31] * 3, [2**10] * 3, None),
            ([2**62, 2**62], [1, 1], None),
            ([3, 2**60], [3, 1], None),
            ([2**40], [2**40], shards_of([1])),
        )):
            declare_zarr(self.path(f"{i}.zarr"), shape, chunks, codecs)
            self.run_all(f"{i}.zarr", *self.commands(f"{i}.zarr"))
            for made in ("o.zarr", "r.zarr", "s.zarr"):
                subprocess.run(["rm", "-rf", self.path(made)], check=True)

    def test_files(self):
        for i, shape in enumerate(((2**40, 0), (0, 2**40), (2**60, 0, 2**60), (2**62,), (0, 2**62, 2**62))):
            declare_npy(self.path(f"{i}.npy"), shape)
            declare_safetensors(self.path(f"{i}.safetensors"), list(shape))
            for name in (f"{i}.npy", f"{i}.safetensors"):
                self.run_all(name, *self.commands(name))
                for made in ("o.zarr", "r.zarr", "s.zarr"):
                    subprocess.run(["rm", "-rf", self.path(made)], check=True)

    def test_a_shard_whose_index_is_not_there(self):
        declare_zarr(self.path("a.zarr"), [2**40], [2**40], shards_of([1]))
        (self.path("a.zarr") / "c").mkdir()
        (self.path("a.zarr") / "c" / "0").write_bytes(b"\0" * 100)
        self.run_all("a.zarr", ["info", "a.zarr"], ["reduce", "a.zarr", "--stats", "mean"])


class NearlyEmpty(ProgramTest):
    def setUp(self):
        super().setUp()
        array = zarr.create_array(self.path("a.zarr"), shape=(10**6, 10**6), chunks=(10, 10), dtype="f8")
        array[5, 5] = 7
        array[10**6 - 1, 77] = 8

    def test_what_is_there_is_listed(self):
        told = self.json("info", "a.zarr")
        self.assertEqual((told["n_stored_chunks"], told["n_chunks"]), (2, 10**10))
        self.lazy("verify", "a.zarr")
        self.assertIn("all 2 chunks", self.errors)
        chunk = self.path("a.zarr/c/99999/7")
        chunk.write_bytes(chunk.read_bytes()[:-1])
        self.assertIn("c/99999/7", self.lazy("verify", "a.zarr", code=3))

    def test_a_picture_is_drawn_of_some_chunks(self):
        self.lazy("view", "a.zarr", "-o", "a.png")
        self.assertIn("of the elements were read", self.errors)

    def test_rows_of_many_chunks_are_exported_in_parts(self):
        array = zarr.create_array(self.path("b.zarr"), shape=(3, 150_000), chunks=(1, 1), dtype="f8")
        expected = np.zeros(array.shape)
        for place in ((1, 5), (2, 149_999)):
            array[place] = expected[place] = 7
        self.lazy("export", "b.zarr", "-o", "b.npy")
        np.testing.assert_array_equal(np.load(self.path("b.npy")), expected)
        self.lazy("export", "b.zarr", "-o", "c.npy", "--cols", "3:-1", "--rows", "1:")
        np.testing.assert_array_equal(np.load(self.path("c.npy")), expected[1:, 3:-1])


class LongMetadata(ProgramTest):
    def test_more_than_can_be_parsed_is_refused(self):
        self.save("a.npy", np.ones((4, 5)))
        self.lazy("store", "a.npy", "-o", "a.zarr")
        path = self.path("a.zarr/zarr.json")
        metadata = json.loads(path.read_text())
        metadata["attributes"] = {"long": [[i] for i in range(2 << 20)]}
        path.write_text(json.dumps(metadata))
        for command in (["info", "a.zarr"], ["verify", "a.zarr"], ["reduce", "a.zarr", "--stats", "mean"]):
            self.assertIn(f"has {os.path.getsize(path)} bytes, but at most 16777216 are read",
                          self.fails(*command, code=3))
        metadata["attributes"] = {"deep": 1}
        path.write_text(json.dumps(metadata).replace('"deep": 1', '"deep": ' + "[" * 200 + "]" * 200))
        self.assertIn("recursion limit", self.fails("info", "a.zarr"))

    def test_an_archive_of_many_arrays_takes_time_linear_in_them(self):
        np.savez(self.path("a.npz"), **{f"a{i}": np.arange(3) for i in range(10_000)})
        process = subprocess.run([LAZY, "reduce", "a.npz", "--stats", "sum,count", "--json"], cwd=self.directory,
                                 capture_output=True, timeout=PATIENCE, check=True)
        self.assertEqual(json.loads(process.stdout), {"sum": 30_000, "count": 30_000})
