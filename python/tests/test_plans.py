"""Several processes share a write, whoever deals the parts."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import tempfile
import threading

import cloudpickle
import lazy_chunks
import numpy as np
import pytest
from lazy_chunks import errors

from laws import files, same
from planned import EXPECTED, ROWS, KillingOnce, Noting, Sum, plan

SPAWN = multiprocessing.get_context("spawn")


def check(found):
    """Check the result of a plan."""
    array, stats = found
    assert same(array.read(), EXPECTED) and array.verify()
    assert stats["sum"] == EXPECTED.sum() and stats["Sum"] == EXPECTED.sum()
    assert stats["argmax"].row == 19 and stats["argmax"].index == 2


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let other processes import the modules of the tests."""
    here = os.path.dirname(__file__)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))


def test_parts_cover_the_rows_at_the_ends_of_blocks(path):
    parts = plan(path).parts()
    assert [part.number for part in parts] == list(range(len(parts))) and len(parts) == 4
    assert parts[0].start == 0 and parts[-1].stop == 20
    assert all(a.stop == b.start for a, b in zip(parts, parts[1:], strict=False))
    assert {part.stop for part in parts} <= set(np.cumsum(ROWS).tolist())


def test_all_parts_make_the_array_in_any_order(path):
    shared = plan(path)
    for part in reversed(shared.parts()):
        found = shared.run(part)
        assert found.outcome == "finished" and found.part == part.number
        assert found.n_blocks > 0 and found.seconds >= 0 and found.holder is None
    assert not path.joinpath("zarr.json").exists()
    check(shared.finish())


def test_another_write_is_told_of_the_plan(path):
    shared = plan(path)
    shared.run(0)
    with pytest.raises(errors.UnfinishedError) as caught:
        lazy_chunks.store([np.zeros((2, 3))], path, overwrite=True)
    assert caught.value.hint.startswith("run the same plan to continue")
    for part in shared.parts():
        shared.run(part)
    check(shared.finish())


def test_a_part_is_computed_once(path, tmp_path):
    function = Noting(tmp_path / "calls")
    shared = plan(path, function)
    for part in shared.parts():
        assert shared.run(part).outcome == "finished"
        again = shared.run(part.number)
        assert again.outcome == "finished before" and again.n_blocks is None
    check(shared.finish())
    assert function.calls() == np.cumsum([0, *ROWS])[:-1].tolist()
    # Whoever comes late finds the array.
    check(plan(path, function).finish())
    assert len(function.calls()) == len(ROWS)


def test_a_plan_cannot_finish_before_all_parts(path):
    shared = plan(path)
    with pytest.raises(errors.UnfinishedError):
        shared.finish()
    parts = shared.parts()
    for part in parts[:-1]:
        shared.run(part)
        with pytest.raises(errors.UnfinishedError):
            shared.finish()
    with pytest.raises(errors.UnfinishedError):
        lazy_chunks.open(path)
    shared.run(parts[-1])
    check(shared.finish())


def test_the_status_tells_what_is_finished(path):
    shared = plan(path)
    parts = shared.parts()
    status = shared.status()
    assert status.n_parts == 4 and status.finished == [] and status.taken == {}
    assert not status.is_complete and not status.is_published
    shared.run(parts[2])
    assert shared.status().finished == [2]
    for part in parts:
        shared.run(part)
    assert shared.status().is_complete and not shared.status().is_published
    shared.finish()
    assert shared.status().is_published


def test_the_status_names_who_computes_a_part(path):
    seen = []

    def function(which):
        if not seen:
            seen.append(None)
            seen.append(shared.status().taken)
            seen.append(shared.run(0))
        return EXPECTED[which]

    shared = plan(path, function)
    assert shared.run(0).outcome == "finished"
    assert seen[1] == {0: "this process"}
    assert seen[2].outcome == "held" and seen[2].holder == "this process"


@pytest.mark.parametrize("number", [4, -1, 10**6])
def test_a_part_that_is_not_there_is_an_index_error(number, path):
    with pytest.raises((IndexError, OverflowError)):
        plan(path).run(number)


@pytest.mark.parametrize(
    "settings",
    [{"resume": "other"}, {"parts": 3}, {"chunks": [4, 3]}, {"stats": "mean"}, {"codec": "gzip"}],
    ids=str,
)
def test_a_plan_that_differs_is_refused(settings, path):
    shared = plan(path)
    shared.run(0)
    with pytest.raises(errors.LazyChunksError) as caught:
        plan(path, **settings).run(1)
    assert isinstance(caught.value, (errors.ResumeMismatchError, errors.UnfinishedError))
    for number in (1, 2, 3):
        shared.run(number)
    check(shared.finish())


