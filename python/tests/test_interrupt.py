"""Ctrl-C ends a call soon, and the target is unchanged."""

from __future__ import annotations

import lazy_chunks
import numpy as np
import pytest

from laws import files

BEGIN = """
import os, signal, sys, threading, time
import numpy as np
import lazy_chunks
path = sys.argv[1]
# Started in the background of a shell, a process ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

first = threading.Lock()

def started():
    if first.acquire(blocking=False):
        os.write(1, b"started\\n")
"""

END = """
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print("not interrupted", flush=True)
# This waits until the pass has ended.
lazy_chunks.reduce([np.ones(2)], "sum")
if os.path.exists(path):
    print("something is left:", os.listdir(path))
lazy_chunks.store([np.full(3, 7.0)], path)
print(lazy_chunks.open(path).read().sum(), lazy_chunks.reduce([np.ones(2)], "sum")["sum"])
"""

CALLS = {
    "an endless generator": """
def blocks():
    started()
    while True:
        yield np.zeros((100, 100))
try:
    lazy_chunks.store(blocks(), path)
""",
    "an endless generator that is reduced": """
def blocks():
    started()
    while True:
        yield np.zeros((10, 10))
try:
    lazy_chunks.reduce(blocks(), "mean")
""",
    "endless bands": """
def blocks():
    started()
    while True:
        yield (np.zeros((10, 10)) for _ in range(3))
try:
    lazy_chunks.store(blocks(), path)
""",
    "a generator that sleeps": """
def blocks():
    yield np.zeros(3)
    started()
    time.sleep(100)
try:
    lazy_chunks.store(blocks(), path)
""",
    "a function that sleeps": """
def block(i):
    started()
    time.sleep(100)
try:
    lazy_chunks.store(([1] * 3, block), path)
""",
    "a function that computes": """
def block(i):
    if i == 1:
        started()
    x = np.ones((300, 300))
    for _ in range(5):
        x = x @ x / 300
    return x[:1]
try:
    lazy_chunks.store(([1] * 100_000, block), path)
""",
    "functions on threads": """
def block(i):
    if i == 3:
        started()
    time.sleep(0.01)
    return np.zeros((1, 3))
try:
    lazy_chunks.store(([1] * 100_000, block), path, threads=3)
""",
    "an encoder": """
def blocks():
    values = np.random.default_rng(0).standard_normal((1000, 1000))
    yield values
    started()
    for _ in range(1000):
        yield values
try:
    lazy_chunks.store(blocks(), path, codec="gzip:9")
""",
    "a callback that sleeps": """
def on_block(at, block):
    started()
    time.sleep(1)
try:
    lazy_chunks.store((np.zeros(3) for _ in range(100)), path, on_block=on_block)
""",
    "a statistic of your own": """
class Slow(lazy_chunks.Statistic):
    def empty(self): return 0
    def update(self, state, block, at):
        started()
        for _ in range(20):
            time.sleep(0.05)
        return 1
    def merge(self, a, b): return 1
    def finish(self, state): return 1
try:
    lazy_chunks.store((np.zeros(3) for _ in range(100)), path, stats=[Slow()])
""",
    "a huge read": """
source = path + ".source"
huge = np.zeros((500, 1000))
array = lazy_chunks.store((huge for _ in range(20)), source, codec="zstd", chunks=[10, 1000]).array
try:
    started()
    while True:
        array.read()
""",
    "a verification": """
source = path + ".source"
huge = np.zeros((500, 1000))
array = lazy_chunks.store((huge for _ in range(20)), source, codec="zstd", chunks=[10, 1000]).array
try:
    started()
    while True:
        array.verify()
""",
    "a plan": """
def block(i):
    if i == 1:
        started()
    time.sleep(0.05)
    return np.zeros((1, 3))
plan = lazy_chunks.plan(
    ([1] * 1000, block), path + ".plan", resume="k", row_type=("f8", [3]), parts=1
)
try:
    plan.run(0)
""",
}


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_call_and_the_next_one_works(call, program, path):
    running = program(BEGIN + CALLS[call] + END, path)
    assert running.line() == "started"
    running.interrupt()
    assert running.output(timeout=40).splitlines() == ["interrupted", "21.0 2.0"]


