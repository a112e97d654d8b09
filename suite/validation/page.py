"""The page that says what the records of a validation say, for people."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from suite.validation.markdown import as_table, span
from suite.validation.methods import TITLES
from suite.validation.null import DATASET, LOSS, RUNS
from suite.validation.records import Records
from suite.validation.scaling_page import scaling_section
from suite.validation.studies import DESIGNS, SEEDS

COVERED = (93.5, 96.5)
MOST_REJECTIONS, LEAST_POWER = 6.0, 80.0
OURS = "crossed"
NAMED = tuple(name for name, design in DESIGNS.items() if design.named)
HARDER = tuple(name for name in DESIGNS if name not in NAMED)

_INTRODUCTION = """# What the intervals and tests are worth

A claim about a loss is a claim about new training runs and new classes, so both are random: runs of one loss differ
by their seed, and queries of one class are hard or easy together. Every seed is judged on the same queries, so seeds
are crossed with classes and queries are nested in classes. `suite.statistics.crossed` analyses that; this page says
how often it is right, and how often usual methods are. `ranksuite validate-statistics` makes the page, its figure and
the records in `suite/recipes/validation/` again, byte for byte.

## The method

The mean over queries is a ratio of sums over classes of unequal sizes, so it is linearised. With S seeds, C classes of
n_c queries, N in all, y_sc the mean of class c under seed s, y_c its mean over seeds, M_s the mean over the queries of
seed s and M over all, the two-way table is of the influence values

    seeds    M_s - M
    classes  w_c (y_c - M),                 w_c = C n_c / N
    rest     w_c (y_sc - M_s - y_c + M).

