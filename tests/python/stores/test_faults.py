"""The program on a server that fails: faults that pass, and refusals that do not."""

import unittest

import numpy as np

import programs
import servers
from proxy import REFUSALS, Proxy

#: The part of the requests that fail.
PROBABILITY = 0.3


class Faults(unittest.TestCase):
    def setUp(self):
        self.server = servers.moto()

    def through(self, proxy):
        return programs.Lazy(self, self.server, AWS_ENDPOINT=proxy.endpoint)

    def test_faults_that_pass(self):
        array = np.random.default_rng(0).random((42, 64))
        options = ["--chunks", "7,16", "--codec", "none"]
        for seed in range(3):
            url = self.server.url(f"faults/{seed}")
            with self.subTest(seed=seed), Proxy(self.server.endpoint, PROBABILITY, seed=seed) as proxy:
                lazy = self.through(proxy)
                for version in range(2):
                    lazy.store(array + version, url, *options, "--replace")
                lazy("verify", url)
                np.testing.assert_array_equal(lazy.export(url), array + 1)
                self.assertEqual(lazy.json("unfinished", url), [])
                self.assertGreater(proxy.n_requests, 60)
                self.assertGreaterEqual(len(proxy.faults), 7, proxy.faults)
            # Without the proxy, another reader finds the same.
            for open_array in servers.readers(self.server, f"faults/{seed}").values():
                np.testing.assert_array_equal(servers.read(open_array()), array + 1)
            keys = self.server.objects(f"faults/{seed}")
            self.assertFalse([key for key in keys if ".lazy" in key])

    def check_said(self, errors, bucket, hint):
        """Checks that there is one line about the failure, and then the hint, which begins so."""
        self.assertRegex(errors, rf"\Alazy: [^\n]+\nhint: {hint}[^\n]+\n\Z")
        self.assertIn(bucket, errors)

    def test_refusals(self):
        array = np.arange(12.0).reshape(3, 4)
        url = self.server.url("refusals/array")
        programs.Lazy(self, self.server).store(array, url)
        for refusal, (status, code, _) in REFUSALS.items():
            commands = [["verify", url], ["info", url], ["export", url, "-o", "a.npy"], ["clean", url]]
            for command in [*commands, ["store"]]:
                with self.subTest(refusal=refusal, command=command[0]):
                    with Proxy(self.server.endpoint, refusal=refusal) as proxy:
                        lazy = self.through(proxy)
                        if command == ["store"]:
                            lazy.store(array, url, "--replace", code=1)
                        else:
                            lazy(*command, code=1)
                        self.check_said(lazy.errors, servers.BUCKET, "set credentials in the environment")
                        self.assertIn(f"access is denied ({status} {code}", lazy.errors)
                        # It is not retried.
                        self.assertLessEqual(proxy.n_requests, 3)
        np.testing.assert_array_equal(programs.Lazy(self, self.server).export(url), array)

    def test_a_missing_bucket(self):
        url = "s3://no-such-bucket/array"
        with Proxy(self.server.endpoint) as proxy:
            lazy = self.through(proxy)
            for command in ("verify", "info", "clean", "store"):
                with self.subTest(command=command):
                    if command == "store":
                        lazy.store(np.arange(3.0), url, code=1)
                    else:
                        lazy(command, url, code=1)
                    self.check_said(lazy.errors, "s3://no-such-bucket", "create the bucket")
                    self.assertIn("the bucket or container does not exist", lazy.errors)
            self.assertLessEqual(proxy.n_requests, 12)

    def test_no_server(self):
        """A server that does not answer is retried as often as the options say."""
        lazy = programs.Lazy(self, self.server, AWS_ENDPOINT=f"http://127.0.0.1:{servers.free_port()}")
        lazy("info", "s3://bucket/array", "--store-option", "max_retries=1", code=1)
        self.check_said(lazy.errors, "s3://bucket", "check the network")
        self.assertIn("neither could any retry: Connection refused", lazy.errors)
