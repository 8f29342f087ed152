"""Runs the tests of this directory, or those that are named, each file in a process of its own.

usage: fuse [NAME]...

They wait more than they compute, so all files run at once. What a process prints is shown when it ends.
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
    # Importing has said so.
    raise SystemExit(0)
modules = sys.argv[1:] or sorted(path.stem for path in DIRECTORY.glob("test_*.py"))
with ThreadPoolExecutor(len(modules)) as pool:
    raise SystemExit(max(pool.map(run, modules)))
