"""Inputs that change while they are read, that are no files, and that are many."""

import os
import resource
import socket
import subprocess
import unittest

import numpy as np
from safetensors.numpy import save_file

from support import LAZY, PATIENCE, ProgramTest

class Changes(ProgramTest):
    N_FILES = 400

    def save_parts(self, save):
        self.path("parts").mkdir(exist_ok=True)
        for i in range(self.N_FILES):
            save(self.path(f"parts/{i}"), np.full((4, 100), float(i)))

    def stopped_in_the_middle(self, *arguments):
        command = ["store", "parts", "-o", "a.zarr", "--chunks", "4,100", "--threads", "1", *arguments]
        return self.caught_in_the_middle(*command)

    def goes_on(self, process):
        """What the program says of its failure when its log is read."""
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, errors[-1000:])
        said = errors.decode().splitlines()[-1]
        self.assertTrue(said.startswith("lazy: "), said)
        return said

    def check_unchanged(self, before):
        self.assertEqual({name: data for name, data in self.tree().items() if not name.startswith("parts")},
                         before)
        self.assertEqual(self.lazy("unfinished", "."), "")

    def test_of_every_kind(self):
        def npy(path, data):
            np.save(path, data)
            return path.with_suffix(".npy")

        def npz(path, data):
            np.savez(path, x=data)
            return path.with_suffix(".npz")

        def safetensors(path, data):
            path = path.with_suffix(".safetensors")
            save_file({"x": data}, path)
            return path

        def rewrite(path, save):
            save(path.with_suffix(""), np.full((4, 100), -1.0))

        def rewrite_unnoticed(path, save):
            times = os.stat(path)
            with open(path, "r+b") as file:
                file.seek(-8, os.SEEK_END)
                file.write(bytes(8))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

        def replace(path, save):
            save(self.path("other"), np.full((4, 100), -1.0)).rename(path)

        def cut_off(path, save):
            os.truncate(path, os.stat(path).st_size - 8)

        def remove(path, save):
            path.unlink()

        changes = [(rewrite, "its modification time is different|it was replaced"), (rewrite_unnoticed, "its change time (ctime) is different"),
                   (replace, "it was replaced by another file"), (cut_off, r"it had \d+ bytes and now has \d+"),
                   (remove, "it was removed")]
        for save in (npy, npz, safetensors):
            for change, expected in changes if save is npy else changes[:1]:
                # One that has been read, and one that has not.
                for i in (0, self.N_FILES - 1):
                    with self.subTest(save=save.__name__, change=change.__name__, file=i):
                        self.save_parts(save)
                        process = self.stopped_in_the_middle()
                        path = next(self.path("parts").glob(f"{i}.*"))
                        change(path, save)
                        said = self.goes_on(process)
                        self.assertIn(f"parts/{path.name} changed while it was read: ", said)
                        self.assertTrue(said.startswith("lazy: could not store a.zarr, which is unchanged: "), said)
                        self.assertRegex(said, expected.replace("(ctime)", r"\(ctime\)"))
                        self.check_unchanged({})
            for path in self.path("parts").iterdir():
                path.unlink()

    def test_what_was_there_stays(self):
        self.save("b.npy", np.ones((3, 4)))
        self.lazy("store", "b.npy", "-o", "a.zarr")
        before = {name: data for name, data in self.tree().items()}
        self.save_parts(np.save)
        process = self.stopped_in_the_middle("--replace")
        self.save("parts/0.npy", np.zeros((4, 100)))
        self.assertIn("parts/0.npy changed while it was read: ", self.goes_on(process))
        self.check_unchanged(before)

    def test_chunks_of_an_input_that_changed_later_are_stored_again(self):
        self.save_parts(np.save)
        self.stopped_in_the_middle().kill()
        path = self.path("parts/0.npy")
        times = os.stat(path)
        self.save("parts/0.npy", np.full((4, 100), -1.0))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.lazy("store", "parts", "-o", "a.zarr", "--chunks", "4,100", "--resume")
        expected = [-1.0, *range(1, self.N_FILES)]
        np.testing.assert_array_equal(self.array("a.zarr")[::4, 0], expected)


