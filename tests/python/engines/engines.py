"""Workers that engines start: `lazy store --workers env`, and the example `influence`.

The tests run the job scripts of the guide as they are. There, `lazy` is a wrapper that gives each worker its own
files for its output and its log. The log tells which blocks the worker has computed.
"""

import fcntl
import filecmp
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "program"))

from support import LAZY, PATIENCE, ProgramTest, n_waiting

INFLUENCE = os.environ["INFLUENCE"]
#: The files and the output of one worker.
INFLUENCE_OF_ONE = Path(os.environ["INFLUENCE_OF_ONE"])
JOBS = Path(__file__).parents[3] / "docs/src/jobs"

N_BLOCKS, N_PARTS = 240, 8
#: A chunk for each block, so a chunk on disk is a block that must not be computed again.
OPTIONS = ["--chunks", "6,30", "--parts", str(N_PARTS), "--threads", "1", "--json"]
STATISTICS = ["--stats", "count,mean,std,min,argmax,top:3,quantiles:0.5,cov"]

#: A worker that gets a pipe logs into it, and waits when it is full.
WRAPPER = """#!/bin/sh
files=$(mktemp --directory {logs}/XXXXXX)
echo $$ >"$files/pid"
log=$files/log
for pipe in {logs}/pipe-*; do
    if mv "$pipe" "$files/pipe" 2>/dev/null; then
        log=$files/pipe
        break
    fi
done
export RUST_LOG=trace
exec {lazy} "$@" {options} >"$files/output" 2>"$log"
"""


def wait_until(is_so, describe=lambda: ""):
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not (result := is_so()):
        assert time.monotonic() < end, f"it did not happen: {describe()}"
        time.sleep(0.02)
    return result


def is_running(process):
    """Returns false if a process has ended, also if its parent has not yet asked for its exit code."""
    return os.path.exists(f"/proc/{process}/exe")


@dataclass
class Worker:
    """The output of a worker."""

    log: str
    output: str

    @property
    def name(self):
        """The worker that it found it was."""
        return self.log.splitlines()[0]

    def counted(self, word):
        """The sum of a number over all passes."""
        return sum(int(n) for n in re.findall(rf"evaluation (?:completed|failed) .*?\b{word}=(\d+)", self.log))

    @property
    def n_restored(self):
        return self.counted("restored")

    @property
    def n_computed(self):
        return self.counted("blocks") - self.n_restored


