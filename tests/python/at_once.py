"""Runs test modules at the same time, each in a process of its own, since they wait more than they compute."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def run_at_once(directory, names):
    """Runs the named test modules of a directory, or all. Returns the exit code.

    The output of a process is shown when it ends.
    """
    def run(module):
        start = time.monotonic()
        command = [sys.executable, "-m", "unittest", module]
        done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{module} ({time.monotonic() - start:.0f} s)\n{done.stdout}", flush=True)
        return done.returncode

    modules = names or sorted(path.stem for path in directory.glob("test_*.py"))
    with ThreadPoolExecutor(len(modules)) as pool:
        return max(pool.map(run, modules))
