"""Runs the tests of this directory, or the named ones, each file in its own process.

usage: fuse [NAME]...
"""

import sys
from pathlib import Path

from mounts import WHY_NOT

DIRECTORY = Path(__file__).parent
sys.path.append(str(DIRECTORY.parent))

from at_once import run_at_once

# Importing `mounts` has printed the reason.
raise SystemExit(0 if WHY_NOT else run_at_once(DIRECTORY, sys.argv[1:]))
