"""Where a study lies: in a folder, or at a revision of this repository with its outs in DVC's cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from suite.config import Params, load_params
from suite.errors import SuiteError
from suite.statistics.queries import QueryReader
from suite.statistics.records import read_gaps, read_runs, read_table

PARAMS = "params.yaml"
ARTIFACTS = "artifacts"
# Outs that a comparison reads, and their files; heads, pictures and features stay where they are.
_NEEDED = {
    "compare": ("scaling_effect.parquet",),
    "controls": ("metrics.parquet", "queries.parquet", "gap.parquet"),
    "datasets": ("items.parquet", "card.json", "protocols.parquet"),
    "features": ("features.json",),
    "measures": ("gap.parquet",),
    "provenance": (".json",),
    "runs": ("run.json", "metrics.json", "queries.parquet"),
}


@dataclass(frozen=True)
class Study:
    """A recorded study; `name` is what the comparison calls it, `place` what was asked for."""

    name: str
    place: str
    folder: Path

    @property
    def root(self) -> Path:
        """Its artifacts."""
        return self.folder / ARTIFACTS

    @cached_property
    def params(self) -> Params:
        """Its settings."""
        return load_params(self.folder / PARAMS)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its settings as they are written."""
        return yaml.safe_load((self.folder / PARAMS).read_text(encoding="utf-8"))

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The `runs` table, made anew from the records."""
        return read_runs(self.params, self.root)

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """The recorded gap of every finished run and control."""
        return read_gaps(self.params, self.root, self.runs)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """What training batch size did."""
        return read_table(self.root / "compare" / "scaling_effect.parquet", "compare", ("dataset", "loss", "metric"))

    def reader(self, dataset: str) -> QueryReader:
        """Of the per-query tables of a data set."""
        return QueryReader(self.root, dataset)

    def provenance(self) -> list[dict[str, Any]]:
        """What the runs of the settings recorded of their execution."""
        trained = self.runs[self.runs["batch_size"] > 0]
        paths = (
            self.root / "provenance" / run.dataset / run.loss / f"{run.fingerprint}.json"
            for run in trained.itertuples()
        )
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]

    def described(self, run: str, key: str) -> str:
        """A field of `run.json` of the run with this fingerprint."""
        row = self.runs[self.runs["fingerprint"] == run].iloc[0]
        path = self.root / "runs" / row["dataset"] / row["loss"] / run / "run.json"
        return str(json.loads(path.read_text(encoding="utf-8")).get(key, ""))


@contextmanager
def opened(first: str, second: str) -> Iterator[tuple[Study, Study]]:
    """Two studies, each a folder that holds `params.yaml` and `artifacts`, or a revision of the repository here.

    Raises:
        SuiteError: naming the place that is neither, or the out that is not in DVC's cache.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folders = [_folder(place, Path(scratch) / str(number)) for number, place in enumerate((first, second))]
        names = [_name(place) for place in (first, second)]
        if names[0] == names[1]:
            names = [f"{name} ({letter})" for name, letter in zip(names, "AB", strict=True)]
        a, b = (Study(*one) for one in zip(names, (first, second), folders, strict=True))
        yield a, b


def _name(place: str) -> str:
    path = Path(place)
    if (path / PARAMS).is_file():
        return "working tree" if path.resolve() == Path.cwd() else path.resolve().name
    return place


def _folder(place: str, scratch: Path) -> Path:
    path = Path(place)
    if (path / PARAMS).is_file():
        if not (path / ARTIFACTS).is_dir():
            raise SuiteError(f"{place}: has no {ARTIFACTS}; run dvc repro there")
        return path
    if path.is_dir():
        raise SuiteError(f"{place}: holds no {PARAMS}; a study's folder holds {PARAMS} and {ARTIFACTS}")
    return _fetched(place, scratch)


def _fetched(revision: str, folder: Path) -> Path:
    """Bring what a comparison reads of a revision into a folder, from git and DVC's cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError
    from scmrepo.git import Git

    try:
        commit = Git(".", search_parent_directories=True).resolve_rev(revision)
    except SCMError:
        raise SuiteError(f"{revision}: neither a study's folder nor a revision of the repository here") from None
    files = DVCFileSystem(".", rev=commit)
    if not files.isfile(PARAMS):
        raise SuiteError(f"{revision}: has no {PARAMS}")
    folder.mkdir(parents=True)
    files.get_file(PARAMS, str(folder / PARAMS))
    for out, endings in _NEEDED.items():
        source = f"{ARTIFACTS}/{out}"
        try:
            found = [path for path in files.find(source) if path.endswith(endings)] if files.exists(source) else []
            if not found:
                raise FileNotFoundError
            for path in found:
                target = folder / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(target))
        except (DvcException, DataIndexDirError, OSError):
            raise SuiteError(
                f"{revision}: {source} is not in DVC's cache; make it by: git checkout {revision} && dvc repro"
            ) from None
    return folder
