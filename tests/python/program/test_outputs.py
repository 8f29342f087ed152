"""Files that commands write, and what they never write over."""

import fcntl
import json
import os
import pty
import re
import shutil
import socket
import stat
import struct
import subprocess
import termios
import time

import numpy as np
import zarr

from support import LAZY, ProgramTest, stream


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
                self.assertIn(f"{path} is {what}, which is never replaced\nhint: choose another path\n", said)
                after = os.lstat(self.path(path))
                self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
            if stat.S_ISDIR(before.st_mode):
                self.path(path).rmdir()
            else:
                self.path(path).unlink()
            self.assertEqual(set(os.listdir(self.directory)), {"a.zarr"})

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

    def test_a_directory_that_is_missing_or_cannot_be_written_is_named(self):
        self.path("link").symlink_to("nowhere")
        # Not even root can create files there.
        for place, said in [
            ("nowhere", "the directory nowhere does not exist"),
            ("nowhere/deep", "the directory nowhere/deep does not exist"),
            ("link", "the directory link does not exist"),
            ("/proc", "no file can be created in the directory /proc: "),
        ]:
            for path, command in self.commands(f"{place}/there"):
                self.assertIn(f"lazy: {path} cannot be written: {said}", self.fails(*command))
                self.assertNotIn(".lazy-", self.errors)
                self.assertNotIn("at path", self.errors)

    def test_links_lead_to_files_that_stay(self):
        self.path("precious.npy").write_bytes(b"precious")
        self.path("link.npy").symlink_to("precious.npy")
        self.fails("export", "a.zarr", "-o", "link.npy", "--replace")
        self.assertEqual(self.path("precious.npy").read_bytes(), b"precious")

    def test_files_are_replaced(self):
        for path, command in self.commands("there"):
            self.path(path).write_bytes(b"old")
            self.assertIn(f"{path} already exists", self.fails(*command))
            self.lazy(*command, "--replace")
            self.assertNotEqual(self.path(path).read_bytes(), b"old")

    def test_results_are_stored_in_groups_alone(self):
        os.mkfifo(self.path("g.zarr"))
        said = self.fails("reduce", "a.zarr", "--stats", "mean", "-o", "g.zarr", code=2)
        self.assertIn("g.zarr is a FIFO, not a group", said)


class Names(ProgramTest):
    """A name that promises something else than what would be made is refused."""

    def test_of_another_format(self):
        self.save("x.npy", np.ones((2, 3)))
        self.lazy("store", "x.npy", "-o", "a.zarr")
        before = self.tree()
        for name in ("-", "y.npy", "y.NPZ", "y.safetensors", "y.csv", "y.h5"):
            for command in (["store", "x.npy"], ["reduce", "x.npy", "--stats", "sum"]):
                self.lazy(*command, "-o", name, code=2)
                self.assertIn("a Zarr array is a directory", self.errors)
        for name in ("u.jpg", "u.pdf", "u.zarr"):
            self.lazy("view", "a.zarr", "-o", name, code=2)
            self.assertIn("ends in .png", self.errors)
        self.assertEqual(self.tree(), before)
        for name in ("b.zarr", "b.v2", "b", "b.npy.zarr"):
            self.lazy("store", "x.npy", "-o", name)
        for name in ("u.png", "U.PNG", "u"):
            self.lazy("view", "a.zarr", "-o", name)

    def test_a_terminal(self):
        self.save("x.npy", np.ones((2, 3)))
        self.lazy("store", "x.npy", "-o", "a.zarr")
        reader, terminal = pty.openpty()
        command = [LAZY, "export", "a.zarr", "-o", "-"]
        done = subprocess.run(command, cwd=self.directory, stdout=terminal, stderr=-1)
        os.close(terminal)
        os.close(reader)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(b"standard output is a terminal", done.stderr)


class Terminals(ProgramTest):
    def test_names_are_no_commands_for_a_terminal(self):
        evil = "a\x1b[2J\x9b31m\u202egnp.zarr"
        array = zarr.create_array(self.path(evil), shape=(4, 4), chunks=(2, 2), dtype="f8",
                                  dimension_names=["x\x1b]0;title\x07", "y\nz"], attributes={"k\x1b[1m": "v\x7f\x85"})
        array[:] = 1
        chunk = self.path(evil) / "c/0/0"
        for command in (["info", evil], ["verify", evil], ["reduce", evil, "--stats", "mean"], ["unfinished", evil],
                        ["clean", evil], ["store", evil, "-o", evil + "2"], ["view", evil, "-o", evil + ".png"],
                        ["export", evil, "-o", evil + ".npy"], ["info", evil + "3"], ["consolidate", evil],
                        ["info", evil, "--json"], ["verify", evil, "--json"], ["store", evil, "-o", evil + "4", "--json"]):
            done = subprocess.run([LAZY, *command], cwd=self.directory, capture_output=True)
            for output in (done.stdout.decode(), done.stderr.decode()):
                for letter in "\x1b\x9b\x07\x7f\x85\u202e":
                    self.assertNotIn(letter, output, command)
        told = self.json("info", evil)
        self.assertEqual((told["attributes"]["k\x1b[1m"], told["path"]), ("v\x7f\x85", evil))
        chunk.write_bytes(b"torn")
        told = self.lazy("verify", evil, code=3) + self.errors
        self.assertNotIn("\x1b", told)
        told = self.lazy("info", evil)
        self.assertIn("\\u{1b}[2J", told)
        self.assertIn("y\\nz", told)

    def test_progress_fits_into_a_line(self):
        self.save("a.npy", np.zeros((400, 200)))
        for width in (80, 200):
            for command in (["store", "a.npy", "-o", "a.zarr", "--replace", "--chunks", "1,200"],
                            ["store", "-", "-o", "b.zarr", "--replace", "--allow-fewer-rows"]):
                ours, theirs = os.openpty()
                fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
                process = subprocess.Popen([LAZY, *command], cwd=self.directory, stderr=theirs, stdin=subprocess.PIPE,
                                           stdout=subprocess.DEVNULL)
                if command[1] == "-":
                    for _ in range(5):
                        process.stdin.write(stream([np.zeros((100, 200))]))
                        process.stdin.flush()
                        time.sleep(0.1)
                process.stdin.close()
                os.close(theirs)
                shown = b""
                try:
                    while part := os.read(ours, 1 << 16):
                        shown += part
                except OSError:
                    pass
                os.close(ours)
                self.assertEqual(process.wait(), 0, shown)
                # The summary at the end is no progress, and may be longer.
                drawn = re.split(r"[\r\n]|\x1b\[\d*[A-HJ-Z]", shown.decode())
                lines = [re.sub(r"\x1b\[[\d;]*[a-zA-Z]", "", line) for line in drawn]
                lines = [line for line in lines if " blocks [" in line]
                self.assertTrue(lines, shown)
                for line in lines:
                    self.assertLessEqual(len(line), width, line)


