"""Helpers of all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

# Files in memory are flushed at once.
if os.access("/dev/shm", os.W_OK):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/dev/shm")

# Otherwise Ray writes a token into the home directory.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Tests of PyTorch and of pyDVL run without hypothesis.
if find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    common = {
        "deadline": None,
        "database": None,
        "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    }
    settings.register_profile("default", max_examples=40, derandomize=True, **common)
    # pytest --hypothesis-profile=search
    settings.register_profile("search", max_examples=1000, **common)
    settings.load_profile("default")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place without an array."""
    return tmp_path / "values.zarr"


class Program:
    """A Python program in a process of its own."""

    def __init__(self, directory: Path, text: str, *arguments: object, **env: str) -> None:
        script = directory / f"program{len(list(directory.glob('program*.py')))}.py"
        script.write_text(textwrap.dedent(text))
        # The modules that this process finds, the other one finds, too.
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, **env},
        )

    def line(self) -> str:
        """Wait for a line of standard output."""
        return self.process.stdout.readline().strip()

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def output(self, timeout: float = 60) -> str:
        """Wait for the end, which must be a success, and return the rest of the output."""
        out, err = self.wait(timeout)
        assert self.process.returncode == 0, f"exit code {self.process.returncode}\n{out}\n{err}"
        return out.strip()

    def wait(self, timeout: float = 60) -> tuple[str, str]:
        """Wait for the end, and return the rest of standard output and standard error."""
        try:
            return self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"the program did not end within {timeout} s\n{out}\n{err}")


@pytest.fixture
def program(tmp_path_factory):
    """Start Python programs, and end them with the test."""
    directory = tmp_path_factory.mktemp("programs")
    started: list[Program] = []

    def start(text: str, *arguments: object, **env: str) -> Program:
        started.append(Program(directory, text, *arguments, **env))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()
