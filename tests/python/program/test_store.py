"""Blocks out of streams, files and arrays become Zarr arrays that zarr-python reads."""

import numpy as np
import zarr
from safetensors.numpy import save_file

from support import LAZY, ProgramTest, python, stream

DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split()


def some(shape, dtype, seed=0):
    """An array of this dtype, in which no two neighbours are likely to be equal."""
    rng = np.random.default_rng(seed)
    values = rng.normal(scale=40, size=shape) + (1j * rng.normal(size=shape) if dtype[0] == "c" else 0)
    return values.astype(np.int64).astype(dtype) if dtype[0] in "iu?" else values.astype(dtype)


class Streams(ProgramTest):
    def test_a_python_loop_is_all_it_takes(self):
        program = (
            "import sys, numpy as np\n"
            "for i in range(7):\n"
            "    np.save(sys.stdout.buffer, np.full((3, 5), i, 'float32'))\n"
        )
        producer = python(program, stdout=-1)
        output = producer.communicate()[0]
        table = self.lazy("store", "-", "-o", "a.zarr", "--stats", "mean,max", stdin=output)
        expected = np.repeat(np.arange(7, dtype="f4"), 3)[:, None] * np.ones(5, "f4")
        np.testing.assert_array_equal(self.array("a.zarr")[:], expected)
        self.assertRegex(table, r"(?m)^mean +3$")
        self.assertRegex(table, r"(?m)^max +6$")
        self.assertIn("stored float32 [21, 5] as a.zarr: 420 B in 1 chunk, ", self.errors)

    def test_every_dtype_order_and_axis(self):
        for dtype in DTYPES:
            for byte_order in "<>":
                for shape in [(6,), (4, 5), (3, 4, 5), (2, 0)]:
                    for order in "CF":
                        blocks = [some(shape, dtype, seed) for seed in (1, 2)]
                        expected = np.concatenate(blocks)
                        blocks = [np.asarray(b.astype(b.dtype.newbyteorder(byte_order)), order=order) for b in blocks]
                        with self.subTest(dtype=dtype, byte_order=byte_order, shape=shape, order=order):
                            self.lazy("store", "-", "-o", "a.zarr", "--replace", "--allow-fewer-rows", stdin=stream(blocks))
                            array = self.array("a.zarr")
                            self.assertEqual(array.dtype, np.dtype(dtype))
                            np.testing.assert_array_equal(array[:], expected)

    def test_versions_of_the_format(self):
        block, parts = some((3, 4), "f8"), b""
        for version in [(1, 0), (2, 0), (3, 0)]:
            parts += self.save("block.npy", block, version=version).read_bytes()
        self.lazy("store", "-", "-o", "a.zarr", stdin=parts)
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate([block] * 3))

    def test_a_grid(self):
        heights, widths = [2, 3], [4, 1, 2]
        blocks = [[some((h, w), "i4", 10 * h + w) for w in widths] for h in heights]
        flat = [block for band in blocks for block in band]
        self.lazy("store", "-", "-o", "a.zarr", "--grid", 3, stdin=stream(flat))
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.block(blocks))

    def test_memory_stays_flat(self):
        program = (
            "import os, resource, subprocess, sys\n"
            "producer = subprocess.Popen([sys.executable, '-c', sys.argv[3], sys.argv[2]], stdout=-1)\n"
            "subprocess.run([sys.argv[1], 'store', '-', '-o', 'a.zarr', '--replace', '-q', '--no-sync', '--threads',\n"
            "    '2', '--codec', 'none', '--chunks', '256,1024'], stdin=producer.stdout, check=True)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        )
        # A few bytes of Python, so that it is not the largest child.
        producer = (
            "import sys\n"
            "head = b\"{'descr': '<f4', 'fortran_order': False, 'shape': (256, 1024), }\\n\"\n"
            "record = b'\\x93NUMPY\\x01\\x00' + len(head).to_bytes(2, 'little') + head + bytes(2 ** 20)\n"
            "for i in range(int(sys.argv[1])): sys.stdout.buffer.write(record)\n"
        )
        peaks = []
        for n_blocks in (40, 400):
            child = python(program, LAZY, n_blocks, producer, stdout=-1, cwd=self.directory)
            peaks.append(int(child.communicate()[0]))
            self.assertEqual(self.array("a.zarr").shape, (256 * n_blocks, 1024))
        self.assertLess(peaks[1], peaks[0] + 8 * 1024, "kilobytes")
        self.assertLess(peaks[1], 64 * 1024, "kilobytes")


class Settings(ProgramTest):
    def test_chunks_shards_codecs_and_metadata(self):
        block = some((64, 48), "f4")
        for codec in ["none", "zstd", "zstd:9", "gzip:1", "blosc-lz4", "blosc-zstd:3"]:
            self.lazy(
                *["store", "-", "-o", "a.zarr", "--replace", "--remove-old", "--chunks", "16,12", "--shards", "32,48"],
                *["--codec", codec, "--dims", "sample,feature", "--attr", "l2=1e-3", "--attr", "model=of: 17"],
                stdin=stream([block]),
            )
            array = self.array("a.zarr")
            np.testing.assert_array_equal(array[:], block)
            self.assertEqual((array.chunks, array.shards), ((16, 12), (32, 48)))
            self.assertEqual(array.metadata.dimension_names, ("sample", "feature"))
            self.assertEqual((array.attrs["l2"], array.attrs["model"]), (1e-3, "of: 17"))
            told = self.json("info", "a.zarr")
            self.assertEqual((told["shape"], told["chunk_shape"], told["shard_shape"]), ([64, 48], [16, 12], [32, 48]))
            self.assertEqual((told["bytes"], told["n_stored_chunks"]), (4 * 64 * 48, 2))
            files = [path for path in self.path("a.zarr").rglob("*") if path.is_file() and path.name != "zarr.json"]
            self.assertEqual(told["stored_bytes"], sum(path.stat().st_size for path in files))

    def test_a_member_of_a_group(self):
        for name in ["values", "of/model", "values"]:
            replace = ["--replace"] if self.path("g.zarr").joinpath(name).exists() else []
            self.lazy("store", "-", "-o", "g.zarr", "--array", name, *replace, stdin=stream([some((2, 3), "f4")]))
        group = zarr.open_group(self.path("g.zarr"), mode="r")
        self.assertEqual((group["values"].shape, group["of/model"].shape), ((2, 3), (2, 3)))
        told = self.json("info", "g.zarr")["members"]
        self.assertEqual([member["path"] for member in told], ["g.zarr/of", "g.zarr/of/model", "g.zarr/values"])

    def test_what_is_there_is_not_replaced_unasked(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([some((2, 3), "f4")]))
        said = self.fails("store", "-", "-o", "a.zarr", stdin=stream([some((2, 3), "f8")]))
        self.assertIn("a.zarr already exists\nhint: choose another path, replace it with --replace, or add rows to it with --append\n", said)

    def test_a_summary_for_programs(self):
        told = self.json("store", "-", "-o", "a.zarr", "--stats", "sum", stdin=stream([np.ones((2, 3))]))
        self.assertEqual((told["shape"], told["statistics"], told["bytes"]), ([2, 3], {"sum": 6.0}, 48))
        quiet = self.lazy("store", "-", "-o", "b.zarr", "-q", stdin=stream([np.ones((2, 3))]))
        self.assertEqual((quiet, self.errors), ("", ""))


class Copies(ProgramTest):
    """A copy of an array means what the array means."""

    def make(self, name, zarr_format=3, **properties):
        defaults = {"fill_value": -7, "attributes": {"scale_factor": 0.5, "units": "K"}}
        if zarr_format == 3:
            defaults["dimension_names"] = ("time", None)
        data = np.arange(20, dtype="i2").reshape(4, 5)
        array = zarr.create_array(
            self.path(name), shape=data.shape, dtype=data.dtype, chunks=(2, 2), zarr_format=zarr_format, **{**defaults, **properties}
        )
        array[:] = data
        return data

    def test_attributes_names_and_fill_value_are_kept(self):
        for zarr_format in (2, 3):
            name = f"m{zarr_format}.zarr"
            data = self.make(name, zarr_format)
            for copy in ("copy.zarr", name):
                self.lazy("store", name, "-o", copy, "--replace", "--chunks", "2,5")
                array = self.array(copy)
                np.testing.assert_array_equal(array[:], data)
                self.assertEqual(array.fill_value, -7)
                self.assertEqual((array.attrs["scale_factor"], array.attrs["units"]), (0.5, "K"))
                if zarr_format == 3:
                    self.assertEqual(array.metadata.dimension_names, ("time", None))
            # A copy of a copy, which this program has written.
            self.lazy("store", name, "-o", name, "--replace", "--dims", "a,b", "--attr", "units=C", "--attr", "more=1")
            array = self.array(name)
            self.assertEqual(array.metadata.dimension_names, ("a", "b"))
            found = {name: value for name, value in array.attrs.items() if name != "provenance"}
            self.assertEqual(found, {"scale_factor": 0.5, "units": "C", "more": 1})

    def test_several_arrays(self):
        self.make("a.zarr")
        self.make("b.zarr")
        self.make("c.zarr", attributes={})
        self.make("d.zarr", fill_value=0)
        self.lazy("store", "a.zarr", "b.zarr", "-o", "ab.zarr")
        self.assertEqual((self.array("ab.zarr").attrs["units"], self.array("ab.zarr").fill_value), ("K", -7))
        for other in ("c.zarr", "d.zarr"):
            self.lazy("store", "a.zarr", other, "-o", "other.zarr", "--replace")
            self.assertIn("none of these are copied; set them with --attr and --dims", self.errors)
            self.assertNotIn("units", self.array("other.zarr").attrs)
            self.lazy("store", "a.zarr", other, "-o", "quiet.zarr", "--replace", "-q")
            self.assertEqual(self.errors, "")

    def test_an_attribute_of_a_taken_name_is_not_lost(self):
        self.make("a.zarr", attributes={"provenance": "a station in the Alps"})
        self.assertIn("provenance", self.fails("store", "a.zarr", "-o", "b.zarr"))


class Files(ProgramTest):
    def test_ten_comes_behind_nine(self):
        for i in range(12):
            self.save(f"part-{i}.npy", np.full((1, 2), i))
        names = sorted(path.name for path in self.directory.iterdir())
        self.assertLess(names.index("part-10.npy"), names.index("part-9.npy"))
        self.lazy("store", *names, "-o", "a.zarr", "--sort")
        np.testing.assert_array_equal(self.array("a.zarr")[:, 0], np.arange(12))
        # As a shell gives them; which is said.
        self.lazy("store", *names, "-o", "b.zarr")
        self.assertIn("use --sort for natural order", self.errors)
        given = [int(name[5:-4]) for name in names]
        np.testing.assert_array_equal(self.array("b.zarr")[:, 0], given)
        # As the user gives them.
        self.lazy("store", "part-7.npy", "part-10.npy", "part-2.npy", "-o", "c.zarr")
        self.assertEqual(self.errors.count("\n"), 1, self.errors)
        np.testing.assert_array_equal(self.array("c.zarr")[:, 0], [7, 10, 2])
        self.assertEqual(self.json("reduce", "part-7.npy", "part-10.npy", "--stats", "argmax")["argmax"]["row"], 1)

    def test_whatever_is_left_out_of_a_folder_is_said(self):
        for i, name in enumerate(["1.npy", "2.NPY", "10.Npy", ".hidden.npy", "._1.npy"]):
            self.save(f"parts/{name}", np.full((1, 2), i))
        self.lazy("store", "-", "-o", "parts/3.zarr", stdin=stream([np.full((1, 2), 7)]))
        self.lazy("store", "parts/1.npy", "-o", "parts/.old.zarr")
        self.path("parts/notes.txt").write_text("not an array")
        self.path("parts/deeper").mkdir()
        for command in (["store", "parts", "-o", "a.zarr"], ["reduce", "parts", "--stats", "sum"]):
            self.lazy(*command)
            said = "ignored 5 of 9 entries of parts: ._1.npy, .hidden.npy, .old.zarr, deeper, notes.txt"
            self.assertIn(said, self.errors)
            self.assertIn("from 4 arrays", self.errors)
        np.testing.assert_array_equal(self.array("a.zarr")[:, 0], [0, 1, 7, 2])
        # A file that is named is taken, whatever its name.
        self.lazy("store", "parts/.hidden.npy", "-o", "b.zarr")
        self.lazy("store", "parts", "-o", "c.zarr", "-q")
        self.assertEqual(self.errors, "")

    def test_a_link_that_leads_nowhere_is_an_error(self):
        self.save("parts/1.npy", np.ones((1, 2)))
        for name in ("2.npy", "2.NPY", "2", "2.zarr"):
            link = self.path("parts") / name
            link.symlink_to("elsewhere")
            self.assertIn(f"parts/{name} cannot be read", self.fails("store", "parts", "-o", "a.zarr"))
            self.assertIn(f"parts/{name} cannot be read", self.fails("reduce", "parts", "--stats", "sum"))
            link.unlink()

    def test_a_folder_and_a_grid(self):
        blocks = [[some((2, 3), "f8", 10 * i + j) for j in range(2)] for i in range(3)]
        for i, band in enumerate(blocks):
            for j, block in enumerate(band):
                self.save(f"parts/{i}-{j}.npy", np.asfortranarray(block) if j else block)
        self.path("parts/notes.txt").write_text("not an array")
        self.lazy("store", "parts", "-o", "a.zarr", "--grid", 2)
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.block(blocks))

    def test_large_files_are_cut(self):
        tall = some((3000, 5000), "f4")
        self.save("c.npy", tall)
        self.save("f.npy", np.asfortranarray(tall).astype(">f4"))
        self.lazy("store", "c.npy", "f.npy", "-o", "a.zarr", "--codec", "none", "--no-sync")
        self.assertIn(".zarr: ", self.errors)
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate([tall, tall]))
        self.assertGreater(len(self.json("info", "a.zarr")["provenance"]["block_rows"]), 1)

    def test_archives(self):
        arrays = {f"layer_{i}": some((2, 3), "f4", i) for i in range(11)}
        arrays["bias"] = some((1,), "f8")
        for save in (np.savez, np.savez_compressed):
            save(self.path("a.npz"), **arrays)
            self.lazy("store", "a.npz", "--select", "layer_*", "-o", "a.zarr", "--replace")
            expected = np.concatenate([arrays[f"layer_{i}"] for i in range(11)])
            np.testing.assert_array_equal(self.array("a.zarr")[:], expected)

    def test_safetensors(self):
        arrays = {f"layer.{i}.weight": some((2, 3), "f2", i) for i in range(11)}
        save_file({**arrays, "bias": some((4,), "f4")}, self.path("a.safetensors"))
        self.lazy("store", "a.safetensors", "--select", "layer.*.weight", "-o", "a.zarr")
        expected = np.concatenate([arrays[f"layer.{i}.weight"] for i in range(11)])
        np.testing.assert_array_equal(self.array("a.zarr")[:], expected)
        self.lazy("store", "a.safetensors", "--select", "bias", "-o", "b.zarr")
        np.testing.assert_array_equal(self.array("b.zarr")[:], some((4,), "f4"))

    def test_an_array_is_cut_and_encoded_anew(self):
        data = some((300, 70, 3), "f4")
        old = zarr.create_array(self.path("old.zarr"), shape=data.shape, dtype="f4", chunks=(40, 30, 2))
        old[:] = data
        self.lazy("store", "old.zarr", "-o", "new.zarr", "--chunks", "64,64,3", "--codec", "zstd:3")
        array = self.array("new.zarr")
        self.assertEqual(array.chunks, (64, 64, 3))
        np.testing.assert_array_equal(array[:], data)
        # In its own place, and twice, one below the other.
        self.lazy("store", "new.zarr", "-o", "new.zarr", "--chunks", "10,70,3", "--replace")
        np.testing.assert_array_equal(self.array("new.zarr")[:], data)
        self.lazy("store", "old.zarr", "new.zarr", "-o", "both.zarr")
        np.testing.assert_array_equal(self.array("both.zarr")[:], np.concatenate([data, data]))
        self.lazy("store", "old.zarr", "new.zarr", "-o", "beside.zarr", "--grid", "2")
        np.testing.assert_array_equal(self.array("beside.zarr")[:], np.concatenate([data, data], axis=1))

    def test_arrays_of_zarr_2_and_of_one_axis(self):
        data = some((1000,), "i8")
        zarr.create_array(self.path("old.zarr"), shape=1000, dtype="i8", chunks=90, zarr_format=2)[:] = data
        self.lazy("store", "old.zarr", "-o", "new.zarr")
        np.testing.assert_array_equal(self.array("new.zarr")[:], data)

    def test_no_rows(self):
        self.save("a.npy", np.zeros((0, 5)))
        self.save("b.npy", np.ones((2, 5)))
        self.lazy("store", "a.npy", "-o", "a.zarr")
        self.assertEqual(self.array("a.zarr").shape, (0, 5))
        self.lazy("store", "a.npy", "b.npy", "-o", "b.zarr")
        np.testing.assert_array_equal(self.array("b.zarr")[:], np.ones((2, 5)))
