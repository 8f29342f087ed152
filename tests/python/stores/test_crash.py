"""Writes to stores that are killed before or after each of their requests.

Afterwards zarr-python and tensorstore see the old array or the new one, and handles that were opened
before still read the old one. The next write computes only what was not kept, and cleans up.

With the environment variable STORES_ALL, each course is killed at every request, with shards and
without.
"""

import dataclasses
import json
import os
import signal
import subprocess
import unittest

import numpy as np

import programs
import servers

#: The array that `tests/src/bin/stores/write.rs` stores.
SHAPE, N_BLOCKS = (40, 6), 4

#: The value of the array that is stored while the process is killed.
NEW = 100

IS_ALL = "STORES_ALL" in os.environ

#: By default, a write is killed at one of this many points, and at the put that publishes.
ONE_OF = 10

#: The number of versions after which a write finds old chunks under its keys.
N_KEY_SPACES = 3


def array_of(value):
    return 1000.0 * value + np.arange(240.0).reshape(SHAPE)


@dataclasses.dataclass(frozen=True)
class Course:
    name: str
    #: The number of versions of the array before.
    n_versions: int
    #: True if the array is a member of a group.
    is_member: bool = False
    is_resumable: bool = False
    #: The block at which an earlier write of the new array has failed.
    fails_at: int | None = None
    is_sharded: bool = False

    def directory(self):
        return self.name.replace(" ", "-") + ("-sharded" if self.is_sharded else "")

    def settings(self, value, **more):
        return {
            "value": value,
            "member": "a" if self.is_member else None,
            "is_resumable": self.is_resumable,
            "is_sharded": self.is_sharded,
            **more,
        }


COURSES = [
    Course("new", 0),
    Course("replace", 1, is_sharded=True),
    Course("replace over old chunks", N_KEY_SPACES),
    Course("resumable", 0, is_resumable=True, is_sharded=True),
    Course("resume", N_KEY_SPACES, is_resumable=True, fails_at=2),
    Course("new member", 0, is_member=True),
    Course("resume member", 1, is_member=True, is_resumable=True, fails_at=3, is_sharded=True),
]


class Crash:
    def write(self, name, settings):
        """Runs a write. Returns its results, or `None` if it was killed."""
        command = [os.environ["STORES"], "write", self.server.url(name), json.dumps(settings)]
        environment = self.server.environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode == -signal.SIGKILL:
            return None
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def start(self, course):
        """Returns the objects that are there before the write."""
        name = f"crash/{course.directory()}/start"
        if course.is_member:
            beside = {**course.settings(7), "member": "b", "is_resumable": False}
            self.assertIsNone(self.write(name, beside)["error"])
        for version in range(course.n_versions):
            settings = {**course.settings(version), "is_resumable": False}
            self.assertIsNone(self.write(name, settings)["error"])
        if course.fails_at is not None:
            results = self.write(name, course.settings(NEW, fails_at=course.fails_at))
            self.assertIn("the block fails", results["error"])
            self.assertEqual(results["n_computed"], course.fails_at)
        return self.server.objects(name)

    def opened(self, name, are_missing):
        """Returns handles of all readers. All of them find an array, or none."""
        handles = []
        for reader, open_array in servers.readers(self.server, name).items():
            try:
                handles.append(open_array())
            except (FileNotFoundError, ValueError) as error:
                if not are_missing:
                    raise AssertionError(f"{reader} finds no array") from error
        if handles:
            self.assertEqual(len(handles), len(servers.readers(self.server, name)))
        return handles

    def value(self, handles):
        """Returns the value of an array, which must be whole and the same for all readers."""
        arrays = [servers.read(handle) for handle in handles]
        value = arrays[0].flat[0] / 1000
        for array in arrays:
            np.testing.assert_array_equal(array, array_of(value))
        return value

    def is_killed_at(self, course, start, request, is_done):
        """Kills a write at a request. Returns false if it ended before."""
        old = course.n_versions - 1 if course.n_versions else None
        root = f"crash/{course.directory()}/{request}-{is_done}"
        array = f"{root}/a" if course.is_member else root
        lazy = programs.Lazy(self, self.server)
        self.server.put(root, start)
        before = self.opened(array, are_missing=old is None)
        failpoint = {"request": request, "is_done": is_done}
        was_killed = self.write(root, course.settings(NEW, failpoint=failpoint)) is None

        after = self.opened(array, are_missing=old is None)
        now = self.value(after) if after else None
        self.assertIn(now, (old, NEW))
        if not was_killed:
            self.assertEqual(now, NEW)
        if before:
            self.assertEqual(self.value(before), old)

        n_kept = 0
        if start or now is not None:
            # Every other time, so that the next write also finds old chunks.
            if request % 2:
                lazy("clean", self.server.url(root))
                if before:
                    self.assertEqual(self.value(self.opened(array, are_missing=False)), now)
            for write in lazy.json("unfinished", self.server.url(root)):
                n_kept += write.get("chunks") or 0
        if now == old and course.fails_at is not None:
            self.assertGreaterEqual(n_kept, course.fails_at)

        results = self.write(root, course.settings(NEW))
        self.assertIsNone(results["error"])
        # A new array that is there already is replaced once more.
        n_missing = N_BLOCKS if now == NEW else N_BLOCKS - n_kept
        self.assertEqual(results["n_computed"], n_missing, results["requests"])
        self.assertEqual(self.value(self.opened(array, are_missing=False)), NEW)
        keys = self.server.objects(root)
        self.assertFalse([key for key in keys if ".lazy" in key])

        lazy("clean", self.server.url(root))
        lazy("verify", self.server.url(array))
        self.assertEqual(self.value(self.opened(array, are_missing=False)), NEW)
        # The metadata and the chunks of the present version stay, and the group.
        n_arrays = 2 if course.is_member else 1
        n_objects = n_arrays * (1 + N_BLOCKS) + (1 if course.is_member else 0)
        self.assertEqual(len(self.server.objects(root)), n_objects)
        if course.is_member:
            self.assertEqual(self.value(self.opened(f"{root}/b", are_missing=False)), 7)
        return was_killed

    def points(self, course, start):
        """Returns the requests of a write, each before and after it is answered."""
        root = f"crash/{course.directory()}/whole"
        self.server.put(root, start)
        results = self.write(root, course.settings(NEW))
        self.assertIsNone(results["error"])
        requests = results["requests"]
        metadata = "/a/zarr.json" if course.is_member else "/zarr.json"
        [published] = [n for n, one in enumerate(requests) if one == f"put {root}{metadata}"]
        points = [(n, is_done) for n in range(len(requests)) for is_done in (False, True)]
        if IS_ALL:
            return points
        first = COURSES.index(course) % ONE_OF
        return sorted({*points[first::ONE_OF], (published, False), (published, True)})

    def test_writes_that_are_killed(self):
        courses = COURSES
        if IS_ALL:
            flipped = [dataclasses.replace(one, is_sharded=not one.is_sharded) for one in COURSES]
            courses = COURSES + flipped
        for course in courses:
            start = self.start(course)
            n_killed = 0
            for request, is_done in self.points(course, start):
                with self.subTest(course=course.directory(), request=request, is_done=is_done):
                    n_killed += self.is_killed_at(course, start, request, is_done)
            self.assertGreater(n_killed, 5)


class S3Crash(Crash, servers.OnMoto, unittest.TestCase):
    pass


class AzureCrash(Crash, servers.OnAzurite, unittest.TestCase):
    pass
