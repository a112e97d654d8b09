"""The tables of `artifacts/compare/` (docs/tables.md), made from recorded results alone."""

from __future__ import annotations

from pathlib import Path

from suite.config import Params
from suite.files import atomic_directory, write_table
from suite.statistics.ablation_tables import ablations
from suite.statistics.class_values import ClassReader
from suite.statistics.friedman import friedman
from suite.statistics.gap_comparison import gap_comparison
from suite.statistics.gap_matched import gap_matched
from suite.statistics.gap_tables import gap_generalisation, gap_table, gap_training
from suite.statistics.leaderboard import leaderboard
from suite.statistics.pairwise import pairwise
from suite.statistics.queries import QueryReader
from suite.statistics.records import read_gaps, read_runs, read_whitened
from suite.statistics.scaling_tables import scaling, scaling_effect, scaling_fits


def compare(params: Params, root: Path = Path("artifacts")) -> None:
    """Write the tables of docs/tables.md into `root`/compare.

    Failed runs stand in `runs` and enter nothing else. The same recorded results give the same bytes.

    Args:
        params: the study; data sets and losses are taken from it, in its order.
        root: the folder that holds `datasets`, `runs`, `measures` and `controls`.

    Raises:
        SuiteError: naming the file that is missing and the stage that makes it.
    """
    root = Path(root)
    runs = read_runs(params, root)
    gaps = read_gaps(params, root, runs)
    readers = {dataset: QueryReader(root, dataset) for dataset in params.datasets}
    tested = {dataset: ClassReader(reader, runs) for dataset, reader in readers.items()}
    board = leaderboard(runs, readers, params)
    tables = {
        "runs": runs,
        "leaderboard": board,
        "pairwise": pairwise(runs, readers, params),
        "friedman": friedman(board, params),
        "scaling": scaling(runs, tested, params),
        "scaling_effect": scaling_effect(runs, tested, gaps, params),
        "scaling_fits": scaling_fits(runs, tested, gaps, params),
        "ablations": ablations(runs, tested, gaps, params),
        "gap": gap_table(gaps, params),
        "gap_comparison": gap_comparison(gaps, params),
        "gap_training": gap_training(gaps, params),
        "gap_generalisation": gap_generalisation(gaps, params),
        "gap_matched": gap_matched(gaps, read_whitened(params, root), params),
    }
    with atomic_directory(root / "compare") as folder:
        for name, table in tables.items():
            write_table(folder / name, table)
