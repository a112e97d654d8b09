"""Types and base of all settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def distinct(values: list[Any]) -> list[Any]:
    """The values, if none repeats."""
    if len(set(values)) != len(values):
        raise ValueError("values repeat")
    return values


# Strict: YAML's true is no 1.
PositiveInt = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# The list of batch sizes that serves a data set without one of its own.
DEFAULT = "default"
# What the tables call controls: no loss may take their names.
CONTROLS = ("frozen", "random", "whitened")
# Names become directories, stage names and MLflow names.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


SeedList = Annotated[list[Seed], Field(min_length=1), AfterValidator(distinct)]
SizeList = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(distinct)]
RateList = Annotated[list[PositiveFloat], Field(min_length=1), AfterValidator(distinct)]


class Settings(BaseModel):
    """Base of all settings: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
