"""Tensors of PyTorch."""

from __future__ import annotations

import weakref

import lazy_chunks
import numpy as np
import pytest
from lazy_chunks import _lazy_chunks

torch = pytest.importorskip("torch")

DTYPES = "bool int8 int16 int32 int64 uint8 float16 float32 float64 complex64 complex128".split()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_is_stored_bit_for_bit_with_one_copy(dtype, path):
    values = (torch.arange(12).reshape(3, 4) % 5).to(getattr(torch, dtype))
    before = _lazy_chunks.copies()
    array, _ = lazy_chunks.store([values, values[:, :].flip(0)], path)
    after = _lazy_chunks.copies()
    expected = torch.cat([values, values.flip(0)]).numpy()
    assert array.dtype == expected.dtype and array.read().tobytes() == expected.tobytes()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 2 * values.nbytes)


def test_tensors_that_do_not_change_need_no_copy(path):
    references = []

    def blocks():
        for i in range(8):
            block = torch.full((16, 4096), float(i))
            references.append(weakref.ref(block))
            yield block

    before = _lazy_chunks.copies()
    array, _ = lazy_chunks.store(blocks(), path, copy=False)
    assert _lazy_chunks.copies() == before
    assert (array.read() == np.repeat(np.arange(8), 16)[:, None]).all()
    assert [reference() for reference in references] == [None] * 8


def test_views_of_tensors_are_stored(path):
    values = torch.arange(24.0).reshape(4, 6)
    blocks = [values.T, values.T[:, ::2].repeat(1, 2), torch.tensor([2.0]).expand(6, 4)]
    array, _ = lazy_chunks.store(blocks, path)
    assert (array.read() == torch.cat(blocks).numpy()).all()


def test_bfloat16_keeps_its_bits(path):
    values = torch.arange(-8, 8).to(torch.bfloat16) / 3
    array, _ = lazy_chunks.store([values], path)
    assert repr(array).endswith("bfloat16>")
    pytest.importorskip("ml_dtypes")
    assert (array.read().view("i2") == values.view(torch.int16).numpy()).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_torch_dtype_is_a_dtype(dtype, path):
    array, _ = lazy_chunks.store([], path, row_type=(getattr(torch, dtype), [2]))
    assert repr(array).endswith(f"{dtype}>")


def test_one_tensor_is_one_array(path):
    values = torch.arange(6.0).reshape(2, 3)
    assert lazy_chunks.store(values, path).array.shape == (2, 3)


def test_a_tensor_without_axes_is_refused_with_the_remedy(path):
    with pytest.raises(lazy_chunks.errors.BlockError, match="reshape"):
        lazy_chunks.store(torch.tensor(2.5), path)


def test_a_sparse_tensor_is_refused_with_the_remedy(path):
    with pytest.raises(TypeError, match="to_dense") as caught:
        lazy_chunks.store([torch.zeros(2, 2).to_sparse()], path)
    assert any("block 0" in note for note in caught.value.__notes__)
    assert not path.exists()


def test_the_values_of_a_tensor_with_a_gradient_are_stored(path):
    values = torch.arange(3.0, requires_grad=True)
    try:
        array, _ = lazy_chunks.store([values], path)
    except TypeError as error:
        # Older versions of PyTorch do not hand them over.
        assert "detach" in str(error)
    else:
        assert array.read().tolist() == [0, 1, 2]


def test_elements_that_are_conjugated_or_negated_lazily_are_stored_as_they_are(path):
    values = torch.tensor([1 + 2j, 3 - 4j])
    for lazy in (values.conj(), values.conj().imag):
        expected = lazy.resolve_conj().resolve_neg().numpy()
        for form in (iter([lazy]), lazy, ([2], lambda i, lazy=lazy: lazy)):
            array, _ = lazy_chunks.store(form, path, overwrite=True)
            assert (array.read() == expected).all()


def test_functions_run_in_the_mode_of_the_calling_thread(path):
    weight = torch.ones(3, requires_grad=True)

    def block(i):
        assert not torch.is_grad_enabled()
        return (weight * i)[None]

    with torch.no_grad():
        array, _ = lazy_chunks.store(([1, 1], block), path)
        assert (array.read() == np.array([[0, 0, 0], [1, 1, 1]])).all()
        lazy_chunks.store((block(i) for i in range(2)), path, overwrite=True)


def test_a_module_is_a_function_of_blocks_and_not_an_array(path):
    class Rows(torch.nn.Module):
        def forward(self, i):
            return torch.full((2, 2), float(i))

    array, _ = lazy_chunks.store(([2, 2], Rows()), path)
    assert array.shape == (4, 2)


def test_blocks_of_autograd_free_gradients(path):
    model = torch.nn.Linear(3, 1)
    x = torch.arange(12.0).reshape(4, 3)

    def gradients(rows):
        return torch.stack(
            [torch.autograd.grad(model(row).sum(), model.weight)[0].flatten() for row in x[rows]]
        )

    blocks = lazy_chunks.from_rows([1, 3], gradients)
    assert (lazy_chunks.store(blocks, path, threads=2).array.read() == x.numpy()).all()
