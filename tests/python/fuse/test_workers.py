"""Workers that share one array on file systems without locks, with local locks, and on two mounts."""

import dataclasses
import os

from mounts import NO_LOCKS, FuseTest, Write

ALONE = Write("a plan", "g.zarr/values", replaces=True, reads_files=True, worker="off")


def worker(place):
    return dataclasses.replace(ALONE, worker=place)


class Workers(FuseTest):
    def test_each_computes_its_own_share(self):
        for faults in [[NO_LOCKS[0]], [NO_LOCKS[1]], [NO_LOCKS[2]], ["local-flock"], []]:
            with self.subTest(faults=faults), self.mounted(*faults, write=ALONE) as mount:
                with self.mounted_again(mount, *faults) as second:
                    places = [mount.path, second.path]
                    processes = [self.start_store(worker(f"{i}/2"), places[i]) for i in range(2)]
                    for process in processes:
                        ended = self.end(process)
                        self.assertEqual(ended.code, 0, ended.errors)
                # Those that ended while the other one computed its share have left the rest to it.
                self.assertEqual(self.found(ALONE, mount.source), 2)
                self.check_files(ALONE, mount.source)

    def test_a_share_must_be_known(self):
        os.environ["JOB_COMPLETION_INDEX"] = "1"
        self.addCleanup(os.environ.pop, "JOB_COMPLETION_INDEX")
        for faults in [*([fault] for fault in NO_LOCKS), ["local-flock"], []]:
            with self.subTest(faults=faults), self.mounted(*faults, write=ALONE) as mount:
                ended = self.store(worker("env"), mount.path)
                self.assertEqual(ended.code, 1, ended.errors)
                self.assertIn("cannot tell which workers have ended, so each worker computes its own parts alone",
                              ended.errors)
                self.assertIn("\nhint: set `LAZY_WORKER`, which decides alone", ended.errors)
                self.assertEqual(self.found(ALONE, mount.source), 1)
                # A worker that knows its share continues the plan.
                self.assertEqual(self.store(ALONE, mount.path).code, 0)
                self.assertEqual(self.found(ALONE, mount.source), 2)

    def test_crashes(self):
        for faults, every in [([], 3), ([NO_LOCKS[0]], 4), (["local-flock"], 4)]:
            self.crashes(ALONE, *faults, every=every)
