"""A Slurm of one node, for the tests of one process."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

import psutil

from engines import PATIENCE, EngineTest, wait_until

#: From <linux/prctl.h>.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
#: The jobs that run at the same time, whatever the number of cores is.
N_SLOTS = 8
#: Times that another process may take a port between its choice and its use.
MOST_STARTS = 5

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
NodeName={host} NodeAddr=127.0.0.1 CPUs={slots} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits as long as a credential is valid: 5 seconds at least.
AuthInfo=socket={directory}/munge.socket,cred_expire=5
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
# The seconds from SIGTERM to SIGKILL.
KillWait=1
# A cluster may end a step when one of its tasks has ended.
KillOnBadExit=1
WaitTime=1
"""


class Cluster:
    """Slurm's daemons, and the commands that talk to them."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        # Jobs are children of this process when slurmd and their parents have ended, so they are found.
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.die_with_parent = lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The path of a socket must be short.
        self.directory = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.processes = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        for name in ("state", "spool", "log"):
            (self.directory / name).mkdir()
        key = self.directory / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        files = [f"--{name}-file={self.directory}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        # The directory is the user's own, and /tmp is writable for all.
        self.daemon("munged", "--foreground", "--force", *files, f"--socket={self.directory}/munge.socket")
        wait_until(lambda: (self.directory / "munge.socket").exists(), self.why_not)
        for _ in range(MOST_STARTS):
            if self.has_started():
                return
        raise OSError(f"Slurm has not started: {self.why_not()}")

    def has_started(self):
        """Starts the daemons at free ports. Returns false if one of them has ended."""
        with contextlib.ExitStack() as stack:
            free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
            controller_port, node_port = (one.getsockname()[1] for one in free)
        host = socket.gethostname().split(".")[0]
        file = self.directory / "slurm.conf"
        file.write_text(CONFIGURATION.format(
            host=host, controller_port=controller_port, node_port=node_port, slots=N_SLOTS,
            directory=self.directory,
        ))
        daemons = [self.daemon(name, "-D", "-f", file) for name in ("slurmctld", "slurmd")]

        def is_up():
            return self.run("sinfo", "--noheader", "--format=%T", check=False).startswith("idle")

        wait_until(lambda: is_up() or any(one.poll() is not None for one in daemons), self.why_not)
        if all(one.poll() is None for one in daemons):
            return True
        for one in daemons:
            self.end(one)
        return False

    def daemon(self, name, *arguments):
        with open(self.directory / f"{name}.said", "ab") as said:
            process = subprocess.Popen(
                [program(name), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                cwd=self.directory, env=self.environment(), preexec_fn=self.die_with_parent, start_new_session=True,
            )
        self.processes.append(process)
        return process

    def environment(self):
        return {**os.environ, "SLURM_CONF": str(self.directory / "slurm.conf")}

    def why_not(self):
        """The last words of each daemon."""
        said = {path.name: path.read_text(errors="replace")[-1000:] for path in self.directory.glob("*.said")}
        return "\n".join(f"{name}: {text}" for name, text in said.items())

    def run(self, command, *arguments, check=True, **options):
        """Runs a command of Slurm, and returns its output."""
        options = {"env": self.environment(), **options}
        done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, **options)
        if check and done.returncode:
            raise AssertionError(f"{command} {arguments}: exit code {done.returncode}: {done.stderr}\n{self.why_not()}")
        return done.stdout

    def jobs(self, job):
        """What Slurm knows about a job, and about each task of an array."""
        lines = self.run("scontrol", "show", "job", job, "--oneliner").splitlines()
        fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines if line]
        # Tasks that still wait are one record.
        return {one.get("ArrayTaskId", ""): one for one in fields}

    def stop(self):
        """Cancels all jobs and ends all daemons. Afterwards, no process of the cluster is left."""
        try:
            if self.processes:
                self.run("scancel", "--user=root", check=False)
        finally:
            for process in self.processes[::-1]:
                self.end(process)
            end_children()
            shutil.rmtree(self.directory)

    def end(self, process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes.remove(process)


def end_children():
    """Kills the children of this process, and then those that become its children."""
    while children := psutil.Process().children():
        for child in children:
            child.kill()
            child.wait(PATIENCE)


def program(name):
    """The path of a daemon, or None. Daemons are not always in the path of a user."""
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def why_not():
    """Returns the reason why Slurm cannot run here, or an empty string."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if program(name) is None]
    if missing:
        return f"there is no {missing[0]}"
    return "" if os.getuid() == 0 else "only root can run the daemons of Slurm"


WHY_NOT = why_not()

#: The states of a job that has ended.
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")

#: The cluster of the tests of this process.
cluster = None


def start_cluster():
    """Starts the cluster for the tests of a module, which stops when they have ended."""
    global cluster
    if not WHY_NOT:
        cluster = Cluster()
        unittest.addModuleCleanup(cluster.stop)


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SlurmTest(EngineTest):
    def setUp(self):
        super().setUp()
        self.environment["SLURM_CONF"] = cluster.environment()["SLURM_CONF"]

    def slurm(self, command, *arguments):
        return cluster.run(command, *arguments, cwd=self.directory, env=self.environment)

    def submit(self, *arguments):
        """Submits a job, and returns its id."""
        job = self.slurm("sbatch", "--parsable", *arguments).strip()
        # A job that is cancelled before it starts is no longer listed, and writes nothing.
        self.addCleanup(self.slurm, "scancel", job)
        return job

    def wait_for(self, job, ids=("",)):
        """Waits until a job has ended, or some tasks of an array, and returns their states and exit codes."""
        def ended():
            tasks = cluster.jobs(job)
            if all(tasks.get(str(i), {}).get("JobState") in ENDED for i in ids):
                return [(tasks[str(i)]["JobState"], tasks[str(i)]["ExitCode"]) for i in ids]

        return wait_until(ended, lambda: f"{cluster.jobs(job)}\n{self.said(job)}\n{self.described()}")

    def said(self, job):
        """Returns the output of the tasks of a job."""
        return "".join(path.read_text() for path in sorted(self.directory.glob(f"slurm-{job}*.out")))

    def run_job(self, *arguments, ids=("",)):
        """Runs a job that succeeds, and returns its id."""
        job = self.submit(*arguments)
        self.assertEqual(self.wait_for(job, ids), [("COMPLETED", "0:0")] * len(ids), f"{self.said(job)}\n{self.described()}")
        return job

    def restarts(self, job, i=""):
        """Returns how often a job, or a task of an array, was requeued."""
        return int(cluster.jobs(job)[str(i)]["Restarts"])
