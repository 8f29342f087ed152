"""Runs the tests of this directory, or the named ones, each file in its own process.

usage: engines [NAME]...
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

DIRECTORY = Path(__file__).parent
sys.path.append(str(DIRECTORY.parent))

from at_once import run_at_once

with tempfile.TemporaryDirectory() as of_one:
    # The results that all tests compare with.
    command = [os.environ["INFLUENCE"], Path(of_one, "files")]
    alone = {**os.environ, "LAZY_WORKER": "off"}
    with open(Path(of_one, "output"), "w") as output:
        subprocess.run(command, env=alone, stdout=output, check=True)
    os.environ["INFLUENCE_OF_ONE"] = of_one
    code = run_at_once(DIRECTORY, sys.argv[1:])
raise SystemExit(code)
