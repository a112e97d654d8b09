"""Settings and records that travel with the code: the trials behind the values that stand in `params.yaml`."""

from __future__ import annotations

from pathlib import Path

RECIPES = Path("suite/recipes")


def trials_path(study: str, dataset: str, recipes: Path = RECIPES) -> Path:
    """The table of tuning trials of a study on a data set: written by `ranksuite tune`, read by the report."""
    return Path(recipes) / "trials" / study / f"{dataset}.csv"


def validation_path(name: str, recipes: Path = RECIPES) -> Path:
    """A record of `ranksuite validate-statistics`, written by it and read by its page and the report."""
    return Path(recipes) / "validation" / name
