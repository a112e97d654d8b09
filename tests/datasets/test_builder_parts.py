from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.builder import MISSING, assemble, check_count, hold_out
from suite.datasets.protocols import Protocol, leave_one_out, read_protocol, write_protocols
from suite.datasets.stages import check_items, check_protocols
from suite.datasets.store import Stored
from suite.errors import SuiteError

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=40, unique=True)


@given(NAMES, st.floats(0.01, 0.99), st.integers(0, 5))
def test_held_out_classes_leave_some_on_both_sides(names, share, seed):
    held = hold_out(names, share, seed)
    assert held < set(names)
    assert held
    assert held == hold_out(reversed(names), share, seed)


@given(NAMES, st.integers(0, 3))
def test_an_added_class_moves_no_other(names, seed):
    before = hold_out(names, 0.5, seed)
    after = hold_out([*names, "another"], 0.5, seed)
    if len(before - {"another"}) > 0 and 1 < len(before) < len(names) - 1:
        assert after - {"another"} == before


def test_the_share_is_met_on_many_classes():
    held = hold_out([f"{number:06d}" for number in range(20_000)], 0.2, 0)
    assert abs(len(held) / 20_000 - 0.2) < 0.01
    assert held != hold_out([f"{number:06d}" for number in range(20_000)], 0.2, 1)
    assert hold_out(["a", "b"], 0, 0) == set()


def annotations() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "b", "c", "d"],
            "source": "release",
            "split": ["train", "train", "test", "test"],
            "species": ["x", "x", "y", "z"],
        }
    )


def test_items_follow_the_store_and_what_is_lost_is_counted_by_reason():
    stored = Stored(keys=["c", "a"], faults=[("b", "truncated")])
    items, aside = assemble(annotations(), stored, ["species"])
    assert items.to_dict("list") == {
        "image": [0, 1],
        "key": ["c", "a"],
        "source": ["release"] * 2,
        "split": ["test", "train"],
        "species": ["y", "x"],
    }
    assert aside == {"truncated": {"images": 1, "classes": 1}, MISSING: {"images": 1, "classes": 1}}


def test_an_image_without_an_annotation_is_named():
    with pytest.raises(SuiteError, match="image 'q': stored without an annotation"):
        assemble(annotations(), Stored(keys=["a", "q"], faults=[]), ["species"])


def test_an_image_that_is_annotated_twice_is_named():
    table = pd.concat([annotations(), annotations().iloc[[0]]], ignore_index=True)
    with pytest.raises(SuiteError, match="image 'a' is annotated twice"):
        assemble(table, Stored(keys=["a"], faults=[]), ["species"])


def test_counts_are_enforced_or_noted():
    assert check_count("training images", 5, 5, True) is None
    assert check_count("training images", 4, 1200, False) == "training images: 4 found, 1,200 published"
    with pytest.raises(SuiteError, match=r"training images: 4 found, 1,200 published; .*enforce_counts"):
        check_count("training images", 4, 1200, True)


def test_protocols_come_back_as_they_were_written(tmp_path: Path):
    relations = pd.DataFrame({"query": [0, 0], "item": [2, 3], "relation": ["easy", "junk"]})
    written = [
        Protocol("official", np.array([0, 1]), np.array([2, 3, 4]), (1, 100), "As published.", relations),
        Protocol("small", np.array([1, 2, 4]), None),
    ]
    write_protocols(tmp_path, written)
    summaries = {protocol.name: protocol.summary() for protocol in written}
    for before in written:
        after = read_protocol(tmp_path, summaries, before.name)
        assert after.summary() == before.summary()
        np.testing.assert_array_equal(after.queries, before.queries)
        assert (after.gallery is None) == (before.gallery is None)
    default = read_protocol(tmp_path, summaries)
    assert default.name == "official"
    np.testing.assert_array_equal(default.gallery, [2, 3, 4])
    pd.testing.assert_frame_equal(default.relations, relations)
    with pytest.raises(SuiteError, match="no protocol 'large'; it has: official, small"):
        read_protocol(tmp_path, summaries, "large")


def table(**changes) -> pd.DataFrame:
    columns = {
        "image": [0, 1, 2],
        "key": ["a", "b", "c"],
        "source": ["s"] * 3,
        "split": ["train", "val", "test"],
        "species": ["x", "y", "z"],
    }
    return pd.DataFrame(columns | changes)


def test_leave_one_out_takes_the_test_split():
    assert leave_one_out(table()).queries.tolist() == [2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ["a", "a", "c"]}, "image 'a' stands twice"),
        ({"split": ["train", "dev", "test"]}, "unknown split 'dev'"),
        ({"species": ["x", "x", "z"]}, "class 'x' lies in several splits"),
        ({"species": [None, "y", "z"]}, "training image 'a' has no species"),
        ({"genus": ["g"] * 3}, "columns"),
    ],
)
def test_a_builder_that_breaks_its_promise_is_named(changes, message):
    with pytest.raises(SuiteError, match=f"data set 'birds': {message}.*; mend its builder"):
        check_items(table(**changes), ("species",), "birds")


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (Protocol("test", np.array([], int)), "'test': no image is left of its queries; check the files"),
        (
            Protocol("test", np.array([0]), np.array([], int)),
            "'test': no image is left of its gallery; check the files",
        ),
        (Protocol("test", np.array([0, 3])), "'test': its queries are not distinct rows"),
        (Protocol("test", np.array([0]), np.array([1, 1])), "'test': its gallery are not distinct rows"),
        (
            Protocol(
                "test",
                np.array([0]),
                np.array([1]),
                relations=pd.DataFrame({"query": [0], "item": [2], "relation": ["hard"]}),
            ),
            "'test': states a pair of images that are not in it",
        ),
    ],
)
def test_protocols_hold_images_of_the_items(protocol, message):
    check_protocols([Protocol("whole", np.arange(3))], 3, "birds")
    with pytest.raises(SuiteError, match=f"data set 'birds': protocol {message}"):
        check_protocols([protocol], 3, "birds")
    with pytest.raises(SuiteError, match="two protocols of one name"):
        check_protocols([protocol, protocol], 3, "birds")


def test_queries_and_gallery_may_share_classes_and_distractors_have_none():
    items = table(split=["query", "gallery", "gallery"], species=["x", "x", None])
    check_items(items, ("species",), "birds")
    with pytest.raises(SuiteError, match="no image was kept"):
        check_items(items.iloc[:0], ("species",), "birds")
