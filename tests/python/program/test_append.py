"""Rows that the program appends, to its own arrays and to those that zarr-python has written."""

import itertools
import json
import threading

import numpy as np
import xarray
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from support import ProgramTest


def arrays_of_others(directory):
    """Arrays that zarr-python creates, in every way that matters to a chunk: options of `create_array`."""
    plain = {"compressors": None}
    yield "defaults", {}
    for keys in ({"name": "default", "separator": "."}, {"name": "v2", "separator": "."}, {"name": "v2", "separator": "/"}):
        yield f"{keys['name']}{keys['separator']}", {"chunk_key_encoding": keys}
    yield "big endian", {**plain, "serializer": BytesCodec(endian="big")}
    yield "transposed", {"filters": [TransposeCodec(order=(1, 0))]}
    yield "without compression", plain
    for name, compressors in {
        "zstd": [ZstdCodec(level=7, checksum=True)],
        "gzip": [GzipCodec(level=1), Crc32cCodec()],
        "blosc": [BloscCodec(cname="zlib", clevel=4, shuffle="shuffle")],
    }.items():
        yield name, {"compressors": compressors}
        yield f"{name} in shards", {"compressors": compressors, "shards": (8, 12)}
    yield "shards with the index first", {
        "compressors": None,
        "chunks": (8, 12),
        "serializer": ShardingCodec(chunk_shape=(4, 6), index_location="start"),
    }
    yield "transposed shards", {
        "compressors": None,
        "chunks": (12, 12),
        "filters": [TransposeCodec(order=(1, 0))],
        "serializer": ShardingCodec(chunk_shape=(6, 4), codecs=[BytesCodec()]),
    }
    yield "with a fill value", {"fill_value": 7, "config": {"write_empty_chunks": False}}


