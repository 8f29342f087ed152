"""Statistics by name are those of NumPy."""

import numpy as np
import zarr

from support import ProgramTest, stream

EDGES = [-1, 0, 0.5, 2]
QUANTILES = [0, 0.25, 1]
LIST = (
    "count,sum,mean,var,std,min,max,argmin,argmax,top:3,bottom:2,l1,l2,linf,"
    "quantiles:0,0.25,1,histogram:-1,0,0.5,2"
)


def expected(data, axis):
    """What NumPy finds, by the statistic and its part."""
    cells = data.reshape(1, -1) if axis is None else np.moveaxis(data, axis, -1)
    order = np.argsort(cells, axis=-1, kind="stable")
    largest = cells.shape[-1] - 1 - np.argsort(cells[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    found = {
        "count": np.full(cells.shape[:-1], cells.shape[-1]),
        "sum": cells.sum(-1),
        "mean": cells.mean(-1),
        "var": cells.var(-1),
        "std": cells.std(-1),
        "min": cells.min(-1),
        "max": cells.max(-1),
        "l1": np.abs(cells).sum(-1),
        "l2": np.sqrt((cells**2).sum(-1)),
        "linf": np.abs(cells).max(-1),
        "histogram": np.apply_along_axis(lambda cell: np.histogram(cell, EDGES)[0], -1, cells),
    }
    for name, indices in [("argmin", order[..., :1]), ("argmax", largest[..., :1]), ("top:3", largest[..., :3]),
                          ("bottom:2", order[..., :2])]:
        values = np.take_along_axis(cells, indices, -1)
        if name.startswith("arg"):
            indices, values = indices[..., 0], values[..., 0]
        found[name] = (values, indices)
    return found


class Statistics(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = np.random.default_rng(3).normal(size=(40, 12))
        self.stream = stream([self.data[:15], self.data[15:]])

    def compare(self, found, axis):
        for name, reference in expected(self.data, axis).items():
            actual = next(value for key, value in found.items() if key.split(":")[0] == name.split(":")[0])
            with self.subTest(name=name, axis=axis):
                if isinstance(reference, tuple):
                    self.compare_places(actual, reference, axis)
                elif name == "histogram" and axis is None:
                    np.testing.assert_array_equal(actual["bins"], reference[0])
                    self.assertEqual((actual["below"], actual["above"], actual["nan"]),
                                     ((self.data < -1).sum(), (self.data > 2).sum(), 0))
                else:
                    reference = reference[0] if axis is None else reference
                    np.testing.assert_allclose(actual, reference, rtol=1e-12, atol=1e-13)
        quantiles = np.asarray(found["quantiles:0,0.25,1"])
        reference = np.quantile(self.data, QUANTILES, axis=axis, method="lower")
        np.testing.assert_array_equal(np.moveaxis(quantiles, -1, 0), reference)

    def compare_places(self, actual, reference, axis):
        values, indices = reference
        if axis is not None:
            np.testing.assert_array_equal(actual["values"], values)
            np.testing.assert_array_equal(actual["indices"], indices)
            return
        rows, columns = np.unravel_index(indices[0], self.data.shape)
        if "value" in actual:
            self.assertEqual((actual["value"], actual["row"], actual["index"]), (values[0], rows, columns))
        else:
            np.testing.assert_array_equal(actual["values"], values[0])
            np.testing.assert_array_equal([actual["rows"], actual["indices"]], [rows, columns])

    def test_of_the_array_of_rows_and_of_columns(self):
        for axis, name in [(None, "all"), (1, "rows"), (0, "columns")]:
            found = self.json("reduce", "-", "--stats", LIST, "--axis", name, stdin=self.stream)
            self.compare(found, axis)

    def test_matrices_of_columns(self):
        found = self.json("reduce", "-", "--stats", "cov,corr,gram", stdin=self.stream)
        np.testing.assert_allclose(found["cov"], np.cov(self.data, rowvar=False), atol=1e-12)
        np.testing.assert_allclose(found["corr"], np.corrcoef(self.data, rowvar=False), atol=1e-12)
        np.testing.assert_allclose(found["gram"], self.data.T @ self.data, atol=1e-11)
        # Of an array that is cut along both axes, blocks of whole rows are made.
        array = zarr.create_array(self.path("a.zarr"), shape=self.data.shape, dtype="f8", chunks=(7, 5))
        array[:] = self.data
        found = self.json("reduce", "a.zarr", "--stats", "cov")
        np.testing.assert_allclose(found["cov"], np.cov(self.data, rowvar=False), atol=1e-12)
        said = self.fails("reduce", "-", "--stats", "cov", "--axis", "rows", stdin=self.stream, code=2)
        self.assertIn("leave out --axis", said)

    def test_integers_stay_integers(self):
        times = np.array([[1764336000123456789, 1764336000123456790], [3, -(2**63)]])
        for dtype, data in (("int64", times), ("uint64", np.abs(times[:1]).astype("u8") + (1 << 63)), ("bool", times > 5)):
            with self.subTest(dtype=dtype):
                self.save("t.npy", data)
                names = "min,max,argmin,argmax,top:1,bottom:1,quantiles:0,1"
                found = self.json("reduce", "t.npy", "--stats", names)
                low, high = int(data.min()), int(data.max())
                self.assertEqual([found["min"], found["max"]], [low, high])
                self.assertEqual([found["argmin"]["value"], found["argmax"]["value"]], [low, high])
                self.assertEqual([found["bottom:1"]["values"], found["top:1"]["values"]], [[low], [high]])
                self.assertEqual(found["quantiles:0,1"], [low, high])
                self.assertIn(f" {high}\n", self.lazy("reduce", "t.npy", "--stats", "max"))
                table = self.lazy("reduce", "t.npy", "--stats", names, "--axis", "rows").split()
                for value in [*data.min(1), *data.max(1)]:
                    self.assertIn(str(int(value)), table)
                self.lazy("reduce", "t.npy", "--stats", names + ",sum", "--axis", "columns", "-o", "t.zarr", "--replace")
                group = zarr.open_group(self.path("t.zarr"), mode="r")
                for name, reference in (("min", data.min(0)), ("max", data.max(0)), ("argmax/values", data.max(0)),
                                        ("top/values", data.max(0)[:, None]), ("quantiles", np.stack([data.min(0), data.max(0)], -1)), ("sum", data.astype(object).sum(0))):
                    self.assertIn(group[name].dtype.kind, "iu", name)
                    self.assertEqual(group[name][:].tolist(), reference.tolist(), name)
                self.assertIsInstance(self.json("reduce", "t.npy", "--stats", "sum")["sum"], int if dtype != "uint64" else float)

    def test_quantiles_of_many_elements_are_within_their_error_in_rank(self):
        # Kelvins of a room, whose relative differences are small.
        kelvins = 293 + np.random.default_rng(8).permutation(60_000).astype("f4").reshape(60, 1000) * np.float32(1e-4)
        self.save("k.npy", kelvins)
        ranks = np.sort(kelvins.ravel())
        for arguments, error in (([], 0.001), (["--rank-error", "0.02"], 0.02)):
            found = self.json("reduce", "k.npy", "--stats", "quantiles:0,0.5,0.99,1", *arguments)["quantiles:0,0.5,0.99,1"]
            self.assertEqual([found[0], found[3]], [ranks[0], ranks[-1]])
            for quantile, value in zip((0.5, 0.99), found[1:3]):
                rank = np.searchsorted(ranks, value)
                self.assertLessEqual(abs(rank - int(quantile * (ranks.size - 1))), error * ranks.size)
        for wrong in ("0", "0.6", "much"):
            self.lazy("reduce", "k.npy", "--stats", "quantiles:0.5", "--rank-error", wrong, code=2)
            self.assertIn("must be a number from 0.00001 to 0.5", self.errors)

    def test_results_of_nothing_have_the_dtype_of_integers(self):
        self.save("n.npy", np.zeros((0, 3), "u1"))
        self.lazy("reduce", "n.npy", "--stats", "max,sum,top:1", "--axis", "rows", "-o", "n.zarr")
        group = zarr.open_group(self.path("n.zarr"), mode="r")
        self.assertEqual([group[name].dtype for name in ("max", "sum", "top/values")], [np.uint64] * 3)
        found = self.json("reduce", "n.npy", "--stats", "sum", "--axis", "columns")
        self.assertEqual(str(found["sum"]), "[0, 0, 0]")

    def test_nan(self):
        self.data[3, 4] = np.nan
        found = self.json("reduce", "-", "--stats", "mean,max", stdin=stream([self.data]))
        self.assertEqual(found, {"mean": "nan", "max": "nan"})
        found = self.json("reduce", "-", "--stats", "mean,count", "--ignore-nan", stdin=stream([self.data]))
        self.assertAlmostEqual(found["mean"], np.nanmean(self.data))
        self.assertEqual(found["count"], 40 * 12 - 1)

    def test_a_table_is_aligned(self):
        table = self.lazy("reduce", "-", "--stats", LIST, stdin=self.stream)
        lines = table.splitlines()
        self.assertEqual(lines[0].split(), ["value", "row", "index"])
        top = [line for line in lines if line.startswith("top:3")][0].split()
        self.assertEqual(float(top[1]), self.data.max())
        self.assertEqual(self.data[int(top[2]), int(top[3])], self.data.max())
        self.assertTrue(any(line.startswith("histogram 0..0.5 ") for line in lines), table)
        table = self.lazy("reduce", "-", "--stats", "mean,top:2,quantiles:0.5", "--axis", "columns", stdin=self.stream)
        lines = table.splitlines()
        self.assertEqual(len(lines), 1 + 12)
        self.assertEqual(len({len(line) for line in lines}), 1, "all lines end at one column")
        row = lines[5].split()
        self.assertEqual((row[0], float(row[2])), ("4", self.data[:, 4].max()))

    def test_results_are_stored(self):
        printed = self.lazy("reduce", "-", "--stats", "mean,std,argmax,top:2,top:3,quantiles:0.5,0.9", "--axis", "rows", "-o",
                  "s.zarr", stdin=self.stream)
        self.assertEqual(printed, "", "rows may be millions")
        self.assertIn("reduced 2 blocks, 3.75 KiB, in", self.errors)
        group = zarr.open_group(self.path("s.zarr"), mode="r")
        np.testing.assert_allclose(group["mean"][:], self.data.mean(1))
        np.testing.assert_allclose(group["std"][:], self.data.std(1))
        np.testing.assert_array_equal(group["argmax/indices"][:], self.data.argmax(1))
        np.testing.assert_array_equal(group["top-2/values"][:, 0], self.data.max(1))
        self.assertEqual(group["top/values"].shape, (40, 2))
        self.assertEqual(group["quantiles"].attrs["entries"], ["0.5", "0.9"])
        self.assertEqual(group["quantiles"].attrs["statistic"], "quantiles:0.5,0.9")
        said = self.fails("reduce", "-", "--stats", "mean", "-o", "s.zarr", stdin=self.stream)
        self.assertIn("s.zarr/mean already exists", said)
        self.lazy("reduce", "-", "--stats", "mean", "-o", "s.zarr", "--replace", stdin=self.stream)
        np.testing.assert_allclose(zarr.open_group(self.path("s.zarr"), mode="r")["mean"][:], [self.data.mean()])

    def test_files_on_threads_give_the_same(self):
        self.save("a.npy", self.data)
        self.lazy("store", "a.npy", "-o", "a.zarr", "--chunks", "7,5")
        streamed = self.json("reduce", "-", "--stats", "sum,top:3,std", stdin=stream([self.data]))
        for n_threads in (1, 3):
            for name in ("a.npy", "a.zarr"):
                found = self.json("reduce", name, "--stats", "sum,top:3,std", "--threads", n_threads)
                self.assertEqual(found["top:3"], streamed["top:3"])
                self.assertAlmostEqual(found["std"], streamed["std"])
