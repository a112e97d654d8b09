"""The settings of a study: `params.yaml`, read and checked whole before any stage starts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from suite.errors import SuiteError

PARAMS = Path("params.yaml")


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("values repeat")
    return values


PositiveInt = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
# The list of batch sizes that serves a data set without one of its own.
DEFAULT = "default"
# Names become directories, stage names and MLflow names.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


SeedList = Annotated[list[Seed], Field(min_length=1), AfterValidator(_distinct)]
SizeList = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_distinct)]
RateList = Annotated[list[PositiveFloat], Field(min_length=1), AfterValidator(_distinct)]


class Settings(BaseModel):
    """Base of all settings: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Seeds(Settings):
    """Seeds of the main comparison and of the batch-size study."""

    main: SeedList
    scaling: SeedList


class Backbone(Settings):
    """The frozen network whose pooled features the head is trained on."""

    name: str
    image_size: PositiveInt


class Training(Settings):
    """What every run shares, whatever its loss."""

    protocol: Literal["head"]
    epochs: PositiveInt
    samples_per_class: Annotated[int, Field(ge=2)]
    embedding_dim: PositiveInt
    weight_decay: Annotated[float, Field(ge=0)]
    evaluations: PositiveInt = Field(description="validations a run, evenly spread over its epochs")


class Measure(Settings):
    """How the decomposability gap is measured; `batch_sizes` by data set, `default` for those not named."""

    batch_sizes: dict[Name, SizeList]
    partitions: PositiveInt
    samples_per_class: Annotated[int, Field(ge=2)]


class Tuning(Settings):
    """The search that every loss gets at every batch size."""

    learning_rates: RateList
    seeds: SeedList


class Benchmark(Settings):
    """Batch sizes at which the loss kernels are timed."""

    batch_sizes: SizeList


class Workers(Settings):
    """Processes a stage may use side by side; each computes on one thread."""

    processes: PositiveInt


class Dataset(Settings):
    """A data set: the registered builder, what its download depends on, what only its build depends on."""

    builder: str
    download: dict[str, Any]
    settings: dict[str, Any] = {}


class Batch(Settings):
    """One trained batch size of a loss with the values that tuning chose for it."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat


class Loss(Settings):
    """One compared loss: its registered name, its settings, the batch sizes it is trained at on each data set."""

    loss: str
    label: str
    settings: dict[str, Any] = {}
    batches: dict[Name, Annotated[list[Batch], Field(min_length=1)]] = Field(
        description=f"by data set; '{DEFAULT}' serves those that have no list of their own"
    )

    @model_validator(mode="after")
    def _sizes_are_distinct(self) -> Loss:
        for dataset, batches in self.batches.items():
            sizes = [batch.batch_size for batch in batches]
            if len(set(sizes)) != len(sizes):
                raise ValueError(f"batches.{dataset}: batch sizes repeat: {sizes}")
        return self


class Params(Settings):
    """The whole of `params.yaml`."""

    study: Name
    main_batch_size: PositiveInt
    seeds: Seeds
    workers: Workers
    backbone: Backbone
    training: Training
    tuning: Tuning
    measure: Measure
    benchmark: Benchmark
    datasets: dict[Name, Dataset] = Field(min_length=1)
    losses: dict[Name, Loss] = Field(min_length=1)

    @model_validator(mode="after")
    def _batches_serve_the_datasets(self) -> Params:
        if DEFAULT in self.datasets:
            raise ValueError(f"datasets: no data set may be called '{DEFAULT}'")
        self._serves("measure.batch_sizes", self.measure.batch_sizes)
        for name, loss in self.losses.items():
            self._serves(f"losses.{name}.batches", loss.batches)
        for data in self.datasets:
            trained = {batch.batch_size for name in self.losses for batch in self.batches(data, name)}
            if self.main_batch_size not in trained:
                raise ValueError(
                    f"main_batch_size {self.main_batch_size} stands in no loss's batches for {data}: {sorted(trained)}"
                )
        return self

    def _serves(self, where: str, by_dataset: Mapping[str, Any]) -> None:
        unknown = set(by_dataset) - {DEFAULT, *self.datasets}
        if unknown:
            raise ValueError(
                f"{where}: no data set '{min(unknown)}'; there are {', '.join(self.datasets)}: remove that list or "
                "name the data set"
            )
        lacking = [data for data in self.datasets if data not in by_dataset]
        if lacking and DEFAULT not in by_dataset:
            raise ValueError(f"{where}: neither '{lacking[0]}' nor '{DEFAULT}' is there")

    def measured_sizes(self, dataset: str) -> list[int]:
        """The batch sizes at which the decomposability gap is measured on a data set."""
        return self.measure.batch_sizes.get(dataset) or self.measure.batch_sizes[DEFAULT]

    def dataset(self, name: str) -> Dataset:
        """The data set `name`; SuiteError if `params.yaml` has none of that name."""
        return _entry(self.datasets, name, "data set")

    def batches(self, dataset: str, loss: str) -> list[Batch]:
        """The batch sizes at which a loss is trained on a data set, ascending, with their tuned values."""
        entry = self.loss(loss)
        chosen = entry.batches.get(dataset) or entry.batches[DEFAULT]
        return sorted(chosen, key=lambda batch: batch.batch_size)

    def loss(self, name: str) -> Loss:
        """The loss entry `name`; SuiteError if `params.yaml` has none of that name."""
        return _entry(self.losses, name, "loss")


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key '{repeated}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load_params(path: Path = PARAMS) -> Params:
    """Read and check a settings file. Raises SuiteError with one line naming file, key and value."""
    try:
        raw = yaml.load(Path(path).read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise SuiteError(f"{path}: not found; run ranksuite from the folder that holds dvc.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise SuiteError(f"{path}: expected a mapping of settings, found {type(raw).__name__}")
    return parse(Params, raw, str(path))


def parse(model: type[BaseModel], raw: dict[str, Any], where: str) -> Any:
    """Validate `raw` against `model`; the first problem becomes a one-line SuiteError prefixed with `where`."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        # An unknown key explains a missing one: a misspelt name is both.
        first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        if first["type"] == "extra_forbidden":
            raise SuiteError(f"{where}: unknown key '{key}'{_suggest(model, first['loc'])}") from None
        value = "" if first["type"] == "missing" else f" (found {first['input']!r:.80})"
        raise SuiteError(f"{where}: {key}: {first['msg']}{value}") from None


def _suggest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    if len(location) != 1:
        return "; remove it or correct its spelling"
    near = difflib.get_close_matches(str(location[0]), model.model_fields, n=1)
    return f": did you mean '{near[0]}'?" if near else "; remove it or correct its spelling"


def _entry(entries: dict[str, Any], name: str, kind: str) -> Any:
    if name in entries:
        return entries[name]
    raise SuiteError(f"{PARAMS}: no {kind} '{name}'; it has: {', '.join(entries)}")
