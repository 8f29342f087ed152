"""Workers that Slurm starts: tasks of arrays and of steps."""

import json
import os
import shlex
import unittest

import numpy as np
from engines import JOBS
from slurm import SlurmTest, start_cluster as setUpModule


#: A program whose blocks leave a file each.
SCRIPT = """
import os
import lazy_chunks
import numpy as np

def block(i):
    with open(f"computed/{i}", "x") as file:
        file.write(os.environ["SLURM_ARRAY_TASK_ID"])
    return np.full((10, 20), i, dtype="float32")

stored, found = lazy_chunks.store(
    ([10] * 40, block), "values.zarr", resume="run 1", row_type=("float32", [20]), chunks=[10, 20],
    parts=8, stats="mean", workers="env")
print("shape", stored.shape, "mean", found["mean"])
"""


class Arrays(SlurmTest):
    def test_an_array_of_tasks(self):
        job = self.run_job("--array=0-3", JOBS / "slurm-array.sh", ids=range(4))
        name = "worker {0} of 4 (SLURM_ARRAY_TASK_ID={0}, SLURM_ARRAY_TASK_MIN=0, SLURM_ARRAY_TASK_COUNT=4, "
        name += "SLURM_PROCID=0, SLURM_STEP_NUM_TASKS=1)"
        self.assertEqual(self.names(), [name.format(i) for i in range(4)], self.said(job))
        self.check_together()

    def test_arrays_with_gaps(self):
        self.run_job("--array=3,7", JOBS / "slurm-array.sh", ids=(3, 7))
        self.assertEqual([name.split(" (")[0] for name in self.names()], ["worker 0 of 2", "worker 1 of 2"])
        self.check_together()
        # When all is done, a task says so.
        self.run_job("--array=1,5,6,9", JOBS / "slurm-array.sh", ids=(1, 5, 6, 9))
        late = self.workers()[2:]
        names = sorted(worker.name.split(" (")[0] for worker in late)
        self.assertEqual(names, [f"about worker {i} of 4" for i in range(4)])
        for worker in late:
            result = json.loads(worker.output)
            self.assertEqual((result["outcome"], result["computed_parts"]), ("finished before", 0))
            self.assertIn("values.zarr is already complete: ", worker.log)

    def test_a_task_without_srun(self):
        self.run_job("--array=5-6", "--wrap", "lazy store parts/ -o values.zarr --workers env", ids=(5, 6))
        name = "worker {} of 2 (SLURM_ARRAY_TASK_ID={}, SLURM_ARRAY_TASK_MIN=5, SLURM_ARRAY_TASK_COUNT=2)"
        self.assertEqual(self.names(), [name.format(0, 5), name.format(1, 6)])
        self.check_together()

    @unittest.skipUnless("PACKAGE_PATH" in os.environ, "there is no Python for the package")
    def test_a_script_in_python(self):
        self.path("script.py").write_text(SCRIPT)
        self.path("computed").mkdir()
        path, python = (shlex.quote(os.environ[name]) for name in ("PACKAGE_PATH", "PACKAGE_PYTHON"))
        command = f"srun env PYTHONPATH={path} {python} script.py"
        job = self.run_job("--array=0-3", "--wrap", command, ids=range(4))
        said = self.said(job)
        self.assertEqual(said.count("shape (400, 20) mean 19.5"), 4, said)
        computed = list(self.path("computed").iterdir())
        self.assertEqual(sorted(int(file.name) for file in computed), list(range(40)))
        expected = np.repeat(np.arange(40, dtype="f4"), 10)[:, None] * np.ones((1, 20), "f4")
        np.testing.assert_array_equal(self.array("values.zarr")[:], expected)

    def test_influence(self):
        for n in (1, 4):
            job = self.run_job(f"--array=0-{n - 1}", "--wrap", f"srun influence of-{n}", ids=range(n))
            self.assertEqual(self.check_influence(self.said(job), f"of-{n}"), n)


class Steps(SlurmTest):
    def test_the_tasks_of_a_step(self):
        job = self.run_job("--ntasks=4", JOBS / "slurm-step.sh")
        name = "worker {} of 4 (SLURM_PROCID={}, SLURM_STEP_NUM_TASKS=4)"
        self.assertEqual(self.names(), [name.format(i, i) for i in range(4)], self.said(job))
        self.check_together()

    def test_the_tasks_of_a_step_with_pmi(self):
        self.run_job("--ntasks=2", "--wrap", "srun --mpi=pmi2 --wait=0 lazy store parts/ -o values.zarr --workers env")
        name = "worker {0} of 2 (SLURM_PROCID={0}, SLURM_STEP_NUM_TASKS=2, PMI_RANK={0}, PMI_SIZE=2)"
        self.assertEqual(self.names(), [name.format(i) for i in range(2)])
        self.check_together()

    def test_steps_in_the_tasks_of_an_array(self):
        self.run_job("--array=0-1", "--ntasks=2", JOBS / "slurm-step.sh", ids=(0, 1))
        self.assertEqual([name.split(" (")[0] for name in self.names()], [f"worker {i} of 4" for i in range(4)])
        self.check_together()

    def test_a_batch_script_is_the_only_worker(self):
        job = self.run_job("--ntasks=3", "--wrap", "env > variables; lazy store parts/ -o values.zarr --workers env")
        variables = self.path("variables").read_text().splitlines()
        self.assertIn("SLURM_PROCID=0", variables)
        self.assertIn("SLURM_NTASKS=3", variables)
        self.assertEqual(self.names(), [f"the only worker (SLURM_JOB_ID={job}, but no SLURM_STEP_ID)"])
        self.check_together()

    def test_influence(self):
        for n in (1, 4):
            job = self.run_job(f"--ntasks={n}", "--wrap", f"srun --wait=0 influence of-{n}")
            self.assertEqual(self.check_influence(self.said(job), f"of-{n}"), n)
