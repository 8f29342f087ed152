"""Telling, checking, drawing, exporting, and what unfinished writes left."""

import json
import subprocess
import warnings

import numpy as np
import xarray
import zarr
from safetensors.numpy import load_file

from support import LAZY, ProgramTest, pixels, stream


class Groups(ProgramTest):
    def consolidate(self):
        with warnings.catch_warnings():
            # That consolidated metadata is no part of Zarr v3 yet.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(self.path("g.zarr"))

    def test_consolidated_metadata_can_be_removed_and_written(self):
        attributes = {"x": [0.1 + 0.2, 5e-324], "n": 2**60, "text": "é"}
        zarr.open_group(self.path("g.zarr"), mode="w", attributes=attributes)
        for name in ("a", "deep/b"):
            self.lazy("store", "-", "-o", "g.zarr", "--array", name, stdin=stream([np.ones((2, 2))]))
        for _ in range(2):
            self.consolidate()
            by_zarr = json.loads(self.path("g.zarr/zarr.json").read_text())
            said = self.fails("store", "-", "-o", "g.zarr", "--array", "c", stdin=stream([np.ones((2, 2))]))
            self.assertIn("consolidated metadata", said)
            self.lazy("consolidate", "g.zarr")
            ours = json.loads(self.path("g.zarr/zarr.json").read_text())
            members = [metadata["consolidated_metadata"].pop("metadata") for metadata in (by_zarr, ours)]
            self.assertEqual(ours, by_zarr)
            self.assertEqual(members[1].keys(), members[0].keys())
            for name, member in members[1].items():
                self.assertEqual(member, json.loads(self.path(f"g.zarr/{name}/zarr.json").read_text()))
            group = zarr.open_consolidated(self.path("g.zarr"), mode="r")
            self.assertEqual(dict(group.attrs), attributes)
            self.assertEqual(group["deep/b"].shape, (2, 2))
        self.lazy("consolidate", "g.zarr", "--remove")
        self.assertNotIn("consolidated_metadata", json.loads(self.path("g.zarr/zarr.json").read_text()))
        self.assertEqual(dict(zarr.open_group(self.path("g.zarr"), mode="r").attrs), attributes)
        self.lazy("store", "-", "-o", "g.zarr", "--array", "c", stdin=stream([np.ones((2, 2))]))
        self.lazy("consolidate", "g.zarr", "--remove")
        self.assertIn("has no consolidated metadata", self.errors)
        self.lazy("consolidate", "g.zarr")
        self.assertIn("of 4 members", self.errors)
        self.assertEqual(sorted(path.name for path in self.path("g.zarr").iterdir()), ["a", "c", "deep", "zarr.json"])

    def test_links_are_not_left_out_of_consolidated_metadata(self):
        self.lazy("store", "-", "-o", "elsewhere.zarr", stdin=stream([np.ones((2, 2))]))
        self.lazy("store", "-", "-o", "g.zarr", "--array", "a", stdin=stream([np.ones((2, 2))]))
        self.path("g.zarr/b").symlink_to(self.path("elsewhere.zarr"))
        # No reader finds members in a directory that is no group.
        self.lazy("store", "-", "-o", "g.zarr/plain/c.zarr", stdin=stream([np.ones((2, 2))]))
        for path in (self.path("g.zarr/plain")).glob("zarr.json"):
            path.unlink()
        self.lazy("consolidate", "g.zarr")
        self.assertEqual(sorted(zarr.open_consolidated(self.path("g.zarr"), mode="r").array_keys()), ["a", "b"])
        self.path("g.zarr/up").symlink_to(self.path("g.zarr"))
        self.assertIn("g.zarr/up: it is a link to a group", self.fails("consolidate", "g.zarr"))

    def test_what_is_no_group_is_not_consolidated(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((2, 2))]))
        zarr.open_group(self.path("v2.zarr"), mode="w", zarr_format=2)
        self.path("empty").mkdir()
        self.path("file").write_bytes(b"")
        for name, what in (("a.zarr", "it is a Zarr array"), ("v2.zarr", "it is a Zarr v2 group"), ("empty", "it is a directory without Zarr metadata"),
                           ("file", "it is a file")):
            self.assertIn(what, self.fails("consolidate", name))
            self.assertIn(what, self.fails("consolidate", name, "--remove"))

    def test_a_path_that_does_not_exist_is_an_error(self):
        self.path("broken.zarr").symlink_to("nowhere")
        self.path("file").write_bytes(b"")
        for name in ("missing.zarr", "broken.zarr", "file/a.zarr"):
            for command in (
                ["unfinished"], ["unfinished", "--json"], ["unfinished", "--remove"], ["clean"], ["clean", "--dry-run"],
                ["consolidate"], ["consolidate", "--remove"], ["info"], ["verify"], ["view", "-o", "a.png"],
                ["export", "-o", "a.npy"],
            ):
                with self.subTest(command, name=name):
                    said = self.fails(*command, name)
                    self.assertRegex(said, rf"\Alazy: {name} (does not exist|is a symbolic link to a missing path)\n\Z")
            for command in (["store", "-o", "a.zarr"], ["reduce", "--stats", "mean"]):
                with self.subTest(command, name=name):
                    self.assertRegex(self.fails(*command, name), f"^lazy: {name} cannot be read: No")

    def test_xarray_opens_arrays_that_were_given_no_names(self):
        self.lazy("store", "-", "-o", "g.zarr", "--array", "x", "--dims", "sample,feature", stdin=stream([np.ones((6, 4))]))
        self.lazy("store", "-", "-o", "g.zarr", "--array", "y", stdin=stream([np.ones((3, 2))]))
        self.lazy("store", "g.zarr/y", "-o", "g.zarr/z", "--stack")
        self.lazy("store", "g.zarr/x", "-o", "g.zarr/copy")
        data_set = xarray.open_zarr(self.path("g.zarr"), consolidated=False)
        self.assertEqual((data_set.y.dims, data_set.z.dims), (("y_0", "y_1"), ("z_0", "z_1", "z_2")))
        self.assertEqual(data_set["copy"].dims, ("sample", "feature"))

    def test_xarray_opens_results_beside_named_arrays(self):
        data = np.random.default_rng(0).normal(size=(6, 4))
        self.lazy("store", "-", "-o", "g.zarr", "--array", "x", "--dims", "sample,feature", stdin=stream([data]))
        names = "mean,std,quantiles:0.1,0.9"
        self.lazy("reduce", "g.zarr/x", "--stats", names, "--axis", "rows", "-o", "g.zarr")
        for axis in ("rows", "columns", "all"):
            self.lazy("reduce", "g.zarr/x", "--stats", "max,top:2,histogram:0,1,2", "--axis", axis, "-o", f"g.zarr/{axis}")
        self.lazy("reduce", "g.zarr/x", "--stats", "cov,count", "-o", "g.zarr/matrix")
        data_set = xarray.open_zarr(self.path("g.zarr"), consolidated=False)
        self.assertEqual((data_set.x.dims, data_set["mean"].dims), (("sample", "feature"), ("sample",)))
        self.assertEqual(data_set["quantiles"].dims, ("sample", "quantiles_0"))
        np.testing.assert_allclose(data_set["mean"], data_set.x.mean("feature"))
        xarray.open_datatree(self.path("g.zarr"), engine="zarr", consolidated=False).load()
        self.lazy("reduce", "-", "--stats", "max,top:2", "--axis", "columns", "-o", "s.zarr", stdin=stream([np.ones((2, 3, 4))]))
        columns = xarray.open_datatree(self.path("s.zarr"), engine="zarr", consolidated=False)
        self.assertEqual(columns["max"].dims, ("column", "axis_2"))
        self.assertEqual(columns["top/values"].dims, ("column", "axis_2", "values_0"))


