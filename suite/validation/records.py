"""The records of a validation: what its page says, kept as small tables beside the recipes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from suite.errors import SuiteError
from suite.files import atomic_file
from suite.recipes import RECIPES, validation_path

NULL_RUNS = "null_runs.parquet"
# Enough digits for every figure that is read off them, few enough that a table stays small.
_DIGITS = "%.6g"


class Records(NamedTuple):
    """Tables of `suite.validation.coverage`, `improvement`, `null` and `scaling`."""

    coverage: pd.DataFrame
    improvement: pd.DataFrame
    null: pd.DataFrame
    scaling_tests: pd.DataFrame
    scaling_curves: pd.DataFrame


def write_records(records: Records, recipes: Path = RECIPES) -> None:
    """Write one CSV a table."""
    for name, table in records._asdict().items():
        path = validation_path(f"{name}.csv", recipes)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n", float_format=_DIGITS)


def read_records(recipes: Path = RECIPES) -> Records:
    """Read what `write_records` wrote.

    Raises:
        SuiteError: a table is missing.
    """
    tables = {}
    for name in Records._fields:
        path = validation_path(f"{name}.csv", recipes)
        if not path.is_file():
            raise SuiteError(f"{path}: not found; run `ranksuite validate-statistics`")
        tables[name] = pd.read_csv(path)
    return Records(**tables)
