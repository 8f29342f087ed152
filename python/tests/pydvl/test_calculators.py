"""The calculators of pyDVL, with the sequences of this package instead of pyDVL's own."""

import sys

import lazy_chunks
import numpy as np
import pytest
from zarr.storage import MemoryStore

# Before pyDVL is imported: all of it then uses these sequences.
sys.modules["pydvl.influence.array"] = lazy_chunks

from pydvl.influence import SequentialInfluenceCalculator  # noqa: E402

TEST = [(np.arange(3.0), 0), (np.array([5.0]), 0)]
TRAIN = [(np.arange(1.0, 3.0), 0), (np.array([7.0]), 0)]
EXPECTED = np.outer([0, 1, 2, 5], [1, 2, 7])


class Converter(lazy_chunks.NumpyConverter[np.ndarray]):
    def to_numpy(self, x):
        return x

    def from_numpy(self, x):
        return x


class Concatenate(lazy_chunks.NestedSequenceAggregator[np.ndarray]):
    def __call__(self, nested_sequence_of_tensors):
        bands = nested_sequence_of_tensors.generator_factory()
        return np.concatenate([np.concatenate(list(band), axis=1) for band in bands])


class Model:
    """A model whose influences are products of the data."""

    def influences(self, x_test, y_test, x, y, mode):
        return np.outer(x_test, x)

    def influence_factors(self, x, y):
        return np.stack([x, 2 * x], axis=1)

    def influences_from_factors(self, factors, x, y, mode):
        return np.outer(factors[:, 1] / 2, x)


@pytest.fixture
def calculator():
    return SequentialInfluenceCalculator(Model())


def places(path):
    return [str(path / "string.zarr"), path / "path.zarr", MemoryStore(), {}]


def test_influences_are_stored_and_aggregated(calculator, tmp_path):
    influences = calculator.influences(TEST, TRAIN)
    assert isinstance(influences, lazy_chunks.NestedLazyChunkSequence)
    np.testing.assert_array_equal(influences.compute(aggregator=Concatenate()), EXPECTED)
    for place in places(tmp_path):
        stored = influences.to_zarr(place, Converter(), return_stored=True)
        np.testing.assert_array_equal(stored[:], EXPECTED)
        with pytest.raises(FileExistsError):
            influences.to_zarr(place, Converter())
        again = influences.to_zarr(place, Converter(), return_stored=True, overwrite=True)
        np.testing.assert_array_equal(again[:], EXPECTED)


def test_influences_come_from_stored_factors(calculator, tmp_path):
    factors = calculator.influence_factors(TEST)
    assert isinstance(factors, lazy_chunks.LazyChunkSequence)
    stored = factors.to_zarr(tmp_path / "factors.zarr", Converter(), return_stored=True)
    np.testing.assert_array_equal(stored[:], [[0, 0], [1, 2], [2, 4], [5, 10]])
    blocks = [stored[:3], stored[3:]]
    influences = calculator.influences_from_factors(blocks, TRAIN)
    np.testing.assert_array_equal(influences.compute(aggregator=Concatenate()), EXPECTED)


def test_training_data_that_is_used_up_is_an_error(calculator, tmp_path):
    influences = calculator.influences(TEST, iter(TRAIN))
    with pytest.raises(lazy_chunks.errors.BlockError):
        influences.to_zarr(tmp_path / "values.zarr", Converter())
    assert list(tmp_path.iterdir()) == []
