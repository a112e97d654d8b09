"""The decomposability gap against brute force, full enumeration and its identities."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import SuiteError
from suite.statistics.gap import PARTS, decomposability_gap, draw_partition


def average_precision(scores, positives, negatives):
    """AP of one query, ties against it."""
    ordered = sorted(positives, key=lambda j: -scores[j])
    return np.mean([(n + 1) / (n + 1 + sum(scores[k] >= scores[j] for k in negatives)) for n, j in enumerate(ordered)])


def brute_force(embeddings, labels, batch):
    """The values, in the order of `PARTS`, of every query of one batch, from its definition."""
    scores = embeddings @ embeddings.T
    rows = []
    for i in batch:
        everyone = [j for j in range(len(labels)) if j != i]
        full = (
            [j for j in everyone if labels[j] == labels[i]],
            [j for j in everyone if labels[j] != labels[i]],
        )
        few = [j for j in full[0] if j in batch], [j for j in full[1] if j in batch]
        value = {
            (p, n): average_precision(scores[i], (full, few)[p][0], (full, few)[n][1]) for p in (0, 1) for n in (0, 1)
        }
        negatives = ((value[0, 1] - value[0, 0]) + (value[1, 1] - value[1, 0])) / 2
        positives = ((value[1, 0] - value[0, 0]) + (value[1, 1] - value[0, 1])) / 2
        alone = value[0, 1] - value[0, 0], value[1, 0] - value[0, 0]
        rows.append((value[1, 1], value[0, 0], value[1, 1] - value[0, 0], negatives, positives, *alone))
    return np.array(rows)


def sample(seed, classes=7, low=2, high=6):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(classes), generator.integers(low, high + 1, classes)))
    return generator.integers(-3, 4, (len(labels), 4)).astype(np.float64), labels


@given(seed=st.integers(0, 2**32 - 1), m=st.sampled_from([2, 3]))
@settings(max_examples=40, deadline=None)
def test_matches_brute_force_on_the_drawn_batches(seed, m):
    embeddings, labels = sample(seed, low=3)
    found = decomposability_gap(embeddings, labels, [2 * m, 3 * m], 2, m, seed)
    for row in found.itertuples():
        drawn = draw_partition(labels, m, np.random.default_rng([seed, row.partition]))
        per_batch = row.measure_batch_size // m
        batches = drawn[: len(drawn) // per_batch * per_batch].reshape(-1, row.measure_batch_size)
        expected = np.concatenate([brute_force(embeddings, labels, list(batch)) for batch in batches])
        assert row.queries == len(expected)
        np.testing.assert_allclose([getattr(row, part) for part in PARTS], expected.mean(0), atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([0, 1]))
@settings(max_examples=40, deadline=None)
def test_the_parts_sum_to_the_gap(seed, level):
    embeddings, labels = sample(seed)
    found = decomposability_gap(embeddings, np.stack([labels, labels // 3], 1), [4, 8], 3, 2, seed, level=level)
    np.testing.assert_allclose(found["fewer_negatives"] + found["fewer_positives"], found["gap"], atol=1e-14)
    np.testing.assert_allclose(found["batch_AP"] - found["set_AP"], found["gap"], atol=1e-14)
    # What the literal parts leave of the gap is the interaction, which the shares halve between them.
    interaction = found["gap"] - found["fewer_negatives_alone"] - found["fewer_positives_alone"]
    for part in ("fewer_negatives", "fewer_positives"):
        np.testing.assert_allclose(found[part] - found[f"{part}_alone"], interaction / 2, atol=1e-14)
    # With fewer negatives, no positive falls.
    assert (found["fewer_negatives"] >= -1e-14).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_batch_that_is_the_whole_set_has_no_gap(seed):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(6), 5))
    embeddings = generator.normal(size=(30, 16)).astype(np.float32)
    found = decomposability_gap(embeddings, labels, [30], 2, 5, seed)
    assert (found[["gap", "fewer_negatives", "fewer_positives"]] == 0).all(axis=None)
    assert (found["queries"] == 30).all()


def test_coarse_positives_come_from_other_classes_of_the_batch():
    embeddings, fine = sample(4, low=3)
    coarse = fine % 2
    found = decomposability_gap(embeddings, np.stack([fine, coarse], 1), [6], 1, 2, 9, level=1)
    drawn = draw_partition(fine, 2, np.random.default_rng([9, 0]))
    batches = drawn[: len(drawn) // 3 * 3].reshape(-1, 6)
    expected = np.concatenate([brute_force(embeddings, coarse, list(batch)) for batch in batches])
    np.testing.assert_allclose(found[list(PARTS)].to_numpy()[0], expected.mean(0), atol=1e-12)


def test_partitions_average_to_the_enumerated_expectation():
    """Classes of 3, 3 and 2 images, m = 2, two classes a batch: every batch that can be drawn."""
    generator = np.random.default_rng(11)
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    embeddings = generator.normal(size=(8, 3))
    choices = [list(combinations(np.flatnonzero(labels == c), 2)) for c in range(3)]
    batches = [
        brute_force(embeddings, labels, [*first, *second]).mean(0)
        for one, other, _ in permutations(range(3))
        for first in choices[one]
        for second in choices[other]
    ]
    weights = np.array(
        [
            1 / (6 * len(choices[one]) * len(choices[other]))
            for one, other, _ in permutations(range(3))
            for _ in range(len(choices[one]) * len(choices[other]))
        ]
    )
    expected = weights @ np.array(batches)
    found = decomposability_gap(embeddings, labels, [4], 3000, 2, 0)[list(PARTS)]
    error = found.std(ddof=1) / np.sqrt(len(found))
    # The seed is fixed; five standard errors would catch any bias of note.
    assert (np.abs(found.mean() - expected) <= 5 * error + 1e-12).all()


def test_a_partition_draws_without_replacement_from_classes_large_enough():
    labels = np.repeat([0, 1, 2, 3], [5, 2, 4, 3])
    drawn = draw_partition(labels, 3, np.random.default_rng(0))
    assert sorted(labels[drawn[:, 0]]) == [0, 2, 3]
    assert (labels[drawn] == labels[drawn[:, :1]]).all()
    assert len(np.unique(drawn)) == drawn.size


def test_a_class_draw_is_uniform():
    labels = np.zeros(6, dtype=int)
    counts = np.zeros(6)
    generator = np.random.default_rng(0)
    for _ in range(3000):
        counts[draw_partition(labels, 2, generator)[0]] += 1
    # Each image has chance 1/3; five standard deviations of a binomial.
    assert np.abs(counts / 3000 - 1 / 3).max() < 5 * np.sqrt(2 / 9 / 3000)


def test_same_seed_same_bits_and_partitions_do_not_depend_on_the_batch_sizes():
    embeddings, labels = sample(2, classes=12, low=3)
    both = decomposability_gap(embeddings, labels, [4, 12], 2, 2, 5)
    alone = decomposability_gap(embeddings, labels, [12], 2, 2, 5)
    again = decomposability_gap(embeddings, labels, [4, 12], 2, 2, 5)
    assert both.equals(again)
    assert both[both["measure_batch_size"] == 12].reset_index(drop=True).equals(alone)
    assert not both.equals(decomposability_gap(embeddings, labels, [4, 12], 2, 2, 6))


def test_the_gap_falls_with_batch_size_without_any_learning():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(64), 5)
    found = decomposability_gap(generator.normal(size=(320, 32)), labels, [8, 32, 128], 4, 4, 0)
    gap = found.groupby("measure_batch_size")["gap"].mean()
    assert gap.is_monotonic_decreasing


def test_too_few_classes_say_what_to_do():
    embeddings, labels = sample(0)
    with pytest.raises(SuiteError, match=r"batch size 64: needs 32 classes .* there are 7; lower measure.batch_sizes"):
        decomposability_gap(embeddings, labels, [64], 1, 2, 0)


@pytest.mark.parametrize("size", [7, 2])
def test_a_batch_size_must_hold_whole_classes(size):
    embeddings, labels = sample(0)
    with pytest.raises(SuiteError, match=f"batch size {size}: must be a multiple"):
        decomposability_gap(embeddings, labels, [size], 1, 2, 0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"samples_per_class": 1}, "samples_per_class"),
        ({"partitions": 0}, "partitions"),
        ({"level": 1}, "level"),
        ({"batch_sizes": []}, "batch_sizes"),
        ({"labels": [0, 1]}, "labels"),
    ],
)
def test_bad_arguments_are_named(changes, named):
    embeddings, labels = sample(0)
    arguments = {
        "labels": labels,
        "batch_sizes": [4],
        "partitions": 1,
        "samples_per_class": 2,
        "seed": 0,
    } | changes
    with pytest.raises(ValueError, match=f"^{named}: "):
        decomposability_gap(embeddings, **arguments)
