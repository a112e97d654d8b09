from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.samplers import (
    SAMPLERS,
    ClassBalancedSampler,
    EpochBatches,
    HierarchicalSampler,
    MPerClassSampler,
    create_sampler,
)
from suite.errors import SuiteError


@st.composite
def grids(draw):
    sizes = draw(st.lists(st.integers(2, 9), min_size=4, max_size=20))
    m = draw(st.integers(2, 4))
    classes = draw(st.integers(1, len(sizes)))
    return np.repeat(np.arange(len(sizes)), sizes), m, classes * m


@st.composite
def trees(draw):
    """(N, 2) labels of unequal classes in two to four super-classes, in no order."""
    parents = draw(st.lists(st.integers(0, 3), min_size=8, max_size=24))
    sizes = draw(st.lists(st.integers(1, 12), min_size=len(parents), max_size=len(parents)))
    above = np.array([0, 1, *parents[2:]])
    fine = np.random.default_rng(draw(st.integers(0, 99))).permutation(np.repeat(np.arange(len(parents)), sizes))
    return np.stack([fine, above[fine]], 1)


@st.composite
def any_call(draw):
    """Arguments of `create_sampler` whose batches can be filled."""
    m = draw(st.integers(2, 4))
    name = draw(st.sampled_from(SAMPLERS.names()))
    arguments = {"m": m, "batch_size": m * draw(st.sampled_from([2, 4, 8])), "seed": draw(st.integers(0, 9))}
    if name == "class_balanced":
        arguments["cap"] = draw(st.integers(m, 9))
    return {"name": name, "labels": draw(trees()), **arguments}


def all_batches(sampler, epoch=0, start=0):
    batches = list(sampler.epoch(epoch, start))
    return np.stack(batches) if batches else np.empty((0, sampler.batch_size), dtype=np.int64)


@given(any_call(), st.integers(0, 5), st.data())
def test_an_epoch_entered_midway_goes_on_as_if_never_left(call, epoch, data):
    sampler = create_sampler(**call)
    whole = all_batches(sampler, epoch)
    assert whole.shape == (sampler.batches_per_epoch, call["batch_size"])
    start = data.draw(st.integers(0, len(whole)))
    np.testing.assert_array_equal(all_batches(sampler, epoch, start), whole[start:])


@given(any_call(), st.integers(0, 5), st.data())
def test_the_parts_of_all_ranks_are_the_batch_of_one_process(call, epoch, data):
    sampler = create_sampler(**call)
    sizes = [size for size in range(1, 9) if sampler.batch_size % size == 0]
    world_size = data.draw(st.sampled_from(sizes))
    parts = [sampler.shard(rank, world_size) for rank in range(world_size)]
    assert {part.batch_size * world_size for part in parts} == {sampler.batch_size}
    together = np.concatenate([all_batches(part, epoch, 1) for part in parts], axis=1)
    np.testing.assert_array_equal(together, all_batches(sampler, epoch, 1))


@given(any_call())
def test_seed_and_epoch_alone_fix_the_batches(call):
    used, fresh = create_sampler(**call), create_sampler(**call)
    all_batches(used, 0)
    np.testing.assert_array_equal(all_batches(used, 4), all_batches(fresh, 4))


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_other_seeds_and_epochs_give_other_batches(name):
    labels = np.stack([np.repeat(np.arange(24), 9), np.repeat(np.arange(3), 72)], 1)
    first, second = (create_sampler(name, labels, 16, 4, seed) for seed in (0, 1))
    assert (all_batches(first, 0) != all_batches(first, 1)).any()
    assert (all_batches(first, 0) != all_batches(second, 0)).any()


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


def test_m_per_class_still_draws_the_batches_of_recorded_runs():
    labels = np.repeat(np.arange(6), [5, 2, 3, 4, 5, 3])
    assert all_batches(MPerClassSampler(labels, 8, 4, 0), 3).tolist() == [
        [5, 6, 5, 6, 13, 10, 11, 12],
        [4, 3, 2, 0, 21, 20, 19, 19],
        [9, 8, 7, 8, 15, 14, 17, 16],
    ]


