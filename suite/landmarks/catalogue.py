"""Which landmarks there are: each drawn from (seed, set, super-category, number) alone, one in four a near-twin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from suite.landmarks.archetypes import ARCHETYPES, archetype
from suite.landmarks.photo import Site, make_site

# Two landmarks in every run of so many are near-twins.
_RUN = 8
_CHANGED = 0.25


@dataclass(frozen=True, order=True)
class Key:
    """Names a landmark: `part` keeps the landmarks of two sets (train, index, unlisted) apart."""

    part: str
    supercategory: str
    number: int

    def __str__(self) -> str:
        return f"{self.part}/{self.supercategory}/{self.number}"


def generator(*names: object) -> np.random.Generator:
    """A generator seeded by what `names` say, the same on every machine."""
    digest = hashlib.sha256("/".join(str(name) for name in names).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype="<u4"))


def is_twin(key: Key) -> bool:
    """Whether a landmark is a near-twin of the one before it."""
    return key.number % _RUN == 1


def landmark_parameters(key: Key, seed: int) -> dict[str, Any]:
    """The parameters a landmark is built from."""
    module = archetype(key.supercategory)
    if is_twin(key):
        original = Key(key.part, key.supercategory, key.number - 1)
        return _vary(module, landmark_parameters(original, seed), generator(seed, key, "twin"))
    return module.parameters(generator(seed, key, "parameters"))


def make_landmark(key: Key, seed: int) -> Site:
    """The landmark of a key with its fixed surroundings."""
    module = archetype(key.supercategory)
    landmark = module.build(landmark_parameters(key, seed), generator(seed, key, "details"))
    return make_site(landmark, generator(seed, key, "surroundings"))


def _vary(module: ModuleType, parameters: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The parameters with about a quarter of them drawn anew, at least two; some key differs afterwards."""
    names = list(parameters)
    count = max(2, round(_CHANGED * len(names)))
    varied = parameters
    while varied == parameters:
        drawn = module.parameters(rng)
        chosen = rng.choice(len(names), size=min(count, len(names)), replace=False)
        varied = {**parameters, **{names[index]: drawn[names[index]] for index in chosen}}
    return varied


def supercategories() -> list[str]:
    """All super-categories, in the registry's order."""
    return list(ARCHETYPES)