Its mean squares are those of textbooks when classes are of one size; else each class of the latter two is divided by
1 - 2 h_c + sum h^2, h_c = n_c / N: the share of the variance of a class that its residual has when class effects have
one variance (in the way of Bell and McCaffrey, 2002). The variance of M, as in studies of many readers and many cases
(Dorfman, Berbaum and Metz, 1992; Obuchowski and Rockette, 1995; Hillis, 2007), and the degrees of freedom of t are,
with r the share of MS_seed in that variance,

    Var M = (MS_seed + max(MS_class - MS_rest, 0)) / (S C)
    1 / df = r / (S - 1) + (1 - r) / (K - 1),   K = N^2 / sum n_c^2  (Kish's effective number of classes, 1965).

Satterthwaite's rule squares the shares. With three seeds the estimated share varies so much from study to study that
the squares give intervals that are too short; the first powers were chosen by simulation, since they are not too
short in any cell below and seldom much too long. The rules not chosen are shown beside them. A difference of two
losses is formed for each seed and query and analysed in the same way. A ratio to frozen features has the influence
values of its logarithm. The smallest detectable difference averages the power of the test over the distributions of
both mean squares.

## The simulated studies

Two losses and an untrained floor on 60 classes (8 in one cell) of 4 to 12 queries, class sizes drawn anew every 25
studies. A value is the sum of a level and normal effects of seed, class, class by loss, seed by class, query, and
noise; losses share the effects of class and query. The losses have one distribution, so their true difference is
zero, and the true means are known. Standard deviations:

"""

_SETTINGS = {
    "seed": "seed",
    "cls": "class",
    "own": "class by loss",
    "cell": "seed by class",
    "query": "query",
    "noise": "noise",
}
_QUANTITIES = {"mean": "mean", "difference": "difference", "lift": "ratio to the floor"}


def page(records: Records) -> str:
    """The page as Markdown; every figure in it stands in the records."""
    coverage = records.coverage
    studies = int(coverage["studies"].max())
    parts = [
        _INTRODUCTION + _designs(),
        _named(coverage, studies),
        _harder(coverage),
        _usual(coverage),
        _null(records.null),
        _improvement(records.improvement),
        scaling_section(records.scaling_tests, records.scaling_curves),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _designs() -> str:
    rows = []
    for name, design in DESIGNS.items():
        notes = [f"{design.classes} classes"] if design.classes != 60 else []
        notes += ["effects are on the logit scale"] if design.bounded else []
        notes += ["Pareto sizes of index 1.2, 2 to 200"] if design.sizes == "heavy" else []
        notes += [f"size and ease of a class correlate {design.informative:g}"] if design.informative else []
        rows.append([f"`{name}`", design.title, *(f"{getattr(design, key):g}" for key in _SETTINGS), ", ".join(notes)])
    return as_table(["cell", "what is special", *_SETTINGS.values(), "else"], rows)


def _named(coverage: pd.DataFrame, studies: int) -> str:
    ours = coverage[(coverage["method"] == OURS) & coverage["cell"].isin(NAMED)]
    covered = ours[ours["quantity"].isin(["mean", "difference"])]
    tests = ours[ours["quantity"] == "difference"]
    rejected = 100 - tests["coverage"]
    words = [
        f"{studies:,} studies a row; the standard error of a share stands after ±.",
        f"The 95 % intervals of means and of differences cover {span(covered['coverage'])} % "
        f"(asked for: {COVERED[0]:g} to {COVERED[1]:g} %): {_holds(covered['coverage'].between(*COVERED))}.",
        f"Where there is no difference the test finds one in {span(rejected)} % of studies (asked for: at most "
        f"{MOST_REJECTIONS:g} %): {_holds(rejected <= MOST_REJECTIONS)}.",
        f"At the stated effect, the smallest difference that the formula promises to find with 80 % power, rounded up "
        f"to the third decimal, it finds {span(tests['power'])} % (asked for: at least {LEAST_POWER:g} %): "
        f"{_holds(tests['power'] >= LEAST_POWER)}.",
    ]
    return "## The suite's intervals and tests\n\n" + " ".join(words) + "\n\n" + _ours(coverage, NAMED)


def _harder(coverage: pd.DataFrame) -> str:
    ours = coverage[(coverage["method"] == OURS) & coverage["cell"].isin(HARDER)]
    outside = ours[~ours["coverage"].between(*COVERED)]
    found = [
        f"`{row.cell}` at {row.seeds} seeds ({_QUANTITIES[row.quantity]}: {row.coverage:.2f} %)"
        for row in outside.itertuples(index=False)
    ]
    words = "Cells that stretch the assumptions, reported as they come. "
    if found:
        words += f"Outside {COVERED[0]:g} to {COVERED[1]:g} %: {_listing(found)}."
    else:
        words += f"Every interval covers {COVERED[0]:g} to {COVERED[1]:g} % here too."
    tests = ours[ours["quantity"] == "difference"]
    weak = tests[tests["power"] < LEAST_POWER]
    if len(weak):
        lacking = [f"`{row.cell}` at {row.seeds} seeds ({row.power:.2f} %)" for row in weak.itertuples(index=False)]
        words += f" At the stated effect power is under {LEAST_POWER:g} % in {_listing(lacking)}."
    return f"### Harder cells\n\n{words}\n\n{_ours(coverage, HARDER)}"


def _ours(coverage: pd.DataFrame, cells: Iterable[str]) -> str:
    rows = []
    for cell in cells:
        for seeds in SEEDS:
            chosen = coverage[(coverage["cell"] == cell) & (coverage["seeds"] == seeds)]
            by = {(row.quantity, row.method): row for row in chosen.itertuples(index=False)}
            test = by["difference", OURS]
            rows.append(
                [
                    f"`{cell}`",
                    str(seeds),
                    *(_with_error(by[quantity, OURS]) for quantity in _QUANTITIES),
                    _with_error(by["floor", "classes"]),
                    f"{100 - test.coverage:.1f}",
                    f"{test.effect:.3f}",
                    f"{test.power:.1f} ± {test.power_se:.1f}",
                ]
            )
    heads = [*_QUANTITIES.values(), "floor (no seeds)"]
    return as_table(
        ["cell", "seeds", *(f"coverage: {head}" for head in heads), "false decisions (%)", "effect", "power (%)"], rows
    )


def _usual(coverage: pd.DataFrame) -> str:
    words = (
        "Coverage of 95 % intervals in percent, of the mean of a loss and of the difference of two; what a difference "
        "lacks to 100 is the share of false decisions.\n\n![How often intervals miss the truth](images/statistics.png)"
    )
    tables = []
    for quantity, title in (("mean", "Mean of a loss"), ("difference", "Difference of two losses")):
        chosen = coverage[coverage["quantity"] == quantity].set_index(["method", "cell", "seeds"])["coverage"]
        rows = [
            [title_of, *(" / ".join(f"{chosen[method, cell, seeds]:.1f}" for seeds in SEEDS) for cell in DESIGNS)]
            for method, title_of in TITLES.items()
        ]
        at = " / ".join(map(str, SEEDS))
        tables.append(f"{title} (at {at} seeds):\n\n" + as_table(["method", *(f"`{cell}`" for cell in DESIGNS)], rows))
    worst = coverage[coverage["cell"].isin(NAMED)]
    points = []
    for method, quantity, claim in (
        ("queries", "difference", "Queries as if independent"),
        ("seed_bootstrap", "difference", "The percentile bootstrap of seed means"),
        ("seeds", "difference", "t over seeds alone, for a claim about new classes"),
        ("bootstrap", "difference", "The hierarchical bootstrap"),
    ):
        shares = 100 - worst[(worst["method"] == method) & (worst["quantity"] == quantity)]["coverage"]
        points.append(f"- {claim}: a difference where there is none in {span(shares)} % of studies, not 5 %.")
    by_seeds = worst[(worst["method"] == "seeds") & (worst["quantity"] == "lift")]["coverage"]
    points.append(
        f"- A ratio to the floor with a t interval over seeds, the floor taken as exact, covers {span(by_seeds)} %."
    )
    listed = "In the two cells of the first table:\n\n" + "\n".join(points)
    return f"## Usual methods\n\n{words}\n\n{listed}\n\n" + "\n\n".join(tables)


def _null(null: pd.DataFrame) -> str:
    splits = int(null["splits"].max())
    shares = null.pivot(index="method", columns="seeds", values="rejections")
    ours = shares.loc[OURS]
    words = (
        f"{RUNS} runs of `{LOSS}` on `{DATASET}` at the main batch size, one seed each, are split at random into two "
        f"groups of 3, 5 or 10, paired at random, {splits:,} times: there is no difference to find, and the classes "
        f"are real. The suite's test finds one in {span(ours)} % (asked for: at most {MOST_REJECTIONS:g} %): "
        f"{_holds(ours <= MOST_REJECTIONS)}. The splits share their runs, so these shares are those of one set of "
        f"{RUNS} runs, not of {splits:,} independent studies."
    )
    rows = [
        [TITLES[method], *(f"{shares.loc[method, seeds]:.1f}" for seeds in shares.columns)]
        for method in TITLES
        if method in shares.index
    ]
    heads = ["false decisions (%)", *(f"{seeds} seeds" for seeds in shares.columns)]
    return f"## A real null\n\n{words}\n\n{as_table(heads, rows)}"


def _improvement(improvement: pd.DataFrame) -> str:
    words = (
        "The probability that a run of one loss beats a run of another (Agarwal et al., 2021) has Newcombe's interval "
        "(2006, method 5), for new runs on the same classes. A percentile bootstrap over runs gives [1, 1] as soon as "
        "the runs do not overlap. Coverage in percent:"
    )
    rows = []
    for (runs, probability), group in improvement.groupby(["runs", "probability"], sort=True):
        by = group.set_index("method")
        shares = [
            f"{by.loc[name, 'coverage']:.1f} ± {by.loc[name, 'coverage_se']:.1f}" for name in ("newcombe", "bootstrap")
        ]
        rows.append([str(runs), f"{probability:g}", *shares])
    table = as_table(["runs of each", "true probability", "Newcombe (the suite's)", "bootstrap over runs"], rows)
    return f"## Probability of improvement\n\n{words}\n\n{table}"


def _with_error(row: tuple) -> str:
    return f"{row.coverage:.1f} ± {row.coverage_se:.1f}"


def _holds(kept: pd.Series) -> str:
    return "it holds" if kept.all() else f"it does not hold in {int((~kept).sum())} of {len(kept)}"


def _listing(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
