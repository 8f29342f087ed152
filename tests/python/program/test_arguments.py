"""Arguments that are invalid, or that have no effect in what is asked for."""

import numpy as np

from support import ProgramTest, pixels, stream


class WithoutEffect(ProgramTest):
    def setUp(self):
        super().setUp()
        self.save("a.npy", np.ones((2, 3)))
        np.savez(self.path("a.npz"), x=np.ones((2, 3)), y=np.zeros((2, 3)))
        self.lazy("store", "a.npy", "-o", "a.zarr")

    def test_options_without_effect_are_errors(self):
        store = ["store", "-o", "b.zarr"]
        for arguments, said in [
            (["export", "a.zarr", "-o", "b.npy", "--name", "x"], "--name names the tensor of a .safetensors file"),
            (["export", "a.zarr", "-o", "-", "--name", "array"], "--name names the tensor of a .safetensors file"),
            (["export", "a.zarr", "-o", "-", "--replace"], "--replace is for files"),
            ([*store, "a.npy", "--select", "x"], "--select chooses arrays of .npz and .safetensors files"),
            ([*store, "a.zarr", "a.npy", "--select", "x"], "--select chooses arrays of .npz and .safetensors files"),
            ([*store, "-", "--select", "x"], "--select chooses arrays of .npz and .safetensors files"),
            ([*store, "--from-command", "cat a.npy", "--select", "x"], "--select chooses arrays of .npz and"),
            (["reduce", "--stats", "mean", "-", "--sort"], "--sort orders files and arrays by name"),
            ([*store, "--from-command", "cat a.npy", "--sort"], "--sort orders files and arrays by name"),
            ([*store, "a.npy", "--memory", "1G"], "--memory limits the memory of statistics"),
            ([*store, "a.npy", "--attr", "x=1", "--attr", "y=2", "--attr", "x=3"], "--attr sets x twice"),
        ]:
            with self.subTest(arguments):
                self.assertIn(f"lazy: {said}", self.fails(*arguments, stdin=stream([np.ones((2, 3))]), code=2))

    def test_options_that_have_an_effect_on_some_inputs_are_none(self):
        self.lazy("store", "a.npy", "a.npz", "--select", "x", "-o", "b.zarr")
        self.assertEqual(self.array("b.zarr").shape, (4, 3))
        self.lazy("store", "a.npy", "-o", "c.zarr", "--sort", "--stats", "mean", "--memory", "1G", "--attr", "x=1")
        self.lazy("export", "a.zarr", "-o", "a.safetensors", "--name", "x", "--replace")


class OneAxis(ProgramTest):
    def test_rows_are_the_elements_along_the_only_axis(self):
        data = np.arange(40.0) % 7
        self.lazy("store", "-", "-o", "a.zarr", "--chunks", "9", stdin=stream([data]))
        self.lazy("export", "a.zarr", "-o", "a.npy", "--rows", "5:-3")
        np.testing.assert_array_equal(np.load(self.path("a.npy")), data[5:-3])
        self.lazy("view", "a.zarr", "-o", "a.png", "--rows", "5:-3")
        self.assertIn("drew a.png: float64 [40], [5:37]\n", self.errors)
        # The picture is the one of an array of two axes with these elements in its only row.
        self.lazy("store", "-", "-o", "two.zarr", stdin=stream([data[None]]))
        self.lazy("view", "two.zarr", "-o", "two.png", "--cols", "5:-3")
        one, two = (pixels(self.path(name)) for name in ("a.png", "two.png"))
        self.assertEqual(one.shape, two.shape)
        middle = len(one) // 2
        np.testing.assert_array_equal(one[middle, 300:500], two[middle, 300:500])
        for command in (["export", "-o", "b.npy"], ["view", "-o", "b.png"]):
            said = self.fails(*command, "a.zarr", "--cols", "1:2", code=2)
            self.assertIn("a.zarr has one axis, so it has no columns; choose elements with --rows", said)
            self.assertIn("rows 41: are out of range", self.fails(*command, "a.zarr", "--rows", "41:", code=2))


class Numbers(ProgramTest):
    def test_a_number_that_is_invalid_is_explained_without_rust(self):
        for option, wrong, said in [
            ("--grid", "0", "from 1 on"), ("--grid", "-2", "from 1 on"), ("--grid", "two", "from 1 on"),
            ("--blocks", "x", "from 0 on"), ("--blocks", "-1", "from 0 on"), ("--rows", "1.5", "from 0 on"),
            ("--rows", "9" * 30, "from 0 on"), ("--threads", "0", "from 1 to 1024"), ("--threads", "2000", "from 1 to 1024"),
        ]:
            for command in (["store", "-", "-o", "a.zarr"], ["reduce", "-", "--stats", "mean"]):
                with self.subTest(option, wrong=wrong):
                    self.lazy(*command, option, wrong, code=2)
                    self.assertRegex(
                        self.errors, rf"\Aerror: invalid value '{wrong}' for '{option} <.*>': must be a whole number {said}\n")
        self.save("a.npy", np.ones((2, 3)))
        numbers = ["--grid", "2", "--blocks", "4", "--rows", "4", "--threads", "2"]
        self.lazy("store", *4 * ["a.npy"], "-o", "a.zarr", *numbers)
        self.assertEqual(self.array("a.zarr").shape, (4, 6))
        for option in (["--chunks", "-1,2"], ["--shards", "-1,2"], ["--memory", "-1G"]):
            self.lazy("store", "-", "-o", "a.zarr", *option, code=2)
            self.assertIn("invalid value", self.errors)