@given(trees(), st.integers(2, 3), st.integers(1, 4), st.integers(1, 2), st.integers(0, 3))
def test_a_hierarchical_batch_is_a_set_of_super_classes_in_equal_shares(labels, m, classes, super_classes, seed):
    share = classes * m
    sampler = HierarchicalSampler(labels, share * super_classes, m, seed, super_classes, batches_per_pair=2)
    sets = Counter()
    for batch in sampler.epoch(0):
        above = Counter(labels[batch, 1].tolist())
        assert set(above.values()) == {share}
        sets[tuple(sorted(above))] += 1
        for parent in above:
            inside = batch[labels[batch, 1] == parent]
            counts = Counter(labels[inside, 0].tolist())
            available = len(np.unique(labels[labels[:, 1] == parent, 0]))
            # A super-class with classes enough gives m images of each; a smaller one goes round them again.
            assert len(counts) == min(classes, available)
            rounds = {max(1, classes // available), -(-classes // available)}
            assert {count / m for count in counts.values()} <= rounds
            for fine, count in counts.items():
                size = (labels[:, 0] == fine).sum()
                assert len(set(inside[labels[inside, 0] == fine].tolist())) == min(count, size)
    everything = combinations(np.unique(labels[:, 1]).tolist(), super_classes)
    assert sets == dict.fromkeys(everything, 2)


def test_pairs_of_super_classes_come_in_another_order_each_epoch():
    labels = np.stack([np.repeat(np.arange(24), 4), np.repeat(np.arange(6), 16)], 1)
    sampler = HierarchicalSampler(labels, 16, 4, 0)
    assert sampler.batches_per_epoch == 15 * 5
    orders = [[tuple(np.unique(labels[batch, 1])) for batch in sampler.epoch(epoch)] for epoch in range(2)]
    assert orders[0] != orders[1]
    assert Counter(orders[0]) == Counter(orders[1])


@given(trees(), st.integers(2, 4), st.integers(0, 6), st.integers(1, 8), st.integers(0, 3))
def test_a_balanced_epoch_gives_at_most_cap_images_a_class_never_twice(labels, m, above_m, classes, seed):
    cap = m + above_m
    sampler = ClassBalancedSampler(labels, classes * m, m, seed, cap)
    batches = all_batches(sampler, 2)
    for batch in batches:
        counts = Counter(labels[batch, 0].tolist())
        assert set(counts.values()) == {m}
        assert len(counts) == classes
    drawn = Counter(batches.ravel().tolist())
    groups = Counter(labels[batches[:, ::m].ravel(), 0].tolist())
    for fine, size in Counter(labels[:, 0].tolist()).items():
        members = np.flatnonzero(labels[:, 0] == fine)
        assert groups[fine] <= max(1, min(size, cap) // m)
        if size >= m:
            assert max(drawn[position] for position in members) <= 1
            assert sum(drawn[position] for position in members) <= cap
        elif groups[fine]:
            assert min(drawn[position] for position in members) >= 1


@given(trees(), st.integers(2, 4), st.integers(1, 8))
def test_a_balanced_epoch_has_as_many_batches_as_distinct_classes_allow(labels, m, classes):
    sampler = ClassBalancedSampler(labels, classes * m, m, 0, cap=8)
    groups = np.maximum(np.minimum(np.bincount(labels[:, 0]), 8) // m, 1)
    fillable = [k for k in range(1, groups.sum() + 1) if np.minimum(groups, k).sum() >= k * classes]
    assert sampler.batches_per_epoch == max(fillable)


def test_a_balanced_sampler_comes_round_to_every_image():
    labels = np.repeat(np.arange(10), 40)
    sampler = ClassBalancedSampler(labels, 8, 4, 0, cap=8)
    seen = set()
    for epoch in range(60):
        seen |= set(all_batches(sampler, epoch).ravel().tolist())
    assert seen == set(range(400))


def test_a_data_loader_takes_up_where_training_stopped():
    labels = np.repeat(np.arange(12), 6)
    images = torch.arange(len(labels))

    def loader(batches):
        return torch.utils.data.DataLoader(images, batch_sampler=batches, num_workers=0)

    batches = EpochBatches(MPerClassSampler(labels, 8, 2, 0))
    batches.set_epoch(3)
    whole = [batch.tolist() for batch in loader(batches)]
    assert whole == [batch.tolist() for batch in batches.sampler.epoch(3)]
    assert len(whole) == len(batches)

    resumed = EpochBatches(MPerClassSampler(labels, 8, 2, 0))
    resumed.load_state_dict(batches.state_dict(used=4))
    assert len(resumed) == len(whole) - 4
    assert [batch.tolist() for batch in loader(resumed)] == whole[4:]
    assert resumed.state_dict(used=2)["start"] == 6
    resumed.set_epoch(4)
    assert len(resumed) == len(whole)

    other = EpochBatches(MPerClassSampler(labels, 8, 2, 1))
    with pytest.raises(SuiteError, match="drawn with seed 0, these with 1; resume with the data and settings"):
        other.load_state_dict(batches.state_dict(used=4))


def test_unfillable_batches_are_refused_by_name():
    labels = np.stack([np.repeat(np.arange(10), 5), np.repeat([0, 1], 25)], 1)
    for kind in (MPerClassSampler, ClassBalancedSampler):
        with pytest.raises(SuiteError, match=r"batch size 44 needs 11 classes at 4 images.*has 10; use at most 40"):
            kind(labels, 44, 4, 0)
    for kind in (MPerClassSampler, ClassBalancedSampler, HierarchicalSampler):
        with pytest.raises(SuiteError, match="batch size 30 is not a multiple of the 4"):
            kind(labels, 30, 4, 0)
        with pytest.raises(SuiteError, match="1 samples per class leave an image without a positive; use at least 2"):
            kind(labels, 30, 1, 0)
    with pytest.raises(SuiteError, match="cap 3 is below the 4 samples per class; raise it or lower m"):
        ClassBalancedSampler(labels, 8, 4, 0, cap=3)
    with pytest.raises(SuiteError, match=r"batch size 12 cannot be divided into 2 super-classes .* multiple of 8"):
        HierarchicalSampler(labels, 12, 4, 0)
    with pytest.raises(SuiteError, match="a batch takes 3 super-classes, but the training split has 2"):
        HierarchicalSampler(labels, 24, 4, 0, super_classes=3)
    with pytest.raises(SuiteError, match="super_classes and batches_per_pair must be at least 1"):
        HierarchicalSampler(labels, 24, 4, 0, batches_per_pair=0)
    with pytest.raises(SuiteError, match="asks for label level 1, but the data set has 1"):
        HierarchicalSampler(labels[:, 0], 8, 4, 0)
    labels[7, 1] = 1
    with pytest.raises(SuiteError, match="class 1 lies in two super-classes of level 1; mend the labels"):
        HierarchicalSampler(labels, 8, 4, 0)


def test_impossible_shards_and_starts_are_refused():
    sampler = MPerClassSampler(np.repeat(np.arange(10), 5), 20, 4, 0)
    with pytest.raises(SuiteError, match="batch size 20 cannot be divided by 3 processes"):
        sampler.shard(0, 3)
    with pytest.raises(SuiteError, match=r"rank 2 does not lie in 0\.\.1"):
        sampler.shard(2, 2)
    with pytest.raises(SuiteError, match="cannot start epoch 1 at batch 3: an epoch has 2"):
        sampler.epoch(1, start=3)


def test_settings_name_a_sampler():
    labels = np.repeat(np.arange(10), 5)
    assert create_sampler("class_balanced", labels, 8, 4, 0, cap=4).cap == 4
    with pytest.raises(SuiteError, match="unknown sampler 'm_per_clas': did you mean 'm_per_class'"):
        create_sampler("m_per_clas", labels, 8, 4, 0)
    with pytest.raises(SuiteError, match="sampler 'class_balanced': unknown setting 'limit'; it takes: cap, level"):
        create_sampler("class_balanced", labels, 8, 4, 0, limit=8)
