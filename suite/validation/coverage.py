"""How often each method's 95 % interval holds the truth, and how often its test finds a difference."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from suite.statistics.bootstrap import Ends
from suite.statistics.comparisons import LEVEL
from suite.statistics.crossed import class_interval, class_means, crossed_classes, crossed_ratio, effective_number
from suite.statistics.intervals import t_interval
from suite.statistics.power import detectable_difference
from suite.validation.methods import intervals, query_interval
from suite.validation.studies import DESIGNS, SEEDS, Studies, draw_studies, true_means
from suite.workers import parallel_map

COLUMNS = (
    "cell", "seeds", "quantity", "method", "studies", "coverage", "coverage_se", "width", "effect", "power", "power_se",
)  # fmt: skip
# Studies that share their class sizes: small, so that a cell sees many sets of sizes.
BATCH = 25


class _Spread(NamedTuple):
    """What the suite's analysis found in the differences of a batch, averaged over its studies."""

    variance: float
    of_seeds: float
    effective: float


def simulate(studies: int, seed: int, cells: tuple[str, ...], processes: int) -> pd.DataFrame:
    """Simulate every cell at 3, 5 and 10 seeds.

    Args:
        studies: simulated a cell; rounded up to whole batches of `BATCH`.
        seed: of everything random; a cell's studies do not depend on which other cells are asked for.
        cells: names in `DESIGNS`.
        processes: side by side; the result does not depend on it.

    Returns:
        A row a cell, number of seeds, quantity and method with the columns `COLUMNS`. `quantity` is `mean` (of a
        loss), `difference` (of two losses, truly zero), `lift` (ratio to the floor) or `floor`; `coverage` in percent,
        its standard error from batch to batch; `width` the median width. Of differences: `effect`, the difference that
        `detectable_difference` gives for 80 % power from the mean squares of the suite's analysis, averaged over the
        studies, rounded up to the third decimal, and `power`, how often, in percent, an interval leaves zero out when
        that is the truth.
    """
    places = list(DESIGNS)
    tasks = [(cell, seeds, (seed, places.index(cell), seeds)) for cell in cells for seeds in SEEDS]
    # The longest first; the rows stand in the order of the cells all the same.
    order = sorted(range(len(tasks)), key=lambda place: -tasks[place][1])
    run = partial(_cell, -(-studies // BATCH))
    tables = dict(zip(order, parallel_map(run, [tasks[place] for place in order], processes), strict=True))
    return pd.concat([tables[place] for place in range(len(tasks))], ignore_index=True)


def _cell(batches: int, task: tuple[str, int, tuple[int, ...]]) -> pd.DataFrame:
    cell, seeds, root = task
    design = DESIGNS[cell]
    level, floor = true_means(design)
    truths = {"mean": level, "difference": 0.0, "lift": level / floor, "floor": floor}
    found: dict[tuple[str, str], list[Ends]] = {}
    spreads = []
    for number, study in enumerate(draw_studies(design, seeds, batches, BATCH, root)):
        ends, spread = _analyse(study, np.random.default_rng((*root, number)))
        spreads.append(spread)
        for key, value in ends.items():
            found.setdefault(key, []).append(value)
    spread = _Spread(*np.mean(spreads, axis=0))
    effect = detectable_difference(
        np.sqrt(spread.variance), spread.of_seeds / spread.variance, seeds, spread.effective, LEVEL
    )
    effect = float(np.ceil(1000 * effect) / 1000)
    rows = []
    for (quantity, method), parts in found.items():
        low, high = np.stack([part.low for part in parts]), np.stack([part.high for part in parts])
        truth = truths[quantity]
        row = [cell, seeds, quantity, method, low.size, *_percent((low <= truth) & (truth <= high))]
        row.append(float(np.median(high - low)))
        if quantity == "difference":
            row += [effect, *_percent((low + effect > 0) | (high + effect < 0))]
        else:
            row += [np.nan] * 3
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _analyse(study: Studies, generator: np.random.Generator) -> tuple[dict[tuple[str, str], Ends], _Spread]:
    found = {}
    differences = study.first - study.second
    for quantity, values in (("mean", study.first), ("difference", differences)):
        means, sizes = class_means(values, study.classes)
        for method, ends in intervals(means, sizes, generator).items():
            found[quantity, method] = ends
        found[quantity, "queries"] = query_interval(values)
    analysed, effective = crossed_classes(means, sizes), effective_number(sizes)
    spread = _Spread((analysed.se**2).mean(), (analysed.share * analysed.se**2).mean(), effective)
    lift = crossed_ratio(study.first, study.floor, study.classes)
    found["lift", "crossed"] = Ends(lift.low, lift.high)
    over_seeds = t_interval(study.first.mean(axis=1) / study.floor.mean(axis=0))
    found["lift", "seeds"] = Ends(over_seeds.low, over_seeds.high)
    alone = class_interval(study.floor, study.classes)
    found["floor", "classes"] = Ends(alone.low, alone.high)
    return found, spread


def _percent(hits: np.ndarray) -> tuple[float, float]:
    """Share of hits in percent and its standard error, from the means of batches, whose studies share class sizes."""
    by_batch = 100.0 * hits.mean(axis=1)
    error = by_batch.std(ddof=1) / np.sqrt(len(by_batch)) if len(by_batch) > 1 else np.nan
    return float(by_batch.mean()), float(error)
