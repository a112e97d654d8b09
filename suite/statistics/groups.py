"""Groups of losses that cannot be told apart: the compact letter display of pairwise decisions.

Piepho, An algorithm for a letter-based representation of all-pairwise comparisons, Journal of Computational and
Graphical Statistics 13 (2004): no two losses of a group are decided. Sharing a group is not being equal, and
is not handed on: a may share one with b, b one with c, and a be decided apart from c.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase


def groups(order: Sequence[str], decided: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The groups of a compact letter display: two losses share one if and only if their pair is not decided.

    Insert and absorb: for every decided pair, each group that holds both is replaced by two without one of them, and a
    group within another goes. Sweep: a loss leaves a group, the last first, where its company there is all met with in
    other groups.

    Args:
        order: the losses, best first, each once.
        decided: pairs told apart; those of other losses are passed over.

    Returns:
        The groups in the order of their best members (then of their next), each best first.
    """
    place = {loss: number for number, loss in enumerate(order)}
    if len(place) != len(order):
        raise ValueError("order: every loss may stand once")
    found = [set(order)] if order else []
    for a, b in decided:
        if a not in place or b not in place:
            continue
        if a == b:
            raise ValueError(f"decided: '{a}' is paired with itself")
        split = [part for group in found for part in (group - {a}, group - {b}) if {a, b} <= group]
        found = _absorbed([group for group in found if not {a, b} <= group] + split)

    def places(group: set[str]) -> list[int]:
        return sorted(place[loss] for loss in group)

    # Sorted before the sweep as well, whose result depends on the order: pairs may come in any.
    swept = _swept(sorted(found, key=places), order)
    return [tuple(order[number] for number in places(group)) for group in sorted(swept, key=places)]


def letters(order: Sequence[str], decided: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The letters of each loss, `a` being the group of the best; with more than 26 groups `a2` follows `z`.

    Args:
        order: the losses, best first, each once.
        decided: pairs told apart.
    """
    told: dict[str, list[str]] = {loss: [] for loss in order}
    for number, group in enumerate(groups(order, decided)):
        turn, letter = divmod(number, len(ascii_lowercase))
        for loss in group:
            told[loss].append(ascii_lowercase[letter] + (str(turn + 1) if turn else ""))
    return {
        loss: "".join(mine) if all(len(one) == 1 for one in mine) else " ".join(mine) for loss, mine in told.items()
    }


def _absorbed(found: list[set[str]]) -> list[set[str]]:
    """Without groups that lie within another, or are another's double."""
    kept: list[set[str]] = []
    for group in sorted(found, key=len, reverse=True):
        if not any(group <= other for other in kept):
            kept.append(group)
    return kept


def _swept(found: list[set[str]], order: Sequence[str]) -> list[set[str]]:
    """Without memberships that no pair needs; every loss keeps a group."""
    for loss in reversed(order):
        for group in list(found):
            others = [other for other in found if other is not group and loss in other]
            if loss in group and others and group <= set().union(*others):
                group.discard(loss)
    return _absorbed([group for group in found if group])
