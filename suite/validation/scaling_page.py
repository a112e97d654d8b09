"""The section of the page about batch size: its tests and its curves."""

from __future__ import annotations

import pandas as pd

from suite.validation.markdown import as_table, span
from suite.validation.scaling import CLASSES, EFFECT_SIZE, NOISY, NULL, RUN, STEEP

_TESTS = {"slope": "per doubling", "ends": "largest minus smallest", "any": "any effect"}
_METHODS = {"seeds": "seeds as units (the suite's)", "runs": "least squares, runs as if independent"}


def scaling_section(tests: pd.DataFrame, curves: pd.DataFrame) -> str:
    """The section as Markdown; every figure in it stands in the two records."""
    return "\n\n".join(["## Batch size", _tests(tests), _curves(curves)])


def _tests(tests: pd.DataFrame) -> str:
    table = tests.set_index(["effect", "design", "test"])
    null, noisy = tests[tests["effect"] == NULL], tests[tests["effect"] == NOISY]
    steep = tests[tests["effect"] == STEEP]
    permuted = noisy["test"] == "any"
    words = (
        f"Runs at every size, {int(tests['studies'].max()):,} studies a row, {CLASSES} classes that differ in what "
        f"batch size does to them, a run's standard deviation {RUN:g}. Rejections in percent. Where batch size does "
        f"nothing: {span(null['rejected'])} %. Where it does nothing but make small batches three times as noisy, the "
        f"contrasts reject in {span(noisy.loc[~permuted, 'rejected'])} %, the permutation test in "
        f"{span(noisy.loc[permuted, 'rejected'])} %: noise that changes with the size is an effect to it, so read it "
        f"as 'the size does something', not as 'the mean changes'. An effect is {EFFECT_SIZE:g} standard deviations of "
        f"a run from the lowest to the highest mean ({EFFECT_SIZE * RUN:g}), or twice that where it says so, which is "
        f"found in {span(steep['rejected'])} %."
    )
    rows = []
    for effect, design in dict.fromkeys((effect, design) for effect, design, _ in table.index):
        cells = [table.loc[(effect, design, test)] for test in _TESTS]
        rows.append([effect, design, *(f"{cell.rejected:.1f} ± {cell.rejected_se:.1f}" for cell in cells)])
    return f"{words}\n\n{as_table(['effect', 'design', *_TESTS.values()], rows)}"


def _curves(curves: pd.DataFrame) -> str:
    ours = curves[curves["method"] == "seeds"]
    usual = curves[curves["method"] == "runs"]
    words = (
        f"Parameters of a true curve, {int(curves['studies'].max()):,} studies a row; coverage of their 95 % intervals "
        f"in percent, and in brackets the share of intervals with an open end: the runs do not bound the parameter. A "
        f"fit at the end of its range has no interval and enters nothing (at most {curves['none'].max():.0f} % of "
        f"studies). The suite's intervals cover {span(ours['coverage'])} %; those of least squares on runs as if "
        f"independent cover {span(usual['coverage'])} %, too much for what a seed's offset does not touch, too little "
        f"for the limit of the saturating curve, and never open."
    )
    keys = ["model", "parameter", "design", "run_sd"]
    table = curves.set_index([*keys, "method"])
    rows = []
    for key in dict.fromkeys(curves.sort_values(keys)[keys].itertuples(index=False, name=None)):
        model, parameter, design, noise = key
        cells = []
        for method in _METHODS:
            if (*key, method) not in table.index:
                cells.append("")
                continue
            found = table.loc[(*key, method)]
            cells.append(f"{found.coverage:.1f} ± {found.coverage_se:.1f} ({found.unbounded:.0f})")
        rows.append([f"{model}, {parameter}", design, f"{noise:g}", *cells])
    return f"{words}\n\n{as_table(['curve, parameter', 'design', 'sd of a run', *_METHODS.values()], rows)}"
