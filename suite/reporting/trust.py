"""The section on how far intervals and tests can be trusted: what simulation and a real null say of them."""

from __future__ import annotations

import pandas as pd

from suite.reporting.evidence import Evidence
from suite.reporting.model import Block, Cell, Column, Paragraph, Table, number, plain
from suite.validation.methods import TITLES
from suite.validation.studies import DESIGNS

# The suite's own, then those that a reader may be used to.
_SHOWN = ("crossed", "bootstrap", "seeds", "seed_bootstrap", "queries")
_OURS = "crossed"
_QUANTITIES = ("mean", "difference")
_NONE = (
    "No simulation of the intervals and tests is on record here, so how far they can be trusted cannot be told: "
    "`ranksuite validate-statistics` makes that record."
)


def trust(evidence: Evidence) -> list[Block]:
    """Coverage and false decisions by method, from the records of the validation."""
    coverage, null = evidence.validation["coverage"], evidence.validation["null"]
    if coverage.empty:
        return [Paragraph(_NONE)]
    return [
        Paragraph(_in_words(coverage, null)),
        _methods_table(coverage, null),
        _cells_table(coverage),
    ]


def _in_words(coverage: pd.DataFrame, null: pd.DataFrame) -> str:
    ours = coverage[(coverage["method"] == _OURS) & coverage["quantity"].isin(["mean", "difference"])]
    studies, cells = int(ours["studies"].min()), ours["cell"].nunique()
    misses = ours[ours["quantity"] == "difference"]
    text = (
        f"In {studies:,} simulated studies a case ({cells} ways in which seeds, classes and queries vary, "
        f"{_listed(ours['seeds'])} seeds), 95 % intervals of the suite cover {_range(ours['coverage'])} % of the time; "
        "where "
        f"two losses do not differ, {_range(100 - misses['coverage'])} % of comparisons find a difference. At the "
        "smallest "
        f"difference that the tables call detectable, {_range(misses['power'])} % find it."
    )
    usual = coverage[(coverage["method"] == "queries") & (coverage["quantity"] == "difference")]
    if len(usual):
        text += (
            f" Taking queries as independent, {_range(100 - usual['coverage'])} % would find one where there is none."
        )
    real = null[null["method"] == _OURS] if len(null) else null
    if real.empty:
        return f"{text} No real study without a difference is on record."
    rates = "; ".join(f"{number(row.rejections, 1)} % with {row.seeds} seeds a group" for row in real.itertuples())
    return (
        f"{text} On real runs of one loss split at random into two groups, so that no difference is true, the "
        f"comparison decides in: {rates} ({int(real['splits'].min()):,} splits; 5 % is what a test at that level is "
        "allowed)."
    )


def _methods_table(coverage: pd.DataFrame, null: pd.DataFrame) -> Table:
    groups = sorted(set(null["seeds"])) if len(null) else []
    rows, flat = [], []
    for method in (name for name in _SHOWN if name in set(coverage["method"])):
        mine = coverage[coverage["method"] == method].set_index("quantity")["coverage"]
        cells = [
            Cell(TITLES[method], strong=method == _OURS),
            *(Cell(_range(mine[[quantity]]) if quantity in mine.index else number(None)) for quantity in _QUANTITIES),
        ]
        entry = {"method": method} | {
            f"{quantity}_{end}": getattr(mine[[quantity]], end)()
            for quantity in _QUANTITIES
            if quantity in mine.index
            for end in ("min", "max")
        }
        for group in groups:
            found = null[(null["method"] == method) & (null["seeds"] == group)]["rejections"]
            cells.append(plain(found.iloc[0] if len(found) else None, 1))
            entry[f"null_{group}"] = found.iloc[0] if len(found) else None
        rows.append(tuple(cells))
        flat.append(entry)
    columns = (
        Column("Interval"),
        *(Column(f"{quantity} (%)", True) for quantity in _QUANTITIES),
        *(Column(f"null, {group} + {group} (%)", True) for group in groups),
    )
    caption = (
        "How often 95 % intervals hold the truth, lowest to highest over all simulated cases, of the mean of a loss "
        "and "
        "of a difference; null: how often they call a difference between real runs where none is true, by the seeds of "
        "both groups (should be 5 %). The first row is what this report uses; the others are usual ones."
    )
    return Table("trust", caption, columns, tuple(rows), pd.DataFrame(flat))


def _cells_table(coverage: pd.DataFrame) -> Table:
    shown = [name for name in _SHOWN if name in set(coverage["method"])]
    keys = ["cell", "seeds", "quantity", "method"]
    cells = coverage.set_index(keys)
    rows = []
    for cell, seeds in dict.fromkeys(zip(coverage["cell"], coverage["seeds"], strict=True)):
        row = [Cell(DESIGNS[cell].title if cell in DESIGNS else cell), Cell(str(seeds), float(seeds))]
        for method, quantity in [(_OURS, "mean"), *((method, "difference") for method in shown)]:
            key = (cell, seeds, quantity, method)
            row.append(plain(cells.loc[key, "coverage"] if key in cells.index else None, 1))
        key = (cell, seeds, "difference", _OURS)
        known = key in cells.index
        row += [
            plain(cells.loc[key, name] if known else None, digits) for name, digits in (("effect", 3), ("power", 1))
        ]
        rows.append(tuple(row))
    short = {
        "crossed": "difference",
        "bootstrap": "h. boot.",
        "seeds": "t seeds",
        "seed_bootstrap": "boot. seeds",
        "queries": "queries",
    }
    columns = (
        Column("What is special"),
        Column("Seeds", True),
        Column("mean", True),
        *(Column(short[method], True) for method in shown),
        Column("effect", True),
        Column("power (%)", True),
    )
    caption = (
        "Case by case: percent of studies whose 95 % interval holds the truth, of the mean of a loss and of the "
        "difference of two, which is truly zero (what it lacks to 100 is the share of false decisions), the latter "
        "also "
        "by the hierarchical bootstrap, t over seeds alone, the bootstrap of seed means and queries as if independent; "
        "and how often the suite's test finds the stated true effect, the smallest that it calls detectable. The CSV "
        "has "
        "every method and the standard errors."
    )
    return Table("trust-cells", caption, columns, tuple(rows), coverage, sortable=True, folded=True)


def _range(values: pd.Series) -> str:
    low, high = number(values.min(), 1), number(values.max(), 1)
    return low if low == high else f"{low} to {high}"


def _listed(values: pd.Series) -> str:
    found = [str(value) for value in sorted(set(values))]
    return " or ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else found[0]
