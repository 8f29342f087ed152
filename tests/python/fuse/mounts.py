"""Mounts with one fault each, and the writes that the tests run on them."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

sys.path.append(str(Path(__file__).parents[1] / "program"))

from support import LAZY, ProgramTest, stream

PASSTHROUGH = os.environ.get("PASSTHROUGH", "target/fuse/passthrough")
#: Long enough for any machine. Expected events come within milliseconds.
PATIENCE = 120
N_PARTS, N_CHUNKS = 3, 6
NO_LOCKS = ["flock:1+:ENOSYS", "flock:1+:EOPNOTSUPP", "flock:1+:ENOLCK"]


def part(version, i):
    """Returns a block of a version. No element is the fill value or in another version."""
    return 1000.0 * version + 100 * i + np.arange(1, 13).reshape(2, 6)


def elements(version):
    return np.concatenate([part(version, i) for i in range(N_PARTS)])


@dataclass(frozen=True)
class Write:
    """A way to write an array: the state before, and the program's arguments."""

    name: str
    target: str
    replaces: bool = False
    reads_files: bool = False
    #: The place among the workers of a plan, such as 0/2.
    worker: str = ""

    @property
    def output(self):
        group, _, member = self.target.partition("/")
        return group, ["--array", member] if member else []

    def command(self, directory, version):
        group, member = self.output
        inputs = [directory.parent / f"inputs-{version}"] if self.reads_files else ["-"]
        resumes = ["--workers", self.worker] if self.worker else ["--resume"] if self.reads_files else []
        return [LAZY, "store", *inputs, *resumes, "-o", directory / group, *member, *(["--replace"] if self.replaces else []),
                "--chunks", "2,3", "--codec", "none", "--quiet", "--threads", "1"]


NEW = Write("a new array", "a.zarr")
REPLACE = Write("a replacement", "a.zarr", replaces=True)
MEMBER = Write("a member of a new group", "g.zarr/of/values")
REPLACED_MEMBER = Write("a replaced member of a group", "g.zarr/values", replaces=True)
FILES = Write("files, resumable", "a.zarr", reads_files=True)
REPLACED_BY_FILES = Write("a replacement by files, resumable", "a.zarr", replaces=True, reads_files=True)
WRITES = [NEW, REPLACE, MEMBER, REPLACED_MEMBER, FILES, REPLACED_BY_FILES]


class Mount:
    """A passthrough to a directory."""

    def __init__(self, source, path, *faults, pause=None):
        self.source, self.path = source, path
        path.mkdir()
        self.log = path.with_name(path.name + ".log")
        self.log.touch()
        self.said = open(path.with_name(path.name + ".said"), "w+")
        options = [f"--fault={fault}" for fault in faults] + ([f"--pause={pause}"] if pause else [])
        command = [PASSTHROUGH, source, path, f"--log={self.log}", *options]
        self.process = subprocess.Popen(command, stdout=self.said, stderr=self.said)
        if not self.wait("mounted", self.process):
            self.said.seek(0)
            raise OSError(self.said.read())

    def lines(self):
        return self.log.read_text().splitlines()

    def injected(self):
        """Returns the operations that failed because of the fault."""
        return [line for line in self.lines() if line.endswith(" injected")]

    def wait(self, start, process):
        """Waits for a line. Returns False if the process ends first."""
        end = time.monotonic() + PATIENCE
        while True:
            has_ended = process.poll() is not None
            if any(line.startswith(start) for line in self.lines()):
                return True
            if has_ended:
                return False
            assert time.monotonic() < end, f"{start!r} did not come:\n{self.log.read_text()}"
            time.sleep(0.001)

    def wait_until_closed(self):
        """Waits until no file is open, and so no lock is held.

        The system closes files after the process has ended.
        """
        end = time.monotonic() + PATIENCE
        while True:
            words = [line.split()[0] for line in self.lines() if line.endswith(" ok")]
            if sum(word in ("create", "open", "opendir") for word in words) == words.count("release"):
                return
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.001)

    def resume(self):
        self.process.send_signal(signal.SIGUSR2)

    def fail_power(self):
        self.process.send_signal(signal.SIGUSR1)
        assert self.wait("failed power", self.process)

    def close(self):
        if self.process.poll() is None:
            self.resume()
            # Killed processes may keep files open for a moment.
            subprocess.run(["umount", "--lazy", self.path], check=True)
            try:
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
                self.process.wait()
        self.said.close()


