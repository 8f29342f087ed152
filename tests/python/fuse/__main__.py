"""Runs the tests of this directory, or the named ones, each file in its own process.

usage: fuse [NAME]...

The tests wait more than they compute, so all files run at once. The output of a process is shown
when it ends.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mounts import WHY_NOT

DIRECTORY = Path(__file__).parent


def run(module):
    start = time.monotonic()
    command = [sys.executable, "-m", "unittest", module]
    done = subprocess.run(command, cwd=DIRECTORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"{module} ({time.monotonic() - start:.0f} s)\n{done.stdout}", flush=True)
    return done.returncode


if WHY_NOT:
    # Importing `mounts` has printed the reason.
    raise SystemExit(0)
modules = sys.argv[1:] or sorted(path.stem for path in DIRECTORY.glob("test_*.py"))
with ThreadPoolExecutor(len(modules)) as pool:
    raise SystemExit(max(pool.map(run, modules)))
