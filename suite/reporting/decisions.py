"""Tested differences as words: which side each fell on, with its interval, or why nothing can be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from suite.reporting.model import count, interval, listing, number, signed

DIFFERENCE = ("difference", "low", "high")
# How the tables begin a reason why no test at this size could have decided.
_CANNOT = "cannot be decided: "


def decided(
    rows: pd.DataFrame,
    words: Mapping[str, str],
    name: Callable[[Any], str],
    columns: tuple[str, str, str] = DIFFERENCE,
    tell: Callable[[pd.DataFrame], str] | None = None,
) -> str:
    """`smaller for A (−0.1 [−0.2, −0.05]); cannot be decided for B (…) or C (why)`, to stand after a colon.

    Args:
        rows: of a table with `decision`, `reason` and `p_holm`.
        words: what each decision is called, in the order in which they are told; `undecided` has words of its own.
        name: what a row is about.
        columns: of the estimate and the ends of its interval.
        tell: how rows of one side are told; by default each is named with its estimate and interval.
    """
    tell = tell or (lambda some: each(some, name, columns))
    parts = []
    for side, phrase in words.items():
        mine = rows[rows["decision"] == side]
        if len(mine):
            parts.append(f"{phrase} {tell(mine)}")
    undecided = rows[rows["decision"] == "undecided"]
    reasons = undecided["reason"].fillna("")
    barred = undecided["p_holm"].isna() | reasons.str.startswith(_CANNOT)
    if (~barred).any():
        parts.append(f"cannot be decided for {tell(undecided[~barred])}")
    for reason, mine in undecided[barred].groupby(reasons[barred].str.removeprefix(_CANNOT), sort=False):
        why = f" ({reason})" if reason else ""
        parts.append(f"cannot be decided for {listing(name(row) for row in mine.itertuples())}{why}")
    return "; ".join(parts)


def each(
    rows: pd.DataFrame, name: Callable[[Any], str], columns: tuple[str, str, str] = DIFFERENCE, most: int | None = None
) -> str:
    """Every row by name with its estimate and interval; of more losses than `most`, what they span together."""
    if most is not None and len(rows) > most:
        return f"{count(len(rows), 'loss', 'losses')} ({spread(rows, columns)})"
    return listing(f"{name(row)} ({signed(*(getattr(row, one) for one in columns))})" for row in rows.itertuples())


def spread(rows: pd.DataFrame, columns: tuple[str, str, str] = DIFFERENCE) -> str:
    """Range of the estimates and of the ends of their intervals."""
    mean, low, high = (rows[column] for column in columns)
    text = f"{number(mean.min(), sign=True)} to {number(mean.max(), sign=True)}"
    ends = interval(low.min(), high.max(), sign=True)
    return f"{text}, every interval within {ends}" if ends else text
