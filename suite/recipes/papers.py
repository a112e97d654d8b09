"""The papers' recipes: one name each, from which `params.yaml` is written.

A folder of `suite/recipes/papers` is a paper. Its `paper.yaml` holds what all its recipes share, each other file a data
set, and each entry of `recipes` there one recipe; the later add to the earlier and replace what they name again. What
no paper states is chosen by the suite and listed under `assumed`, with the reason.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

from suite.config import PARAMS, Name, Params, PositiveFloat, PositiveInt, Settings, parse
from suite.datasets.builder import default_entry
from suite.datasets.registry import DATASETS
from suite.errors import SuiteError
from suite.files import atomic_file
from suite.full_settings import Full

PAPERS = Path(__file__).parent / "papers"
STUDY = "study.yaml"
# Around the paper's learning rate: what `ranksuite tune` tries.
SEARCHED = (0.3, 1.0, 3.0)


class RecipeLoss(Settings):
    """A rank loss, alone or in a weighted sum with a decomposability-gap loss.

    The sum is (1 - weight) rank + weight gap, or rank_weight rank + weight gap.
    """

    label: str
    rank: str
    rank_settings: dict[str, Any] = Field(default={})
    gap: str | None = None
    gap_settings: dict[str, Any] = Field(default={})
    weight: PositiveFloat | None = None
    rank_weight: PositiveFloat | None = None

    @model_validator(mode="after")
    def _gap_has_a_weight(self) -> RecipeLoss:
        if (self.gap is None) != (self.weight is None):
            raise ValueError("gap and weight go together")
        return self

    def entry(self, rank_settings: dict[str, Any]) -> dict[str, Any]:
        """`loss` and `settings` for `params.yaml`, with what the recipe says of all its rank losses."""
        rank = rank_settings | self.rank_settings
        if self.gap is None:
            return {"loss": self.rank, "settings": rank}
        of_rank = 1.0 - self.weight if self.rank_weight is None else self.rank_weight
        terms = [
            {"loss": self.rank, "weight": of_rank, **rank},
            {"loss": self.gap, "weight": self.weight, **self.gap_settings},
        ]
        return {"loss": "combine", "settings": {"terms": terms}}


class Recipe(Settings):
    """One recipe.

    Attributes:
        name: by which it is asked for.
        title, paper, citation: what it is and where it stands.
        dataset: the builder of its data set.
        settings: of that builder, beside its defaults.
        batch_size, learning_rate: of all its losses; the rate is the backbone's.
        full: settings of the end-to-end runs.
        rank_settings: of every rank loss.
        losses: what is trained, by name.
        assumed: what no paper states, by dotted key, with the reason for the suite's choice; a key stands for all
            below it.
    """

    name: Name
    title: str
    paper: str
    citation: str
    dataset: str
    settings: dict[str, Any] = Field(default={})
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    full: Full
    rank_settings: dict[str, Any] = Field(default={})
    losses: dict[Name, RecipeLoss] = Field(min_length=1)
    assumed: dict[str, str]


class _WithoutReferences(yaml.SafeDumper):
    """Writes what several entries share in each of them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@cache
def list_recipes() -> dict[str, Recipe]:
    """All recipes by name, paper by paper."""
    found = {}
    for folder in sorted(path for path in PAPERS.iterdir() if path.is_dir()):
        for recipe in _read_paper(folder):
            found[recipe.name] = recipe
    return found


def load_recipe(name: str) -> Recipe:
    """The recipe `name`. SuiteError, with the names there are, if there is none."""
    recipes = list_recipes()
    if name not in recipes:
        raise SuiteError(f"no recipe '{name}'; there are: {', '.join(recipes)}")
    return recipes[name]


