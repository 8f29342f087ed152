"""The commands of the README do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support import LAZY, ProgramTest, pixels

README = Path(__file__).parents[3] / "README.md"


class Readme(ProgramTest):
    def test_the_pipe(self):
        section = README.read_text().split("\n## The command line program\n")[1].split("\n## ")[0]
        program, commands = (re.search(rf"```{kind}\n(.*?)```", section, re.S)[1] for kind in ("python", "sh"))
        self.path("produce.py").write_text(program)
        # `lazy` and `python3` are those that are tested.
        programs = self.path("bin")
        programs.mkdir()
        programs.joinpath("lazy").symlink_to(LAZY)
        programs.joinpath("python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        programs.joinpath("python3").chmod(0o755)
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-ec", commands], cwd=self.directory, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.array("gradients.zarr").shape, (6400, 1000))
        for words in ["mean", "std", "argmax", "top:3", "quantiles 0.99", "6400 × 1000"]:
            self.assertIn(words, done.stdout)
        self.assertGreater(len(pixels(self.path("gradients.png"))), 100)
