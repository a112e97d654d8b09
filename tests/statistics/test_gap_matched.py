"""Gaps at equal set values: where paths cross, where they do not, and what the table says of either."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
import study_settings as settings
from hypothesis import given
from hypothesis import strategies as st

from suite.statistics.gap_matched import GapPath, gap_matched, match_paths
from suite.statistics.measures import GAP_COLUMNS

rising = st.lists(st.floats(0, 1), min_size=2, max_size=8, unique=True).map(lambda values: np.array(sorted(values)))


def path(*points):
    values, gaps = zip(*points, strict=True)
    return GapPath(np.array(values), np.array(gaps))


@given(values=rising, share=st.floats(0, 1))
def test_a_line_is_read_as_the_line_it_is(values, share):
    value = values[0] + share * (values[-1] - values[0])
    value = min(max(value, values[0]), values[-1])
    assert GapPath(values, 2 - 3 * values).at(value) == pytest.approx(2 - 3 * value)


def test_the_first_passage_counts_and_nothing_is_extrapolated():
    there_and_back = path((0.2, 0.5), (0.4, 0.3), (0.3, 0.1))
    assert there_and_back.at(0.35) == pytest.approx(0.35)
    assert there_and_back.at(0.4) == 0.3
    assert np.isnan(there_and_back.at(0.41))
    assert np.isnan(there_and_back.at(0.19))
    assert path((0.3, 0.2)).at(0.3) == 0.2
    assert np.isnan(path((0.3, 0.2)).at(0.31))
    assert path((0.3, 0.2), (0.3, 0.9)).at(0.3) == 0.2


@given(one=rising, other=rising)
def test_paths_match_at_the_largest_value_both_reach(one, other):
    match = match_paths(GapPath(one, one), GapPath(other, 1 - other))
    value = min(one[-1], other[-1])
    assert match.value == value
    overlap = max(one[0], other[0]) <= value
    assert np.isnan(match.gap + match.reference_gap) != overlap
    if overlap:
        np.testing.assert_allclose([match.gap, match.reference_gap], [value, 1 - value])


def rows(loss, seed, points, batch=32, size=32):
    """Measured rows of two partitions: (epoch or None, set value, gap)."""
    return [
        dict.fromkeys(GAP_COLUMNS, 0)
        | {"dataset": "emoji", "loss": loss, "budget": "epochs", "train_batch_size": batch, "seed": seed}
        | {"epoch": epoch, "split": "test", "sampler": "main", "measure_batch_size": size, "metric": "AP"}
        | {"partition": partition, "set_value": value, "gap": gap + shift}
        for epoch, value, gap in points
        for partition, shift in enumerate((-0.01, 0.01))
    ]


def table(*parts):
    return pd.DataFrame(list(chain.from_iterable(parts))).astype({"epoch": "Int64"})


@pytest.fixture
def params():
    return settings.study(
        seeds={"main": [0, 1, 2], "scaling": [0], "followed": [0, 1, 2]},
        losses={
            "supap": settings.loss_entry("supap", 32),
            "roadmap": settings.loss_entry("roadmap", 32, compared=False),
        },
        ablations={"weight": {"label": "Weight", "baseline": "supap", "arms": {"supap": 0.0, "roadmap": 0.1}}},
    )


def followed(loss, offset, seeds=(0, 1, 2)):
    """Set values from 0.2 to 0.4; the gap is 0.8 minus the set value, plus an offset that differs a little by seed."""
    return [
        row
        for seed in seeds
        for row in rows(
            loss,
            seed,
            [(epoch, value, 0.8 - value + offset + seed / 1000) for epoch, value in ((1, 0.2), (2, 0.3), (4, 0.4))]
            + [(None, 0.3, 7.0)],
        )
    ]


def whitened(*points):
    return table(*(rows("whitened", 0, [(None, *point)], batch=0) for point in points)).assign(
        strength=np.repeat(np.arange(1, len(points) + 1) / len(points), 2)
    )


def test_a_loss_is_held_against_controls_and_an_arm_against_the_first(params):
    gaps = table(
        followed("supap", 0.0),
        followed("roadmap", -0.1),
        rows("frozen", 0, [(None, 0.25, 0.6)], batch=0),
        rows("random", 0, [(None, 0.01, 0.9)], batch=0),
        rows("random", 1, [(None, 0.03, 0.9)], batch=0),
    )
    found = gap_matched(gaps, whitened((0.35, 0.5), (0.3, 0.4)), params).set_index(["loss", "reference"])
    assert list(found.index) == [
        ("supap", "frozen"), ("supap", "random"), ("supap", "whitened"), ("roadmap", "supap"),
    ]  # fmt: skip
    frozen = found.loc[("supap", "frozen")]
    np.testing.assert_allclose(frozen[["set_value", "gap", "reference_gap"]].astype(float), [0.25, 0.551, 0.6])
    assert (frozen["seeds"], frozen["seeds_asked"], frozen["decision"]) == (3, 3, "below")
    # The whitened features reach 0.35, from the frozen ones at 0.25.
    whitening = found.loc[("supap", "whitened")]
    np.testing.assert_allclose(whitening[["set_value", "gap", "reference_gap"]].astype(float), [0.35, 0.451, 0.5])
    arm = found.loc[("roadmap", "supap")]
    np.testing.assert_allclose(arm[["set_value", "difference"]].astype(float), [0.4, -0.1])
    assert arm["reason"] == "the difference is the same at every seed: there is no spread to test"
    random = found.loc[("supap", "random")]
    assert np.isnan(random["difference"])
    assert (random["seeds"], random["decision"]) == (0, "undecided")
    assert random["reason"] == (
        "0 of 3 seeds have a set value in common: the loss was seen at 0.200 to 0.400, the reference at 0.020"
    )


def test_a_run_that_is_not_followed_is_one_point(params):
    gaps = table(
        rows("supap", 0, [(None, 0.3, 0.5)]),
        rows("supap", 1, [(None, 0.4, 0.4)]),
        followed("supap", 0.0, seeds=(2,)),
        rows("frozen", 0, [(None, 0.25, 0.6)], batch=0),
    )
    found = gap_matched(gaps, whitened((0.35, 0.5)), params).set_index("reference")
    # Seed 0 is on the way of the whitened features; seed 1 stands beyond them.
    assert found.loc["whitened", ["seeds", "seeds_asked"]].tolist() == [2, 3]
    np.testing.assert_allclose(found.loc["whitened", "set_value"], (0.3 + 0.35) / 2)
    assert found.loc["frozen", "seeds"] == 1
    assert found.loc["frozen", "reason"].startswith("1 of 3 seeds have a set value in common")


def test_holm_is_over_the_losses_of_one_reference(params):
    losses = {name: settings.loss_entry(name, 32) for name in ("supap", "triplet")}
    params = settings.study(seeds={"main": [0, 1, 2], "scaling": [0]}, losses=losses)
    generator = np.random.default_rng(0)
    parts = [followed(name, generator.normal(scale=0.01), (seed,)) for name in losses for seed in (0, 1, 2)]
    gaps = table(*parts, rows("frozen", 0, [(None, 0.25, 0.55)], batch=0))
    found = gap_matched(gaps, whitened((0.3, 0.4)), params)
    frozen = found[found["reference"] == "frozen"]
    assert len(frozen) == 2
    assert (frozen["p_holm"] >= frozen["p"]).all()
    np.testing.assert_allclose(frozen["p_holm"].min(), min(1, 2 * frozen["p"].min()))
