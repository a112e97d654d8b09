"""Which landmarks there are: each drawn from (seed, set, super-category, number) alone, one in eight a near-twin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from suite.landmarks.archetypes import archetype
from suite.landmarks.landmark import Landmark
from suite.landmarks.photo import Site, make_site

# The second landmark of every run of so many is a near-twin of the first.
_RUN = 8
_CHANGED = 0.25
# Shares of a landmark's height, and of full brightness, below which two are taken for one.
_SHAPE, _COLOUR = 0.01, 0.05


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
    if not is_twin(key):
        return module.parameters(generator(seed, key, "parameters"))
    original = landmark_parameters(Key(key.part, key.supercategory, key.number - 1), seed)
    first = module.build(original, generator(seed, key, "details"))
    rng = generator(seed, key, "twin")
    while True:
        varied = _vary(module, original, rng)
        # A key that the landmark's style does not use changes nothing that a photo could show.
        if not _alike(first, module.build(varied, generator(seed, key, "details"))):
            return varied


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


def _alike(one: Landmark, other: Landmark) -> bool:
    """Whether two landmarks differ by less than a photo shows: in shape, whatever its size, and in colour."""
    if len(one.mesh) != len(other.mesh):
        return False
    shapes = one.mesh.vertices / one.height - other.mesh.vertices / other.height
    colours = one.mesh.colours - other.mesh.colours
    return bool(np.abs(shapes).max() < _SHAPE and np.abs(colours).max() < _COLOUR)


def lone(number: int) -> int:
    """The number of a landmark that is no near-twin of the one before it, one for each `number`."""
    return _RUN * number
