"""The tests of the program at `s3://` URLs."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

import servers

TESTS = Path(__file__).parent.parent / "program"


class Program(unittest.TestCase):
    def test_the_program_at_urls(self):
        server = servers.moto()
        environment = {**server.environment(), "LAZY_S3_ENDPOINT": server.endpoint}
        # The options of the commands name the server.
        del environment["AWS_ENDPOINT"], environment["AWS_ALLOW_HTTP"], environment["AWS_REGION"]
        environment["LAZY"] = os.path.abspath(environment["LAZY"])
        discover = [sys.executable, "-m", "unittest", "discover", "-s", str(TESTS)]
        done = subprocess.run(
            [*discover, "-p", "test_urls.py", "-k", "S3"],
            env=environment,
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"Ran [1-9]\d* tests? in [^\n]*\n\nOK\n\Z")
