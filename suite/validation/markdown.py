"""Pieces of the page in Markdown."""

from __future__ import annotations

import pandas as pd


def as_table(heads: list[str], rows: list[list[str]]) -> str:
    """A table of these heads and rows."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def span(values: pd.Series) -> str:
    """Least to most, to one decimal."""
    low, high = f"{values.min():.1f}", f"{values.max():.1f}"
    return low if low == high else f"{low} to {high}"
