"""What a study measures of the gap: its samplers and sizes, the rows it writes, and the whitened control."""

import numpy as np
import pytest
import study_settings as settings

from suite.errors import SuiteError
from suite.statistics import Hierarchical, MPerClass, RandomBatches, gap_plan, measure_gap
from suite.statistics.controls import STRENGTHS, normalise, whiten_within_classes, whitened_gaps
from suite.statistics.measures import GAP_COLUMNS

SAMPLERS = {
    "m4": {"kind": "m_per_class", "samples_per_class": 4},
    "few": {"kind": "m_per_class", "samples_per_class": 2, "batch_sizes": [8]},
    "any": {"kind": "random"},
    "near": {"kind": "hierarchical", "samples_per_class": 2, "super_classes": 2, "super_level": 2},
}
RUN = {"dataset": "emoji", "loss": "supap", "train_batch_size": 32, "seed": 0, "fingerprint": "a"}


def study(**changes):
    sizes = {"default": [16, 40, 64], "emoji": [8, 32, 24]}
    return settings.study(main_batch_size=32, measure=settings.measure(sizes, samplers=SAMPLERS, **changes))


def test_the_plan_follows_the_settings():
    plan = gap_plan(study(partitions=5), "emoji", 3)
    assert plan.every == {"m4": MPerClass(4, (8, 32, 24))}
    assert plan.others == {
        "few": MPerClass(2, (8,)),
        "any": RandomBatches((8, 32, 24)),
        "near": Hierarchical(2, 2, (8, 32, 24), 2),
    }
    assert plan.along == {"m4": MPerClass(4, (8, 32))}
    assert (plan.partitions, plan.metrics) == (5, ("AP", "R_at_1"))


def test_a_main_sampler_with_sizes_of_its_own_is_followed_at_these():
    samplers = {"few": {"kind": "m_per_class", "samples_per_class": 2, "batch_sizes": [48, 12, 20]}}
    measure = settings.measure({"default": [8, 32]}, samplers=samplers)
    plan = gap_plan(settings.study(main_batch_size=32, measure=measure), "emoji", 1)
    assert plan.every == {"few": MPerClass(2, (48, 12, 20))}
    assert plan.along == {"few": MPerClass(2, (12, 20))}


def test_a_hierarchical_sampler_is_left_out_where_labels_have_one_level():
    assert list(gap_plan(study(), "emoji", 1).others) == ["few", "any"]


def test_an_unknown_metric_names_its_key():
    known = study()
    # Settings read from a file are refused earlier; these are put together by hand.
    changed = known.model_copy(update={"measure": known.measure.model_copy(update={"metrics": ["MAP"]})})
    with pytest.raises(SuiteError, match=r"^params.yaml: measure.metrics: unknown metric 'MAP': did you mean 'AP'\?$"):
        gap_plan(changed, "emoji", 1)


def sample():
    generator = np.random.default_rng(0)
    return generator.normal(size=(40, 6)), np.repeat(np.arange(10), 4)


def test_all_runs_are_measured_on_the_same_partitions():
    embeddings, labels = sample()
    plan = gap_plan(study(partitions=3), "emoji", 1)
    one = measure_gap(embeddings, labels, plan.every, plan, **RUN)
    other = measure_gap(
        embeddings, labels, plan.every, plan, **RUN | {"loss": "triplet", "seed": 5}, budget="steps", epoch=4
    )
    assert one["gap"].equals(other["gap"])
    assert list(one.columns) == list(GAP_COLUMNS)
    assert one["epoch"].isna().all()
    written = other[["loss", "seed", "budget", "epoch", "split"]].drop_duplicates().to_numpy().tolist()
    assert written == [["triplet", 5, "steps", 4, "test"]]


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (
            "m4",
            "params.yaml: measure.samplers.m4.batch_sizes: batch size 32 needs 8 classes of at least 4 images, there"
            " are 5 on the train classes of data set 'emoji'",
        ),
        ("near", "params.yaml: measure.samplers.near.super_level: 2 is no level above the finest; the labels have 1"),
    ],
)
def test_what_a_sampler_cannot_draw_names_its_key(sampler, message):
    embeddings, labels = sample()
    plan = gap_plan(study(), "emoji", 3)
    samplers = {sampler: (plan.every | plan.others)[sampler]}
    with pytest.raises(SuiteError, match=f"^{message}"):
        measure_gap(embeddings[:20], labels[:20], samplers, plan, **RUN, split="train")


def spread_within(embeddings, labels):
    means = np.stack([embeddings[labels == label].mean(0) for label in range(labels.max() + 1)])
    return np.cov((embeddings - means[labels]).T)


def test_whitening_evens_the_spread_within_the_training_classes_out():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(30), 20)
    features = generator.normal(size=(30, 4))[labels] * 3 + generator.normal(size=(600, 4)) * [0.5, 1, 2, 4]
    trained = np.arange(400)
    none, some, whole = whiten_within_classes(features, labels, trained, (0.0, 0.5, 1.0))
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)
    # Turned, but as they were: the scores tell.
    plain = normalise(features)
    np.testing.assert_allclose(none @ none.T, plain @ plain.T, atol=1e-5)
    conditions = [np.linalg.cond(spread_within(rows[trained], labels[trained])) for rows in (none, some, whole)]
    assert conditions[0] > conditions[1] > conditions[2]
    # The labels of the test classes are not read.
    shuffled = labels.copy()
    shuffled[400:] = generator.permutation(shuffled[400:])
    (again,) = whiten_within_classes(features, shuffled, trained, (1.0,))
    assert (again == whole).all()


def test_the_whitened_control_is_measured_at_every_strength():
    generator = np.random.default_rng(2)
    features, labels = generator.normal(size=(96, 6)), np.repeat(np.arange(24), 4)
    plan = gap_plan(study(), "emoji", 1)
    table = whitened_gaps(features, labels, np.arange(48, 96), np.arange(48), dataset="emoji", plan=plan)
    assert table["strength"].drop_duplicates().tolist() == list(STRENGTHS)
    assert set(table["loss"]) == {"whitened"}
    assert set(table["sampler"]) == {"m4"}
    assert len(table) == len(STRENGTHS) * 3 * 2
