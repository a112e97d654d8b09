"""Which photos a release holds, and what its tables say of them: settled before a pixel is drawn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from suite.landmarks.archetypes import ARCHETYPES
from suite.landmarks.catalogue import Key, generator, lone
from suite.landmarks.settings import Part, ReleaseSettings


@dataclass(frozen=True)
class Photo:
    """A photo to draw: of the landmark `key`, or of scenery (None); `number` tells photos of one thing apart."""

    id: str
    part: Part
    key: Key | None
    number: int


@dataclass
class Plan:
    """Photos, and the tables by the release's names for them."""

    photos: list[Photo] = field(default_factory=list)
    train: dict[str, int] = field(default_factory=dict)  # image id -> landmark id, all that train.csv lists
    clean: dict[int, list[str]] = field(default_factory=dict)
    train_ids: dict[int, Key] = field(default_factory=dict)
    index: dict[str, int] = field(default_factory=dict)  # image id -> landmark id, index photos with a landmark
    index_ids: dict[int, Key] = field(default_factory=dict)
    unlabelled: dict[str, set[int]] = field(default_factory=dict)  # part -> landmark ids without a hierarchy
    solution: dict[str, tuple[list[str], str]] = field(default_factory=dict)  # test id -> (index ids, usage)

    def ids(self, part: Part) -> list[str]:
        """Ids of the photos of a part, ascending."""
        return sorted(photo.id for photo in self.photos if photo.part == part)


def make_plan(settings: ReleaseSettings) -> Plan:
    """The photos and tables that `settings` ask for."""
    plan = Plan()
    _plan_train(plan, settings)
    _plan_index(plan, settings)
    return plan


def _plan_train(plan: Plan, settings: ReleaseSettings) -> None:
    rng = generator(settings.seed, "train")
    keys = _keys("train", settings.train_per_category)
    # A few landmarks have bad photos alone: clean lists them not at all.
    spoilt = [Key("spoilt", name, 0) for name in list(ARCHETYPES)[::4]] if settings.noisy else []
    numbers = _landmark_ids(len(keys) + len(spoilt), rng)
    plan.train_ids = dict(zip(numbers, keys + spoilt, strict=True))
    plan.unlabelled["train"] = _some(numbers[: len(keys)], settings.unlabelled, rng)
    for landmark, key in plan.train_ids.items():
        good = 0 if key.part == "spoilt" else _count(settings.train_images, 2, rng)
        bad = 1 + int(rng.integers(2)) if key.part == "spoilt" else int(rng.poisson(settings.noisy * good))
        images = [_add(plan, settings.seed, "train", key, number) for number in range(good)]
        if images:
            plan.clean[landmark] = sorted(images)
        for number in range(bad):
            # Wrong photos: of another landmark, or of nothing in particular.
            other = Key("unlisted", str(rng.choice(list(ARCHETYPES))), lone(int(rng.integers(2, 10**6))))
            shown = other if rng.random() < 0.4 else None
            images.append(_add(plan, settings.seed, "train", shown, number, key))
        plan.train.update(dict.fromkeys(images, landmark))


def _plan_index(plan: Plan, settings: ReleaseSettings) -> None:
    rng = generator(settings.seed, "index")
    keys = _keys("index", settings.index_per_category)
    strangers = [
        Key("unlisted", str(rng.choice(list(ARCHETYPES))), lone(1000 + number))
        for number in range(settings.distractors // 2)
    ]
    numbers = _landmark_ids(len(keys) + len(strangers), rng)
    plan.index_ids = dict(zip(numbers, keys + strangers, strict=True))
    plan.unlabelled["index"] = _some(numbers[: len(keys)], settings.unlabelled, rng) | set(numbers[len(keys) :])
    for landmark, key in zip(numbers, keys, strict=False):
        count = _count(settings.index_images, 1, rng)
        relevant = sorted(_add(plan, settings.seed, "index", key, number) for number in range(count))
        plan.index.update(dict.fromkeys(relevant, landmark))
        for number in range(_count(settings.test_images, 1, rng)):
            query = _add(plan, settings.seed, "test", key, count + number)
            plan.solution[query] = (relevant, "Public" if rng.random() < settings.public else "Private")
    # Half of the distractors show landmarks that have a number and no query, the others nothing at all.
    for landmark, key in zip(numbers[len(keys) :], strangers, strict=True):
        plan.index[_add(plan, settings.seed, "index", key, 0)] = landmark
    for number in range(settings.distractors - len(strangers)):
        _add(plan, settings.seed, "index", None, number)
    for number in range(settings.ignored):
        stranger = Key("unlisted", str(rng.choice(list(ARCHETYPES))), lone(10**6 + number))
        query = _add(plan, settings.seed, "test", stranger if number % 3 == 0 else None, number)
        plan.solution[query] = ([], "Ignored")


def _keys(part: str, count: int) -> list[Key]:
    return [Key(part, name, number) for name in ARCHETYPES for number in range(count)]


def _landmark_ids(count: int, rng: np.random.Generator) -> list[int]:
    """Distinct numbers in no order that leaks; both sets draw from one range, so numbers overlap."""
    return [int(number) for number in rng.permutation(3 * count)[:count]]


def _some(numbers: list[int], share: float, rng: np.random.Generator) -> set[int]:
    chosen = rng.permutation(len(numbers))[: round(share * len(numbers))]
    return {numbers[index] for index in chosen}


def _count(mean: float, least: int, rng: np.random.Generator) -> int:
    """Unequal numbers, as in life: a log-normal around `mean`, at least `least`."""
    return max(least, min(round(mean * float(rng.lognormal(-0.08, 0.4))), round(3 * mean)))


def _add(plan: Plan, seed: int, part: Part, key: Key | None, number: int, listed: Key | None = None) -> str:
    what = f"{seed}/{part}/{key}/{number}/{listed}"
    photo = Photo(hashlib.sha256(what.encode()).hexdigest()[:16], part, key, number)
    plan.photos.append(photo)
    return photo.id