class Info(ProgramTest):
    def test_for_people(self):
        self.lazy("store", "-", "-o", "a.zarr", "--dims", "row,column", "--attr", "l2=0.1", stdin=stream([np.ones((6, 4))]))
        told = self.lazy("info", "a.zarr")
        for words in ["a.zarr", "float64", "6 × 4", "row, column", "blosc (cname lz4", "192 B, stored in", "1 of 1 chunks",
                      "as it was written", "l2 0.1"]:
            self.assertIn(words, told)

    def test_a_group_with_a_broken_member_and_a_link_to_itself(self):
        for name in "ab":
            self.lazy("store", "-", "-o", "g.zarr", "--array", name, stdin=stream([np.ones((2, 2))]))
        self.path("g.zarr/a/zarr.json").write_text("{")
        self.path("g.zarr/link").symlink_to(self.path("g.zarr"))
        told = json.loads(self.lazy("info", "g.zarr", "--json", code=3))
        self.assertEqual([array["path"] for array in told], ["g.zarr/b"])

    def test_a_member_that_cannot_be_read_is_named(self):
        self.lazy("store", "-", "-o", "g.zarr", "--array", "a", stdin=stream([np.ones((2, 2))]))
        self.path("g.zarr/b").mkdir()
        self.path("g.zarr/b/zarr.json").symlink_to("zarr.json")
        told = json.loads(self.lazy("info", "g.zarr", "--json", code=1))
        self.assertEqual([array["path"] for array in told], ["g.zarr/a"])
        self.assertIn("g.zarr/b/zarr.json cannot be read: Too many levels of symbolic links", self.errors)

    def test_names_that_are_no_text(self):
        self.lazy("store", "-", "-o", b"x\xff.zarr", "--json", stdin=stream([np.ones((2, 2))]))
        for command in ["info", "verify", "unfinished"]:
            self.lazy(command, b"x\xff.zarr", "--json")
        self.lazy("store", b"x\xff.zarr", "-o", "b.zarr")
        self.assertEqual(self.array("b.zarr").shape, (2, 2))

    def test_of_others(self):
        zarr.create_array(self.path("2.zarr"), shape=(6, 4), dtype="f4", zarr_format=2)[:] = 1
        told = self.json("info", "2.zarr")
        self.assertEqual((told["shape"], told["metadata"]), ([6, 4], "without a checksum"))
        self.assertIn("nowhere does not exist", self.fails("info", "nowhere"))


