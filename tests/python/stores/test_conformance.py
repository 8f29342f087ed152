"""The suite for stores, and the keys of objects, on the emulators."""

import os
import subprocess
import unittest

import numpy as np

import programs
import servers


class Conformance:
    def test_the_store_conforms(self):
        command = [os.environ["STORES"], "suite", self.server.url("suite")]
        environment = self.server.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\A\d\d cases passed\n\Z")
        # Other clients find the objects under the keys as they are.
        keys = self.server.objects("suite")
        self.assertTrue(any(key.endswith("/a b/c+d") for key in keys))
        self.assertTrue(any(key.endswith("/%61%2f") for key in keys))

    def test_the_keys_of_an_array_are_those_of_the_url(self):
        lazy = programs.Lazy(self, self.server)
        lazy.store(np.arange(3.0), self.server.url("names/a b%20c/values"))
        keys = self.server.objects("names")
        self.assertEqual(set(keys), {"a b%20c/values/zarr.json", "a b%20c/values/c/0"})


class S3Conformance(Conformance, servers.OnMoto, unittest.TestCase):
    pass


class AzureConformance(Conformance, servers.OnAzurite, unittest.TestCase):
    pass
