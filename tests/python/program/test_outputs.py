"""Files that commands write, and what they never write over."""

import os
import socket
import stat

import numpy as np

from support import ProgramTest, stream


class Places(ProgramTest):
    def setUp(self):
        super().setUp()
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.arange(12.0).reshape(3, 4)]))

    def commands(self, name):
        for extension, command in [("npy", "export"), ("safetensors", "export"), ("png", "view")]:
            path = f"{name}.{extension}"
            yield path, [command, "a.zarr", "-o", path]

    def refused(self, make, what):
        for path, command in self.commands("there"):
            make(self.path(path))
            before = os.lstat(self.path(path))
            for replace in [[], ["--replace"]]:
                said = self.fails(*command, *replace)
                self.assertIn(f"{path} is {what}, which is never replaced; name another place", said)
                after = os.lstat(self.path(path))
                self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
            if stat.S_ISDIR(before.st_mode):
                self.path(path).rmdir()
            else:
                self.path(path).unlink()
            self.assertEqual(set(os.listdir(self.directory)) - {".a.zarr.lock"}, {"a.zarr"})

    def test_only_files_are_replaced(self):
        def listen(path):
            here = os.getcwd()
            os.chdir(path.parent)
            try:
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(path.name)
            finally:
                os.chdir(here)

        self.refused(os.mkfifo, "a FIFO")
        self.refused(os.mkdir, "a directory")
        self.refused(listen, "a socket")
        self.refused(lambda path: path.symlink_to("/dev/null"), "a symbolic link")
        self.refused(lambda path: path.symlink_to("nowhere"), "a symbolic link")
        if os.geteuid() == 0:
            try:
                os.mknod(self.path("probe"), stat.S_IFCHR, os.makedev(1, 3))
                self.path("probe").unlink()
            except PermissionError:
                return
            self.refused(lambda path: os.mknod(path, stat.S_IFCHR, os.makedev(1, 3)), "a character device")

    def test_links_lead_to_files_that_stay(self):
        self.path("precious.npy").write_bytes(b"precious")
        self.path("link.npy").symlink_to("precious.npy")
        self.fails("export", "a.zarr", "-o", "link.npy", "--replace")
        self.assertEqual(self.path("precious.npy").read_bytes(), b"precious")

    def test_files_are_replaced(self):
        for path, command in self.commands("there"):
            self.path(path).write_bytes(b"old")
            self.assertIn(f"{path} exists already", self.fails(*command))
            self.lazy(*command, "--replace")
            self.assertNotEqual(self.path(path).read_bytes(), b"old")

    def test_results_are_stored_in_groups_alone(self):
        os.mkfifo(self.path("g.zarr"))
        said = self.fails("reduce", "a.zarr", "--stats", "mean", "-o", "g.zarr", code=2)
        self.assertIn("g.zarr is a FIFO, and no group", said)
