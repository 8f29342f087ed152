"""Workers that Slurm stops and starts again."""

import time

from engines import JOBS, N_PARTS, wait_until
from slurm import SlurmTest, start_cluster as setUpModule


class Stopped(SlurmTest):
    def hold_task(self, *arguments):
        """Submits the array script for three tasks, of which one is held, and waits for the others.

        Returns the job, the held worker, and the number of its task.
        """
        (held,) = self.hold()
        job = self.submit("--array=0-2", *arguments, JOBS / "slurm-array.sh")
        held.wait()
        task = int(held.environment()["SLURM_ARRAY_TASK_ID"])
        others = [i for i in range(3) if i != task]
        self.assertEqual(self.wait_for(job, others), [("COMPLETED", "0:0")] * 2)
        progress = self.progress()
        self.assertEqual((progress["finished_parts"], progress["running_parts"]), (N_PARTS - 1, 1))
        return job, held, task

    def test_the_warning_requeues_a_task(self):
        # Slurm looks for such tasks twice a minute, and sends the signal up to 30 seconds early. So it comes when the
        # task has been held for a while.
        job, held, task = self.hold_task("--time=2", "--signal=USR1@60")
        held.wait_for_signal()
        self.assertIn("lazy: stopped; values.zarr is unchanged; ", held.let_go().log)
        self.assertGreater(n_kept := self.n_kept(), 0)
        self.assertEqual(self.wait_for(job, [task]), [("COMPLETED", "0:0")], self.said(job))
        self.assertEqual(self.restarts(job, task), 1)
        *_, last = self.workers()
        self.assertEqual(last.n_restored, n_kept)
        self.check_complete(n_restored=n_kept)

    def test_a_signal_requeues_a_step(self):
        (held,) = self.hold()
        job = self.submit("--ntasks=3", JOBS / "slurm-step.sh")
        self.wait_for_others(2, [held])
        self.slurm("scancel", "--signal=USR1", job)
        held.wait_for_signal()
        self.assertIn("lazy: stopped; ", held.let_go().log)
        self.assertGreater(n_kept := self.n_kept(), 0)
        self.assertEqual(self.wait_for(job), [("COMPLETED", "0:0")], self.said(job))
        self.assertEqual(self.restarts(job), 1)
        self.assertEqual(len(self.workers()), 6)
        self.check_complete(n_restored=n_kept)

    def test_a_cancelled_task(self):
        job, held, task = self.hold_task()
        n_kept = self.n_kept()
        # The worker cannot stop when SIGTERM comes, so SIGKILL follows.
        self.slurm("scancel", f"{job}_{task}")
        wait_until(held.has_ended, self.described)
        self.assertNotIn("lazy: ", held.let_go().log)
        self.assertEqual(self.wait_for(job, [task])[0][0], "CANCELLED")
        self.assertEqual(self.restarts(job, task), 0)
        progress = self.progress()
        self.assertEqual((progress["finished_parts"], progress["running_parts"]), (N_PARTS - 1, 0))
        # Tasks with other indices, and of another number, compute the rest.
        self.run_job("--array=3,7", JOBS / "slurm-array.sh", ids=(3, 7))
        self.check_complete(n_restored=n_kept, n_unlogged=n_kept)
        # Nothing is left to do.
        self.run_job("--array=0-2", JOBS / "slurm-array.sh", ids=range(3))
        for worker in self.workers()[-3:]:
            self.assertIn("values.zarr is already complete: ", worker.log)
        self.check_complete(n_restored=n_kept, n_unlogged=n_kept)

    def test_a_killed_task_of_a_step(self):
        killed, other = self.hold(2)
        job = self.submit("--ntasks=3", JOBS / "slurm-step.sh")
        self.wait_for_others(1, [killed, other])
        killed.kill()
        n_stored = killed.let_go().log.count("chunk stored")
        # Enough time for the cluster to end the step, if the script let it.
        time.sleep(3)
        self.assertFalse(other.has_ended(), self.said(job))
        # The other worker takes over.
        other.let_go()
        self.assertEqual(self.wait_for(job), [("FAILED", "137:0")], self.said(job))
        self.assertEqual(self.restarts(job), 0)
        n_restored = sum(worker.n_restored for worker in self.workers())
        # The worker could not log its last chunk.
        self.assertIn(n_restored, (n_stored, n_stored + 1))
        self.check_complete(n_restored, n_unlogged=n_restored)
        self.run_job("--ntasks=2", JOBS / "slurm-step.sh")
        for worker in self.workers()[-2:]:
            self.assertIn("values.zarr is already complete: ", worker.log)
