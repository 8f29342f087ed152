"""Writes that fail on a full device, which only a process that may mount can test; and files that cannot be removed."""

import subprocess

import numpy as np

from support import ProgramTest


class SmallDevice(ProgramTest):
    def setUp(self):
        super().setUp()
        self.path("m").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "lazy-program", self.path("m")]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no file system can be mounted")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.path("m")], check=True)
        self.save("a.npy", np.random.default_rng(0).integers(0, 255, (4, 500_000), np.uint8))

    def on_device(self):
        return sorted(str(path.relative_to(self.path("m"))) for path in self.path("m").rglob("*"))

    def test_a_write_without_a_complete_chunk_leaves_nothing(self):
        arguments = ["store", "a.npy", "-o", "m/a.zarr", "--codec", "none", "--chunks"]
        for more in ([], ["--resume"], ["--restart"]):
            said = self.fails(*arguments, "4,500000", *more)
            self.assertIn("No space left on device", said)
            self.assertEqual(self.on_device(), [])
        # Of smaller chunks, some are complete.
        self.lazy(*arguments, "1,500000", code=1)
        self.assertIn("hint: the stored chunks are kept: continue with --resume", self.errors)
        self.assertEqual([one["chunks"] > 0 for one in self.json("unfinished", "m")], [True])
        self.lazy("unfinished", "m/a.zarr", "--remove")
        self.assertEqual(self.on_device(), [])


class Remains(ProgramTest):
    def test_files_that_cannot_be_removed_are_reported(self):
        # A directory in the place of a file cannot be removed.
        command = "until mkdir a.zarr/.lazy.1/in-the-way; do sleep 0.01; done 2> errors; exit 7"
        self.lazy("store", "--from-command", command, "-o", "a.zarr", code=1)
        self.check_said(self.errors)
        self.assertIn("ended with exit code 7", self.errors)
        self.assertIn("an unfinished write is left; remove it with `lazy unfinished a.zarr --remove`", self.errors)
        self.lazy("unfinished", "a.zarr", "--remove", code=1)
        self.path("a.zarr/.lazy.2/in-the-way").rmdir()
        self.lazy("unfinished", "a.zarr", "--remove")
        self.assertFalse(self.path("a.zarr").exists())