class Urls(ProgramTest):
    def commands(self, place):
        """Every command with a place that it reads or writes."""
        self.save("x.npy", np.ones((2, 3)))
        yield "store", "x.npy", "-o", place("new.zarr")
        yield "store", place("x.npy"), "-o", "a.zarr"
        yield "reduce", place("a.zarr"), "--stats", "sum", "-o", place("sums.zarr")
        yield "info", place("a.zarr")
        yield "verify", place("a.zarr")
        yield "view", place("a.zarr"), "-o", place("a.png")
        yield "export", place("a.zarr"), "-o", place("a%20b.npy")
        yield "unfinished", place("a.zarr")
        yield "clean", place("a.zarr")

    def test_other_schemes_are_refused(self):
        for scheme in ("gopher", "simplecache::s3"):
            for command in self.commands(lambda name: f"{scheme}://bucket/{name}"):
                before = self.tree()
                self.lazy(*command, code=2)
                of_scheme = f"the scheme {scheme} of {scheme}://bucket/"
                expected = "the output is a file" if command[0] in ("view", "export") else of_scheme
                self.assertIn(expected, self.errors)
                self.assertEqual(self.tree(), before)
        self.assertEqual(list(self.tree()), ["x.npy"])

    def test_file_urls_are_paths(self):
        for start in ("file://", "file://localhost", "FILE://"):
            for command in self.commands(lambda name: f"{start}{self.directory}/{name}"):
                self.lazy(*command)
            names = {name.split("/")[0] for name in self.tree()}
            self.assertEqual(names, {"x.npy", "new.zarr", "a.zarr", "sums.zarr", "a.png", "a b.npy"})
            for name in names:
                path = self.path(name)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.lazy("info", f"file:{self.directory}/a.zarr", code=2)
        self.assertIn("write file:///absolute/path, with three slashes", self.errors)
        self.lazy("info", "file://host/a.zarr", code=2)
        self.assertIn("it names a host", self.errors)


class AfterStoring(ProgramTest):
    """What fails when an array was stored has an exit code of its own, and the message says that it was stored."""

    def setUp(self):
        super().setUp()
        self.save("a.npy", np.arange(12.0).reshape(3, 4))

    def full(self, *arguments, code):
        with open("/dev/full", "w") as full:
            done = subprocess.run([LAZY, *arguments], cwd=self.directory, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr.decode().splitlines()[-1]

    def test_standard_output_is_full(self):
        problem = "standard output cannot be written: No space left on device (os error 28)"
        for results in [["--stats", "mean"], ["--json"]]:
            said = self.full("store", "a.npy", "-o", "a.zarr", "--replace", *results, code=4)
            self.assertEqual(said, f"lazy: a.zarr was stored, but a later step failed: {problem}")
            np.testing.assert_array_equal(self.array("a.zarr")[:], np.arange(12.0).reshape(3, 4))
        self.full("store", "a.npy", "-o", "a.zarr", "--replace", code=0)
        said = self.full("reduce", "a.npy", "--stats", "mean", "-o", "g.zarr", code=4)
        self.assertEqual(said, f"lazy: g.zarr was stored, but a later step failed: {problem}")
        self.assertEqual(self.array("g.zarr/mean")[:], [5.5])
        self.assertEqual(self.full("reduce", "a.npy", "--stats", "mean", code=1), f"lazy: {problem}")
        self.assertEqual(self.full("export", "a.zarr", "-o", "-", code=1), f"lazy: {problem}")

    def test_standard_output_is_closed(self):
        for results in [["--stats", "mean"], ["--json"]]:
            command = [LAZY, "store", "a.npy", "-o", "a.zarr", "--replace", "-q", *results]
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(command, cwd=self.directory, stdout=writer, stderr=subprocess.PIPE)
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            np.testing.assert_array_equal(self.array("a.zarr")[:], np.arange(12.0).reshape(3, 4))

    def test_some_of_the_results(self):
        self.path("g.zarr").mkdir()
        self.path("g.zarr/zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
        self.path("g.zarr/max").write_text("precious")
        self.lazy("reduce", "a.npy", "--stats", "mean,max", "-o", "g.zarr", "--replace", code=4)
        said = "\n".join(self.errors.splitlines()[-2:]) + "\n"
        self.check_said(said)
        self.assertRegex(said, "^lazy: g.zarr/mean was stored, but a later step failed: .*max: it is a file")
        self.assertEqual(self.array("g.zarr/mean")[:], [5.5])
        self.assertEqual(self.path("g.zarr/max").read_text(), "precious")
