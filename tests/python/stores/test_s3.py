"""Runs the suite for stores in a bucket of moto, an emulator of S3.

usage: python -m unittest discover -s tests/python/stores

The interpreter is that of a virtual environment with the packages in requirements.txt beside this
file:

    python3 -m venv target/python-stores
    target/python-stores/bin/pip install -r tests/python/stores/requirements.txt
    target/python-stores/bin/python -m unittest discover -v -s tests/python/stores

It starts in the root of the repository. The environment variable STORE_TESTS is the command that
runs the tests in Rust; without it, cargo builds and runs them. The tests get the URL of an empty
bucket as LAZY_STORE_URL, and the credentials and the endpoint in the variables that the client
reads. The server listens on the loopback device, on a free port.
"""

import os
import shlex
import subprocess
import unittest

from moto_server import MotoServer

#: The tests of lazy-zarr that need a bucket.
COMMAND = (
    "cargo test --quiet --package lazy-zarr --features conformance,http,s3 --test remote "
    "-- --ignored a_bucket"
)


class S3Test(unittest.TestCase):
    def test_a_bucket_conforms_and_holds_arrays(self):
        command = shlex.split(os.environ.get("STORE_TESTS", COMMAND))
        with MotoServer() as server:
            done = subprocess.run(command, env=server.environment(), capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("1 passed", done.stdout)
            keys = server.keys()
        # Another client finds the objects under the keys as they are.
        for key in ["arrays/a b%20c/values/zarr.json", "arrays/a b%20c/values/c/0"]:
            self.assertIn(key, keys)
        self.assertTrue(any(key.endswith("/a b/c+d") for key in keys))
        self.assertTrue(any(key.endswith("/%61%2f") for key in keys))


if __name__ == "__main__":
    unittest.main()