def test_ctrl_c_leaves_an_array_that_was_to_be_replaced(program, path):
    text = """
def blocks():
    yield np.zeros((10, 3))
    started()
    while True:
        yield np.zeros((10, 3))
lazy_chunks.store([np.full((4, 3), 5.0)], path)
before = sorted(os.listdir(path))
try:
    lazy_chunks.store(blocks(), path, overwrite=True)
except KeyboardInterrupt:
    lazy_chunks.reduce([np.ones(2)], "sum")
    print(lazy_chunks.open(path).read().sum(), sorted(os.listdir(path)) == before)
"""
    running = program(BEGIN + text, path)
    assert running.line() == "started"
    running.interrupt()
    assert running.output() == "60.0 True"


def test_an_interrupted_write_with_a_key_goes_on(program, path):
    text = """
calls = []
def block(i):
    calls.append(i)
    if i == 4 and len(calls) == 5:
        started()
        time.sleep(100)
    return np.full((2, 3), float(i))
blocks = ([2] * 6, block)
try:
    lazy_chunks.store(blocks, path, resume="key", chunks=[2, 3])
except KeyboardInterrupt:
    calls[:] = []
array, found = lazy_chunks.store(blocks, path, resume="key", chunks=[2, 3], stats="sum")
print(calls, found["sum"], array.read().sum())
"""
    running = program(BEGIN + text, path)
    assert running.line() == "started"
    running.interrupt()
    assert running.output() == "[4, 5] 90.0 90.0"


def test_a_second_ctrl_c_does_no_harm(program, path):
    running = program(BEGIN + CALLS["a function that computes"] + END, path)
    assert running.line() == "started"
    running.interrupt()
    assert running.line() == "interrupted"
    assert running.output() == "21.0 2.0"


def test_a_handler_of_your_own_is_called_and_the_pass_goes_on(program, path):
    text = """
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
def block(i):
    if i == 1:
        started()
    time.sleep(0.02)
    return np.zeros((1, 3))
array, _ = lazy_chunks.store(([1] * 40, block), path)
print(len(seen), array.shape)
"""
    running = program(BEGIN + text, path)
    assert running.line() == "started"
    running.interrupt()
    assert running.output() == "1 (40, 3)"


def test_a_process_can_end_while_a_pass_is_interrupted(program, path):
    text = """
def block(i):
    if i == 3:
        started()
    time.sleep(0.01)
    return np.zeros((1, 3))
try:
    lazy_chunks.store(([1] * 100_000, block), path, threads=3)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(0)
"""
    # A race between the threads and the end of the interpreter shows in some of the processes.
    running = [program(BEGIN + text, f"{path}.{k}") for k in range(8)]
    for each in running:
        assert each.line() == "started"
        each.interrupt()
    assert [each.output() for each in running] == ["interrupted"] * 8


SLOW = {
    "a callback": """
def on_block(at, block):
    started()
    time.sleep(1)
lazy_chunks.store((np.zeros(3) for _ in range(100)), path, on_block=on_block)
""",
    "functions on threads": """
def block(i):
    started()
    time.sleep(1)
    return np.zeros((1, 3))
lazy_chunks.store(([1] * 100, block), path, threads=2)
""",
}


@pytest.mark.parametrize("what", SLOW)
def test_an_interrupt_that_nobody_catches_ends_the_process_as_python_does(what, program, path):
    running = program(BEGIN + SLOW[what], path)
    assert running.line() == "started"
    running.interrupt()
    _, errors = running.wait()
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert running.process.returncode in (-2, 130)
    # The next write removes the files that the process has left.
    array, _ = lazy_chunks.store([np.ones(3)], path)
    assert array.verify() and sorted(files(path)) == ["c/0", "zarr.json"]


def test_a_process_can_end_while_a_thread_stores(program, path):
    text = """
import threading
def block(i):
    if i == 3:
        started()
    time.sleep(0.01)
    return np.zeros((1, 3))
def work():
    lazy_chunks.store(([1] * 100_000, block), path)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.5)
print("ended", flush=True)
"""
    running = program(BEGIN + text, path)
    assert running.line() == "started"
    assert running.output() == "ended"
