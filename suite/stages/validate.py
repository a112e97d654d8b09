"""`ranksuite validate-statistics`: simulate, test on a real null, keep the records, write the page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from suite.config import Params
from suite.errors import SuiteError
from suite.files import atomic_file
from suite.recipes import RECIPES, validation_path
from suite.reporting.plates import render_png
from suite.reporting.validation_figure import coverage_figure
from suite.validation.coverage import simulate
from suite.validation.improvement import simulate_improvement
from suite.validation.null import null_rejections, read_null, train_null, write_null
from suite.validation.page import page
from suite.validation.records import NULL_RUNS, Records, read_records, write_records
from suite.validation.scaling import simulate_curves, simulate_tests
from suite.validation.studies import DESIGNS

STUDIES = 10_000
PAGE, FIGURE = Path("statistics.md"), Path("images/statistics.png")


def validate(
    params: Params,
    root: Path,
    *,
    studies: int = STUDIES,
    seed: int = 0,
    retrain: bool = False,
    recipes: Path = RECIPES,
    docs: Path = Path("docs"),
) -> Records:
    """Make the records, the page and its figure again. The same settings give the same bytes.

    Args:
        params: the study, for the runs of the null and for how many processes work side by side.
        root: the artifacts folder, where these runs are trained.
        studies: simulated a cell, and random splits of the null; a fifth of them for each test of an effect of batch
            size, a hundredth for each curve.
        seed: of everything random.
        retrain: train the runs of the null although their class means are on record.
        recipes, docs: where the records and the page are kept.

    Raises:
        SuiteError: the runs of the null are not on record and cannot be trained.
    """
    kept = validation_path(NULL_RUNS, recipes)
    if retrain or not kept.is_file():
        runs = train_null(params, root)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_null(kept, runs)
    records = Records(
        coverage=simulate(studies, seed, tuple(DESIGNS), params.workers.processes),
        improvement=simulate_improvement(studies, seed),
        null=null_rejections(read_null(kept), studies, seed),
        # A study of tests takes 499 permutations, one of curves five fits and the search for their intervals: fewer of
        # them, with their standard errors beside them.
        scaling_tests=simulate_tests(max(studies // 5, 1), seed, params.workers.processes),
        scaling_curves=simulate_curves(max(studies // 100, 1), seed, params.workers.processes),
    )
    write_records(records, recipes)
    write_page(recipes, docs)
    return records


def write_page(recipes: Path = RECIPES, docs: Path = Path("docs")) -> None:
    """Write the page and its figure from the records."""
    records = read_records(recipes)
    (docs / FIGURE).parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(docs / FIGURE) as temporary:
        temporary.write_bytes(render_png(coverage_figure, records.coverage))
    with atomic_file(docs / PAGE) as temporary:
        temporary.write_text(page(records), encoding="utf-8")


def simulate_cells(cells: tuple[str, ...], studies: int, seed: int, processes: int) -> pd.DataFrame:
    """Some cells alone, for a look: nothing is written.

    Raises:
        SuiteError: naming a cell that does not exist.
    """
    unknown = [cell for cell in cells if cell not in DESIGNS]
    if unknown:
        raise SuiteError(f"--cells: no cell '{unknown[0]}'; there are: {', '.join(DESIGNS)}")
    return simulate(studies, seed, cells, processes)
