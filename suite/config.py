"""The settings of a study: `params.yaml`, read and checked whole before any stage starts."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from suite.errors import SuiteError
from suite.full_settings import Full
from suite.measuring_settings import Measure
from suite.setting_types import (
    CONTROLS,
    DEFAULT,
    Name,
    PositiveFloat,
    PositiveInt,
    RateList,
    Seed,
    SeedList,
    Settings,
    SizeList,
    distinct,
)

PARAMS = Path("params.yaml")
# What is trained: an embedding of frozen features, or the whole network.
TrainingProtocol = Literal["head", "full"]
# The file of a run's chosen network, by protocol.
NETWORK_FILES = {"head": "head.safetensors", "full": "network.safetensors"}


class Seeds(Settings):
    """Seeds of the main comparison and of the batch-size study, and the main ones that are followed along training."""

    main: SeedList
    scaling: SeedList
    followed: Annotated[list[Seed], AfterValidator(distinct)] = Field(
        default=[], description="main runs that keep their head at every validation, for the gap along training"
    )

    @model_validator(mode="after")
    def _others_are_main(self) -> Seeds:
        other = sorted(set(self.followed) - set(self.main))
        if other:
            raise ValueError(f"followed: seed {other[0]} is not among the main seeds {self.main}")
        # Batch sizes are compared seed by seed, the main one among them.
        if set(self.scaling).isdisjoint(self.main):
            raise ValueError(f"scaling: none of {self.scaling} is among the main seeds {self.main}")
        return self


class Backbone(Settings):
    """The frozen network whose pooled features the head is trained on."""

    name: str
    image_size: PositiveInt


class Training(Settings):
    """What every run of the protocol `head` shares, whatever its loss, and the protocol of losses that name none."""

    protocol: TrainingProtocol
    epochs: PositiveInt
    steps: PositiveInt | None = Field(default=None, description="optimiser steps of a run at equal steps")
    samples_per_class: Annotated[int, Field(ge=2)]
    embedding_dim: PositiveInt
    weight_decay: Annotated[float, Field(ge=0)]
    evaluations: PositiveInt = Field(description="validations a run, evenly spread over its steps")


class Tuning(Settings):
    """The search that every loss gets at every batch size."""

    learning_rates: RateList
    full_learning_rates: RateList | None = Field(
        default=None, description="of the backbone in end-to-end runs; None: learning_rates"
    )
    seeds: SeedList

    def rates(self, protocol: TrainingProtocol) -> list[float]:
        """The learning rates that are tried for losses of a protocol."""
        return self.full_learning_rates if protocol == "full" and self.full_learning_rates else self.learning_rates


class Benchmark(Settings):
    """Batch sizes at which the loss kernels are timed."""

    batch_sizes: SizeList


class Workers(Settings):
    """What runs side by side: processes of one thread each on this machine, or the nodes of a Ray cluster."""

    processes: PositiveInt = Field(description="processes of this machine that a stage may use")
    executor: Literal["local", "ray"] = Field(default="local", description="where the runs of a grid are trained")
    address: str | None = Field(default=None, description="of the Ray cluster; None: the one that RAY_ADDRESS names")
    gpus_per_run: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="share of a GPU that a run takes where there are any"
    )
    loaders: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=0, description="processes beside each end-to-end run that decode its images; 0: the run itself"
    )
    checkpoint_seconds: PositiveFloat = Field(default=300.0, description="between checkpoints of an end-to-end run")

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> Workers:
        if self.address is not None and self.executor != "ray":
            raise ValueError("address: goes with executor: ray")
        return self


class Dataset(Settings):
    """A data set: the registered builder, what its download depends on, what only its build depends on."""

    builder: str
    download: dict[str, Any]
    settings: dict[str, Any] = Field(default={})


class Batch(Settings):
    """One trained batch size of a loss with the values that tuning chose for it."""

    batch_size: PositiveInt
    learning_rate: PositiveFloat


BatchList = Annotated[list[Batch], Field(min_length=1)]
# What is held equal between batch sizes: the images seen (epochs), or the updates (steps).
Budget = Literal["epochs", "steps"]


class Loss(Settings):
    """One trained loss: its registered name, its settings, the batch sizes it is trained at on each data set."""

    loss: str
    label: str
    settings: dict[str, Any] = Field(default={})
    protocol: TrainingProtocol | None = Field(default=None, description="None: training.protocol")
    compared: bool = Field(default=True, description="whether it stands in the leaderboard and among the pairs")
    batches: dict[Name, BatchList] = Field(
        min_length=1,
        description=f"runs at equal epochs, by data set; '{DEFAULT}' serves those that have no list of their own. A "
        "loss that is not compared is trained on the data sets it names alone",
    )
    equal_steps: dict[Name, BatchList] = Field(default={}, description="runs at equal steps, by data set")

    @model_validator(mode="after")
    def _sizes_are_distinct(self) -> Loss:
        for where, lists in (("batches", self.batches), ("equal_steps", self.equal_steps)):
            for dataset, batches in lists.items():
                sizes = [batch.batch_size for batch in batches]
                if len(set(sizes)) != len(sizes):
                    raise ValueError(f"{where}.{dataset}: batch sizes repeat: {sizes}")
        return self


class Ablation(Settings):
    """Losses that differ in one thing alone, its value in each, and the one that the others are held against.

    The baseline is the first of the arms, wherever it stands in the file.
    """

    label: str
    baseline: Name
    arms: dict[Name, StrictInt | StrictFloat | str] = Field(min_length=2)

    @model_validator(mode="before")
    @classmethod
    def _baseline_first(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("arms"), dict) and raw.get("baseline") in raw["arms"]:
            first = raw["baseline"]
            return raw | {"arms": {first: raw["arms"][first]} | raw["arms"]}
        return raw

    @model_validator(mode="after")
    def _arms_differ(self) -> Ablation:
        if self.baseline not in self.arms:
            raise ValueError(f"baseline: no arm '{self.baseline}'; there are: {', '.join(self.arms)}")
        values = list(self.arms.values())
        if len(set(values)) != len(values) or any(value != value for value in values):
            raise ValueError(f"arms: each needs a value of its own, found {values}")
        return self


class PlannedRun(NamedTuple):
    """A run that `params.yaml` asks for; `role` is `main`, `scaling` or `equal_steps`."""

    budget: Budget
    batch: Batch
    seed: int
    role: str


class Params(Settings):
    """The whole of `params.yaml`."""

    study: Name
    main_batch_size: PositiveInt
    seeds: Seeds
    workers: Workers
    backbone: Backbone
    training: Training
    full: dict[Name, Full] = Field(
        default={}, description=f"settings of end-to-end runs by data set; '{DEFAULT}' serves those not named"
    )
    tuning: Tuning
    measure: Measure
    benchmark: Benchmark
    datasets: dict[Name, Dataset] = Field(min_length=1)
    losses: dict[Name, Loss] = Field(min_length=1)
    ablations: dict[Name, Ablation] = Field(default={})

    @model_validator(mode="after")
    def _losses_are_named(self) -> Params:
        if not self.compared:
            raise ValueError("losses: none is compared; leave out `compared: false` of one of them")
        taken = [name for name in self.losses if name in CONTROLS]
        if taken:
            raise ValueError(f"losses: '{taken[0]}' is the name of a control; call the loss otherwise")
        for name, ablation in self.ablations.items():
            unknown = [loss for loss in ablation.arms if loss not in self.losses]
            if unknown:
                raise ValueError(f"ablations.{name}.arms: no loss '{unknown[0]}'; there are: {', '.join(self.losses)}")
        return self

    @model_validator(mode="after")
    def _batches_can_be_drawn(self) -> Params:
        for name, loss in self.losses.items():
            if self.protocol(name) == "full" and loss.equal_steps:
                raise ValueError(f"losses.{name}.equal_steps: end-to-end runs are at equal epochs")
            for where, lists in (("batches", loss.batches), ("equal_steps", loss.equal_steps)):
                for data, batches in lists.items():
                    key, unit = self._samples_per_class(name, data)
                    wrong = [batch.batch_size for batch in batches if batch.batch_size % unit]
                    if wrong:
                        raise ValueError(
                            f"losses.{name}.{where}.{data}: batch size {wrong[0]} is not a multiple of {key}, {unit}"
                        )
        return self

    def _samples_per_class(self, loss: str, data: str) -> tuple[str, int]:
        """The key that gives it, and its value, for a list of batch sizes; 1 where several data sets are served."""
        if self.protocol(loss) == "head":
            return "training.samples_per_class", self.training.samples_per_class
        lacking = [one for one in self.datasets if data in (one, DEFAULT) and not self.full.keys() & {one, DEFAULT}]
        if lacking:
            raise ValueError(f"losses.{loss}: protocol full, but full has no settings for '{lacking[0]}'")
        found = self.full.get(data) or self.full.get(DEFAULT)
        where = f"full.{data if data in self.full else DEFAULT}.sampling.samples_per_class"
        return where, 1 if found is None else found.sampling.samples_per_class

    @model_validator(mode="after")
    def _batches_serve_the_datasets(self) -> Params:
        if DEFAULT in self.datasets:
            raise ValueError(f"datasets: no data set may be called '{DEFAULT}'")
        self._serves("measure.batch_sizes", self.measure.batch_sizes)
        self._known("full", self.full)
        for name, loss in self.losses.items():
            (self._serves if loss.compared else self._known)(f"losses.{name}.batches", loss.batches)
            self._known(f"losses.{name}.equal_steps", loss.equal_steps)
            if loss.equal_steps and self.training.steps is None:
                raise ValueError(f"losses.{name}.equal_steps: training.steps does not say how many steps a run takes")
        for data in self.datasets:
            trained = {batch.batch_size for name in self.compared for batch in self.batches(data, name)}
            if self.main_batch_size not in trained:
                raise ValueError(
                    f"main_batch_size {self.main_batch_size} stands in no loss's batches for {data}: {sorted(trained)}"
                )
        return self

    def _known(self, where: str, by_dataset: Mapping[str, Any]) -> None:
        unknown = set(by_dataset) - {DEFAULT, *self.datasets}
        if unknown:
            raise ValueError(
                f"{where}: no data set '{min(unknown)}'; there are {', '.join(self.datasets)}: remove that list or "
                "name the data set"
            )

    def _serves(self, where: str, by_dataset: Mapping[str, Any]) -> None:
        self._known(where, by_dataset)
        lacking = [data for data in self.datasets if data not in by_dataset]
        if lacking and DEFAULT not in by_dataset:
            raise ValueError(f"{where}: neither '{lacking[0]}' nor '{DEFAULT}' is there")

    def measured_sizes(self, dataset: str) -> list[int]:
        """The batch sizes at which the decomposability gap of every run is measured on a data set."""
        own = self.measure.samplers[self.measure.main_sampler].batch_sizes
        return own or self.measure.batch_sizes.get(dataset) or self.measure.batch_sizes[DEFAULT]

    def dataset(self, name: str) -> Dataset:
        """The data set `name`; SuiteError if `params.yaml` has none of that name."""
        return _entry(self.datasets, name, "data set")

    @property
    def compared(self) -> dict[str, Loss]:
        """The losses of the leaderboard, in order; the others serve an ablation or the batch-size study alone."""
        return {name: loss for name, loss in self.losses.items() if loss.compared}

    def batches(self, dataset: str, loss: str, budget: Budget = "epochs") -> list[Batch]:
        """The batch sizes at which a loss is trained on a data set, ascending, with their tuned values."""
        entry = self.loss(loss)
        lists = entry.batches if budget == "epochs" else entry.equal_steps
        chosen = lists.get(dataset) or lists.get(DEFAULT) or []
        return sorted(chosen, key=lambda batch: batch.batch_size)

    def protocol(self, loss: str) -> TrainingProtocol:
        """What a loss trains: `head` or `full`."""
        return self.loss(loss).protocol or self.training.protocol

    def full_settings(self, dataset: str) -> Full:
        """The settings of end-to-end runs on a data set; SuiteError if `params.yaml` has none."""
        if found := self.full.get(dataset) or self.full.get(DEFAULT):
            return found
        raise SuiteError(f"{PARAMS}: full: neither '{dataset}' nor '{DEFAULT}' is there")

    def runs(self, dataset: str, loss: str) -> list[PlannedRun]:
        """Every run asked of a loss on a data set: equal epochs first, by batch size, then seed."""
        planned = []
        for budget in get_args(Budget):
            for batch in self.batches(dataset, loss, budget):
                main = budget == "epochs" and batch.batch_size == self.main_batch_size
                role = "main" if main else "scaling" if budget == "epochs" else "equal_steps"
                seeds = self.seeds.main if main else self.seeds.scaling
                planned += [PlannedRun(budget, batch, seed, role) for seed in seeds]
        return planned

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
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SuiteError(f"{where}: unknown key '{key}'{_suggest(model, first['loc'])}") from None
        # A rule over several keys says in its own words what it found.
        whole = first["type"] == "missing" or isinstance(first["input"], dict | BaseModel)
        value = "" if whole else f" (found {first['input']!r:.80})"
        message = first["msg"].removeprefix("Value error, ")
        raise SuiteError(": ".join(part for part in (where, key, f"{message}{value}") if part)) from None


def _suggest(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    if len(location) != 1:
        return "; remove it or correct its spelling"
    near = difflib.get_close_matches(str(location[0]), model.model_fields, n=1)
    return f": did you mean '{near[0]}'?" if near else "; remove it or correct its spelling"


def _entry(entries: dict[str, Any], name: str, kind: str) -> Any:
    if name in entries:
        return entries[name]
    raise SuiteError(f"{PARAMS}: no {kind} '{name}'; it has: {', '.join(entries)}")
