"""What the tests of the program `lazy` have in common: running it, and reading what it made."""

import array
import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import zlib
from pathlib import Path

import numpy as np
import zarr

LAZY = os.environ["LAZY"]

#: Long enough for any machine; what is waited for comes in milliseconds.
PATIENCE = 120


def heed_signals():
    """Lets the programs that are started heed all signals, even if these tests run under nohup."""
    for one in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGXCPU):
        if signal.getsignal(one) == signal.SIG_IGN:
            signal.signal(one, signal.SIG_DFL)


heed_signals()


def stream(blocks):
    """The bytes that `np.save(sys.stdout.buffer, block)` writes for each block."""
    output = io.BytesIO()
    for block in blocks:
        np.save(output, block)
    return output.getvalue()


class ProgramTest(unittest.TestCase):
    """A test in an empty directory."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def path(self, name):
        return self.directory / name

    def lazy(self, *arguments, stdin=b"", code=0):
        """Runs the program in the directory; its results, as text."""
        command = [LAZY, *(one if isinstance(one, bytes) else str(one) for one in arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, cwd=self.directory)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        self.errors = done.stderr.decode()
        return done.stdout.decode()

    def fails(self, *arguments, stdin=b"", code=1):
        """What the program says when it fails: one line, and one of what to do; and nothing is left behind."""
        before = self.tree()
        self.lazy(*arguments, stdin=stdin, code=code)
        self.check_said(self.errors)
        self.assertEqual(self.tree(), before, self.errors)
        return self.errors

    def check_said(self, errors):
        """Of a failure there is one line, and if there is something to do about it, one more."""
        self.assertRegex(errors, r"\Alazy: [^\n]+\n(hint: [^\n]+\n)?\Z")

    def caught_in_the_middle(self, *arguments, log="trace", **options):
        """A process that stores chunks, and waits: it logs each of them into a pipe that is soon full.

        There must be so many chunks that the pipe cannot hold what is logged of them all: 100 are enough.
        """
        environment = {**os.environ, "RUST_LOG": log}
        process = subprocess.Popen(
            [LAZY, *arguments], cwd=self.directory, env=environment, stderr=-1, stdout=-1, **options
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        end, before = time.monotonic() + PATIENCE, -1
        while (now := n_waiting(process.stderr)) < 3000 or now != before:
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
            before = now
            time.sleep(0.05)
        return process

    def tree(self):
        """All files in the directory, with their bytes."""
        files = sorted(path for path in self.directory.rglob("*") if path.is_file())
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in files}

    def array(self, name):
        return zarr.open_array(self.path(name), mode="r")

    def json(self, *arguments, stdin=b""):
        return json.loads(self.lazy(*arguments, "--json", stdin=stdin))

    def save(self, name, array, **options):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            np.lib.format.write_array(file, array, **options)
        return path


def peak_memory(shell, cwd):
    """The most bytes of memory that a command of the shell and what it starts have had, each by itself.

    A small process starts it, since a process counts the memory that the one before it had until it was started.
    """
    program = (
        "import resource, subprocess, sys\n"
        "subprocess.run(['sh', '-c', sys.argv[1]], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, shell], cwd=cwd, stdout=subprocess.PIPE, check=True)
    return 1024 * int(done.stdout)


def n_waiting(pipe):
    """The bytes in a pipe that nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def python(program, *arguments, **options):
    """A Python process."""
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], **options)


def pixels(path):
    """The pixels of a PNG of RGB, as (height, width, 3)."""
    data = Path(path).read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place, compressed = 8, b""
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height = (int.from_bytes(body[i : i + 4]) for i in (0, 4))
            assert body[8:] == bytes([8, 2, 0, 0, 0]), "8 bits, RGB, not interlaced"
        if kind == b"IDAT":
            compressed += body
        place += 12 + length
    rows = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(height, 1 + 3 * width)
    image = np.zeros((height, width, 3), np.int64)
    above = np.zeros((width, 3), np.int64)
    for y, row in enumerate(rows):
        above = image[y] = unfiltered(row[0], row[1:].reshape(width, 3).astype(np.int64), above)
    return image


def unfiltered(kind, row, above):
    """A row of a PNG, which is stored as differences from its neighbours."""
    if kind == 0:
        return row
    if kind == 1:
        return np.cumsum(row, axis=0) % 256
    if kind == 2:
        return (row + above) % 256
    left, corner = np.zeros(3, np.int64), np.zeros(3, np.int64)
    result = np.empty_like(row)
    for x in range(len(row)):
        if kind == 3:
            predicted = (left + above[x]) // 2
        else:
            estimate = left + above[x] - corner
            nearest = np.argmin([abs(estimate - one) for one in (left, above[x], corner)], axis=0)
            predicted = np.choose(nearest, [left, above[x], corner])
        left = result[x] = (row[x] + predicted) % 256
        corner = above[x]
    return result
