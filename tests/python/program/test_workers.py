"""Workers that store one array together: the same command, started as several processes."""

import json
import re
import signal
import subprocess
import time

import numpy as np

from support import LAZY, PATIENCE, ProgramTest

N_FILES = 120
STATISTICS = "count,mean,std,min,argmax,top:3,l2,quantiles:0.5,histogram:-1,0,1,cov"


class WorkersTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.parts = [np.random.default_rng(i).normal(size=(6, 30)) for i in range(N_FILES)]
        for i, part in enumerate(self.parts):
            self.save(f"data/{i}.npy", part)

    def command(self, worker, output="a.zarr", *arguments):
        """The command of a worker. Chunks of 10 rows are shared by parts."""
        return ["store", "data", "-o", output, "--workers", worker, "--chunks", "10,30", "--parts", "8", *arguments]

    def start(self, *arguments, **options):
        process = subprocess.Popen([LAZY, *arguments], cwd=self.directory, stdout=-1, stderr=-1, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def ended(self, process, code=0):
        """The results of a process that ends."""
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, errors.decode())
        self.errors = errors.decode()
        return output.decode()

    def work(self, worker, output="a.zarr", *arguments, code=0):
        return self.lazy(*self.command(worker, output, *arguments), code=code)

    def caught(self, worker, *arguments):
        """A worker in the middle of its first part."""
        return self.caught_in_the_middle(*self.command(worker, "a.zarr", *arguments))

    def files(self, name):
        """All files of an array, with their bytes."""
        root = self.path(name)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def check_stored(self, name="a.zarr"):
        np.testing.assert_array_equal(self.array(name)[:], np.concatenate(self.parts))
        self.assertEqual(list(self.path(name).glob(".lazy.*")), [])
        self.lazy("verify", name)