def why_not():
    """Returns the reason why file systems cannot be mounted here, or an empty string."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.path.exists(PASSTHROUGH):
        return f"there is no {PASSTHROUGH}; `cargo xtask fuse` compiles it"
    with tempfile.TemporaryDirectory() as directory:
        (source := Path(directory, "source")).mkdir()
        try:
            Mount(source, Path(directory, "mount")).close()
        except OSError as error:
            return f"nothing can be mounted: {error}"
    return ""


WHY_NOT = why_not()
if WHY_NOT:
    print(f"the tests of file systems with faults are SKIPPED: {WHY_NOT}", file=sys.stderr)


@dataclass
class Ended:
    code: int
    errors: str


@unittest.skipIf(WHY_NOT, WHY_NOT)
class FuseTest(ProgramTest):
    """A test with a new mounted directory for each case."""

    n_places = 0

    @contextlib.contextmanager
    def mounted(self, *faults, write=None, pause=None, crashed_before=None):
        """Mounts a new directory with faults, after setting up the state that a write expects.

        Another write may have crashed there before its n-th operation.
        """
        self.n_places += 1
        place = self.path(f"place-{self.n_places}")
        source = place / "source"
        source.mkdir(parents=True)
        for version in (2, 3, 4):
            for i in range(N_PARTS):
                (folder := place / f"inputs-{version}").mkdir(exist_ok=True)
                np.save(folder / f"part-{i}.npy", part(version, i))
        if write and write.replaces:
            # The array to replace has replaced another one.
            for version in (4, 1):
                self.clean_store(write, source, version)
        if crashed_before:
            with contextlib.closing(Mount(source, place / "crashed", pause=f"change:{crashed_before}")) as mount:
                process = self.start_store(write, mount.path, 3)
                assert mount.wait("paused", process)
                process.kill()
                mount.resume()
                self.kill(process)
                mount.wait_until_closed()
        with contextlib.closing(Mount(source, place / "mount", *faults, pause=pause)) as mount:
            yield mount

    @contextlib.contextmanager
    def mounted_again(self, mount, *faults):
        """Mounts the same directory a second time."""
        path = mount.path.with_name("second")
        with contextlib.closing(Mount(mount.source, path, *faults)) as second:
            yield second

    def start(self, command, version=None):
        """Starts the program. It gets the blocks of `version` on standard input."""
        process = subprocess.Popen(list(map(str, command)), stdin=-1, stdout=-1, stderr=-1, cwd=self.directory)
        if version is not None and "-" in command:
            process.stdin.write(stream([part(version, i) for i in range(N_PARTS)]))
        process.stdin.close()
        process.stdin = None
        # A process that is still running after a failed test would prevent unmounting.
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)

    def end(self, process):
        _, errors = process.communicate(timeout=PATIENCE)
        return Ended(process.returncode, errors.decode())

    def start_store(self, write, directory, version=2):
        return self.start(write.command(directory, version), version)

    def store(self, write, directory, version=2):
        return self.end(self.start_store(write, directory, version))

    def clean_store(self, write, directory, version):
        """Replaces the array, if there is one, from a stream."""
        command = Write(write.name, write.target, replaces=True).command(directory, version)
        ended = self.end(self.start([*command, "--no-sync"], version))
        self.assertEqual(ended.code, 0, f"the next write: {ended.errors}")
        self.assertEqual(self.found(write, directory), version)

    def found(self, write, source):
        """Returns the version that zarr-python reads, or None. Checks that it is complete."""
        try:
            array = zarr.open_array(source / write.target, mode="r")
            read = array[...]
        except FileNotFoundError:
            return None
        except Exception as error:
            self.fail(f"zarr-python cannot read the array: {type(error).__name__}: {error}")
        whole = [version for version in (1, 2, 3, 4) if np.array_equal(read, elements(version))]
        self.assertEqual(len(whole), 1, f"no version is whole; first column of the chunks: {read[::2, ::3].tolist()}")
        return whole[0]

    def is_published(self, write, mount):
        """Returns true if the program published something before any fault."""
        places = ["/" + write.target + "/zarr.json", "/" + write.target]
        places += ["/" + str(parent) for parent in Path(write.target).parents if parent.name]
        lines = itertools.takewhile(lambda line: not line.endswith(" injected"), mount.lines())
        return any(line.startswith("rename ") and line.endswith(f" {place} ok") for line in lines for place in places)

    def check_end(self, write, mount, ended):
        """Checks that the target is the new array after a success, and the old one otherwise."""
        before = 1 if write.replaces else None
        found = self.found(write, mount.source)
        if ended.code == 0:
            self.assertEqual(found, 2, "the exit code is 0")
            return
        # One line for the error, and one more for a hint if there is one.
        self.assertRegex(ended.errors, r"\Alazy: [^\n]+\n(hint: [^\n]+\n)?\Z")
        if ended.code == 4:
            self.assertEqual(found, 2, ended.errors)
            self.assertIn("is complete, but could not be flushed to disk", ended.errors)
            return
        self.assertEqual(ended.code, 1, ended.errors)
        # A failure after publishing cannot reliably undo it.
        allowed = [before, 2] if self.is_published(write, mount) else [before]
        self.assertIn(found, allowed, ended.errors)

    def check_next_writes(self, write, mount, at=None):
        """Checks that the next writes succeed and remove all remains."""
        mount.wait_until_closed()
        source = at or mount.source
        if write.reads_files and self.found(write, source) != 2:
            ended = self.store(write, source)
            mount.wait_until_closed()
            self.assertEqual(ended.code, 0, f"the resumed write: {ended.errors}")
            self.assertEqual(self.found(write, source), 2)
        for version in (3, 4):
            self.clean_store(write, source, version)
            mount.wait_until_closed()
        self.check_files(write, source)

    def check_files(self, write, source):
        """Checks that only the chunks of the array and of the previous version remain."""
        paths = [path.relative_to(source) for path in source.rglob("*")]
        hidden = [str(path) for path in paths if path.name.startswith(".")]
        self.assertEqual(hidden, [], "remains of a write")
        array = source / write.target
        files = [path for path in array.rglob("*") if path.is_file()]
        self.assertLessEqual(len(files), 1 + 2 * N_CHUNKS, [str(path.relative_to(array)) for path in files])

    def succeeds(self, *faults, writes=WRITES, is_hit=True):
        """Checks that all writes succeed in spite of the fault."""
        n_injected = 0
        for write in writes:
            with self.subTest(write=write.name), self.mounted(*faults, write=write) as mount:
                ended = self.store(write, mount.path)
                self.assertEqual(ended.code, 0, ended.errors)
                self.assertEqual(self.found(write, mount.source), 2)
                self.check_next_writes(write, mount, at=mount.path)
                n_injected += len(mount.injected())
        if is_hit:
            self.assertGreater(n_injected, 0, "the fault never occurred")

    def fails_at_each(self, fault, writes, every=1):
        """Checks that the write fails at each operation that the fault matches."""
        for write in writes:
            n = 0
            while True:
                n += every if n else 1
                with self.subTest(write=write.name, n=n), self.mounted(fault.format(n), write=write) as mount:
                    ended = self.store(write, mount.path)
                    if not mount.injected():
                        self.assertEqual(ended.code, 0, ended.errors)
                        self.assertEqual(self.found(write, mount.source), 2)
                        break
                    if not self.is_published(write, mount):
                        self.assertEqual(ended.code, 1, f"{mount.injected()}; {ended.errors}")
                    self.check_end(write, mount, ended)
                    self.check_next_writes(write, mount)
            self.assertGreater(n, 1, "the fault never occurred")

    def at_each_pause(self, check, write, *faults, every=1, crashed_before=None):
        """Pauses a write before each operation in turn, and runs a check at each pause."""
        n = 0
        while True:
            n += every if n else 1
            with self.mounted(
                *faults, write=write, pause=f"change:{n}", crashed_before=crashed_before
            ) as mount:
                process = self.start_store(write, mount.path)
                if not mount.wait("paused", process):
                    self.assertEqual(self.end(process).code, 0)
                    break
                with self.subTest(write=write.name, faults=faults, n=n, paused=mount.lines()[-1]):
                    check(mount, process)
        self.assertGreater(n, 10, "there were hardly any operations")

    def crashes(self, write, *faults, every):
        """Kills a write before each operation in turn, and checks that the next ones succeed."""

        def check(mount, process):
            process.send_signal(signal.SIGKILL)
            # The kernel has passed the operation on already, so it still takes effect.
            mount.resume()
            self.kill(process)
            self.assertIn(self.found(write, mount.source), [1 if write.replaces else None, 2])
            self.check_next_writes(write, mount, at=mount.path)

        self.at_each_pause(check, write, *faults, every=every)
