"""Signals, terminals and pipes."""

import os
import pty
import select
import signal
import subprocess
import time

import numpy as np

from support import LAZY, PATIENCE, ProgramTest, n_waiting, python, stream


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.002)


def wait_for_rest(pipe):
    """Waits until nothing more comes into a pipe."""
    before = -1
    while (now := n_waiting(pipe)) != before:
        before = now
        time.sleep(0.1)


class Signals(ProgramTest):
    def start(self, *arguments, **options):
        return subprocess.Popen([LAZY, *map(str, arguments)], cwd=self.directory, stderr=-1, stdout=-1, **options)

    def save_parts(self):
        for i in range(1000):
            self.save(f"parts/{i}.npy", np.full((1, 4), float(i)))

    def test_files_are_gone_on_with(self):
        data = np.random.default_rng(0).normal(size=(8000, 2000))
        n_files = 40
        for i in range(n_files):
            self.save(f"part-{i}.npy", data[i * 200 : (i + 1) * 200])
        inputs = [f"part-{i}.npy" for i in range(n_files)]
        arguments = ["store", *inputs, "-o", "a.zarr", "--chunks", "200,2000", "--codec", "zstd:12", "--stats", "mean"]
        for stop in (signal.SIGINT, signal.SIGTERM):
            process = self.start(*arguments, "--resume")
            staged = self.path("a.zarr/c")
            before = len(list(staged.glob("*/*"))) if staged.exists() else 0
            wait_for(lambda: staged.exists() and len(list(staged.glob("*/*"))) > before)
            process.send_signal(stop)
            _, errors = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 128 + stop, errors)
            self.assertEqual(errors.decode(), "lazy: stopped; a.zarr is unchanged; the stored chunks are kept: continue with the same "
                                              "command and --resume\n")
        said = self.lazy("unfinished", ".")
        self.assertRegex(said, r"a\.zarr: interrupted after it had stored \d+ chunks \(.*\) of 40 arrays, from part-0.npy to part-39.npy")
        self.assertTrue(said.rstrip().endswith("continue it with `lazy store --resume`"), said)
        said = self.lazy(*arguments, code=1) or self.errors
        self.assertIn("an earlier write of a.zarr was interrupted", said)
        # A signal that was ignored when the program began stays so, as under nohup.
        line = f'trap "" HUP; exec "{LAZY}" store part-0.npy -o b.zarr --codec zstd:19'
        process = subprocess.Popen(["sh", "-c", line], cwd=self.directory, stderr=-1)
        wait_for(self.path("b.zarr").exists)
        process.send_signal(signal.SIGHUP)
        process.communicate()
        self.assertEqual(process.returncode, 0)
        # Of other files, it is another write.
        said = self.lazy("store", *inputs[1:], "-o", "a.zarr", *arguments[-6:], "--resume", code=1) or self.errors
        self.assertIn("cannot resume the unfinished write of a.zarr", said)
        mean = self.lazy(*arguments, "--resume").split()[-1]
        self.assertAlmostEqual(float(mean), data.mean())
        np.testing.assert_array_equal(self.array("a.zarr")[:], data)
        self.assertEqual(self.lazy("unfinished", "."), "")

    def test_what_is_left_is_removed(self):
        self.save("a.npy", np.random.default_rng(0).normal(size=(40000, 500)))
        process = self.start("store", "a.npy", "-o", "a.zarr", "--chunks", "400,500", "--codec", "zstd:19")
        staged = self.path("a.zarr/c")
        wait_for(lambda: staged.exists() and any(staged.glob("*/*")))
        # While it is being written, nobody touches it.
        self.assertIn("being written by", self.lazy("unfinished", "a.zarr"))
        for more in ([], ["--json"]):
            self.assertIn("being written" if not more else "running", self.lazy("unfinished", "a.zarr", "--remove", *more, code=1))
            self.check_said(self.errors)
            self.assertRegex(self.errors, r"a\.zarr was not removed: it is being written by process \d+")
        process.kill()
        process.communicate()
        told = self.json("unfinished", ".")
        self.assertEqual([write["state"] for write in told], ["resumable"])
        self.lazy("unfinished", "a.zarr", "--remove")
        self.assertEqual(set(self.tree()), {"a.npy"})

    def test_a_stream_that_waits(self):
        block = stream([np.ones((3, 4))])
        sent_before = [(signal.SIGINT, b""), (signal.SIGINT, block + block[:150]), (signal.SIGTERM, block)]
        for stop, sent in sent_before + [(stop, block) for stop in (signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU)]:
            process = self.start("store", "-", "-o", "a.zarr", stdin=-1)
            process.stdin.write(sent)
            process.stdin.flush()
            wait_for(self.path("a.zarr/.lazy.1/created").exists)
            process.send_signal(stop)
            wait_for(lambda: process.poll() is not None)
            _, errors = process.communicate()
            self.assertEqual(process.returncode, 128 + stop)
            self.assertIn("a.zarr is unchanged; nothing is kept, since a stream cannot be resumed", errors.decode())
            self.assertEqual(errors.count(b"\n"), 1)
            self.assertEqual(set(self.tree()), set())

    def test_a_second_signal_ends_it_at_once(self):
        self.save_parts()
        for first, second in [
            (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGHUP, signal.SIGINT),
            (signal.SIGQUIT, signal.SIGHUP), (signal.SIGXCPU, signal.SIGQUIT),
        ]:
            process = self.caught_in_the_middle("store", "parts", "-o", "a.zarr", "--chunks", "1,4", "--replace", "--resume")
            process.send_signal(first)
            # The chunk that is under way does not come to its end; and the system repeats this one by itself.
            time.sleep(0.2)
            process.send_signal(signal.SIGXCPU)
            time.sleep(0.2)
            self.assertIsNone(process.poll(), first)
            process.send_signal(second)
            self.assertEqual(process.wait(timeout=PATIENCE), 128 + second)
            self.assertFalse(self.path("a.zarr/zarr.json").exists())
        self.lazy("store", "parts", "-o", "a.zarr", "--chunks", "1,4", "--resume")

    def test_other_commands(self):
        self.save_parts()
        self.lazy("store", "parts", "-o", "a.zarr", "--chunks", "1,4")
        # What they print is more than a pipe holds, so they wait; and stop when it is read.
        for path in self.path("a.zarr/c").rglob("0"):
            path.write_bytes(b"torn") if path.is_file() else None
        for stop in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGXCPU):
            process = self.start("verify", "a.zarr", "-q")
            wait_for(lambda: n_waiting(process.stdout) > 0)
            wait_for_rest(process.stdout)
            process.send_signal(stop)
            _, errors = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, 128 + stop, errors)
            self.assertRegex(errors.decode(), r"^lazy: stopped after \d+ of 1000 chunks\n$")

    def test_what_is_wrong_with_the_target_is_said_before_the_first_block(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((3, 4))]))
        process = self.start("store", "-", "-o", "a.zarr", stdin=-1)
        wait_for(lambda: process.poll() is not None)
        self.assertIn("a.zarr already exists", process.stderr.read().decode())
        process.communicate()

    def test_a_producer_that_is_killed(self):
        program = (
            "import sys, time, numpy as np\n"
            "np.save(sys.stdout.buffer, np.ones((3, 4)))\n"
            "sys.stdout.buffer.write(b'\\x93NUMPY'); sys.stdout.flush()\n"
            "open('written', 'w').close(); time.sleep(1000)\n"
        )
        producer = python(program, stdout=-1, cwd=self.directory)
        process = self.start("store", "-", "-o", "a.zarr", stdin=producer.stdout)
        producer.stdout.close()
        wait_for(self.path("written").exists)
        producer.kill()
        producer.wait()
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 3)
        self.assertIn("check whether the program that wrote it failed", errors.decode())