def test_a_plan_needs_sizes_and_a_function(path):
    for blocks in ([np.zeros((2, 3))], (np.zeros((2, 3)) for _ in range(2))):
        with pytest.raises(TypeError, match="sizes, function"):
            lazy_chunks.plan(blocks, path, resume="key", row_type=("f8", [3])).parts()
    assert not path.exists()


def test_a_plan_needs_a_key_and_a_row_type(path):
    for settings in ({"resume": None}, {"row_type": None}):
        settings = {"resume": "key", "row_type": ("f8", [3]), **settings}
        with pytest.raises(TypeError, match="row_type"):
            lazy_chunks.plan(lazy_chunks.from_rows(ROWS, len), path, **settings).parts()
    assert not path.exists()


def test_a_plan_says_where_it_is_and_hides_the_options(path):
    assert str(path) in repr(plan(path))
    target = lazy_chunks.Target("s3://bucket/x", {"secret_access_key": "hidden"})
    assert "s3://bucket/x" in repr(plan(target)) and "hidden" not in repr(plan(target))


def test_workers_can_share_more_parts(path):
    blocks = lazy_chunks.from_rows(ROWS, lambda which: EXPECTED[which])
    settings = {"resume": "key", "row_type": ("f8", [3]), "chunks": [2, 3], "parts": 3}
    array, _ = lazy_chunks.store(blocks, path, workers=(0, 2), **settings)
    assert same(array.read(), EXPECTED)


def test_a_stored_array_can_be_planned(path):
    source, _ = lazy_chunks.store([EXPECTED], path.with_name("source.zarr"), chunks=[3, 3])
    shared = lazy_chunks.plan(source, path, resume="copy", row_type=("f8", [3]), parts=2)
    for part in shared.parts():
        shared.run(part)
    assert same(shared.finish().array.read(), EXPECTED)


def test_a_grid_can_be_planned(path):
    blocks = lazy_chunks.from_regions(
        ([5] * 4, [2, 1]), lambda rows, columns: EXPECTED[rows, columns]
    )
    shared = lazy_chunks.plan(blocks, path, resume="key", row_type=("f8", [3]), parts=3)
    for part in shared.parts():
        shared.run(part)
    assert same(shared.finish().array.read(), EXPECTED)


def test_an_exception_in_a_part_arrives_as_itself_and_the_part_can_run_again(path):
    calls = []

    def function(which):
        calls.append(which.start)
        if which.start == 13 and calls.count(13) == 1:
            raise KeyError("mine")
        return EXPECTED[which]

    shared = plan(path, function)
    outcomes = []
    for part in shared.parts():
        try:
            outcomes.append(shared.run(part).outcome)
        except KeyError as error:
            assert error.args == ("mine",) and any("block" in note for note in error.__notes__)
            outcomes.append("failed")
    assert outcomes.count("failed") == 1
    assert shared.run(outcomes.index("failed")).outcome == "finished"
    check(shared.finish())


def test_a_plan_replaces_an_array_when_it_finishes(path):
    lazy_chunks.store([np.ones((2, 2))], path)
    with pytest.raises(FileExistsError):
        plan(path).parts()
    shared = plan(path, overwrite=True)
    for part in shared.parts():
        shared.run(part)
        assert same(lazy_chunks.open(path).read(), np.ones((2, 2)))
    check(shared.finish())


def test_the_bytes_do_not_depend_on_who_computes_what(tmp_path):
    for name, order in (("a.zarr", [0, 1, 2, 3]), ("b.zarr", [3, 1, 0, 2])):
        shared = plan(tmp_path / name)
        for number in order:
            shared.run(number)
        shared.finish()
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")


@pytest.mark.parametrize("pickler", [pickle, cloudpickle], ids=lambda module: module.__name__)
def test_a_plan_its_parts_and_its_results_can_be_pickled(pickler, path):
    shared = pickle.loads(pickler.dumps(plan(path)))
    parts = pickle.loads(pickler.dumps(shared.parts()))
    results = [pickle.loads(pickler.dumps(shared.run(part))) for part in parts]
    assert [result.outcome for result in results] == ["finished"] * 4
    check(shared.finish())


def test_a_plan_of_a_lambda_can_be_pickled_by_cloudpickle(path):
    shared = pickle.loads(cloudpickle.dumps(plan(path, lambda which: EXPECTED[which])))
    for part in shared.parts():
        shared.run(part)
    check(shared.finish())


def test_threads_run_the_parts(path):
    shared = plan(path)
    parts = shared.parts()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = [result.outcome for result in pool.map(shared.run, parts)]
    assert outcomes == ["finished"] * 4
    check(shared.finish())


