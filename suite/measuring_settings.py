"""Settings of measuring: batches and metrics of the decomposability gap."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from suite.setting_types import Name, PositiveFloat, PositiveInt, Settings, SizeList, distinct


class MeasuringSampler(Settings):
    """How batches are drawn to measure the decomposability gap (`suite.statistics.decomposability_gap`)."""

    kind: Literal["m_per_class", "random", "hierarchical"]
    samples_per_class: Annotated[int, Field(ge=2)] | None = None
    super_classes: Annotated[int, Field(ge=2)] | None = None
    super_level: PositiveInt | None = Field(
        default=None, description="level of the super-classes of a hierarchical sampler; None: the second finest, 1"
    )
    batch_sizes: SizeList | None = Field(default=None, description="sizes it is used at; None: all measured sizes")

    @model_validator(mode="after")
    def _takes_what_it_needs(self) -> MeasuringSampler:
        takes = {"m_per_class": {"samples_per_class"}, "random": set()}.get(
            self.kind, {"samples_per_class", "super_classes"}
        )
        for name in ("samples_per_class", "super_classes"):
            if (getattr(self, name) is not None) != (name in takes):
                raise ValueError(f"a sampler of kind {self.kind} {'needs' if name in takes else 'takes no'} {name}")
        if self.super_level is not None and self.kind != "hierarchical":
            raise ValueError(f"a sampler of kind {self.kind} takes no super_level")
        return self

    @property
    def least(self) -> int:
        """The smallest batch it can draw: two images, two classes, or a class of each super-class."""
        if self.kind == "random":
            return 2
        return self.samples_per_class * (2 if self.kind == "m_per_class" else self.super_classes)

    @property
    def unit(self) -> int:
        """What its batch sizes are multiples of."""
        return {"random": 1, "m_per_class": self.samples_per_class}.get(self.kind, self.least)


# R@k at any k; the definitions stand in `suite.statistics.gap`.
GapMetric = Annotated[str, Field(pattern=r"^(AP|NDCG|H_AP|R_at_[1-9][0-9]*)$")]


class Measure(Settings):
    """How the decomposability gap is measured; `batch_sizes` by data set, `default` for those not named."""

    batch_sizes: dict[Name, SizeList]
    partitions: PositiveInt
    metrics: Annotated[list[GapMetric], Field(min_length=1), AfterValidator(distinct)]
    precision: PositiveFloat = Field(description="half width of the interval over partitions that is asked for")
    main_sampler: Name = Field(description="measures every run; the others the main runs and the controls")
    samplers: dict[Name, MeasuringSampler] = Field(min_length=1)

    @model_validator(mode="after")
    def _samplers_can_draw(self) -> Measure:
        if self.main_sampler not in self.samplers:
            raise ValueError(f"main_sampler: no sampler '{self.main_sampler}'; there are: {', '.join(self.samplers)}")
        everywhere = sorted({size for sizes in self.batch_sizes.values() for size in sizes})
        for name, sampler in self.samplers.items():
            for size in sampler.batch_sizes or everywhere:
                if size < sampler.least or size % sampler.unit:
                    where = f"samplers.{name}.batch_sizes" if sampler.batch_sizes else "batch_sizes"
                    raise ValueError(
                        f"{where}: {size} is no batch of sampler '{name}': a multiple of {sampler.unit}, at least "
                        f"{sampler.least}"
                    )
        return self
