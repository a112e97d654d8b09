"""The report of the study at hand: every number of its summary and tables is found again in the recorded tables.

Run it after `dvc repro`, in the folder that holds `params.yaml`, `artifacts/` and `reports/`.
"""

from __future__ import annotations

from pathlib import Path

from found_again import check_csv, check_paper, check_summary, check_tables
from recorded import Records

from suite.config import load_params
from suite.recipes import RECIPES

PAGE, PAPER, TABLES = (Path("reports") / name for name in ("report.html", "report.pdf", "tables"))


def test_every_number_of_the_written_report_is_on_record() -> None:
    records = Records(load_params(), Path("artifacts"), RECIPES)
    in_tables, of_tables = check_tables(PAGE, records)
    in_summary, of_summary = check_summary(PAGE, records)
    print(f"{of_tables:,} numbers of tables and {of_summary:,} of the summary looked for")
    assert [*in_tables, *in_summary, *check_paper(PAGE, PAPER), *check_csv(TABLES, PAGE)] == []
    assert of_tables > 1000