def test_a_pool_of_processes_runs_the_parts(path):
    shared = plan(path)
    with SPAWN.Pool(2) as pool:
        outcomes = [result.outcome for result in pool.map(shared.run, shared.parts())]
    assert outcomes == ["finished"] * 4
    check(shared.finish())


def test_executors_run_the_parts(path):
    shared = plan(path)
    parts = shared.parts()
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        # Twice each, in two orders.
        outcomes = [result.outcome for result in pool.map(shared.run, [*parts, *reversed(parts)])]
    assert outcomes.count("finished") >= 4 - outcomes.count("held")
    for part in parts:
        shared.run(part)
    check(shared.finish())


def test_joblib_runs_the_parts(path):
    joblib = pytest.importorskip("joblib")
    shared = plan(path)
    with joblib.parallel_config(backend="loky"):
        results = joblib.Parallel(n_jobs=2)(joblib.delayed(shared.run)(p) for p in shared.parts())
    assert [result.outcome for result in results] == ["finished"] * 4
    check(shared.finish())


def test_a_process_that_is_killed_is_replaced(path, tmp_path):
    shared = plan(path, KillingOnce(tmp_path / "killed"))
    parts = shared.parts()
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        with pytest.raises(concurrent.futures.process.BrokenProcessPool):
            list(pool.map(shared.run, parts))
    assert (tmp_path / "killed").exists() and not shared.status().is_complete
    with pytest.raises(errors.UnfinishedError):
        shared.finish()
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        outcomes = [result.outcome for result in pool.map(shared.run, parts)]
    assert outcomes[0] == "finished before" and "held" not in outcomes
    check(shared.finish())


def test_dask_runs_the_parts_although_a_worker_is_killed(path, tmp_path):
    distributed = pytest.importorskip("distributed")
    import dask

    settings = {
        "distributed.scheduler.allowed-failures": 3,
        "distributed.worker.daemon": True,
        "distributed.nanny.pre-spawn-environ.PYTHONPATH": os.environ["PYTHONPATH"],
    }
    shared = plan(path, KillingOnce(tmp_path / "killed"))
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path),
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        parts = shared.parts()
        for _ in range(3):
            try:
                client.gather(client.map(shared.run, parts, pure=False))
                break
            except distributed.KilledWorker:
                continue
    assert (tmp_path / "killed").exists()
    for part in parts:
        shared.run(part)
    check(shared.finish())


def test_ray_runs_the_parts_although_a_worker_is_killed(path, tmp_path):
    ray = pytest.importorskip("ray")
    shared = plan(path, KillingOnce(tmp_path / "killed"))
    environ = {"PYTHONPATH": os.environ["PYTHONPATH"]}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": environ},
        _node_ip_address="127.0.0.1",
        _temp_dir=tempfile.mkdtemp(prefix="ray"),
    )
    try:
        run = ray.remote(max_retries=3)(lambda part: shared.run(part).outcome)
        parts = shared.parts()
        ray.get([run.remote(part) for part in parts])
    finally:
        ray.shutdown()
    assert (tmp_path / "killed").exists()
    for part in parts:
        shared.run(part)
    check(shared.finish())


WORKER = """
import sys
from planned import EXPECTED, ROWS, Noting, Sum
import lazy_chunks
path, calls, index, count = sys.argv[1:]
workers = "env" if index == "env" else (int(index), int(count))
blocks = lazy_chunks.from_rows(ROWS, Noting(calls, 0.05))
array, found = lazy_chunks.store(
    blocks, path, workers=workers, resume="key", row_type=("float64", [3]), chunks=[2, 3],
    stats=["sum,argmax", Sum()],
)
print(float(found["sum"]), found["Sum"], int(found["argmax"].row), (array.read() == EXPECTED).all())
"""
ANSWER = f"{EXPECTED.sum()} {EXPECTED.sum()} 19 True"


def test_workers_share_a_store(program, path, tmp_path):
    calls = tmp_path / "calls"
    workers = [program(WORKER, path, calls, i, 3) for i in range(3)]
    assert [worker.output() for worker in workers] == [ANSWER] * 3
    assert Noting(calls).calls() == np.cumsum([0, *ROWS])[:-1].tolist()
    # A worker that comes late finds the array.
    assert program(WORKER, path, calls, 1, 2).output() == ANSWER
    assert len(Noting(calls).calls()) == len(ROWS)


