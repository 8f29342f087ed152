"""Progress, and callbacks for each block."""

from __future__ import annotations

import builtins
import itertools
import threading
import time

import lazy_chunks
import numpy as np
import pytest
from lazy_chunks import Progress

from laws import same


def slow(n, seconds=0.03):
    for i in range(n):
        time.sleep(seconds)
        yield np.full((2, 3), float(i))


def test_the_last_progress_is_that_of_the_finished_pass(path):
    seen = []
    array, _ = lazy_chunks.store(slow(20), path, progress=seen.append)
    assert all(isinstance(each, Progress) for each in seen)
    assert seen[-1].stage == "finished" and {each.stage for each in seen[:-1]} <= {"running"}
    assert seen[-1].blocks == 20 and seen[-1].bytes == array.nbytes and seen[-1].restored == 0
    assert seen[-1].chunks >= 1 and seen[-1].stored_bytes > 0
    for a, b in itertools.pairwise(seen):
        assert a.blocks <= b.blocks and a.bytes <= b.bytes and a.chunks <= b.chunks


def test_progress_comes_while_blocks_are_computed():
    seen = []
    lazy_chunks.reduce(slow(30), "sum", progress=lambda progress: seen.append(progress.blocks))
    assert len(seen) >= 2 and seen[0] < 30 and seen[-1] == 30


def test_a_short_pass_has_at_least_its_end():
    seen = []
    lazy_chunks.reduce([np.zeros(2)], "sum", progress=seen.append)
    assert [each.stage for each in seen] == ["finished"] and seen[0].blocks == 1


@pytest.mark.parametrize("threads", [None, 2])
def test_the_number_of_blocks_is_known_for_a_function(threads):
    seen = []
    blocks = ([2] * 5, lambda i: np.zeros((2, 3)))
    lazy_chunks.reduce(blocks, "sum", progress=seen.append, threads=threads)
    assert seen[-1].n_blocks == 5 and seen[-1].blocks == 5


def test_progress_is_called_on_the_calling_thread(path):
    threads = set()
    blocks = ([1] * 30, lambda i: (time.sleep(0.02), np.zeros(1))[1])
    lazy_chunks.store(
        blocks, path, threads=2, progress=lambda progress: threads.add(threading.get_ident())
    )
    assert threads == {threading.get_ident()}


def test_a_pass_that_fails_is_aborted(path):
    seen = []

    def blocks():
        yield from slow(3)
        raise KeyError

    with pytest.raises(KeyError):
        lazy_chunks.store(blocks(), path, progress=seen.append)
    assert seen[-1].stage == "aborted"


@pytest.mark.parametrize("off", [None, False])
def test_no_progress_is_shown_unless_it_is_asked_for(off, path, capfd):
    lazy_chunks.store(slow(3), path, progress=off)
    assert capfd.readouterr() == ("", "")


def test_true_shows_a_bar_of_tqdm(path, capfd):
    pytest.importorskip("tqdm")
    blocks = ([2] * 8, lambda i: (time.sleep(0.03), np.zeros((2, 3)))[1])
    lazy_chunks.store(blocks, path, progress=True)
    shown = capfd.readouterr().err
    assert "8/8" in shown and "block" in shown


def test_a_bar_of_a_stream_counts_its_blocks(path, capfd):
    pytest.importorskip("tqdm")
    lazy_chunks.store(slow(6), path, progress=True)
    assert "6block" in capfd.readouterr().err.replace(" ", "")


def test_a_bar_without_tqdm_is_an_import_error_before_the_first_block(path, monkeypatch):
    real = builtins.__import__

    def without_tqdm(name, *arguments, **keywords):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    called = []
    with pytest.raises(ImportError, match="tqdm"):
        lazy_chunks.store(([1], called.append), path, progress=True)
    assert not called and not path.exists()


@pytest.mark.parametrize("wrong", [1, "yes", object()], ids=str)
def test_what_is_neither_a_bool_nor_a_function_is_a_type_error(wrong, path):
    with pytest.raises(TypeError, match="progress"):
        lazy_chunks.store([np.zeros(2)], path, progress=wrong)
    assert not path.exists()


@pytest.mark.parametrize("threads", [None, 3])
def test_on_block_gets_each_block_with_its_place_once(threads, path):
    values = np.arange(60.0).reshape(20, 3)
    blocks = lazy_chunks.from_rows([3, 2, 5, 10], lambda rows: values[rows])
    seen = []
    lazy_chunks.store(
        blocks, path, threads=threads, on_block=lambda at, block: seen.append((at, block))
    )
    seen.sort(key=lambda each: each[0])
    assert [at for at, _ in seen] == [(0, 0), (3, 0), (5, 0), (10, 0)]
    assert same(np.concatenate([block for _, block in seen]), values)


def test_on_block_gets_the_places_of_a_grid():
    bands = [[np.full((2, 2), 1), np.full((2, 3), 2)], [np.full((1, 4), 3), np.full((1, 1), 4)]]
    seen = []
    lazy_chunks.reduce(bands, "sum", on_block=lambda at, block: seen.append((at, int(block[0, 0]))))
    assert seen == [((0, 0), 1), ((0, 2), 2), ((2, 0), 3), ((2, 4), 4)]


def test_what_on_block_returns_does_not_matter(path):
    array, _ = lazy_chunks.store([np.ones(2)], path, on_block=lambda at, block: False)
    assert same(array.read(), np.ones(2))
