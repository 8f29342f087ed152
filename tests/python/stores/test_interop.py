"""Arrays that the program stores in a bucket, for other readers, and arrays of zarr-python there."""

import unittest

import numpy as np
import xarray
import zarr

import programs
import servers

DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]

#: Options of `lazy store`, and what they are called here.
LAYOUTS = {
    "automatic": [],
    "chunks": ["--chunks", "8,5", "--codec", "none"],
    "zstd": ["--chunks", "8,5", "--codec", "zstd:3"],
    "gzip": ["--chunks", "8,5", "--codec", "gzip:5"],
    "shards": ["--chunks", "4,5", "--shards", "16,10", "--codec", "zstd:3"],
}


def array_of(dtype, shape=(37, 13), seed=0):
    """Bits at random, as far as the type can have them."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(shape) < 0.5
    size = np.dtype(dtype).itemsize
    # Of numbers that are not numbers, readers may change the bits.
    array = random.integers(0, 256, (*shape, size), np.uint8).view(dtype)[..., 0]
    return np.where(np.isfinite(array), array, np.array(1, dtype))


class Interop:
    def same(self, read, expected):
        read = np.asarray(read)
        self.assertEqual((read.dtype, read.shape), (expected.dtype, expected.shape))
        self.assertEqual(read.tobytes(), expected.tobytes())

    def setUp(self):
        super().setUp()
        self.lazy = programs.Lazy(self, self.server)

    def test_other_readers(self):
        cases = [(dtype, "zstd") for dtype in DTYPES]
        cases += [(dtype, layout) for dtype in ("float32", "uint16") for layout in LAYOUTS]
        for dtype, layout in cases:
            name, expected = f"readers/{dtype}-{layout}.zarr", array_of(dtype)
            self.lazy.store(expected, self.server.url(name), *LAYOUTS[layout], "--replace")
            for reader, open_array in servers.readers(self.server, name).items():
                with self.subTest(reader=reader, dtype=dtype, layout=layout):
                    self.same(servers.read(open_array()), expected)

    def test_shapes(self):
        shapes = [(0,), (1,), (50,), (0, 4), (9, 2, 3, 2)]
        for shape in shapes:
            name, expected = f"shapes/{shape}".replace(" ", ""), array_of("float64", shape)
            if len(expected) == 0:
                # A stream has one block at least.
                np.save(self.lazy.directory / "empty.npy", expected)
                self.lazy("store", "empty.npy", "-o", self.server.url(name))
            else:
                self.lazy.store(expected, self.server.url(name))
            for reader, open_array in servers.readers(self.server, name).items():
                with self.subTest(reader=reader, shape=shape):
                    self.same(servers.read(open_array()), expected)

    def test_versions(self):
        """Each replacement has other keys for its chunks."""
        name = "versions.zarr"
        for version in range(5):
            expected = array_of("int32", seed=version)
            self.lazy.store(expected, self.server.url(name), "--chunks", "8,5", "--replace")
            for reader, open_array in servers.readers(self.server, name).items():
                with self.subTest(reader=reader, version=version):
                    self.same(servers.read(open_array()), expected)

    def test_groups(self):
        name, arrays = "group.zarr", {"a": array_of("float32"), "b": array_of("int64", (37, 4))}
        for member, expected in arrays.items():
            self.lazy.store(expected, self.server.url(name), "--array", member)
        self.lazy("attributes", self.server.url(name), "--set", "model=digits")
        for client, store in self.server.stores(name).items():
            with self.subTest(client=client):
                group = zarr.open_group(store, mode="r")
                self.assertEqual(dict(group.attrs), {"model": "digits"})
                self.assertEqual(sorted(group.array_keys()), ["a", "b"])
                dataset = xarray.open_zarr(store, consolidated=False, chunks=None)
                for member, expected in arrays.items():
                    self.same(group[member][:], expected)
                    self.same(dataset[member].values, expected)
        self.lazy("consolidate", self.server.url(name))
        for client, store in self.server.stores(name).items():
            with self.subTest(client=client, consolidated=True):
                dataset = xarray.open_zarr(store, consolidated=True, chunks=None)
                self.same(dataset["b"].values, arrays["b"])

    def test_arrays_of_zarr_python(self):
        for client, store in self.server.stores("peers").items():
            group = zarr.create_group(store, path=client)
            for dtype in ("float32", "int16", "complex64", "bool"):
                for shards in (None, (16, 10)):
                    member = f"{dtype}-{shards is not None}"
                    expected = array_of(dtype)
                    group.create_array(member, data=expected, chunks=(8, 5), shards=shards)
                    url = self.server.url(f"peers/{client}/{member}")
                    with self.subTest(client=client, member=member):
                        self.same(self.lazy.export(url), expected)
                        rows = self.lazy.export(url, "--rows", "3:30", "--cols", "2:9")
                        self.same(rows, expected[3:30, 2:9])
                        self.lazy("verify", url)
            described = self.lazy.json("info", self.server.url(f"peers/{client}"))
            self.assertEqual(len(described["members"]), 8)
            self.lazy("view", self.server.url(f"peers/{client}/float32-True"), "-o", f"{client}.png")
            image = (self.lazy.directory / f"{client}.png").read_bytes()
            self.assertTrue(image.startswith(b"\x89PNG"))


class S3Interop(Interop, servers.OnMoto, unittest.TestCase):
    pass


class AzureInterop(Interop, servers.OnAzurite, unittest.TestCase):
    pass
