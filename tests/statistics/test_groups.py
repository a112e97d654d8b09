"""The compact letter display: two losses share a letter if and only if their pair is not decided."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.statistics.groups import groups, letters


@st.composite
def displays(draw: st.DrawFn) -> tuple[list[str], set[tuple[str, str]]]:
    order = [f"loss{number}" for number in range(draw(st.integers(0, 9)))]
    pairs = list(combinations(order, 2))
    decided = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    return draw(st.permutations(order)), decided


@given(displays())
def test_two_losses_share_a_letter_if_and_only_if_their_pair_is_not_decided(display):
    order, decided = display
    told = letters(order, decided)
    assert list(told) == order
    assert all(told.values())
    for a, b in combinations(order, 2):
        apart = (a, b) in decided or (b, a) in decided
        assert bool(set(told[a]) & set(told[b])) is not apart


@given(displays())
def test_no_group_and_no_membership_is_needless(display):
    order, decided = display
    found = [set(group) for group in groups(order, decided)]
    assert not any(one <= other for one, other in combinations(found, 2))
    assert not any(other <= one for one, other in combinations(found, 2))
    for group in found:
        for loss in group:
            rest = [other for other in found if other is not group and loss in other]
            assert not rest or not group <= set().union(*rest)


@given(displays())
def test_letters_run_from_the_best_and_do_not_depend_on_how_pairs_are_written(display):
    order, decided = display
    told = letters(order, decided)
    seen = list(dict.fromkeys(letter for loss in order for letter in told[loss]))
    assert seen == sorted(seen)
    assert seen[:1] == (["a"] if order else [])
    assert letters(order, {(b, a) for a, b in decided}) == told


def test_a_chain_has_overlapping_letters():
    order = ["a", "b", "c", "d"]
    assert letters(order, [("a", "c"), ("a", "d"), ("b", "d")]) == {"a": "a", "b": "ab", "c": "bc", "d": "c"}
    assert letters(order, []) == dict.fromkeys(order, "a")
    assert letters(order, combinations(order, 2)) == {"a": "a", "b": "b", "c": "c", "d": "d"}


def test_letters_go_on_after_z():
    order = [f"loss{number}" for number in range(28)]
    told = letters(order, combinations(order, 2))
    assert [told[loss] for loss in order[24:]] == ["y", "z", "a2", "b2"]


def test_pairs_of_other_losses_are_passed_over_and_bad_ones_refused():
    assert groups(["a", "b"], [("a", "z")]) == [("a", "b")]
    with pytest.raises(ValueError, match="order"):
        groups(["a", "a"], [])
    with pytest.raises(ValueError, match="'a' is paired with itself"):
        groups(["a"], [("a", "a")])
