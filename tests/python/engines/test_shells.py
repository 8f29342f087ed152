"""Workers that a shell or GNU parallel starts."""

import shutil
import unittest

from engines import JOBS, N_PARTS, EngineTest


class Loop(EngineTest):
    def test_a_loop(self):
        self.launch("bash", JOBS / "loop.sh")
        self.assertEqual(self.names(), [f"worker {i} of 4 (LAZY_WORKER={i}/4)" for i in range(4)])
        self.check_together()

    def test_a_killed_worker(self):
        (held,) = self.hold()
        process = self.start("bash", JOBS / "loop.sh", 3)
        self.wait_for_others(2, [held])
        n_kept = self.n_kept()
        held.kill()
        held.let_go()
        self.ended(process, code=137)
        self.launch("bash", JOBS / "loop.sh", 2)
        self.check_complete(n_restored=n_kept, n_unlogged=n_kept)

    def test_influence(self):
        loop = "for ((i = 0; i < $1; i++)); do LAZY_WORKER=$i/$1 influence of-$1 & done; wait"
        for n in (1, 4):
            output = self.launch("bash", "-c", loop, "bash", n)
            self.assertEqual(self.check_influence(output, f"of-{n}"), n)


@unittest.skipUnless(shutil.which("parallel"), "there is no parallel")
class Parallel(EngineTest):
    def test_jobs(self):
        self.launch("bash", JOBS / "parallel.sh")
        self.assertEqual(self.names(), [f"worker {i} of 4" for i in range(4)])
        self.check_together()

    def test_jobs_without_a_number(self):
        self.launch("parallel", "-N0", "lazy store parts/ -o values.zarr --workers env", ":::", 1, 2, 3)
        names = [f"worker {i}, of an unknown number (PARALLEL_SEQ={i + 1})" for i in range(3)]
        self.assertEqual(self.names(), names)
        self.check_together()

    def test_a_killed_job(self):
        (held,) = self.hold()
        process = self.start("bash", JOBS / "parallel.sh", 3)
        self.wait_for_others(2, [held])
        self.assertEqual(self.progress()["finished_parts"], N_PARTS - 1)
        n_kept = self.n_kept()
        held.kill()
        held.let_go()
        self.ended(process, code=1)
        self.launch("bash", JOBS / "parallel.sh", 2)
        self.check_complete(n_restored=n_kept, n_unlogged=n_kept)

    def test_influence(self):
        for n in (1, 4):
            jobs = [str(i) for i in range(n)]
            output = self.launch("parallel", f"LAZY_WORKER={{}}/{n} influence of-{n}", ":::", *jobs)
            self.assertEqual(self.check_influence(output, f"of-{n}"), n)