class Pipes(ProgramTest):
    def test_a_reader_that_has_enough(self):
        self.lazy("store", "-", "-o", "a.zarr", stdin=stream([np.ones((100_000, 2))]))
        for arguments in [
            ["reduce", "a.zarr", "--stats", "mean", "--axis", "rows", "-q"],
            ["export", "a.zarr", "-o", "-"],
            ["completions", "bash"],
        ]:
            process = subprocess.Popen([LAZY, *arguments], cwd=self.directory, stdout=-1, stderr=-1)
            process.stdout.read(10)
            process.stdout.close()
            self.assertEqual((process.wait(), process.stderr.read()), (0, b""), arguments)
            process.stderr.close()


    def test_results_are_stored_and_defects_count_all_the_same(self):
        self.lazy("store", "-", "-o", "a.zarr", "--chunks", "1,2", stdin=stream([np.ones((3000, 2))]))
        for path in self.path("a.zarr/c").rglob("*"):
            if path.is_file():
                path.write_bytes(b"torn")
        for line, code in [(f'"{LAZY}" verify a.zarr -q', 3), (f'"{LAZY}" reduce b.npy --stats mean -o g.zarr', 0)]:
            self.save("b.npy", np.ones((3, 3)))
            script = f"set -o pipefail; {line} | true"
            done = subprocess.run(["bash", "-c", script], cwd=self.directory, capture_output=True)
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(self.array("g.zarr/mean")[:], [1])

    def test_standard_error_that_cannot_be_written_to(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([LAZY, "info", "nothing"], cwd=self.directory, stderr=full)
            self.assertEqual(done.returncode, 1)
            environment = {**os.environ, "RUST_LOG": "debug"}
            done = subprocess.run([LAZY, "reduce", "-", "--stats", "mean"], input=stream([np.ones((2, 3))]), stderr=full,
                                  stdout=subprocess.DEVNULL, env=environment)
            self.assertEqual(done.returncode, 0)


class Terminals(ProgramTest):
    def on_a_terminal(self, *arguments, stdin):
        """What is drawn on a terminal of standard error."""
        terminal, end = pty.openpty()
        os.set_blocking(terminal, False)
        command = [LAZY, *arguments]
        process = subprocess.Popen(command, cwd=self.directory, stdin=-1, stdout=-1, stderr=end)
        os.close(end)
        drawn = b""

        def read():
            nonlocal drawn
            while select.select([terminal], [], [], 0)[0]:
                try:
                    drawn += os.read(terminal, 1 << 16)
                except OSError:
                    return

        for part in stdin:
            process.stdin.write(part)
            process.stdin.flush()
            before = len(drawn)
            end_of_wait = time.monotonic() + 0.4
            while time.monotonic() < end_of_wait and len(drawn) == before:
                read()
                time.sleep(0.01)
        process.stdin.close()
        process.wait(timeout=PATIENCE)
        read()
        os.close(terminal)
        process.stdout.close()
        self.assertEqual(process.returncode, 0, drawn)
        return drawn.decode()

    def test_progress_is_drawn(self):
        blocks = [stream([np.ones((1000, 100))])] * 6
        drawn = self.on_a_terminal("store", "-", "-o", "a.zarr", stdin=blocks)
        self.assertRegex(drawn, r"\d blocks \[\d+s\] in ≤ [\d.]+ MiB [\d.]+ [KM]iB, [\d.]+ [KM]iB/s")
        self.assertIn("stored float64 [6000, 100] as a.zarr", drawn)

    def test_no_progress_elsewhere(self):
        blocks = [stream([np.ones((1000, 100))])] * 6
        self.lazy("store", "-", "-o", "a.zarr", stdin=b"".join(blocks))
        self.assertEqual(self.errors.count("\n"), 1, self.errors)
        self.assertNotIn("\x1b", self.errors)
        self.assertNotIn("\r", self.errors)
        drawn = self.on_a_terminal("store", "-", "-o", "b.zarr", "--quiet", stdin=blocks)
        self.assertEqual(drawn, "")

    def test_a_terminal_is_no_stream(self):
        terminal, end = pty.openpty()
        done = subprocess.run([LAZY, "store", "-", "-o", "a.zarr"], stdin=end, capture_output=True, cwd=self.directory)
        os.close(end)
        os.close(terminal)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is a terminal; pipe .npy records into it", done.stderr.decode())


class Logs(ProgramTest):
    def test_a_filter_that_makes_no_sense(self):
        environment = {**os.environ, "RUST_LOG": "garbage===["}
        done = subprocess.run([LAZY, "info", "a"], capture_output=True, env=environment)
        self.assertEqual(done.returncode, 2)
        self.assertIn("RUST_LOG is invalid", done.stderr.decode())

    def test_what_happens_inside(self):
        environment = {**os.environ, "RUST_LOG": "debug"}
        done = subprocess.run([LAZY, "reduce", "-", "--stats", "mean"], input=stream([np.ones((2, 3))]),
                              capture_output=True, env=environment, check=True)
        self.assertIn("DEBUG", done.stderr.decode())
        self.assertEqual(done.stdout.decode().split()[-1], "1")