def recipe_params(name: str) -> dict[str, Any]:
    """The content of `params.yaml` for a recipe: every loss of it, end to end, on its data set.

    Raises:
        SuiteError: there is no such recipe.
    """
    recipe = load_recipe(name)
    study = _load(PAPERS / STUDY)
    batch = {"batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate}
    entry = default_entry(recipe.dataset, DATASETS.resolve(recipe.dataset)())
    raw = {
        "study": name,
        "main_batch_size": recipe.batch_size,
        **{key: study[key] for key in ("seeds", "workers", "backbone", "training")},
        "full": {recipe.dataset: recipe.full.model_dump(mode="json", exclude_none=True)},
        "tuning": {
            "learning_rates": [float(f"{recipe.learning_rate * factor:.3g}") for factor in SEARCHED],
            "seeds": [0],
        },
        **{key: study[key] for key in ("measure", "benchmark")},
        "datasets": {recipe.dataset: entry | {"settings": entry["settings"] | recipe.settings}},
        "losses": {
            key: {"label": loss.label, **loss.entry(recipe.rank_settings), "batches": {recipe.dataset: [batch]}}
            for key, loss in recipe.losses.items()
        },
    }
    parse(Params, raw, f"recipe '{name}'")
    return raw


def recipe_text(name: str) -> str:
    """`params.yaml` for a recipe as text: whose it is and what is assumed as comments, then `recipe_params`."""
    recipe = load_recipe(name)
    lines = [f"{recipe.title}: recipe {name}.", f"Source: {recipe.citation}.", "What the paper does not state:"]
    lines += [f"  {key}: {reason}." for key, reason in recipe.assumed.items()]
    head = "".join(f"# {part}\n" for line in lines for part in textwrap.wrap(line, 116, subsequent_indent="    "))
    return head + yaml.dump(
        recipe_params(name), Dumper=_WithoutReferences, sort_keys=False, default_flow_style=None, width=116
    )


def write_recipe(name: str, path: Path = PARAMS, force: bool = False) -> None:
    """Write `params.yaml` for a recipe, whole or not at all.

    What stands there is replaced if it is committed, or is a recipe as it was written: nothing is lost that stands
    nowhere else.

    Args:
        name: of the recipe.
        path: the file.
        force: replace whatever stands there.

    Raises:
        SuiteError: there is no such recipe, or `path` has changes that are not committed.
    """
    text = recipe_text(name)
    if path.exists() and not force and not (_is_committed(path) or _is_recipe(path)):
        raise SuiteError(
            f"{path}: has changes that are not committed and would be lost; commit them, or add --force to replace them"
        )
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _is_committed(path: Path) -> bool:
    """Whether version control has the file as it is."""
    for command in (["ls-files", "--error-unmatch"], ["diff", "--quiet", "HEAD"]):
        try:
            subprocess.run(
                ["git", *command, "--", path.name], cwd=path.absolute().parent, capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return False
    return True


def _is_recipe(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    stated = re.search(r"^study: (\S+)$", text, re.MULTILINE)
    return stated is not None and stated[1] in list_recipes() and recipe_text(stated[1]) == text


def _read_paper(folder: Path) -> list[Recipe]:
    common = _load(folder / "paper.yaml")
    networks, recipes = common.pop("networks", {}), []
    for path in sorted(folder.glob("*.yaml")):
        if path.name == "paper.yaml":
            continue
        of_data = _load(path)
        for key, own in of_data.pop("recipes").items():
            network = networks[own["network"]] if "network" in own else {}
            raw = _merged(_merged(_merged(common, network), of_data), own)
            raw.pop("network", None)
            recipes.append(_recipe(f"{folder.name}_{key}", raw, path))
    return recipes


def _recipe(name: str, raw: dict[str, Any], path: Path) -> Recipe:
    used = raw.pop("uses")
    losses = {key: raw["losses"][key] for key in used}
    unused = tuple(f"losses.{key}." for key in raw["losses"] if key not in used)
    assumed = {key: reason for key, reason in raw["assumed"].items() if not key.startswith(unused)}
    return parse(Recipe, raw | {"name": name, "losses": losses, "assumed": assumed}, f"{path}: {name}")


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over`: mappings key by key, None takes a key out, all else replaces."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        else:
            result[key] = value
    return result


def _load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
