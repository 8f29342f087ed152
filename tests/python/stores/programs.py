"""The program `lazy`, with the environment for a server."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np


class Lazy:
    """Runs the program in an empty directory, for a test."""

    def __init__(self, test, server, **variables):
        directory = tempfile.TemporaryDirectory()
        test.addCleanup(directory.cleanup)
        self.test, self.directory = test, Path(directory.name)
        self.environment = {**server.environment(), **variables}

    def __call__(self, *arguments, code=0):
        """Runs a command, and returns what it prints."""
        done = subprocess.run(
            [os.environ["LAZY"], *map(str, arguments)],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        self.test.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
        self.errors = done.stderr
        return done.stdout

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))

    def store(self, array, url, *options, code=0):
        """Stores an array as blocks of up to 7 rows."""
        path = self.directory / "blocks.npy"
        with open(path, "wb") as file:
            for start in range(0, len(array), 7):
                np.save(file, array[start : start + 7])
        with open(path, "rb") as file:
            command = [os.environ["LAZY"], "store", "-", "-o", url, *map(str, options)]
            done = subprocess.run(
                command, stdin=file, env=self.environment, capture_output=True, text=True
            )
        self.test.assertEqual(done.returncode, code, f"{command}: {done.stderr}")
        self.errors = done.stderr
        return done.stdout

    def export(self, url, *options):
        """The elements of an array, as the program exports them."""
        self("export", url, "-o", "exported.npy", "--replace", *options)
        return np.load(self.directory / "exported.npy")
