"""Where a number leads: the page of the MLflow server that finds the runs behind it by their tags."""

from __future__ import annotations

from dataclasses import fields
from urllib.parse import urlencode

from suite.reporting.model import Runs

# Where `make mlflow` serves the store.
MLFLOW = "http://127.0.0.1:5000"


def run_link(study: str, runs: Runs, base: str = MLFLOW) -> str:
    """The address under which `ranksuite mlflow ui` shows the runs of a study that have these tags."""
    chosen = {field.name: getattr(runs, field.name) for field in fields(runs)}
    query = {"study": study} | {name: value for name, value in chosen.items() if value is not None}
    return f"{base.rstrip('/')}/runs?{urlencode(query)}"