def test_tasks_of_a_slurm_array_share_a_store(program, path, tmp_path):
    calls = tmp_path / "calls"
    workers = [
        program(
            WORKER,
            path,
            calls,
            "env",
            0,
            SLURM_JOB_ID="17",
            SLURM_ARRAY_JOB_ID="17",
            SLURM_ARRAY_TASK_ID=str(i),
            SLURM_ARRAY_TASK_MIN="1",
            SLURM_ARRAY_TASK_MAX="2",
            SLURM_ARRAY_TASK_COUNT="2",
            SLURM_ARRAY_TASK_STEP="1",
            SLURM_PROCID="0",
            SLURM_NTASKS="1",
        )
        for i in (1, 2)
    ]
    assert [worker.output() for worker in workers] == [ANSWER] * 2
    assert len(Noting(calls).calls()) == len(ROWS)


def test_a_worker_of_the_environment_may_be_the_only_one(program, path, tmp_path):
    assert program(WORKER, path, tmp_path / "calls", "env", 0, LAZY_WORKER="off").output() == ANSWER


def test_a_setting_that_names_no_worker_is_refused(path, monkeypatch):
    monkeypatch.setenv("LAZY_WORKER", "some")
    blocks = lazy_chunks.from_rows(ROWS, lambda which: EXPECTED[which])
    with pytest.raises(ValueError, match="LAZY_WORKER"):
        lazy_chunks.store(blocks, path, workers="env", resume="key", row_type=("f8", [3]))


def test_a_killed_worker_is_replaced(program, path, tmp_path):
    text = WORKER.replace("Noting(calls, 0.05)", "KillingOnce(calls)").replace(
        "Noting,", "KillingOnce,"
    )
    first = program(text, path, tmp_path / "killed", 0, 1)
    first.wait()
    assert first.process.returncode == -9 and not (path / "zarr.json").exists()
    assert program(text, path, tmp_path / "killed", 0, 1).output() == ANSWER


@pytest.mark.parametrize("workers", [(0, 1), "0/1", (1, 2)], ids=str)
def test_one_worker_computes_all_parts(workers, path):
    blocks = lazy_chunks.from_rows(ROWS, lambda which: EXPECTED[which])
    array, found = lazy_chunks.store(
        blocks, path, workers=workers, resume="key", row_type=("f8", [3]), stats=[Sum()]
    )
    assert same(array.read(), EXPECTED) and found["Sum"] == EXPECTED.sum()


@pytest.mark.parametrize(
    ("blocks", "settings", "error"),
    [
        ([np.zeros((2, 3))], {}, TypeError),
        (None, {"on_block": print}, TypeError),
        (None, {"workers": (2, 2)}, ValueError),
        (None, {"workers": (0, 0)}, ValueError),
        (None, {"workers": (-1, 2)}, (ValueError, TypeError, OverflowError)),
        (None, {"workers": "some"}, ValueError),
        (None, {"workers": 3}, TypeError),
        (None, {"workers": (1, 2, 3)}, (TypeError, ValueError)),
        (None, {"resume": None}, TypeError),
        (None, {"row_type": None}, TypeError),
        (None, {"append": True}, errors.LazyChunksError),
        (None, {"chunks": "blocks"}, errors.LazyChunksError),
    ],
    ids=str,
)
def test_what_workers_cannot_share_is_refused(blocks, settings, error, path):
    if blocks is None:
        blocks = lazy_chunks.from_rows(ROWS, lambda which: EXPECTED[which])
    settings = {"workers": (0, 2), "resume": "key", "row_type": ("f8", [3]), **settings}
    with pytest.raises(error):
        lazy_chunks.store(blocks, path, **settings)
    assert not path.exists()


class Unpicklable(Sum):
    """A statistic whose states cannot be sent."""

    def update(self, state, block, at):
        return threading.Lock()

    def merge(self, state, other):
        return other


def test_a_state_that_cannot_be_pickled_is_an_error(path):
    shared = plan(path, stats=[Unpicklable()])
    with pytest.raises((TypeError, errors.LazyChunksError), match="pickle"):
        shared.run(0)


class ManyTypes(Sum):
    """A statistic whose state has many types."""

    def empty(self):
        return {"n": 0, "places": set(), "array": np.zeros(3)}

    def update(self, state, block, at):
        return {
            "n": state["n"] + 1,
            "places": state["places"] | {at},
            "array": state["array"] + block.sum(axis=0),
        }

    def merge(self, state, other):
        return {
            key: state[key] | other[key] if key == "places" else state[key] + other[key]
            for key in state
        }

    def finish(self, state):
        return state["n"], len(state["places"]), state["array"]


def test_any_state_that_can_be_pickled_is_sent(path):
    shared = plan(path, stats=[ManyTypes()])
    for part in shared.parts():
        shared.run(part)
    n, n_places, array = shared.finish().stats["ManyTypes"]
    assert n == n_places == len(ROWS) and (array == EXPECTED.sum(axis=0)).all()
