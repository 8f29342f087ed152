"""Arguments that are invalid, or that have no effect in what is asked for."""

import numpy as np

from support import ProgramTest, stream


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
