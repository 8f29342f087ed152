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
                ["consolidate"], ["consolidate", "--remove"], ["attributes"], ["attributes", "--set", "a=1"], ["info"], ["verify"], ["view", "-o", "a.png"],
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
        self.assertEqual(columns["top/values"].dims, ("column", "axis_2", "top_0"))

    def test_xarray_opens_results_of_arrays_of_other_sizes(self):
        arrays = {name: np.random.default_rng(0).normal(size=shape) for name, shape in (("values", (6, 4)), ("y", (3, 2)))}
        for name, array in arrays.items():
            self.lazy("store", "-", "-o", "g.zarr", "--array", name, stdin=stream([array]))
        # The names of axes of `values` are `values_0` and `values_1`, and an array of a result is named `values`, too.
        self.lazy("reduce", "g.zarr/values", "--stats", "top:3,top:2,bottom:3,histogram:0,1,2,argmax,cov", "-o", "g.zarr")
        for axis, stats in (("rows", ("mean,std", "max,top:2", "l2")), ("columns", ("sum,var", "min", "l1"))):
            for of, stat in zip((stream([arrays["values"]]), stream([arrays["y"]]), stream([arrays["values"]])), stats):
                name = "rows.zarr" if stat != "max,top:2" else "rows.zarr/below"
                self.lazy("reduce", "-", "--stats", stat, "--axis", axis, "-o", name, stdin=of)
        self.lazy("reduce", "-", "--stats", "mean,std", "--axis", "columns", "-o", "rows.zarr", "--replace", stdin=stream([arrays["y"]]))
        for group in ("g.zarr", "rows.zarr"):
            data_set = xarray.open_zarr(self.path(group), consolidated=False)
            tree = xarray.open_datatree(self.path(group), engine="zarr", consolidated=False).load()
            self.assertEqual(sorted(data_set), sorted(tree.to_dataset()))
            for members in tree.subtree:
                self.assertTrue(members.to_dataset())
        self.assertEqual((data_set["sum"].dims, data_set["min"].dims, data_set["l1"].dims), (("column",), ("column_2",), ("column",)))
        self.assertEqual((data_set["mean"].dims, data_set["std"].dims), (("column_2",), ("column_2",)))
        self.assertEqual(data_set["l2"].dims, ("row",))
        self.assertEqual((tree["below/max"].dims, tree["below/top/values"].dims), (("row_2",), ("row_2", "top_0")))


