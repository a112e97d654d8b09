"""The decomposability gap against brute force, its identities, and what it refuses."""

import re

import numpy as np
import pytest
from gap_brute_force import METRICS, of_batches
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.evaluation import mean_metrics, per_query_metrics
from suite.statistics.gap import COLUMNS, PARTS, decomposability_gap
from suite.statistics.gap_samplers import Hierarchical, MPerClass, RandomBatches, SamplerError


def sample(seed, classes=7, low=2, high=6):
    """Embeddings of small whole numbers, so that scores are exact and tie often."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(classes), generator.integers(low, high + 1, classes)))
    return generator.integers(-3, 4, (len(labels), 4)).astype(np.float32), labels


def nested(labels):
    return np.stack([labels, labels // 2, labels // 4], 1)


SAMPLERS = {
    "m2": MPerClass(2, (4, 6)),
    "m3": MPerClass(3, (6,)),
    "random": RandomBatches((5, 9)),
    "hierarchical": Hierarchical(2, 2, (4,)),
}


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["nested", "crossed", "flat"]))
@settings(max_examples=8, deadline=None)
def test_matches_brute_force_on_the_drawn_batches(seed, kind):
    embeddings, fine = sample(seed, low=3)
    generator = np.random.default_rng(seed)
    labels = {
        "nested": nested(fine),
        # A second level that the first does not nest in, so that some items share it alone.
        "crossed": np.stack([fine, generator.integers(0, 3, len(fine))], 1),
        "flat": fine,
    }[kind]
    samplers = {name: SAMPLERS[name] for name in SAMPLERS if name != "hierarchical" or kind == "nested"}
    level = 1 if kind != "flat" and seed % 2 else 0
    found = decomposability_gap(embeddings, labels, samplers, partitions=1, metrics=METRICS, seed=seed, level=level)
    codes = np.unique(labels.reshape(len(labels), -1)[:, 0], return_inverse=True)[1]
    codes = np.concatenate([codes[None], labels.reshape(len(labels), -1).T[1:]])
    for row in found.itertuples():
        generator = np.random.default_rng([seed, row.partition])
        batches = samplers[row.sampler].draw(codes, row.measure_batch_size, generator)
        if not row.queries:
            assert np.isnan(row.gap)
            continue
        expected, queries = of_batches(embeddings, labels, batches, row.metric, level)
        assert row.queries == queries
        assert row.queries + row.queries_without_positive == batches.size
        np.testing.assert_allclose([getattr(row, part) for part in PARTS], expected, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), level=st.sampled_from([0, 1]))
@settings(max_examples=40, deadline=None)
def test_the_parts_sum_to_the_gap(seed, level):
    embeddings, labels = sample(seed)
    found = decomposability_gap(
        embeddings, nested(labels), {"m2": MPerClass(2, (4, 8))}, partitions=3, metrics=METRICS, seed=seed, level=level
    )
    np.testing.assert_allclose(found["fewer_negatives"] + found["fewer_positives"], found["gap"], atol=1e-14)
    np.testing.assert_allclose(found["batch_value"] - found["set_value"], found["gap"], atol=1e-14)
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
    labels = nested(generator.permutation(np.repeat(np.arange(6), 5)))
    embeddings = generator.normal(size=(30, 16)).astype(np.float32)
    samplers = {"m5": MPerClass(5, (30,)), "random": RandomBatches((30,))}
    found = decomposability_gap(embeddings, labels, samplers, partitions=2, metrics=METRICS, seed=seed)
    np.testing.assert_allclose(found[["gap", "fewer_negatives", "fewer_positives"]], 0, atol=1e-14)
    assert (found["queries"] == 30).all()
    # Both terms are then the metrics of the evaluation.
    means = mean_metrics(per_query_metrics(embeddings, labels, ks=(1, 3)))
    for row in found.itertuples():
        wanted = means[row.metric if row.metric in means else f"level0/{row.metric}"]
        np.testing.assert_allclose([row.set_value, row.batch_value], wanted, atol=1e-12)


def test_embeddings_in_one_point_are_worth_the_worst_order():
    labels = np.repeat(np.arange(4), 3)
    found = decomposability_gap(np.ones((12, 2)), labels, {"m3": MPerClass(3, (6,))}, metrics=["AP", "R_at_3"])
    # Two positives after nine negatives of the set, three of the batch.
    np.testing.assert_allclose(found.loc[found["metric"] == "AP", "set_value"], (1 / 10 + 2 / 11) / 2)
    np.testing.assert_allclose(found.loc[found["metric"] == "AP", "batch_value"], (1 / 4 + 2 / 5) / 2)
    assert (found.loc[found["metric"] == "R_at_3", "batch_value"] == 0).all()


def test_same_seed_same_bits_and_partitions_do_not_depend_on_what_else_is_measured():
    embeddings, labels = sample(2, classes=12, low=3)
    samplers = {"m2": MPerClass(2, (4, 12)), "random": RandomBatches((8,))}
    both = decomposability_gap(embeddings, labels, samplers, partitions=2, metrics=["AP", "R_at_1"], seed=5)
    again = decomposability_gap(embeddings, labels, samplers, partitions=2, metrics=["AP", "R_at_1"], seed=5)
    alone = decomposability_gap(embeddings, labels, {"m2": MPerClass(2, (12,))}, partitions=2, seed=5)
    assert list(both.columns) == list(COLUMNS)
    assert both.equals(again)
    chosen = (both["sampler"] == "m2") & (both["measure_batch_size"] == 12) & (both["metric"] == "AP")
    assert both[chosen].reset_index(drop=True).equals(alone)
    other = decomposability_gap(embeddings, labels, samplers, partitions=2, metrics=["AP", "R_at_1"], seed=6)
    assert not both.equals(other)


def test_a_set_of_several_blocks_of_queries_has_the_metrics_of_the_evaluation():
    generator = np.random.default_rng(0)
    labels = nested(generator.integers(0, 200, 1500))
    embeddings = generator.normal(size=(1500, 8)).astype(np.float32)
    found = decomposability_gap(
        embeddings, labels, {"random": RandomBatches((1500,))}, partitions=1, metrics=METRICS
    ).set_index("metric")
    means = mean_metrics(per_query_metrics(embeddings, labels, ks=(1, 3)))
    for metric in METRICS:
        wanted = means[metric if metric in means else f"level0/{metric}"]
        np.testing.assert_allclose(found.loc[metric, ["set_value", "batch_value"]].astype(float), wanted, rtol=1e-12)


def test_the_gap_falls_with_batch_size_without_any_learning():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(64), 5)
    found = decomposability_gap(generator.normal(size=(320, 32)), labels, {"m4": MPerClass(4, (8, 32, 128))})
    assert found.groupby("measure_batch_size")["gap"].mean().is_monotonic_decreasing


def test_queries_without_a_positive_in_the_batch_are_left_out_and_counted():
    """Of single images and one pair, only the pair is ever asked, and only where a batch holds both."""
    labels = np.array([0, 0, 1, 2, 3, 4])
    found = decomposability_gap(np.eye(6), labels, {"random": RandomBatches((3,))}, partitions=40, metrics=["R_at_1"])
    assert set(found["queries"]) == {0, 2}
    assert (found["queries"] + found["queries_without_positive"] == 6).all()
    assert (found["batches"] == found["queries"] / 2).all()
    assert found.loc[found["queries"] == 0, list(PARTS)].isna().all(axis=None)
    assert found.loc[found["queries"] > 0, list(PARTS)].notna().all(axis=None)


def test_a_class_too_small_is_never_drawn_and_counted():
    embeddings, labels = sample(0, low=3, high=3)
    labels = np.append(labels, [7, 8, 8])
    embeddings = np.concatenate([embeddings, embeddings[:3]])
    found = decomposability_gap(embeddings, labels, {"m3": MPerClass(3, (6,)), "random": RandomBatches((6,))})
    assert set(found.loc[found["sampler"] == "m3", "images_never_drawn"]) == {3}
    assert set(found.loc[found["sampler"] == "random", "images_never_drawn"]) == {0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partitions": 0}, "partitions: expected a whole number, at least 1, found 0"),
        ({"partitions": 1.5}, "partitions: expected a whole number, at least 1, found 1.5"),
        ({"seed": -1}, "seed: expected a whole number, at least 0, found -1"),
        ({"samplers": [MPerClass(2, (4,))]}, "samplers: expected a mapping of names to samplers, found list"),
        ({"samplers": {"m2": MPerClass(2, (4.0,))}}, "m2: batch_sizes: expected distinct whole numbers, found (4.0,)"),
        ({"samplers": {"m2": MPerClass(2, (4, 4))}}, "m2: batch_sizes: expected distinct whole numbers, found (4, 4)"),
        ({"embeddings": np.full((25, 4), 1e20, np.float32)}, "embeddings: entries as large as 1e+20 can overflow"),
        ({"embeddings": np.full((25, 4), -1e30)}, "embeddings: entries as large as 1e+30 can overflow"),
        ({"embeddings": np.full((25, 4), 1e300)}, "embeddings: entries as large as 1e+300 can overflow"),
        ({"level": 1}, "level: expected 0..0, found 1"),
        ({"samplers": {}}, "samplers: expected at least one"),
        ({"samplers": {"m2": MPerClass(2, ())}}, "samplers: expected at least one"),
        ({"labels": [0, 1]}, "labels: expected shape"),
        ({"metrics": []}, "metrics: expected distinct names"),
        ({"metrics": ["AP", "AP"]}, "metrics: expected distinct names"),
        ({"metrics": "AP"}, "metrics: expected distinct names"),
        ({"metrics": ["NDGC"]}, "metrics: unknown metric 'NDGC': did you mean 'NDCG'?"),
        ({"metrics": ["R_at_0"]}, "metrics: unknown metric 'R_at_0': did you mean 'R_at_1'?"),
        ({"metrics": ["precision"]}, "metrics: unknown metric 'precision': known: AP, R_at_k"),
        (
            {"samplers": {"h": Hierarchical(2, 2, (4,))}},
            "h: super_level: 1 is no level above the finest; the labels have 1",
        ),
        ({"embeddings": np.full((25, 4), np.nan)}, "embeddings: 25 of 25 rows hold NaN or infinity"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    embeddings, labels = sample(0)
    assert len(labels) == 25
    arguments = {"embeddings": embeddings, "labels": labels, "samplers": {"m2": MPerClass(2, (4,))}} | changes
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        decomposability_gap(**arguments)


@pytest.mark.parametrize(
    ("sampler", "problem"),
    [
        (MPerClass(2, (64,)), "batch size 64 needs 32 classes of at least 2 images, there are 7"),
        (MPerClass(2, (7,)), "batch size 7 is no multiple of 2 images a class with two classes"),
        (MPerClass(2, (2,)), "batch size 2 is no multiple of 2 images a class with two classes"),
        (RandomBatches((1,)), "batch size 1 is not between 2 and the 25 images there are"),
        (RandomBatches((32,)), "batch size 32 is not between 2 and the 25 images there are"),
        (Hierarchical(2, 2, (6,)), "batch size 6 is no multiple of 2 super-classes of whole classes of 2 images"),
        (Hierarchical(2, 2, (16,)), "batch size 16 needs 2 super-classes with 4 classes of at least 2 images"),
    ],
)
def test_a_size_that_cannot_be_filled_names_the_sampler(sampler, problem):
    embeddings, labels = sample(0)
    with pytest.raises(SamplerError) as caught:
        decomposability_gap(embeddings, nested(labels), {"mine": sampler})
    assert str(caught.value).startswith(f"mine: batch_sizes: {problem}")
    assert caught.value.sampler == "mine"