class Append(ProgramTest):
    def rows(self, start, end, dtype=np.float32, n_columns=10):
        rows = np.arange(start * n_columns, end * n_columns).reshape(end - start, n_columns) % 251
        return rows.astype(dtype)

    def append(self, name, start, end, *arguments, **options):
        self.save("next.npy", self.rows(start, end, **options))
        return self.lazy("store", "next.npy", "-o", name, "--append", *arguments)

    def shards(self, path, metadata):
        """The shards of an array, each with the length of the index that is its start."""
        sharding = [codec for codec in metadata["codecs"] if codec["name"] == "sharding_indexed"]
        if not sharding:
            return []
        n_chunks = 4
        start = 16 * n_chunks + 4 if sharding[0]["configuration"]["index_location"] == "start" else 0
        return [(file, start, file.read_bytes()) for file in path.glob("c/*/*")]

    def test_arrays_of_zarr_python(self):
        for name, options in arrays_of_others(self.directory):
            for before, after in ((8, 16), (9, 11), (5, 30), (0, 3)):
                with self.subTest(name=name, before=before, after=after):
                    path = self.path(f"{name} {before} {after}.zarr")
                    options = {"chunks": (4, 6), **options}
                    array = zarr.create_array(path, shape=(before, 10), dtype="float32", **options)
                    array[:] = self.rows(0, before)
                    array.attrs.update({"units": "K", "scale": 1e-7, "large": 2**70, "nested": {"a": [1, None]}})
                    held = zarr.open_array(path, mode="r")
                    metadata = json.loads((path / "zarr.json").read_text())
                    shards = self.shards(path, metadata)
                    self.append(path, before, after)
                    # A reader that has read the index of a shard before finds its chunks.
                    for file, start, contents in shards:
                        self.assertEqual(file.read_bytes()[start : len(contents)], contents[start:])
                    found = zarr.open_array(path, mode="r")
                    np.testing.assert_array_equal(found[:], self.rows(0, after))
                    # A reader that has opened it before still finds its rows.
                    np.testing.assert_array_equal(held[:], self.rows(0, before))
                    metadata["shape"][0] = after
                    now = json.loads((path / "zarr.json").read_text())
                    # It is noted which rows were appended, so that they are appended once.
                    self.assertEqual(list(now["attributes"].pop("provenance")), ["stored_rows"])
                    self.assertEqual(now, metadata)
                    # zarr-python goes on with it.
                    found = zarr.open_array(path, mode="r+")
                    found.append(self.rows(after, after + 3))
                    self.append(path, after + 3, after + 5)
                    np.testing.assert_array_equal(self.array(path)[:], self.rows(0, after + 5))

    def test_other_dtypes_and_numbers_of_axes(self):
        for dtype, shape in itertools.product(
            ("bool", "int8", "uint64", "float16", "complex64"), ((7,), (7, 3, 2), (7, 0), (7, 1, 5, 2))
        ):
            with self.subTest(dtype=dtype, shape=shape):
                path = self.path(f"{dtype} {len(shape)} {shape[-1]}.zarr")
                data = np.random.default_rng(1).integers(0, 2, (12, *shape[1:])).astype(dtype)
                chunks = tuple(max(1, min(size, 3)) for size in shape)
                array = zarr.create_array(path, shape=shape, dtype=dtype, chunks=chunks)
                array[:] = data[:7]
                self.save("next.npy", data[7:])
                self.lazy("store", "next.npy", "-o", path, "--append")
                np.testing.assert_array_equal(self.array(path)[:], data)

    def test_day_after_day(self):
        for day in range(4):
            self.save(f"day-{day}.npy", self.rows(5 * day, 5 * day + 5))
            command = ("store", f"day-{day}.npy", "-o", "all.zarr", "--array", "days", "--append", "--resume",
                       "--chunks", "4,10", "--dims", "sample,parameter")
            self.lazy(*command)
            said = "appended 5 rows to all.zarr/days, which is now float32 " if day else "stored float32 "
            self.assertIn(f"{said}[{5 * day + 5}, 10]", self.errors)
            # A repeated job appends nothing.
            for earlier in range(day + 1):
                self.lazy("store", f"day-{earlier}.npy", *command[2:])
                self.assertIn("all.zarr/days already has the rows of the input", self.errors)
            told = self.json(*command, "--stats", "count,mean")
            self.assertEqual((told["appended_rows"], told["shape"]), (0, [5 * day + 5, 10]))
        np.testing.assert_array_equal(self.array("all.zarr/days")[:], self.rows(0, 20))
        self.assertEqual(self.array("all.zarr/days").metadata.dimension_names, ("sample", "parameter"))
        with xarray.open_zarr(self.path("all.zarr"), consolidated=False) as dataset:
            self.assertEqual(dataset["days"].shape, (20, 10))
        self.lazy("verify", "all.zarr/days")
        told = self.json("store", "day-0.npy", "-o", "new.zarr", "--append")
        self.assertIsNone(told["appended_rows"])
        told = self.json("store", "day-0.npy", "-o", "new.zarr", "--append")
        self.assertEqual((told["appended_rows"], told["shape"]), (5, [10, 10]))

    def test_the_same_name_with_other_rows(self):
        """A file that changed after its rows were appended is no reason to lose its new rows silently."""
        self.append("a.zarr", 0, 5, "--resume")
        self.save("next.npy", self.rows(5, 10))
        said = self.fails("store", "next.npy", "-o", "a.zarr", "--append", "--resume")
        self.assertIn("rows with the key of this write were already appended to a.zarr, and differ", said)
        self.assertIn("hint: if these are other rows, append them without --resume", said)
        self.append("a.zarr", 5, 10)
        np.testing.assert_array_equal(self.array("a.zarr")[:], self.rows(0, 10))

    def test_an_interrupted_append(self):
        parts = [self.rows(4 * i, 4 * i + 4) for i in range(200)]
        for i, part in enumerate(parts[1:]):
            self.save(f"data/{i:03}.npy", part)
        self.save("first.npy", parts[0][:3])
        self.save("data/aaa.npy", parts[0][3:])
        for resume in ((), ("--resume",)):
            self.lazy("store", "first.npy", "-o", "a.zarr", "--chunks", "4,10", "--replace")
            command = ("store", "data", "--sort", "-o", "a.zarr", "--append")
            process = self.caught_in_the_middle(*command, *resume)
            process.kill()
            process.communicate()
            np.testing.assert_array_equal(self.array("a.zarr")[:], parts[0][:3])
            said = self.fails(*command)
            self.assertIn("an earlier write of a.zarr was interrupted", said)
            self.assertIn("interrupted after it had stored", self.lazy("unfinished", "a.zarr"))
            self.lazy(*command, "--resume")
            order = [part for _, part in sorted((path.name, np.load(path)) for path in self.path("data").iterdir())]
            np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate([parts[0][:3], *order]))
            self.assertFalse(list(self.path("a.zarr").glob(".lazy.*")))

    def test_readers_find_the_old_rows_or_all(self):
        self.append("a.zarr", 0, 7, "--chunks", "4,6")
        problems, ended = [], threading.Event()

        def read():
            while not ended.is_set():
                found = self.array("a.zarr")[:]
                if not np.array_equal(found, self.rows(0, len(found))):
                    problems.append(found)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for end in range(9, 60, 3):
                self.append("a.zarr", end - 3 if end > 9 else 7, end)
        finally:
            ended.set()
            reader.join()
        self.assertEqual(problems, [])

    def test_what_is_refused(self):
        self.append("a.zarr", 0, 7, "--chunks", "4,6")
        refused = lambda *arguments: self.fails("store", "next.npy", "-o", "a.zarr", "--append", *arguments)
        for option, name in (
            (("--chunks", "4,10"), "chunk shape"), (("--shards", "8,12"), "shard shape"), (("--codec", "gzip"), "codec"),
            (("--dims", "a,b"), "dimension names"),
        ):
            said = refused(*option)
            self.assertIn(f"cannot append to a.zarr: its {name} is ", said)
            self.assertIn("hint: leave out the option", said)
        self.save("next.npy", self.rows(7, 9, dtype="float64"))
        self.assertIn("cannot append rows of float64 of shape [10] to a.zarr: its rows are float32 of shape [10]", refused())
        self.save("next.npy", self.rows(7, 9, n_columns=4))
        self.assertIn("cannot append rows of float32 of shape [4]", refused())
        self.save("next.npy", self.rows(7, 9))
        self.lazy("store", "next.npy", "-o", "a.zarr", "--append", "--replace", code=2)
        zarr.create_array(self.path("v2.zarr"), shape=(4, 10), dtype="float32", zarr_format=2)
        self.assertIn("it is a Zarr v2 array", self.fails("store", "next.npy", "-o", "v2.zarr", "--append"))
        group = zarr.create_group(self.path("group.zarr"))
        group.create_array("a", shape=(4, 10), dtype="float32")
        self.lazy("consolidate", "group.zarr")
        said = self.fails("store", "next.npy", "-o", "group.zarr", "--array", "a", "--append")
        self.assertIn("hint: remove the consolidated metadata with `lazy consolidate", said)