class Members(ProgramTest):
    """Groups of zarr-python and of this program, changed by each other."""

    def setUp(self):
        super().setUp()
        group = zarr.open_group(self.path("g.zarr"), mode="w", attributes={"x": [0.1 + 0.2, 5e-324], "n": 2**60, "draft": True})
        group.create_array("theirs", data=np.arange(12.0).reshape(3, 4), chunks=(2, 2), attributes={"unit": "m"})
        group.create_group("inner", attributes={"run": 1}).create_array("deep", data=np.arange(5))
        for name in ("ours", "inner/c"):
            self.lazy("store", "-", "-o", "g.zarr", "--array", name, "--chunks", "1,2", stdin=stream([np.ones((2, 2))]))

    def names(self):
        group = zarr.open_group(self.path("g.zarr"), mode="r")
        with warnings.catch_warnings():
            # A directory of other files is no member.
            warnings.simplefilter("ignore")
            return sorted(name for name, _ in group.members(max_depth=None))

    def test_info_lists_members(self):
        told = self.json("info", "g.zarr")
        self.assertEqual((told["kind"], told["zarr_format"], told["consolidated"]), ("group", 3, "no"))
        self.assertEqual(told["attributes"], dict(zarr.open_group(self.path("g.zarr"), mode="r").attrs))
        listed = {member["name"]: (member["kind"], member.get("shape"), member.get("dtype"), member.get("chunk_shape"), member["attributes"])
                  for member in told["members"]}
        self.assertEqual(listed, {
            "inner": ("group", None, None, None, {"run": 1}),
            "inner/c": ("array", [2, 2], "float64", [1, 2], {}),
            "inner/deep": ("array", [5], "int64", [5], {}),
            "ours": ("array", [2, 2], "float64", [1, 2], {}),
            "theirs": ("array", [3, 4], "float64", [2, 2], {"unit": "m"}),
        })
        self.assertEqual(sorted(listed), self.names())
        text = self.lazy("info", "g.zarr")
        for line in ["  group        Zarr v3", "  consolidated no", "  attribute    draft true", "  members      5",
                     "  inner       group", "  inner/c     float64  2 × 2  in chunks of 1 × 2", "  theirs      float64  3 × 4  in chunks of 2 × 2"]:
            self.assertIn(line + "\n", text)

    def test_info_compares_consolidated_metadata(self):
        state = lambda: self.json("info", "g.zarr")["consolidated"]
        for consolidate in (lambda: self.lazy("consolidate", "g.zarr"), lambda: zarr.consolidate_metadata(self.path("g.zarr"))):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                consolidate()
            self.assertEqual(state(), "current")
            self.lazy("attributes", "g.zarr", "--set", "more=1")
            self.assertEqual(state(), "current")
            self.path("g.zarr/inner/zarr.json").write_text(self.path("g.zarr/inner/zarr.json").read_text().replace('"run": ', '"run": 1'))
            self.assertEqual(state(), "outdated")

    def test_attributes_are_printed_and_changed(self):
        before = json.loads(self.path("g.zarr/zarr.json").read_text())
        self.assertEqual(self.json("attributes", "g.zarr"), before["attributes"])
        self.assertEqual(self.lazy("attributes", "g.zarr/theirs"), 'unit "m"\n')
        told = self.json("attributes", "g.zarr", "--set", "l2=1e-3", "--set", "text=a=b", "--unset", "draft", "--unset", "absent")
        after = json.loads(self.path("g.zarr/zarr.json").read_text())
        expected = {"x": [0.1 + 0.2, 5e-324], "n": 2**60, "l2": 1e-3, "text": "a=b"}
        self.assertEqual((told, after.pop("attributes")), (expected, expected))
        before.pop("attributes")
        self.assertEqual(after, before)
        self.assertEqual(dict(zarr.open_group(self.path("g.zarr"), mode="r").attrs), expected)
        self.assertIn("g.zarr/ours is not a Zarr group: it is a Zarr array", self.fails("attributes", "g.zarr/ours", "--set", "a=1"))
        self.assertIn("the name is reserved", self.fails("attributes", "g.zarr", "--set", "provenance=1"))
        self.assertIn("is not an attribute", self.fails_to_parse("attributes", "g.zarr", "--set", "a"))
        zarr.open_group(self.path("v2.zarr"), mode="w", zarr_format=2, attributes={"a": 1})
        self.assertEqual(self.json("attributes", "v2.zarr"), {"a": 1})
        self.assertIn("it is a Zarr v2 group", self.fails("attributes", "v2.zarr", "--set", "a=2"))

    def fails_to_parse(self, *arguments):
        self.lazy(*arguments, code=2)
        return self.errors

    def test_members_are_removed(self):
        self.lazy("remove", "g.zarr/theirs")
        self.assertEqual(self.errors, "removed g.zarr/theirs\n")
        self.lazy("remove", "g.zarr/ours")
        self.assertEqual(self.names(), ["inner", "inner/c", "inner/deep"])
        self.assertEqual(sorted(path.name for path in self.path("g.zarr").iterdir()), ["inner", "zarr.json"])
        said = self.fails("remove", "g.zarr/inner", code=2)
        self.assertIn("g.zarr/inner is a group with 2 members; remove it with --recursive", said)
        self.path("g.zarr/inner/c/c/notes").write_text("precious")
        told = self.json("remove", "g.zarr/inner", "-r")
        kept = [str((self.path("g.zarr/inner/c/c/notes")).resolve())]
        self.assertEqual(told, {"path": "g.zarr/inner", "arrays": 2, "groups": 1, "kept": kept})
        self.assertEqual(self.names(), [])
        self.assertEqual(self.path("g.zarr/inner/c/c/notes").read_text(), "precious")

    def test_what_is_no_member_is_not_removed(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((2, 2))]))
        for name in ("a.zarr", "g.zarr", "a.zarr/c", "."):
            self.assertIn("is not a member of a Zarr group", self.fails("remove", name))
        self.assertIn("g.zarr/missing does not exist", self.fails("remove", "g.zarr/missing"))
        self.assertIn("missing.zarr does not exist", self.fails("remove", "missing.zarr/a"))
        self.lazy("consolidate", "g.zarr")
        said = self.fails("remove", "g.zarr/ours")
        self.assertIn("it would make the consolidated metadata of", said)
        self.assertIn("hint: remove the consolidated metadata with `lazy consolidate ", said)

    def test_an_array_with_an_unfinished_write_is_not_removed(self):
        for i in range(2):
            self.save(f"{i}.npy", np.full((200, 2), i, "f8"))
        writing = self.caught_in_the_middle("store", "0.npy", "1.npy", "-o", "g.zarr", "--array", "ours", "--replace", "--chunks", "1,2", "--codec", "none")
        self.lazy("remove", "g.zarr/ours", code=1)
        self.assertRegex(self.errors, r"g.zarr/ours is being written by process \d+")
        self.lazy("remove", "g.zarr/theirs")
        writing.kill()
        writing.wait()
        self.lazy("remove", "g.zarr/ours", code=1)
        self.assertRegex(self.errors, "hint: remove it with `lazy unfinished .*g.zarr/ours --remove`")
        self.lazy("unfinished", "g.zarr/ours", "--remove")
        self.lazy("remove", "g.zarr/ours")
        self.assertEqual(self.names(), ["inner", "inner/c", "inner/deep"])


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
        listed = [(member["path"], member["kind"]) for member in told["members"]]
        self.assertEqual(listed, [("g.zarr/a", "broken"), ("g.zarr/b", "array"), ("g.zarr/link", "group")])
        self.assertIn("g.zarr/a/zarr.json is not valid JSON", told["members"][0]["error"])

    def test_a_member_that_cannot_be_read_is_named(self):
        self.lazy("store", "-", "-o", "g.zarr", "--array", "a", stdin=stream([np.ones((2, 2))]))
        self.path("g.zarr/b").mkdir()
        self.path("g.zarr/b/zarr.json").symlink_to("zarr.json")
        told = json.loads(self.lazy("info", "g.zarr", "--json", code=1))
        self.assertEqual([(member["path"], member["kind"]) for member in told["members"]], [("g.zarr/a", "array"), ("g.zarr/b", "broken")])
        self.assertRegex(self.errors, "could not access .*g.zarr/b/zarr.json: Too many levels of symbolic links")

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
