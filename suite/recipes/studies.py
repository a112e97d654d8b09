"""Studies larger than the default one: overlays that add seeds, batch sizes and partitions to `params.yaml`.

An overlay only adds, so what `params.yaml` names stays named and what was recorded for it is not trained again. It is
merged into the file, which then holds the whole study as always; going back is the version control's affair.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field
from ruamel.yaml.comments import CommentedMap

from suite.config import DEFAULT, PARAMS, Name, Params, PositiveInt, SeedList, Settings, SizeList, load_params, parse
from suite.errors import SuiteError
from suite.settings_file import edited

STUDIES = Path(__file__).parent / "studies"
# With fewer sizes a list serves an ablation, not the study of batch size.
SCALED_FROM = 3


class OverlaySeeds(Settings):
    """Seeds that a study adds to those of `params.yaml`."""

    main: SeedList
    scaling: SeedList


class Overlay(Settings):
    """What a study adds: seeds, partitions of the gap, and batch sizes by data set.

    `training_sizes` are for every loss that `params.yaml` trains at three or more sizes of that data set, at the budget
    at which it does so; data sets that `params.yaml` does not name are passed over.
    """

    summary: str
    seeds: OverlaySeeds
    partitions: PositiveInt
    training_sizes: dict[Name, SizeList] = Field(default={})
    measuring_sizes: dict[Name, SizeList] = Field(default={})


def list_studies() -> dict[str, Overlay]:
    """The overlays there are, by name."""
    return {path.stem: _read(path) for path in sorted(STUDIES.glob("*.yaml"))}


def apply_study(name: str, path: Path = PARAMS) -> list[tuple[str, str, str, int]]:
    """Merge the overlay `name` into the settings file `path`, comments and layout kept.

    A new batch size starts from the learning rate of the nearest one in its list, by the ratio of sizes; of two as
    near, from the smaller one's.

    Returns:
        (loss, data set, budget, batch size) of every size that was added and wants tuning.

    Raises:
        SuiteError: no such overlay, or `path` cannot be read, or would not be valid with it; `path` is left as it was.
    """
    studies = list_studies()
    if name not in studies:
        raise SuiteError(
            f"no study '{name}'; there are: {', '.join(studies)} (a study only adds to {path};"
            f" to go back, take {path} from version control)"
        )
    overlay, params = studies[name], load_params(path)
    added = []
    with edited(path) as document:
        document["study"] = name
        for role, seeds in overlay.seeds.model_dump().items():
            _extend(document["seeds"][role], seeds)
        measure = document["measure"]
        measure["partitions"] = max(measure["partitions"], overlay.partitions)
        for dataset in params.datasets:
            _add_measured(measure["batch_sizes"], dataset, overlay.measuring_sizes.get(dataset, []))
            for loss in params.losses:
                for budget, key in (("epochs", "batches"), ("steps", "equal_steps")):
                    sizes = overlay.training_sizes.get(dataset, [])
                    if len(params.batches(dataset, loss, budget)) < SCALED_FROM:
                        continue
                    lists = document["losses"][loss][key]
                    added += [(loss, dataset, budget, size) for size in _add_trained(lists, dataset, sizes)]
        parse(Params, _plain(document), f"{path} with study '{name}'")
    return added


def _read(path: Path) -> Overlay:
    return parse(Overlay, yaml.safe_load(path.read_text(encoding="utf-8")), str(path))


def _extend(values: Any, more: list[int]) -> None:
    values.extend(value for value in more if value not in values)


def _add_measured(lists: Any, dataset: str, sizes: list[int]) -> None:
    known = lists[dataset] if dataset in lists else lists[DEFAULT]
    if set(sizes) <= set(known):
        return
    joined = copy.deepcopy(known)
    joined[:] = sorted({*known, *sizes})
    lists[dataset] = joined


def _add_trained(lists: Any, dataset: str, sizes: list[int]) -> list[int]:
    """Put new sizes into the list that serves a data set, ascending; one served by the default list gets its own."""
    served = lists[dataset] if dataset in lists else lists[DEFAULT]
    rates = {batch["batch_size"]: batch["learning_rate"] for batch in served}
    new = [size for size in sizes if size not in rates]
    if not new:
        return []
    if dataset not in lists:
        lists[dataset] = copy.deepcopy(served)
    batches = lists[dataset]
    for size in new:
        nearest = min(rates, key=lambda known: (abs(math.log(known / size)), known))
        entry = CommentedMap(batch_size=size, learning_rate=rates[nearest])
        entry.fa.set_flow_style()
        place = sum(batch["batch_size"] < size for batch in batches)
        batches.insert(place, entry)
    return new


def _plain(value: Any) -> Any:
    """A document of ruamel's as plain mappings, lists and numbers."""
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