class Verify(ProgramTest):
    def setUp(self):
        super().setUp()
        data = np.random.default_rng(0).normal(size=(64, 64))
        self.lazy("store", "-", "-o", "a.zarr", "--chunks", "16,32", stdin=stream([data]))

    def test_a_whole_array(self):
        self.assertEqual(self.lazy("verify", "a.zarr"), "")
        self.assertIn("all 8 chunks of a.zarr can be read, and the metadata is unchanged since it was written", self.errors)
        self.assertEqual(self.json("verify", "a.zarr")["defects"], [])

    def test_every_damage_is_listed(self):
        self.path("a.zarr/c/1/0").unlink()
        chunk = self.path("a.zarr/c/3/1")
        data = bytearray(chunk.read_bytes())
        data[len(data) // 2] ^= 1
        chunk.write_bytes(data)
        found = self.lazy("verify", "a.zarr", code=3)
        self.assertEqual(len(found.splitlines()), 2)
        self.assertIn("chunk [1, 0] (key c/1/0): it is missing", found)
        self.assertIn("chunk [3, 1] (key c/3/1): it is corrupt", found)
        self.assertIn("2 of 8 chunks of a.zarr are missing or corrupt", self.errors)
        told = json.loads(self.lazy("verify", "a.zarr", "--json", code=3))
        self.assertEqual([defect["chunk"] for defect in told["defects"]], [[1, 0], [3, 1]])


class View(ProgramTest):
    def draw(self, array, *arguments):
        self.lazy("store", "-", "-o", "a.zarr", "--replace", "--allow-fewer-rows", stdin=stream([array]))
        self.lazy("view", "a.zarr", "-o", "a.png", "--replace", *arguments)
        return pixels(self.path("a.png"))

    def test_places_and_colours(self):
        array = np.zeros((4, 4))
        array[:2, :2], array[:2, 2:], array[2:, :2], array[2:, 2:] = -2, 1, np.nan, 2
        image = self.draw(array)
        # The map begins at (110, 84), and has 60 pixels for an element.
        middle = {(i, j): tuple(image[84 + 60 * i + 30, 110 + 60 * j + 30]) for i in range(4) for j in range(4)}
        self.assertEqual(len({middle[place] for place in [(0, 0), (0, 3), (3, 0), (3, 3)]}), 4)
        for (i, j), color in middle.items():
            self.assertEqual(color, middle[2 * (i // 2), 2 * (j // 2)])
        self.assertEqual(middle[3, 0], (190, 190, 190), "what is no number is grey")
        self.assertGreater(middle[0, 0][0], middle[0, 0][2], "what is below zero is red")
        self.assertGreater(middle[3, 3][2], middle[3, 3][0], "what is above zero is blue")

    def test_every_shape_and_dtype(self):
        for shape in [(7,), (5000,), (1, 5000), (5000, 1), (900, 1300), (30, 20, 3)]:
            for dtype in ["f4", "?", "u1", "c16"]:
                with self.subTest(shape=shape, dtype=dtype):
                    image = self.draw(np.random.default_rng(0).normal(scale=9, size=shape).astype(dtype))
                    self.assertGreater(len(np.unique(image.reshape(-1, 3), axis=0)), 3)
        self.draw(np.full((3, 3), np.nan))
        self.draw(np.full((3, 3), 7))

    def test_a_part(self):
        array = np.zeros((100, 100))
        array[40:, 20:] = 5
        image = self.draw(array, "--rows", "40:", "--cols", "20:60")
        self.assertEqual(len(np.unique(image[90:680, 115:505].reshape(-1, 3), axis=0)), 1)
        self.assertIn("[40:100, 20:60]", self.errors)
        said = self.fails("view", "a.zarr", "-o", "b.png", "--rows", "200:", code=2)
        self.assertIn("rows 200: are out of range: the array has 100", said)
        self.assertIn("there are no elements to draw", self.fails("view", "a.zarr", "-o", "b.png", "--rows", "5:5", code=2))

    def test_what_is_there_is_not_replaced_unasked(self):
        self.draw(np.ones((2, 2)))
        self.assertIn("a.png already exists", self.fails("view", "a.zarr", "-o", "a.png"))


class Export(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = np.random.default_rng(0).normal(size=(100, 40, 2))
        self.lazy("store", "-", "-o", "a.zarr", "--chunks", "30,7,2", stdin=stream([self.data]))

    def test_whole_and_in_part(self):
        self.lazy("export", "a.zarr", "-o", "a.npy")
        np.testing.assert_array_equal(np.load(self.path("a.npy")), self.data)
        self.lazy("export", "a.zarr", "-o", "b.npy", "--rows", "13:77", "--cols", ":9")
        np.testing.assert_array_equal(np.load(self.path("b.npy")), self.data[13:77, :9])
        self.lazy("export", "a.zarr", "-o", "c.npy", "--rows", "5:5")
        self.assertEqual(np.load(self.path("c.npy")).shape, (0, 40, 2))
        self.assertEqual(self.path("a.npy").stat().st_mode & 0o777, self.path("a.zarr/zarr.json").stat().st_mode & 0o777)

    def test_safetensors(self):
        self.lazy("export", "a.zarr", "-o", "a.safetensors", "--rows", ":10", "--name", "values")
        loaded = load_file(self.path("a.safetensors"))
        np.testing.assert_array_equal(loaded["values"], self.data[:10])
        # And back in.
        self.lazy("store", "a.safetensors", "-o", "b.zarr")
        np.testing.assert_array_equal(self.array("b.zarr")[:], self.data[:10])

    def test_every_dtype(self):
        for dtype in "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split():
            data = self.data.astype(dtype)
            self.lazy("store", "-", "-o", "b.zarr", "--replace", stdin=stream([data]))
            self.lazy("export", "b.zarr", "-o", "b.npy", "--replace")
            np.testing.assert_array_equal(np.load(self.path("b.npy")), data)
            if dtype not in ("c8", "c16"):
                self.lazy("export", "b.zarr", "-o", "b.safetensors", "--replace")
                np.testing.assert_array_equal(load_file(self.path("b.safetensors"))["array"], data)

    def test_a_pipe(self):
        out = subprocess.run([LAZY, "export", "a.zarr", "-o", "-"], capture_output=True, cwd=self.directory, check=True)
        self.lazy("store", "-", "-o", "b.zarr", stdin=out.stdout)
        np.testing.assert_array_equal(self.array("b.zarr")[:], self.data)

    def test_what_cannot_be(self):
        self.lazy("export", "a.zarr", "-o", "a.npy")
        self.assertIn("a.npy already exists", self.fails("export", "a.zarr", "-o", "a.npy"))
        self.assertIn("must end in .npy or", self.fails("export", "a.zarr", "-o", "a.csv", code=2))
        self.assertIn("nowhere", self.fails("export", "a.zarr", "-o", "nowhere/a.npy"))
        said = self.fails("export", "a.zarr", "-o", "a.safetensors", "--name", "__metadata__", code=2)
        self.assertIn("no tensor can have the name", said)
        self.assertIn("out of range: the array has 40", self.fails("export", "a.zarr", "-o", "b.npy", "--cols", "41:", code=2))
        self.path("a.zarr/c/1/0/0").write_bytes(b"x")
        said = self.fails("export", "a.zarr", "-o", "b.npy", code=3)
        self.assertIn("could not read chunk [1, 0, 0] (key c/1/0/0) of a.zarr", said)


class Completions(ProgramTest):
    def test_every_shell(self):
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"]:
            self.assertIn("unfinished", self.lazy("completions", shell))
