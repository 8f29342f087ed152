"""Inode numbers that are reused or change, and arrays that are replaced during a read."""

import numpy as np

from mounts import LAZY, REPLACE, FuseTest, elements


class Inodes(FuseTest):
    FAULTS = ["inode-reuse", "inode-by-path"]

    def test_writes_succeed(self):
        for fault in self.FAULTS:
            with self.subTest(fault=fault):
                self.succeeds(fault, is_hit=False)

    def test_replacing_an_array_during_a_read_is_never_a_mixture(self):
        # Keys and inode numbers recur after a few replacements.
        for fault in self.FAULTS:
            for n_replacements in (1, 2, 3):
                self.replaced("verify", fault, n_replacements, every=3)
                self.replaced("export", fault, n_replacements, every=1)

    def replaced(self, task, fault, n_replacements, every):
        n = 0
        while True:
            n += every if n else 1
            with self.mounted(fault, write=REPLACE, pause=f"read:{n}") as mount:
                output = mount.path.with_name("a.npy")
                command = [LAZY, task, mount.path / "a.zarr", *(["-o", output] if task == "export" else [])]
                reader = self.start(command)
                if not mount.wait("paused", reader):
                    self.assertEqual(self.end(reader).code, 0)
                    break
                with self.subTest(task=task, fault=fault, n_replacements=n_replacements, paused=mount.lines()[-1]):
                    for version in range(2, 2 + n_replacements):
                        # Not through the mount, since the kernel and libfuse lock what the reader
                        # waits for.
                        ended = self.store(REPLACE, mount.source, version)
                        self.assertEqual(ended.code, 0, ended.errors)
                    mount.resume()
                    ended = self.end(reader)
                    if ended.code == 0 and task == "export":
                        read = np.load(output)
                        whole = [version for version in (1, 2, 3, 4) if np.array_equal(read, elements(version))]
                        self.assertEqual(len(whole), 1, f"a mixture: {read[::2, ::3].tolist()}")
                    else:
                        # No chunk is reported as corrupt.
                        self.assertIn(ended.code, (0, 1), ended.errors)
        self.assertGreater(n, 5, "there were too few reads")
