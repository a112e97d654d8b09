"""The revisited Oxford / Paris protocol on rankings small enough to work out by hand."""

import numpy as np
import pytest

from suite.evaluation import revisited_metrics


def entry(easy=(), hard=(), junk=()):
    return {
        "easy": np.array(easy, dtype=int),
        "hard": np.array(hard, dtype=int),
        "junk": np.array(junk, dtype=int),
    }


# Gallery rows in order of score: 0, 1, 2, 3, 4, 5.
SCORES = np.array([[6.0, 5, 4, 3, 2, 1]])


def test_each_setup_drops_its_own_junk():
    found = revisited_metrics(SCORES, [entry(easy=[2], hard=[0], junk=[1])], ks=(1, 3))
    # Easy: rows 0 and 1 are out, so row 2 leads.
    assert found["easy/mAP"] == 1.0
    assert found["hard/mAP"] == 1.0
    # Medium: 0 then 2, junk between them is out.
    assert found["medium/mAP"] == 1.0
    assert found["medium/mP_at_3"] == 1.0


def test_trapezoidal_average_precision():
    found = revisited_metrics(SCORES, [entry(easy=[1, 3])], ks=(1, 2, 10))
    # 0-based ranks 1 and 3: ((0/1 + 1/2) + (1/3 + 2/4)) / 4.
    assert found["easy/mAP"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    # The last positive has rank 4, so precision at 10 is taken there.
    assert [found[f"easy/mP_at_{k}"] for k in (1, 2, 10)] == [0.0, 0.5, 0.5]


def test_queries_without_positives_leave_the_mean():
    found = revisited_metrics(np.repeat(SCORES, 2, 0), [entry(easy=[0]), entry(hard=[5])], ks=(1,))
    assert (found["easy/queries"], found["medium/queries"], found["hard/queries"]) == (1, 2, 1)
    assert found["easy/mAP"] == 1.0
    assert np.isnan(revisited_metrics(SCORES, [entry(easy=[0])], ks=(1,))["hard/mAP"])


def test_ties_count_against_the_query():
    found = revisited_metrics(np.zeros((1, 6)), [entry(easy=[0])], ks=(1,))
    assert found["easy/mAP"] == pytest.approx(1 / 12)


@pytest.mark.parametrize(
    ("scores", "truth", "ks", "named"),
    [
        (np.zeros(3), [entry()], (1,), "scores: expected"),
        (np.array([[np.nan]]), [entry()], (1,), "scores: hold NaN"),
        (SCORES, [], (1,), "ground_truth: 0 entries"),
        (SCORES, [{"easy": [], "hard": []}], (1,), "has no 'junk'"),
        (SCORES, [entry(easy=[6])], (1,), "outside 0..5"),
        (SCORES, [entry(easy=[0])], (0,), "ks: expected"),
    ],
)
def test_bad_input_is_named(scores, truth, ks, named):
    with pytest.raises(ValueError, match=named):
        revisited_metrics(scores, truth, ks)
