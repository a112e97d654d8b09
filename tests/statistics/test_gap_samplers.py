"""What the samplers draw: disjoint full batches, distributed as stated; the estimator is unbiased under them."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from gap_brute_force import brute_force, of_batches

from suite.statistics.gap import PARTS, decomposability_gap
from suite.statistics.gap_samplers import Hierarchical, MPerClass, RandomBatches, draw_classes

METRICS = ("AP", "R_at_1", "NDCG", "H_AP")
# Classes of 3, 3, 2 and 2 images in super-classes 0, 0, 1 and 1.
FINE = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
CODES = np.stack([FINE, FINE // 2])
# Six images of two classes: three of them always hold two of one class.
FEW = np.array([0, 0, 0, 1, 1, 1])


class Listed:
    """Draws given partitions, one after the other."""

    def __init__(self, partitions):
        self.partitions, self.batch_sizes = partitions, (partitions[0].shape[1],)

    def eligible(self, codes, batch_size):
        return np.ones(codes.shape[1], dtype=bool)

    def draw(self, codes, batch_size, generator):
        return self.partitions.pop(0)


def images(label):
    return list(combinations(np.flatnonzero(label == FINE), 2))


def m_per_class_partitions():
    """All partitions of MPerClass(2, 4): the order of the classes, two images of each."""
    return [
        np.array([[*first, *second], [*third, *fourth]])
        for order in permutations(range(4))
        for first, second, third, fourth in product(*(images(label) for label in order))
        # Images are drawn class by class whatever their number, so all choices are equally likely.
    ]


def m_per_class_batches():
    return [
        [*first, *second]
        for one, other in combinations(range(4), 2)
        for first, second in product(images(one), images(other))
    ], [
        1 / (6 * len(images(one)) * len(images(other)))
        for one, other in combinations(range(4), 2)
        for _ in product(images(one), images(other))
    ]


def hierarchical_partitions():
    """All of Hierarchical(2, 2, (4,)): both super-classes in each of two rounds, their classes in either order."""
    return [
        np.array([[*chosen[a], *chosen[b]], [*chosen[1 - a], *chosen[5 - b]]])
        for a, b in product((0, 1), (2, 3))
        for chosen in product(*(images(label) for label in range(4)))
    ]


def hierarchical_batches():
    pairs = [(a, b) for a in (0, 1) for b in (2, 3)]
    return [[*x, *y] for a, b in pairs for x, y in product(images(a), images(b))], [
        1 / (4 * len(images(a)) * len(images(b))) for a, b in pairs for _ in product(images(a), images(b))
    ]


CASES = {
    "m_per_class": (FINE, m_per_class_partitions, m_per_class_batches, MPerClass(2, (4,))),
    "hierarchical": (FINE, hierarchical_partitions, hierarchical_batches, Hierarchical(2, 2, (4,))),
    "random": (
        FEW,
        lambda: [np.array(order).reshape(2, 3) for order in permutations(range(6))],
        lambda: (list(combinations(range(6), 3)), [1 / 20] * 20),
        RandomBatches((3,)),
    ),
}


def labelled(fine):
    generator = np.random.default_rng(11)
    return generator.normal(size=(len(fine), 3)).astype(np.float32), np.stack([fine, fine // 2], 1)


def expectation(embeddings, labels, batches, weights, metric):
    means = [brute_force(embeddings, labels, list(batch), metric).mean(0) for batch in batches]
    assert sum(weights) == pytest.approx(1)
    return np.array(weights) @ np.array(means)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_over_all_partitions_is_the_expectation_over_all_batches(name):
    fine, partitions, batches, _ = CASES[name]
    embeddings, labels = labelled(fine)
    listed = partitions()
    found = decomposability_gap(
        embeddings, labels, {"all": Listed(list(listed))}, partitions=len(listed), metrics=METRICS
    )
    for metric, rows in found.groupby("metric"):
        expected = expectation(embeddings, labels, *batches(), metric)
        np.testing.assert_allclose(rows[list(PARTS)].mean(), expected, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_every_batch_that_can_be_drawn_comes_as_often_as_stated(name):
    fine, _, batches, sampler = CASES[name]
    codes = np.stack([fine, fine // 2])
    chances = {tuple(sorted(batch)): weight for batch, weight in zip(*batches(), strict=True)}
    counts = dict.fromkeys(chances, 0)
    draws = 4000
    for number in range(draws):
        drawn = sampler.draw(codes, sampler.batch_sizes[0], np.random.default_rng(number))
        assert len(np.unique(drawn)) == drawn.size
        # The last batch as well as any: each is distributed as stated.
        counts[tuple(sorted(drawn[-1]))] += 1
    for batch, chance in chances.items():
        # Five standard deviations of a binomial.
        assert abs(counts[batch] / draws - chance) < 5 * np.sqrt(chance * (1 - chance) / draws)


@pytest.mark.parametrize("name", CASES)
def test_drawn_partitions_average_to_the_expectation(name):
    fine, _, batches, sampler = CASES[name]
    embeddings, labels = labelled(fine)
    found = decomposability_gap(embeddings, labels, {"it": sampler}, partitions=3000, metrics=METRICS)
    for metric, rows in found.groupby("metric"):
        expected = expectation(embeddings, labels, *batches(), metric)
        error = rows[list(PARTS)].std(ddof=1) / np.sqrt(len(rows))
        assert (np.abs(rows[list(PARTS)].mean() - expected) <= 5 * error + 1e-12).all()


def test_empty_batches_bias_the_mean_within_a_bound_that_vanishes_with_larger_sets():
    """Eight classes of more and more images in random batches of three, some of which hold no two of a class."""
    bounds = []
    for images_each in (2, 8, 32):
        fine = np.repeat(np.arange(8), images_each)
        embeddings = np.random.default_rng(0).normal(size=(len(fine), 3)).astype(np.float32)
        sampler = RandomBatches((3,))
        found = decomposability_gap(embeddings, fine, {"random": sampler}, partitions=2000, metrics=["AP"])
        assert (found["batches"] < len(fine) // 3).any()
        some = found[found["batches"] > 0]
        # The expectation over batches that have a query: every such batch of every partition weighs alike.
        expected = (some["gap"] * some["batches"]).sum() / some["batches"].sum()
        bound = found["batches"].std() / found["batches"].mean() * some["gap"].std()
        error = some["gap"].std() / np.sqrt(len(some))
        assert abs(some["gap"].mean() - expected) <= bound + 5 * error
        bounds.append(bound)
    assert bounds == sorted(bounds, reverse=True)


def test_a_partition_draws_without_replacement_from_classes_large_enough():
    labels = np.repeat([0, 1, 2, 3], [5, 2, 4, 3])
    drawn = draw_classes(labels, 3, np.random.default_rng(0))
    assert labels[drawn[:, 0]].tolist() == [0, 2, 3]
    assert (labels[drawn] == labels[drawn[:, :1]]).all()
    assert len(np.unique(drawn)) == drawn.size


def test_hierarchical_batches_hold_equal_shares_of_super_classes_large_enough():
    """Super-classes of 4, 4, 2 and 1 fine classes, one fine class in two of them."""
    fine = np.repeat(np.arange(12), 3)
    coarse = np.repeat([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 9], 3)
    coarse[-1] = 0
    codes = np.stack([fine, coarse])
    sampler = Hierarchical(3, 2, (6, 12))
    for size, served, batches in ((6, {0, 1, 2, 3}, 2), (12, {0, 1, 2}, 1)):
        seen = set()
        for seed in range(60):
            drawn = sampler.draw(codes, size, np.random.default_rng(seed))
            assert drawn.shape == (batches, size)
            assert len(np.unique(drawn)) == drawn.size
            for batch in drawn:
                classes, counts = np.unique(fine[batch], return_counts=True)
                assert set(counts) == {3}
                _, shares = np.unique(coarse[batch], return_counts=True)
                assert shares.tolist() == [size // 2] * 2
                seen |= set(coarse[batch])
                assert 11 not in classes
        assert seen == served
        never = ~np.isin(coarse, list(served)) | (fine == 11)
        assert (~sampler.eligible(codes, size) == never).all()


@pytest.mark.parametrize(
    "sampler", [MPerClass(2, (4, 8)), RandomBatches((4, 8)), Hierarchical(2, 2, (4, 8))], ids=lambda s: type(s).__name__
)
def test_a_partition_draws_the_same_at_every_size(sampler):
    fine = np.repeat(np.arange(8), 2)
    codes = np.stack([fine, fine // 4])
    small, large = (sampler.draw(codes, size, np.random.default_rng(3)) for size in sampler.batch_sizes)
    assert set(small.ravel()) == set(large.ravel())


def test_the_means_of_batches_weigh_alike_where_their_queries_do_not():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    embeddings = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    batches = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    found = decomposability_gap(embeddings, labels, {"it": Listed([batches])}, partitions=1)
    expected, queries = of_batches(embeddings, labels, batches, "AP")
    assert found["queries"].item() == queries == 6
    np.testing.assert_allclose(found[list(PARTS)].to_numpy()[0], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MPerClass(1, (4,)), "samples_per_class: expected at least 2, found 1"),
        (lambda: Hierarchical(1, 2, (4,)), "samples_per_class: expected at least 2, found 1"),
        (lambda: Hierarchical(2, 1, (4,)), "super_classes: expected at least 2, found 1"),
    ],
)
def test_settings_of_a_sampler_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