class Together(WorkersTest):
    def test_the_result_does_not_depend_on_the_workers(self):
        alone = json.loads(self.work("off", "alone.zarr", "--stats", STATISTICS, "--json"))
        self.assertEqual((alone["outcome"], alone["parts"], alone["computed_parts"]), ("finished", 8, 8))
        self.assertAlmostEqual(alone["statistics"]["mean"], np.concatenate(self.parts).mean())
        self.check_stored("alone.zarr")
        for n_workers in (1, 2, 4):
            name = f"{n_workers}.zarr"
            processes = [
                self.start(*self.command(f"{i}/{n_workers}", name, "--stats", STATISTICS, "--json"))
                for i in range(n_workers)
            ]
            said = [json.loads(self.ended(process)) for process in processes]
            (published,) = [one for one in said if one["outcome"] == "finished"]
            self.assertEqual(published["statistics"], alone["statistics"])
            for one in said:
                self.assertIn(one["outcome"], ("finished", "remaining", "finished before"))
                self.assertEqual((one["parts"], one["path"]), (8, name))
            # Each part was computed once.
            self.assertEqual(sum(one["computed_parts"] for one in said), 8)
            self.assertEqual(sum(one["computed_blocks"] for one in said), N_FILES)
            self.assertEqual(self.files(name), self.files("alone.zarr"))
        self.check_stored("4.zarr")

    def test_the_output_is_that_of_one_process(self):
        # The results that do not depend on the order of additions.
        exact = "count,min,max,argmin,argmax,top:3,bottom:2,linf,histogram:-1,0,1"
        expected = self.lazy("store", "data", "-o", "alone.zarr", "--chunks", "10,30", "--stats", exact)
        notes = self.errors
        self.assertEqual(self.work("off", "a.zarr", "--stats", exact), expected)
        summary = re.compile(r"^stored float64 \[720, 30\] from 120 arrays as \S+: 168\.75 KiB in 72 chunks, "
                             r"\S+ KiB on disk, \S+, \S+ [KM]iB/s$")
        (first, second) = self.errors.splitlines()
        self.assertEqual(first, "the only worker")
        self.assertRegex(second, summary)
        self.assertRegex(notes.splitlines()[0], summary)
        self.work("off", "b.zarr", "--quiet")
        self.assertEqual(self.errors, "")
        # The chunks are those of one process. The metadata name the states of the files.
        chunks = {key: data for key, data in self.files("a.zarr").items() if key != "zarr.json"}
        self.assertEqual(chunks, {key: data for key, data in self.files("alone.zarr").items() if key != "zarr.json"})
        self.assertEqual(len(chunks), 72)

    def test_the_rows_are_known_to_later_commands(self):
        self.work("0/2")
        # They are compared, and not appended again.
        for more in (["--resume"], ["--append", "--resume"]):
            self.lazy("store", "data", "-o", "a.zarr", "--chunks", "10,30", *more)
            self.assertIn("a.zarr already has the rows" if "--append" in more else "a.zarr is already complete",
                          self.errors)
            self.check_stored()
        self.lazy("store", "data", "-o", "b.zarr", "--chunks", "10,30")
        said = self.fails(*self.command("0/2", "b.zarr"), "--quiet")
        self.assertIn("b.zarr already exists, and has no valid record of the input that it was stored from", said)

    def test_other_inputs(self):
        array = np.random.default_rng(0).normal(size=(60, 40)).astype("f4")
        for i in range(4):
            half = array[30 * (i // 2):][:30]
            self.save(f"grid/{i}.npy", half[:, 20 * (i % 2):][:, :20])
        np.savez(self.path("a.npz"), x=array[:30], y=array[30:])
        for inputs in (["grid", "--grid", "2"], ["a.npz"], ["from-grid.zarr"], ["from-a.npz.zarr"]):
            name = f"from-{inputs[0]}.zarr".replace(".zarr.zarr", ".zarr.copy")
            processes = [
                self.start("store", *inputs, "-o", name, "--chunks", "7,16", "--workers", f"{i}/2", "--parts", "3")
                for i in range(2)
            ]
            for process in processes:
                self.ended(process)
            np.testing.assert_array_equal(self.array(name)[:], array)
        # A member of a group.
        self.lazy("store", "a.npz", "-o", "group.zarr", "--array", "x/y", "--workers", "off", "--shards", "auto")
        np.testing.assert_array_equal(self.array("group.zarr/x/y")[:], array)

    def test_a_worker_that_comes_late(self):
        first = self.caught("0/2", "--stats", "mean")
        # The other worker computes all parts but one, and does not wait.
        second = json.loads(self.work("1/2", "a.zarr", "--stats", "mean", "--json"))
        self.assertEqual((second["outcome"], second["parts"], second["finished_parts"]), ("remaining", 8, 7))
        self.assertIn(second["computed_parts"], range(4, 8))
        (worker,) = second["workers"]
        self.assertTrue(worker["is_certain"])
        self.assertRegex(worker["name"], f"process {first.pid} ")
        self.assertIsNone(second["publisher"])
        self.work("1/2", "a.zarr", "--stats", "mean")
        lines = self.errors.splitlines()
        self.assertEqual(lines[0], "worker 1 of 2")
        self.assertRegex(lines[1], r"^this worker computed 0 of 8 parts \(0 blocks\) of a\.zarr in \S+; "
                                   r"7 of 8 parts are finished, 1 in progress$")
        self.assertEqual(lines[2:], [f"  part {worker['part']}: {worker['name']}"])
        self.assertFalse(self.path("a.zarr/zarr.json").exists())
        mean = float(self.ended(first).split()[-1])
        self.assertAlmostEqual(mean, np.concatenate(self.parts).mean())
        self.check_stored()
        before = self.tree()
        # One that comes after the end has nothing to do.
        third = json.loads(self.work("1/2", "a.zarr", "--stats", "mean", "--json"))
        self.assertEqual((third["outcome"], third["computed_parts"], third["statistics"]), ("finished before", 0, None))
        self.assertEqual(third["shape"], [720, 30])
        self.assertEqual(self.work("1/2"), "")
        self.assertIn("a.zarr is already complete: float64 [720, 30] from 120 arrays; nothing was stored\n", self.errors)
        # A single worker computes its statistics again.
        self.assertEqual(float(self.work("off", "a.zarr", "--stats", "mean").split()[-1]), mean)
        self.assertEqual(self.tree(), before)

    def test_one_worker_of_several_alone(self):
        self.work("2/3")
        self.assertRegex(self.errors, r"\Aworker 2 of 3\nstored float64 .* 72 chunks, ")
        self.check_stored()

    def test_the_environment_names_the_worker(self):
        for variables, line in [
            ({"LAZY_WORKER": "1/2"}, "worker 1 of 2 (LAZY_WORKER=1/2)"),
            ({"PMI_RANK": "2", "PMI_SIZE": "3"}, "worker 2 of 3 (PMI_RANK=2, PMI_SIZE=3)"),
            ({}, "the only worker (no engine found)"),
        ]:
            self.ended(self.start(*self.command("env"), env=variables))
            self.assertEqual(self.errors.splitlines()[0], line)
        self.ended(self.start(*self.command("env"), env={"PMI_RANK": "x", "PMI_SIZE": "3"}), code=2)
        self.assertIn("the environment variable PMI_RANK must be a whole number, got `x`; set `LAZY_WORKER`", self.errors)

    def test_a_replacement(self):
        self.work("0/2")
        before = self.files("a.zarr")
        # The same input is there already.
        self.work("0/2", "a.zarr", "--replace")
        self.assertIn("a.zarr is already complete", self.errors)
        self.assertEqual(self.files("a.zarr"), before)
        self.parts = [part + 1 for part in self.parts]
        for i, part in enumerate(self.parts):
            self.save(f"data/{i}.npy", part)
        self.assertIn("a.zarr already exists", self.fails(*self.command("0/2"), "--quiet"))
        for worker in ("0/2", "1/2"):
            self.work(worker, "a.zarr", "--replace")
        self.assertIn("a.zarr is already complete", self.errors)
        self.check_stored()


class Stopped(WorkersTest):
    def test_a_killed_worker(self):
        self.work("off", "alone.zarr", "--stats", STATISTICS)
        expected = json.loads(self.work("off", "alone.zarr", "--stats", STATISTICS, "--json"))["statistics"]
        process = self.caught("0/2", "--stats", STATISTICS)
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        (write,) = self.json("status", "a.zarr")
        self.assertEqual((write["state"], write["parts"], write["running_parts"]), ("shared", 8, 0))
        n_chunks = len(list(self.path("a.zarr/c").glob("*/*")))
        self.assertGreater(n_chunks, 0)
        said = json.loads(self.work("1/2", "a.zarr", "--stats", STATISTICS, "--json"))
        self.assertEqual((said["outcome"], said["statistics"]), ("finished", expected))
        self.assertEqual(self.files("a.zarr"), self.files("alone.zarr"))
        self.check_stored()

    def test_signals_end_a_worker_with_exit_code_75(self):
        self.work("off", "alone.zarr", "--stats", STATISTICS)
        expected = json.loads(self.work("off", "alone.zarr", "--stats", STATISTICS, "--json"))["statistics"]
        for stop, more in [
            (signal.SIGTERM, []), (signal.SIGINT, []), (signal.SIGUSR1, ["--stop-signal", "USR1"]),
            (signal.SIGUSR2, ["--stop-signal", "SIGUSR2"]), (signal.SIGTERM, ["--stop-signal", "TERM"]),
        ]:
            with self.subTest(stop=stop, more=more):
                process = self.caught("0/2", "--stats", STATISTICS, *more, "--quiet")
                process.send_signal(stop)
                self.ended(process, code=75)
                (last,) = [line for line in self.errors.splitlines() if line.startswith("lazy: ")]
                self.assertRegex(last, r"^lazy: stopped; a\.zarr is unchanged; this worker has finished \d parts?; "
                                       r"\d of 8 parts are finished, 0 running, \d waiting; the stored parts and "
                                       r"chunks are kept: continue with the same command$")
                self.assertFalse(self.path("a.zarr/zarr.json").exists())
                self.lazy("unfinished", "a.zarr", "--remove")
        # Other signals still end the process at once.
        process = self.caught("0/2", "--stats", STATISTICS)
        process.send_signal(signal.SIGUSR1)
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGUSR1)
        # The same command continues.
        process = self.caught("0/2", "--stats", STATISTICS)
        process.send_signal(signal.SIGTERM)
        self.ended(process, code=75)
        said = json.loads(self.work("0/2", "a.zarr", "--stats", STATISTICS, "--json"))
        self.assertEqual((said["outcome"], said["statistics"]), ("finished", expected))
        self.assertEqual(self.files("a.zarr"), self.files("alone.zarr"))

    def test_a_second_signal_ends_a_worker_at_once(self):
        process = self.caught("0/2", "--stop-signal", "USR1")
        for stop in (signal.SIGUSR1, signal.SIGTERM):
            self.assertIsNone(process.poll())
            process.send_signal(stop)
            time.sleep(0.2)
        self.assertEqual(process.wait(timeout=PATIENCE), 128 + signal.SIGTERM)
        self.work("0/2")
        self.check_stored()

    def test_a_file_that_changes(self):
        process = self.caught("0/2")
        self.parts = [part + 1 for part in self.parts]
        for i, part in enumerate(self.parts):
            self.save(f"data/{i}.npy", part)
        self.ended(process, code=1)
        self.assertRegex(self.errors, r"lazy: could not store all of a\.zarr: (block \d+: )?data/\d+\.npy changed while it was read")
        self.assertIn("\nhint: remove the unfinished write with `lazy unfinished a.zarr --remove`, and start all workers anew\n",
                      self.errors)
        # The stored chunks are those of the old files, so no worker continues the plan.
        said = self.fails(*self.command("1/2"), "--quiet")
        self.assertIn('its revision changed from "states of the files ', said)
        self.lazy("unfinished", "a.zarr", "--remove")
        self.work("1/2")
        self.check_stored()


class Refused(WorkersTest):
    def test_the_plan_of_another_job(self):
        process = self.caught("0/2", "--stats", "mean")
        process.kill()
        process.communicate()
        self.save("other/0.npy", np.ones((720, 30)))
        command = self.command("1/2", "a.zarr", "--stats", "mean", "--quiet")

        def but(old, *new):
            at = command.index(old)
            return [*command[:at], *new, *command[at + len(new):]]

        for changed, what in [
            (but("data", "other"), 'its key changed from "120 arrays, from data/0.npy to data/119.npy; '),
            (but("--parts", "--parts", "9"), "its parts changed from 8 parts to 9 parts"),
            (but("mean", "min"), "its reducers changed from "),
            ([*command, "--codec", "none"], "its codecs changed from "),
            ([*command, "--attr", "a=1"], "its attributes changed from "),
            (but("--chunks", "--chunks", "20,30"), "its chunk and shard settings changed from "),
        ]:
            with self.subTest(what=what):
                said = self.fails(*changed)
                self.assertTrue(said.startswith("lazy: cannot join the plan of a.zarr in "), said)
                self.assertIn(what, said)
                self.assertIn("\nhint: start the worker with the input and the options of the others; or remove the "
                              "unfinished write with `lazy unfinished a.zarr --remove`, and start all workers anew\n", said)
        # Nor does one process take it for a write of its own.
        for more in ([], ["--resume"], ["--restart"], ["--resume", "--restart"]):
            said = self.fails("store", "data", "-o", "a.zarr", "--chunks", "10,30", *more)
            self.assertRegex(said, r"^lazy: workers share an unfinished write of a\.zarr: \d of 8 parts are finished, 0 running, ")
            self.assertIn("\nhint: continue it with --workers, or remove it with `lazy unfinished a.zarr --remove`\n", said)
        self.lazy(*command)
        self.check_stored()

    def test_the_write_of_one_process(self):
        process = self.caught_in_the_middle("store", "data", "-o", "a.zarr", "--chunks", "10,30")
        process.kill()
        process.communicate()
        self.work("0/2", "a.zarr", "--quiet", code=1)
        self.check_said(self.errors)
        self.assertIn("an unfinished write of a.zarr with the key ", self.errors)
        self.assertIn("\nhint: continue it with --resume, or ", self.errors)
        self.lazy("store", "data", "-o", "a.zarr", "--chunks", "10,30", "--resume")
        self.check_stored()

    def test_a_plan_that_is_damaged(self):
        process = self.caught("0/2")
        process.kill()
        process.communicate()
        (plan,) = self.path("a.zarr").glob(".lazy.*/plan")
        plan.write_bytes(plan.read_bytes()[:-20])
        (write,) = self.json("unfinished", "a.zarr")
        self.assertEqual(write["state"], "unreadable")
        self.assertIn("its checksum does not match", write["reason"])
        for command in ("unfinished", "status"):
            self.assertRegex(self.lazy(command, "a.zarr"), r"a\.zarr: shared by workers, but not readable: .* checksum does not "
                                                           "match; remove it with `lazy unfinished --remove`\n")
        self.assertIn("checksum does not match", self.fails("finish", "a.zarr"))
        said = self.fails(*self.command("0/2"), "--quiet")
        self.assertIn("checksum does not match", said)
        self.assertIn("\nhint: remove the unfinished write with `lazy unfinished ", said)
        self.lazy("unfinished", "a.zarr", "--remove")
        self.work("0/2")
        self.check_stored()

    def test_a_pass_that_cannot_start_leaves_no_plan(self):
        self.work("0/2", "a.zarr", "--stats", "cov", "--memory", "1K", code=1)
        self.assertIn("states of the covariance take", self.errors)
        self.assertNotIn("are kept", self.errors)
        self.assertFalse(self.path("a.zarr").exists())
        # Another command is not compared with it.
        self.work("0/1", "a.zarr", "--stats", "mean")
        self.check_stored()

    def test_bad_values(self):
        for arguments, problem in [
            (["--workers", "3/3"], "must be less than the number of workers, got 3 of 3"),
            (["--workers", "x"], "a worker must be `env`, `off` or an index from 0 and a count, such as `3/64`, got `x`"),
            (["--workers", ""], "a worker must be"),
            (["--workers", "off", "--parts", "0"], "invalid value '0' for '--parts <N>'"),
            (["--workers", "off", "--parts", "-1"], "invalid value '-1' for '--parts <N>'"),
            (["--parts", "3"], "--workers"),
            (["--stop-signal", "USR1"], "--workers"),
            (["--workers", "off", "--stop-signal", "KILL"], "must be one of USR1, USR2, TERM"),
            (["--workers", "off", "--append"], "workers cannot append rows"),
            (["--workers", "off", "--restart"], "--restart would discard what other workers have stored"),
            (["--workers", "off", "--chunks", "blocks"], "workers cannot store chunks that have the shapes of blocks"),
        ]:
            with self.subTest(arguments=arguments):
                before = self.tree()
                self.lazy("store", "data", "-o", "b.zarr", *arguments, code=2)
                self.assertIn(problem, self.errors)
                self.assertEqual(self.tree(), before)
        for stream in (["-"], ["--from-command", "cat data/0.npy"]):
            self.lazy("store", *stream, "-o", "b.zarr", "--workers", "off", code=2)
            self.assertIn("workers cannot share a stream", self.errors)

    def test_a_declared_size(self):
        for wrong in (["--rows", "719"], ["--rows", "721"], ["--blocks", "119"]):
            self.fails(*self.command("off"), *wrong, "--quiet")
        self.work("off", "a.zarr", "--rows", "720", "--blocks", "120")


class Status(WorkersTest):
    def test_status(self):
        self.assertIn("nothing does not exist", self.fails("status", "nothing"))
        self.assertIn("data is not a Zarr array", self.fails("status", "data"))
        process = self.caught("1/2")
        (write,) = self.json("status", "a.zarr")
        self.assertEqual(write["target"], str(self.path("a.zarr").resolve()))
        self.assertEqual((write["state"], write["parts"], write["blocks"]), ("shared", 8, N_FILES))
        self.assertEqual(write["finished_parts"] + write["running_parts"] + write["waiting_parts"], 8)
        ((part, name),) = [(worker["part"], worker["name"]) for worker in write["workers"]]
        said = self.lazy("status", "a.zarr").splitlines()
        self.assertRegex(said[0], r"a\.zarr: \d of 8 parts are finished, 1 running, \d waiting; \d+ of 120 blocks, .* stored")
        self.assertEqual(said[1:], [f"  part {part}: {name}"])
        # Also below a directory.
        self.assertEqual(len(self.json("status", ".")), 1)
        said = self.lazy("unfinished", ".")
        self.assertRegex(said, r"a\.zarr: shared by workers, who store 120 arrays, from data/0\.npy to data/119\.npy; .*: "
                               r"\d of 8 parts are finished, 1 running, \d waiting, in .*; continue it with `lazy store --workers`")
        (write,) = self.json("unfinished", ".")
        self.assertEqual((write["state"], write["parts"], write["running_parts"]), ("shared", 8, 1))
        # The write of a running worker is not removed.
        self.assertRegex(self.lazy("unfinished", "a.zarr", "--remove", code=1), "1 running")
        self.assertRegex(self.errors, r"a\.zarr is being written by process \d+")
        said = self.lazy("info", "a.zarr", code=1) or self.errors
        self.assertIn("a.zarr does not exist: a write of it is unfinished", said)
        # Nor is it finished.
        self.lazy("finish", "a.zarr", code=1)
        self.assertRegex(self.errors, r"cannot finish \S+a\.zarr: \d of 8 parts are not finished: .*\n"
                                      r"hint: start workers again; they compute these parts\n")
        watching = self.start("status", "a.zarr", "--interval", "0.1")
        as_json = self.start("status", "a.zarr", "--interval", "0.1", "--json")
        time.sleep(0.5)
        self.ended(process)
        lines = self.ended(watching).splitlines()
        self.assertRegex(lines[0], r"a\.zarr: \d of 8 parts are finished, 1 running")
        self.assertEqual(lines[-1], "a.zarr is complete: float64 [720, 30]")
        states = [json.loads(line)[0]["state"] for line in self.ended(as_json).splitlines()]
        self.assertEqual((states[0], states[-1]), ("shared", "complete"))
        self.assertEqual(self.lazy("status", "a.zarr"), "a.zarr is complete: float64 [720, 30]\n")
        self.assertEqual(self.json("status", "a.zarr"),
                         [{"target": "a.zarr", "state": "complete", "dtype": "float64", "shape": [720, 30]}])
        self.lazy("finish", "a.zarr")
        self.assertEqual(self.errors, "a.zarr: float64 [720, 30] is already complete\n")
        self.check_stored()

    def test_what_a_publisher_leaves(self):
        self.work("0/1")
        left = self.path("a.zarr/.lazy.3")
        for names in ((), ("lock",), ("lock", "created")):
            left.mkdir()
            for name in names:
                (left / name).touch()
            self.assertIn("a.zarr is complete: float64 [720, 30]\n", self.lazy("status", "a.zarr"))
            self.lazy("finish", "a.zarr")
            self.assertIn("is already complete", self.errors)
            self.check_stored()

    def test_what_one_process_writes(self):
        process = self.caught_in_the_middle("store", "data", "-o", "a.zarr", "--chunks", "10,30")
        self.assertRegex(self.lazy("status", "a.zarr"), r"a\.zarr: being written by process \d+")
        self.lazy("finish", "a.zarr", code=1)
        self.assertRegex(self.errors, r"the write of \S+a\.zarr was not finished: it is being written by process \d+")
        process.kill()
        process.communicate()
        self.assertRegex(self.lazy("status", "a.zarr", "--interval", "1"), r"a\.zarr: interrupted after it had stored \d+ chunks")
        self.assertRegex(self.fails("finish", "a.zarr"), r"a\.zarr has no write that workers share")