class NoFiles(ProgramTest):
    """Whatever is no regular file is named, and never waited for."""

    def setUp(self):
        super().setUp()
        self.save("parts/0.npy", np.ones((3, 4)))

    def refused(self, path):
        for inputs in [["parts"], [path], ["parts/0.npy", path]]:
            for command in [["store", *inputs, "-o", "a.zarr"], ["reduce", *inputs, "--stats", "mean"]]:
                done = subprocess.run([LAZY, *command], cwd=self.directory, capture_output=True, timeout=PATIENCE)
                self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
                said = done.stderr.decode()
                self.assertIn(str(path), said)
                self.assertFalse(self.path("a.zarr").exists())
        self.path(path).unlink()
        return said

    def test_of_every_kind(self):
        for extension in ["npy", "npz", "safetensors"]:
            path = f"parts/1.{extension}"
            os.mkfifo(self.path(path))
            self.assertIn(f"{path} is a FIFO, not a regular file", self.refused(path))
            self.path(path).symlink_to("/dev/zero")
            self.assertIn(f"{path} is a character device, not a regular file", self.refused(path))
            self.path(path).symlink_to("/dev/tty")
            self.refused(path)
            self.path(path).symlink_to("nowhere")
            self.assertIn(f"{path} cannot be read: No such file", self.refused(path))
            self.path(path).symlink_to(self.path(path).name)
            self.assertIn(f"{path} cannot be read: Too many levels of symbolic links", self.refused(path))
            with socket.socket(socket.AF_UNIX) as listener:
                here = os.getcwd()
                os.chdir(self.directory)
                try:
                    listener.bind(path)
                finally:
                    os.chdir(here)
                self.assertIn(f"{path} is a socket, not a regular file", self.refused(path))

    def test_folders_and_unreadable_files(self):
        self.path("parts/1.npy").mkdir()
        self.assertIn("parts/1.npy is a directory, not a regular file", self.fails("store", "parts", "-o", "a.zarr"))
        self.path("parts/1.npy").rmdir()
        self.save("parts/1.npy", np.ones((3, 4))).chmod(0)
        if os.geteuid() != 0:
            self.assertIn("parts/1.npy cannot be read: Permission denied", self.refused("parts/1.npy"))

    def test_metadata_that_cannot_be_read(self):
        self.path("parts/zarr.json").symlink_to("zarr.json")
        said = self.fails("store", "parts", "-o", "a.zarr")
        self.assertIn("parts/zarr.json cannot be read: Too many levels of symbolic links", said)

    def test_devices_by_any_name(self):
        said = self.fails("store", "/dev/zero", "-o", "a.zarr")
        self.assertIn("/dev/zero is a character device, not a regular file", said)

    def test_standard_input_that_is_no_stream(self):
        directory = os.open(self.directory, os.O_RDONLY)
        done = subprocess.run([LAZY, "reduce", "-", "--stats", "mean"], stdin=directory, capture_output=True)
        os.close(directory)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"record 0 of standard input cannot be read: Is a directory", done.stderr)

    def test_links_to_files_are_files(self):
        self.path("parts/1.npy").symlink_to("0.npy")
        self.lazy("store", "parts", "-o", "a.zarr")
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.ones((6, 4)))


class Many(ProgramTest):
    def test_few_descriptors_are_enough(self):
        for i in range(3000):
            self.save(f"parts/{i}.npy", np.full((1, 4), i, "i4"))

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        subprocess.run([LAZY, "store", "parts", "-o", "a.zarr", "-q"], cwd=self.directory, preexec_fn=limit, check=True)
        np.testing.assert_array_equal(self.array("a.zarr")[:, 0], np.arange(3000))

    def test_rows_of_arrays_in_columns(self):
        # Several blocks, whose elements lie apart in the file: close to each other, and far apart.
        for shape in [(5000, 2500), (5, 1_100_000), (40_000, 4, 60)]:
            data = np.arange(np.prod(shape), dtype="f8").reshape(shape)
            self.save("a.npy", np.asfortranarray(data))
            self.lazy("store", "a.npy", "-o", "a.zarr", "--codec", "none", "--no-sync", "--replace")
            np.testing.assert_array_equal(self.array("a.zarr")[:], data)


if __name__ == "__main__":
    unittest.main()
