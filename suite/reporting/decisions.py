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


def tally(
    rows: pd.DataFrame,
    words: Mapping[str, str],
    many: str,
    columns: tuple[str, str, str] = DIFFERENCE,
    name: Callable[[Any], str] | None = None,
) -> str:
    """`larger for 4 of 8 losses (+0.01 to +0.02 [0.00, +0.03]), undecided for 4`: how many fell on each side.

    What is undecided has its range only where nothing is decided.

    Args:
        rows, words, columns: as in `decided`.
        many: what rows are.
        name: what a row is about, where the rows of a decided side are to be told from the others by it.
    """
    parts = []
    for side, phrase in words.items():
        mine = rows[rows["decision"] == side]
        if len(mine):
            text = f"{phrase}{_amount(len(mine), len(rows), many, first=not parts)}"
            if name is not None:
                names = dict.fromkeys(name(row) for row in mine.itertuples())
                every = dict.fromkeys(name(row) for row in rows.itertuples())
                text += f", all of {listing(names)}" if len(names) < len(every) else ""
            parts.append(f"{text}{_in_brackets(ranged(mine, columns))}")
    undecided = rows[rows["decision"] == "undecided"]
    if len(undecided):
        text = f"undecided{_amount(len(undecided), len(rows), many, first=not parts)}"
        parts.append(text if parts else f"{text}{_in_brackets(ranged(undecided, columns))}")
    return ", ".join(parts)


def _amount(some: int, of: int, many: str, first: bool) -> str:
    """`for all 8 losses`, `for 3 of 8 losses`, or what stands after such a count."""
    if of == 1:
        return ""
    if some == of:
        return f" for {'both' if of == 2 else f'all {of}'} {many}"
    return f" for {some} of {of} {many}" if first else f" for {some}"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def ranged(rows: pd.DataFrame, columns: tuple[str, str, str] = DIFFERENCE) -> str:
    """The estimate with its interval, or the range of several with the outermost ends of theirs; empty without any."""
    known = rows[rows[columns[0]].notna()]
    if known.empty:
        return ""
    mean, low, high = (known[column] for column in columns)
    ends = dict.fromkeys(number(value, sign=True) for value in (mean.min(), mean.max()))
    return f"{' to '.join(ends)} {interval(low.min(), high.max(), sign=True)}".strip()
