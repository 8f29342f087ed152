"""Arrays of JAX."""

from __future__ import annotations

import lazy_chunks
import numpy as np
import pytest
from lazy_chunks import _lazy_chunks

jax = pytest.importorskip("jax")
jnp = jax.numpy

DTYPES = "bool int8 int16 int32 uint8 uint16 uint32 float16 bfloat16 float32 complex64".split()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_is_stored_bit_for_bit_with_one_copy(dtype, path):
    values = (jnp.arange(12).reshape(3, 4) % 5).astype(dtype)
    before = _lazy_chunks.copies()
    array, _ = lazy_chunks.store([values, values[::-1]], path)
    after = _lazy_chunks.copies()
    expected = np.concatenate([values, values[::-1]])
    assert array.dtype == expected.dtype and array.read().tobytes() == expected.tobytes()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 2 * values.nbytes)


def test_views_are_stored(path):
    values = jnp.arange(24.0).reshape(4, 6)
    blocks = [values.T, jnp.ones((2, 4)), values[::2, 1:5]]
    array, _ = lazy_chunks.store(blocks, path)
    assert (array.read() == np.concatenate(blocks)).all()


def test_arrays_of_jax_never_change_and_need_no_copy(path):
    before = _lazy_chunks.copies()
    blocks = (jnp.full((16, 4096), i, "float32") for i in range(8))
    array, _ = lazy_chunks.store(blocks, path, copy=False)
    assert _lazy_chunks.copies() == before
    assert (array.read() == np.repeat(np.arange(8), 16)[:, None]).all()


@pytest.mark.parametrize("threads", [None, 2])
def test_a_compiled_function_computes_the_blocks(threads, path):
    x = jnp.linspace(0, 1, 60).reshape(20, 3)
    kernel = jax.jit(lambda rows: jnp.exp(-((rows[:, None] - x[None]) ** 2).sum(axis=2)))
    blocks = lazy_chunks.from_rows(lazy_chunks.split(20, 6), lambda rows: kernel(x[rows]))
    array, found = lazy_chunks.store(blocks, path, stats="mean", threads=threads)
    assert (array.read() == np.concatenate([kernel(x[i : i + 6]) for i in range(0, 20, 6)])).all()
    assert found["mean"] == pytest.approx(array.read().astype("f8").mean())


def test_gradients_per_sample_are_one_array(path):
    loss = lambda weights, sample: jnp.tanh(sample @ weights) ** 2
    samples = jnp.arange(20.0).reshape(5, 4) / 20
    gradients = jax.vmap(jax.grad(loss), in_axes=(None, 0))(jnp.ones(4), samples)
    array, _ = lazy_chunks.store(gradients, path)
    assert (array.read() == np.asarray(gradients)).all()