class EngineTest(ProgramTest):
    """A test in a directory that has the input `parts`, and a path that has the programs."""

    def setUp(self):
        super().setUp()
        for i in range(N_BLOCKS):
            self.save(f"parts/{i}.npy", np.random.default_rng(i).normal(size=(6, 30)))
        self.logs = self.path("logs")
        self.logs.mkdir()
        programs = self.path("bin")
        programs.mkdir()
        options = shlex.join([*OPTIONS, *STATISTICS])
        logs, lazy = shlex.quote(str(self.logs)), shlex.quote(LAZY)
        (programs / "lazy").write_text(WRAPPER.format(logs=logs, lazy=lazy, options=options))
        (programs / "lazy").chmod(0o755)
        (programs / "influence").symlink_to(INFLUENCE)
        # The tests themselves may run under an engine.
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR", "USER") if name in os.environ}
        self.environment = {**kept, "PATH": f"{programs}:{kept['PATH']}"}

    #: Called in each process before its program.
    before_start = None

    def start(self, *command, **variables):
        """Starts a command as a user does."""
        process = subprocess.Popen(
            list(map(str, command)), cwd=self.directory, env={**self.environment, **variables}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=self.before_start,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def ended(self, process, code=0):
        """Waits for a process, and returns its output. Its exit code may be one of several."""
        output, _ = process.communicate(timeout=PATIENCE)
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(process.returncode, codes, f"{output}\n{self.described()}")
        return output

    def launch(self, *command, code=0, **variables):
        """Runs a command as a user does, and returns its output."""
        return self.ended(self.start(*command, **variables), code)

    def hold(self, n=1):
        """Lets the next workers that start wait in the middle of their first part."""
        return [Held(self, i) for i in range(n)]

    def wait_for_others(self, n, held):
        """Waits until `n` workers have ended, and the held ones alone are running."""
        for one in held:
            one.wait()
        files = [one.files for one in held]

        def have_ended():
            others = [int(path.read_text() or 0) for path in self.logs.glob("*/pid") if path.parent not in files]
            return len(others) == n and not any(is_running(process) for process in others)

        wait_until(have_ended, self.described)

    def workers(self):
        """All workers, except those that are held. The one that started last comes last."""
        found = []
        for pid in sorted(self.logs.glob("*/pid"), key=lambda pid: pid.stat().st_mtime_ns):
            if (log := pid.with_name("log")).exists():
                found.append(Worker(log.read_text(), pid.with_name("output").read_text()))
        return found

    def described(self):
        """The logs, without the lines of chunks, for messages of failures."""
        lines = [[line for line in worker.log.splitlines() if "chunk stored" not in line] for worker in self.workers()]
        return "\n".join("\n".join(log[:2] + log[-3:]) for log in lines)

    def n_kept(self):
        """The number of blocks that are stored, and not in a finished part."""
        n_stored = len(list(self.path("values.zarr/c").glob("*/*")))
        return n_stored - N_BLOCKS // N_PARTS * self.progress()["finished_parts"]

    def progress(self):
        (write,) = self.json("status", "values.zarr")
        return write

    def check_complete(self, n_restored=0, n_unlogged=0):
        """Checks the array and the statistics, and that each block was computed once.

        Some may have been computed by a worker that was killed before it logged their number, or restored by another.
        """
        workers, said = self.workers(), self.described()
        self.assertEqual(sum(worker.n_computed for worker in workers), N_BLOCKS - n_unlogged, said)
        self.assertEqual(sum(worker.n_restored for worker in workers), n_restored, said)
        (published,) = [one for one in self.results() if one["outcome"] == "finished"]
        alone = self.lazy("store", "parts/", "-o", "alone.zarr", "--workers", "off", *OPTIONS, *STATISTICS)
        self.assertEqual(published["statistics"], json.loads(alone)["statistics"])
        self.assertEqual(differences(self.path("values.zarr"), self.path("alone.zarr")), [])
        blocks = [np.load(self.path(f"parts/{i}.npy")) for i in range(N_BLOCKS)]
        np.testing.assert_array_equal(self.array("values.zarr")[:], np.concatenate(blocks))
        self.lazy("verify", "values.zarr")

    def results(self):
        """Returns the output of the workers that were not stopped."""
        return [json.loads(worker.output) for worker in self.workers() if worker.output]

    def check_together(self):
        """Checks that workers that were not stopped have computed each part once."""
        self.assertEqual(sum(result["computed_parts"] for result in self.results()), N_PARTS)
        self.check_complete()

    def names(self):
        """The workers that were started, in order of their names."""
        return sorted(worker.name for worker in self.workers())

    def check_influence(self, output, directory):
        """Checks what the example has stored and drawn, and what each worker has printed."""
        self.assertEqual(differences(self.path(directory), INFLUENCE_OF_ONE / "files"), [])
        alone = results_of_influence((INFLUENCE_OF_ONE / "output").read_text())
        self.assertEqual(len(alone), 5)
        printed = results_of_influence(output)
        self.assertEqual(sorted(set(printed)), sorted(alone))
        return len(printed) // len(alone)


class Held:
    """A worker that waits in the middle of its first part, because the test does not read its log."""

    def __init__(self, test, i):
        self.test = test
        name = test.logs / f"pipe-{i}"
        os.mkfifo(name)
        self.pipe = os.open(name, os.O_RDWR | os.O_NONBLOCK)
        test.addCleanup(os.close, self.pipe)
        fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, 4096)

    def wait(self):
        """Waits until a worker is held."""
        inode = os.fstat(self.pipe).st_ino

        def found():
            return [path.parent for path in self.test.logs.glob("*/pipe") if path.stat().st_ino == inode]

        (self.files,) = wait_until(found, self.test.described)
        self.pid = int((self.files / "pid").read_text())
        wait_until(self.is_held, self.test.described)

    def is_held(self):
        self.threads = self.threads_of_process()
        if n_waiting(self.pipe) < 3000 or any(state != "S" for state, _ in self.threads):
            return False
        time.sleep(0.2)
        return self.threads == self.threads_of_process()

    def threads_of_process(self):
        """The state of each thread, and how often it has begun to wait."""
        try:
            status = [path.read_text() for path in Path(f"/proc/{self.pid}/task").glob("*/status")]
        except (FileNotFoundError, ProcessLookupError):
            # A thread has just ended.
            return [("X", 0)]
        pattern = r"(?s)\nState:\s*(\w).*\nvoluntary_ctxt_switches:\s*(\d+)"
        return [re.search(pattern, text).groups() for text in status]

    def wait_for_signal(self):
        """Waits until a signal has come. It wakes a thread, which waits again when the handler has returned."""
        def has_come():
            threads = self.threads_of_process()
            return threads != self.threads and all(state == "S" for state, _ in threads)

        wait_until(has_come, self.test.described)

    def environment(self):
        """The environment variables of the process."""
        variables = Path(f"/proc/{self.pid}/environ").read_text().split("\0")
        return dict(variable.split("=", 1) for variable in variables if variable)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def has_ended(self):
        return not is_running(self.pid)

    def let_go(self):
        """Reads the log until the process has ended."""
        log = b""

        def read():
            nonlocal log
            # A process that has ended writes nothing more.
            has_ended = self.has_ended()
            try:
                while data := os.read(self.pipe, 1 << 16):
                    log += data
            except BlockingIOError:
                return has_ended

        wait_until(read, self.test.described)
        (self.files / "log").write_bytes(log)
        (self.files / "pipe").unlink()
        return Worker(log.decode(), (self.files / "output").read_text())


def results_of_influence(output):
    """The lines that do not name the worker or the place."""
    return [line for line in output.splitlines() if re.match(r"fitted |stored the | *\d+ of the \d+ flipped ", line)]


def differences(one, other):
    """The files that two directories do not share, or that differ."""
    names = [{str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (one, other)]
    assert names[1], f"{other} has no files"
    _, differ, failed = filecmp.cmpfiles(one, other, names[0] & names[1], shallow=False)
    return sorted({*(names[0] ^ names[1]), *differ, *failed})
