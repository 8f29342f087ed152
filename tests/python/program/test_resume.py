"""Writes that are resumed: by whatever path the input is named, after whatever has become of it."""

import os
import shutil
import signal
import subprocess

import numpy as np
from google_crc32c import value as crc32c

from support import LAZY, ProgramTest, stream

N_FILES = 200


class Resume(ProgramTest):
    def setUp(self):
        super().setUp()
        self.parts = [np.random.default_rng(i).normal(size=(4, 100)) for i in range(N_FILES)]
        for i, part in enumerate(self.parts):
            self.save(f"data/r/{i}.npy", part)

    def store(self, *arguments, inputs="data/r", **options):
        return self.lazy("store", inputs, "-o", "a.zarr", "--chunks", "4,100", *arguments, **options)

    def refused(self, *arguments, **options):
        self.store(*arguments, code=1, **options)
        self.check_said(self.errors)
        return self.errors

    def interrupt(self, *arguments):
        """A write that is killed when it has stored some chunks, but not all."""
        process = self.caught_in_the_middle("store", "data/r", "-o", "a.zarr", "--chunks", "4,100", *arguments)
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse(self.path("a.zarr/zarr.json").exists())

    def chunks(self):
        """Tells which file each chunk is."""
        return {path: os.stat(path).st_ino for path in self.path("a.zarr").glob("c/*/*")}

    def check_stored(self):
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate(self.parts))
        self.assertFalse(list(self.path("a.zarr").glob(".lazy.*")))

    def check_kept(self, before):
        """All chunks that were noted are still the same files: all but the last one or two."""
        self.assertGreater(len(before), 5)
        now = self.chunks()
        self.assertGreaterEqual(sum(now[path] == before[path] for path in before), len(before) - 2)

    def test_another_spelling_of_a_path(self):
        self.path("link").symlink_to("data/r", target_is_directory=True)
        for name in ("./data/r", "data/../data/r", self.path("data/r"), "link"):
            with self.subTest(name=name):
                self.interrupt()
                before = self.chunks()
                self.store("--resume", inputs=name)
                self.check_stored()
                self.check_kept(before)
                shutil.rmtree(self.path("a.zarr"))
        self.interrupt()
        before = self.chunks()
        command = [LAZY, "store", "../r", "-o", "../../a.zarr", "--chunks", "4,100", "--resume"]
        subprocess.run(command, cwd=self.path("data/r"), check=True, capture_output=True)
        self.check_stored()
        self.check_kept(before)

    def test_a_directory_that_was_moved(self):
        self.interrupt()
        self.path("moved").mkdir()
        for name in ("data", "a.zarr"):
            self.path(name).rename(self.path("moved") / name)
        self.lazy("store", "moved/data/r", "-o", "moved/a.zarr", "--chunks", "4,100", "--resume")
        np.testing.assert_array_equal(self.array("moved/a.zarr")[:], np.concatenate(self.parts))

    def test_files_that_were_touched(self):
        self.interrupt()
        before = self.chunks()
        for path in self.path("data/r").iterdir():
            path.touch()
        said = self.store("--resume", "--stats", "mean")
        self.assertAlmostEqual(float(said.split()[-1]), np.concatenate(self.parts).mean())
        self.check_stored()
        self.check_kept(before)

    def test_files_that_have_other_contents(self):
        for change in (0, N_FILES - 1):
            with self.subTest(change=change):
                self.interrupt()
                times = os.stat(self.path(f"data/r/{change}.npy"))
                self.parts[change] = self.parts[change] + 1
                self.save(f"data/r/{change}.npy", self.parts[change])
                os.utime(self.path(f"data/r/{change}.npy"), ns=(times.st_atime_ns, times.st_mtime_ns))
                before = self.chunks()
                said = self.store("--resume", "--stats", "mean")
                self.assertAlmostEqual(float(said.split()[-1]), np.concatenate(self.parts).mean())
                self.check_stored()
                self.check_kept({path: inode for path, inode in before.items() if path.parts[-2] != str(change)})
                shutil.rmtree(self.path("a.zarr"))

    def test_other_input_or_settings(self):
        self.save("data/other/0.npy", np.ones((4, 100)))
        self.interrupt()
        for arguments, inputs, what in (
            ([], "data/other", "its key changed"),
            (["--codec", "none"], "data/r", "its codecs changed"),
            (["--attr", "a=1"], "data/r", "its attributes changed"),
        ):
            said = self.refused(*arguments, "--resume", inputs=inputs)
            self.assertIn("lazy: cannot resume the unfinished write of a.zarr in ", said)
            self.assertIn(what, said)
            self.assertIn("\nhint: start anew with --restart, or resume with the original input and settings\n",
                          said)
        said = self.refused(inputs="data/other")
        self.assertIn("\nhint: continue it with --resume, or start anew with --restart\n", said)
        self.store("--resume", "--restart", inputs="data/other")
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.ones((4, 100)))

    def test_a_new_start(self):
        self.interrupt()
        before = self.chunks()
        # One that can be resumed is.
        self.store("--resume", "--restart")
        self.check_stored()
        self.check_kept(before)
        shutil.rmtree(self.path("a.zarr"))
        self.interrupt()
        process = subprocess.run([LAZY, "unfinished", "a.zarr"], cwd=self.directory, capture_output=True, check=True)
        self.assertIn(b" chunks (", process.stdout)
        self.store("--restart")
        self.check_stored()

    def test_a_record_that_cannot_be_understood(self):
        for arguments in (["--restart"], ["--resume", "--restart"]):
            self.interrupt()
            (staging,) = self.path("a.zarr").glob(".lazy.*")
            record = b'{"version": 0}'
            checksum = crc32c(record)
            (staging / "record").write_bytes(record + b"\n" + f"{checksum:08x}".encode() + b"\n")
            said = self.refused()
            self.assertIn("its version is 0", said)
            self.assertTrue(said.endswith("\nhint: start anew with --restart\n"), said)
            self.store(*arguments)
            self.check_stored()
            shutil.rmtree(self.path("a.zarr"))
        self.interrupt()
        (staging,) = self.path("a.zarr").glob(".lazy.*")
        (staging / "record").write_bytes(record + b"\n" + f"{checksum:08x}".encode() + b"\n")
        self.lazy("store", "-", "-o", "a.zarr", "--restart", stdin=stream([np.ones((2, 2))]))
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.ones((2, 2)))

    def test_reading_an_array_that_is_not_complete(self):
        self.interrupt()
        hint = "hint: `lazy unfinished a.zarr` tells if it is running or can be continued\n"
        for command in (["info"], ["verify"], ["view", "-o", "a.png"], ["export", "-o", "a.npy"]):
            self.assertEqual(
                self.fails(*command, "a.zarr"), f"lazy: a.zarr does not exist: a write of it is unfinished\n{hint}")
        for command in (["store", "-o", "b.zarr"], ["reduce", "--stats", "mean"]):
            self.assertEqual(
                self.fails(*command, "a.zarr"), f"lazy: a.zarr is not a Zarr array: a write of it is unfinished\n{hint}")

    def test_an_array_that_is_complete(self):
        self.store("--stats", "mean,max")
        before = self.tree()
        self.assertIn("a.zarr already exists", self.refused())
        for name in ("data/r", "./data/r", self.path("data/r")):
            said = self.store("--resume", "--stats", "mean,max", inputs=name).split()
            self.assertAlmostEqual(float(said[said.index("mean") + 1]), np.concatenate(self.parts).mean())
            self.assertEqual(self.errors, "a.zarr is already complete and equal to the input: float64 [800, 100] from "
                                          "200 arrays; nothing was stored\n")
        for path in self.path("data/r").iterdir():
            path.touch()
        self.assertEqual(self.json("store", "data/r", "-o", "a.zarr", "--chunks", "4,100", "--resume")["shape"], [800, 100])
        other = ("lazy: a.zarr already exists, and was stored from another input, in other blocks or with other settings\n"
                 "hint: choose another path, or replace it with --replace\n")
        self.assertEqual(self.refused("--resume", "--codec", "none"), other)
        self.save("other.npy", np.ones((800, 100)))
        self.assertEqual(self.fails("store", "other.npy", "-o", "a.zarr", "--resume"), other)
        self.path("other.npy").unlink()
        self.assertEqual(self.tree(), before)
        # It is not complete of what the input is now.
        self.parts[7] = self.parts[7] + 1
        self.save("data/r/7.npy", self.parts[7])
        before = self.tree()
        said = self.refused("--resume")
        self.assertEqual(said, "lazy: a.zarr already exists, and its contents differ from this write at block 7\n"
                               "hint: choose another path, or replace it with --replace\n")
        self.assertEqual(self.tree(), before)
        self.store("--resume", "--replace")
        np.testing.assert_array_equal(self.array("a.zarr")[:], np.concatenate(self.parts))

    def test_a_loop_that_tries_until_it_succeeds(self):
        last = np.full((4, 100), 7.0)
        self.parts.append(last)
        np.savez(self.path("whole.npz"), x=last)
        whole = self.path("whole.npz").read_bytes()
        # The checksum in the archive is that of other elements.
        self.path(f"data/r/{N_FILES}.npz").write_bytes(whole.replace(last[0].tobytes(), (last[0] + 1).tobytes()))
        loop = (f'until "{LAZY}" store data/r -o a.zarr --chunks 4,100 --resume; '
                f'do cp whole.npz data/r/{N_FILES}.npz; done')
        said = []
        for _ in range(2):
            done = subprocess.run(["bash", "-c", loop], cwd=self.directory, check=True, capture_output=True, text=True)
            self.check_stored()
            said.append(done.stderr)
        self.assertIn("continue with --resume", said[0])
        self.assertTrue(said[1].startswith("a.zarr is already complete"), said[1])
