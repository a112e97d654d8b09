from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.samplers import MPerClassSampler
from suite.errors import SuiteError


@st.composite
def grids(draw):
    sizes = draw(st.lists(st.integers(2, 9), min_size=4, max_size=20))
    m = draw(st.integers(2, 4))
    classes = draw(st.integers(1, len(sizes)))
    return np.repeat(np.arange(len(sizes)), sizes), m, classes * m


@given(grids(), st.integers(0, 5), st.integers(0, 5))
def test_every_batch_holds_m_images_of_distinct_classes(grid, seed, epoch):
    labels, m, batch_size = grid
    sampler = MPerClassSampler(labels, batch_size, m, seed)
    batches = list(sampler.epoch(epoch))
    assert len(batches) == sampler.batches_per_epoch == max(1, round(len(labels) / batch_size))
    for batch in batches:
        counts = Counter(labels[batch].tolist())
        assert set(counts.values()) == {m}
        assert len(counts) == batch_size // m


@given(grids(), st.integers(0, 5))
def test_no_class_comes_twice_more_often_than_another(grid, seed):
    labels, m, batch_size = grid
    taken = Counter({int(label): 0 for label in np.unique(labels)})
    for batch in MPerClassSampler(labels, batch_size, m, seed).epoch(0):
        taken.update(set(labels[batch].tolist()))
    assert max(taken.values()) - min(taken.values()) <= 1


@given(grids(), st.integers(0, 5))
def test_images_of_a_class_all_come_before_any_comes_again(grid, seed):
    labels, m, batch_size = grid
    seen = Counter(np.concatenate(list(MPerClassSampler(labels, batch_size, m, seed).epoch(1))).tolist())
    for label in np.unique(labels):
        counts = [seen[position] for position in np.flatnonzero(labels == label)]
        assert max(counts) - min(counts) <= 1


def test_batches_depend_on_seed_and_epoch_alone():
    labels = np.repeat(np.arange(20), 5)

    def epoch(seed, number):
        return np.concatenate(list(MPerClassSampler(labels, 16, 4, seed).epoch(number)))

    np.testing.assert_array_equal(epoch(0, 3), epoch(0, 3))
    assert (epoch(0, 3) != epoch(0, 4)).any()
    assert (epoch(0, 3) != epoch(1, 3)).any()


def test_unfillable_batches_are_refused_by_name():
    labels = np.repeat(np.arange(10), 5)
    with pytest.raises(SuiteError, match=r"batch size 44 needs 11 classes at 4 images.*has 10; use at most 40"):
        MPerClassSampler(labels, 44, 4, 0)
    with pytest.raises(SuiteError, match="batch size 30 is not a multiple of the 4"):
        MPerClassSampler(labels, 30, 4, 0)
