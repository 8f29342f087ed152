"""Functions run on the calling thread, or on several threads if that is asked for."""

from __future__ import annotations

import threading
import time

import lazy_chunks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazy_chunks import stats

from laws import files, place, same


class Where:
    """A function of blocks that notes the threads that call it."""

    def __init__(self, n=24):
        self.blocks = ([2] * n, self)
        self.threads = set()
        self.n_running = self.most_running = 0
        self.lock = threading.Lock()

    def __call__(self, i):
        with self.lock:
            self.threads.add(threading.get_ident())
            self.n_running += 1
            self.most_running = max(self.most_running, self.n_running)
        time.sleep(0.005)
        with self.lock:
            self.n_running -= 1
        return np.full((2, 3), float(i))


@pytest.mark.parametrize("threads", [None, 1])
def test_a_function_runs_on_the_calling_thread(threads, path):
    where = Where(n=4)
    lazy_chunks.store(where.blocks, path, threads=threads)
    assert where.threads == {threading.get_ident()}
    lazy_chunks.reduce(where.blocks, "sum", threads=threads)
    assert where.threads == {threading.get_ident()}


def test_a_generator_and_a_callback_of_a_stream_run_in_order(path):
    threads, order = set(), []

    def blocks():
        for i in range(10):
            threads.add(threading.get_ident())
            yield np.full(2, i)

    lazy_chunks.store(blocks(), path, threads=2, on_block=lambda at, block: order.append(at[0]))
    assert threads == {threading.get_ident()}
    assert order == list(range(0, 20, 2))


def test_a_function_runs_on_several_threads(path):
    where = Where()
    array, _ = lazy_chunks.store(where.blocks, path, threads=3)
    assert 2 <= len(where.threads) and 2 <= where.most_running <= 3
    assert same(array.read()[::2, 0], np.arange(24.0))


@given(st.data())
def test_any_number_of_threads_gives_the_same_bits(data):
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    values = rng.standard_normal((sum(sizes), 3))
    blocks = lazy_chunks.from_rows(sizes, lambda rows: values[rows])
    asked = ["sum,mean,std,quantiles:0.5,l2,argmax", stats.var(axis=0), stats.sum(axis=1)]
    found = []
    for threads in (None, 2, 4):
        with place() as path:
            _, results = lazy_chunks.store(blocks, path, threads=threads, stats=asked)
            found.append(
                (
                    files(path),
                    str(results),
                    {k: np.asarray(v).tobytes() for k, v in results.items()},
                )
            )
    assert found[0] == found[1] == found[2]


def test_several_passes_run_at_once(tmp_path):
    def work(k):
        values = (np.full((4, 5), float(k)) for _ in range(20))
        lazy_chunks.store(values, tmp_path / f"{k}.zarr", stats="mean")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(5):
        assert (lazy_chunks.open(tmp_path / f"{k}.zarr").read() == k).all()


def test_python_goes_on_while_the_package_works(path):
    """The interpreter is free while blocks are encoded and read."""
    values = np.random.default_rng(0).standard_normal((200, 1000))
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(None)
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        array, _ = lazy_chunks.store((values for _ in range(4)), path, codec="gzip:1")
        array.read()
    finally:
        done.set()
        thread.join()
    assert len(ticks) > 5


def test_a_pass_can_start_in_a_function_of_another_pass(path):
    def block(i):
        return np.full((1, 2), lazy_chunks.reduce([np.full(2, i)], "sum")["sum"], "f8")

    for threads in (None, 2):
        array, _ = lazy_chunks.store(([1] * 4, block), path, threads=threads, overwrite=True)
        assert same(array.read()[:, 0], [0.0, 2.0, 4.0, 6.0])


def test_a_generator_can_read_arrays_and_store_others(tmp_path):
    source, _ = lazy_chunks.store([np.arange(6.0)], tmp_path / "a.zarr", chunks=[2])

    def blocks():
        for k, block in enumerate(source.blocks()):
            lazy_chunks.store([block], tmp_path / f"part{k}.zarr")
            yield block

    assert same(lazy_chunks.store(blocks(), tmp_path / "b.zarr").array.read(), np.arange(6.0))
