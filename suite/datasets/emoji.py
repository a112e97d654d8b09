"""Emoji styles: the same emoji as many artists draw them; one class an emoji, one image a style.

The images are drawn from the SVG bodies of icon sets in npm packages. A training-free look-up across styles
is far from solved, the drawings are real work of artists, and any machine can have them. Packages and
versions are settings.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from suite.config import PositiveInt, Seed, Settings
from suite.datasets.builder import About, Builder, Built
from suite.datasets.drawing import draw_all, icon_svg
from suite.datasets.emoji_leakage import alike_across, identical_across, pixel_digests, thumbnails
from suite.datasets.emoji_names import Emoji as UnicodeEmoji
from suite.datasets.emoji_names import IconNames, list_emoji, variant_families
from suite.datasets.origins import Fetcher
from suite.datasets.origins.npm import (
    NpmOrigin,
    Package,
    PackageName,
    PackageOrigin,
    fetch_packages,
    read_json_members,
    tarball_name,
    verify,
)
from suite.datasets.store import store_images
from suite.errors import SuiteError

FEW_STYLES = "drawn in too few styles"
VARIANT = "another variant of the family stands for the style"
IDENTICAL = "pixel-identical to an image of another class"
ALIKE = "nearly the same as an image of another class"
FEW_LEFT = "too few styles left"


class EmojiPackage(Package):
    """A pinned package and its part: an icon set, the Unicode names, or the Unicode sub-groups."""

    kind: Literal["style", "names", "subgroups"]
    names_from: PackageName | None = Field(None, description="the set whose chars.json also names this set's icons")


class Split(Settings):
    """How many classes are trained on and tested on; validation gets the others."""

    train: PositiveInt
    test: PositiveInt


class Expected(Settings):
    """The size that the pinned packages must come out with."""

    images: PositiveInt
    classes: PositiveInt


class EmojiSettings(Settings):
    """What only the build of the emoji data set depends on."""

    image_size: PositiveInt
    minimum_styles: Annotated[int, Field(ge=2)]
    near_duplicate_rms: Annotated[float, Field(ge=0, lt=1)]
    expected: Expected | None = None
    split: Split
    seed: Seed


class EmojiDownload(Settings):
    """The pinned packages and where they come from."""

    origin: PackageOrigin = NpmOrigin(kind="npm")
    packages: dict[PackageName, EmojiPackage]

    @model_validator(mode="after")
    def _whole(self) -> EmojiDownload:
        kinds = [package.kind for package in self.packages.values()]
        for kind in ("names", "subgroups"):
            if kinds.count(kind) != 1:
                raise ValueError(f"exactly one package must have kind '{kind}', found {kinds.count(kind)}")
        for name, package in self.packages.items():
            other = self.packages.get(package.names_from) if package.names_from else package
            if other is None or (package.names_from and other.kind != "style"):
                raise ValueError(
                    f"packages: {name}: names_from '{package.names_from}' is not a style among the packages"
                )
        return self

    def package_of(self, kind: str) -> str:
        """The name of the one package of a kind."""
        return next(name for name, package in self.packages.items() if package.kind == kind)

    def styles(self) -> dict[str, str]:
        """Packages of the icon sets by style; a style is named by the last part of its package's name."""
        return {name.rpartition("/")[2]: name for name, package in self.packages.items() if package.kind == "style"}


@dataclass(frozen=True)
class _Drawing:
    """An icon chosen to stand for a class in a style."""

    style: str
    subject: UnicodeEmoji
    svg: str

    @property
    def key(self) -> str:
        return f"{self.style}/{self.subject.slug}"


class _SetAside:
    """Counts of what does not enter the data set, by reason."""

    def __init__(self) -> None:
        self._images: dict[str, int] = defaultdict(int)
        self._classes: dict[str, set[str]] = defaultdict(set)

    def add(self, reason: str, slug: str, images: int = 1) -> None:
        if images:
            self._images[reason] += images
            self._classes[reason].add(slug)

    def counts(self) -> dict[str, dict[str, int]]:
        return {
            reason: {"images": images, "classes": len(self._classes[reason])} for reason, images in self._images.items()
        }


class Emoji(Builder):
    """Builder of the emoji data set."""

    about = About(
        title="Emoji styles: one emoji as many artists draw it",
        levels=("emoji", "subgroup", "group"),
        licence="each icon set under its own, see the sources",
        citation="The icon sets' authors, see the sources; names and groups: Unicode",
        homepage="https://iconify.design",
        access="npm packages",
    )
    Download, Settings = EmojiDownload, EmojiSettings

    def download(self, download: EmojiDownload, fetcher: Fetcher) -> None:
        """Fetch every package, verified."""
        fetch_packages(download.packages, download.origin, fetcher)

    def build(
        self, settings: EmojiSettings, download: EmojiDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """Draw and sift the images found in `source`.

        In order: emoji are merged into families of variants, each a class in which every style is one image;
        classes in fewer than `minimum_styles` styles leave; images that equal or nearly equal one of another
        class leave, on both sides; classes that then have too few styles leave; the rest is split by class.

        Raises:
            SuiteError: a package is damaged or not the pinned one, an icon cannot be drawn, there are fewer
                classes than the split asks for, or the counts are not those of `settings.expected`.
        """
        styles = len(download.styles())
        if styles < settings.minimum_styles:
            raise SuiteError(f"emoji: minimum_styles is {settings.minimum_styles}, but there are {styles} styles")
        reader = _Packages(download, source)
        aside = _SetAside()
        drawings = _choose(reader, download, settings, aside)
        images = draw_all([(one.key, one.svg) for one in drawings], settings.image_size, processes)
        kept = _sift(drawings, images, settings, aside)
        splits = _split([drawings[row].subject.slug for row in kept], settings)
        items = pd.DataFrame(
            {
                "image": np.arange(len(kept)),
                "key": [drawings[row].key for row in kept],
                "source": [drawings[row].style for row in kept],
                "split": [splits[drawings[row].subject.slug] for row in kept],
                "emoji": [drawings[row].subject.slug for row in kept],
                "subgroup": [drawings[row].subject.subgroup for row in kept],
                "group": [drawings[row].subject.group for row in kept],
            }
        )
        _check_counts(items, settings.expected)
        store_images(target, ((drawings[row].key, images[row]) for row in kept), threads=processes)
        return Built(items, set_aside=aside.counts())

    def sources(self, manifest: list[dict[str, Any]], download: EmojiDownload, folder: Path) -> list[dict[str, Any]]:
        """One row a package: pins, licence and author."""
        reader = _Packages(download, folder)
        return [reader.source(name) for name in download.packages]


class _Packages:
    """The downloaded packages, verified again when first read."""

    def __init__(self, download: EmojiDownload, source: Path):
        self._download, self._source = download, source
        for name, package in download.packages.items():
            verify(self._tarball(name), name, package)

    def read(self, name: str, *members: str) -> list[Any]:
        """Parsed JSON members of package `name`; SuiteError if one is missing."""
        found = read_json_members(self._tarball(name), members)
        missing = [member for member in members if member not in found]
        if missing:
            raise SuiteError(f"{self._tarball(name)}: holds no {missing[0]}; pin a version of {name} that does")
        return [found[member] for member in members]

    def characters(self, name: str) -> dict[str, str]:
        """The `chars.json` that names the icons of set `name`; empty if there is none."""
        owner = self._download.packages[name].names_from or name
        return read_json_members(self._tarball(owner), ["chars.json"]).get("chars.json", {})

    def source(self, name: str) -> dict[str, str | None]:
        """What the card says about package `name`: pins, licence and author."""
        package = self._download.packages[name]
        if package.kind == "style":
            (info,) = self.read(name, "info.json")
            licence, author = info["license"], info["author"]
            told = {
                "title": info["name"],
                "licence": licence.get("spdx") or licence["title"],
                "licence_url": licence.get("url"),
                "author": author["name"],
                "author_url": author.get("url"),
            }
        else:
            (manifest,) = self.read(name, "package.json")
            author = manifest.get("author", "")
            told = {
                "title": manifest.get("description", name),
                "licence": manifest.get("license"),
                "licence_url": manifest.get("homepage"),
                "author": author["name"] if isinstance(author, dict) else author,
                "author_url": author.get("url") if isinstance(author, dict) else None,
            }
        return {"package": name, "version": package.version, "integrity": package.integrity, **told}

    def _tarball(self, name: str) -> Path:
        return self._source / tarball_name(name, self._download.packages[name].version)


def _choose(reader: _Packages, download: EmojiDownload, settings: EmojiSettings, aside: _SetAside) -> list[_Drawing]:
    """One icon a class and style, in order of class and style."""
    (by_emoji,) = reader.read(download.package_of("names"), "data-by-emoji.json")
    subgrouped, groups = reader.read(download.package_of("subgroups"), "en/data.json", "meta/groups.json")
    families = variant_families(list_emoji(by_emoji, subgrouped, groups))
    chosen: list[list[_Drawing]] = [[] for _ in families]
    variants = [0] * len(families)
    for style, package in download.styles().items():
        (icons,) = reader.read(package, "icons.json")
        names = IconNames(icons, reader.characters(package))
        for place, family in enumerate(families):
            found = [name for name in map(names.find, family) if name]
            if found:
                chosen[place].append(_Drawing(style, family[0], _svg(icons, found[0], package)))
                variants[place] += len(found) - 1
    for place, family in enumerate(families):
        if len(chosen[place]) < settings.minimum_styles:
            aside.add(FEW_STYLES, family[0].slug, len(chosen[place]) + variants[place])
            chosen[place] = []
        else:
            aside.add(VARIANT, family[0].slug, variants[place])
    return [one for drawings in chosen for one in drawings]


def _svg(icons: dict[str, Any], name: str, package: str) -> str:
    try:
        return icon_svg(icons, name)
    except (KeyError, ValueError) as error:
        raise SuiteError(f"{package}: icons.json: icon '{name}' is unusable: {error}") from None


def _sift(drawings: list[_Drawing], images: list[bytes], settings: EmojiSettings, aside: _SetAside) -> list[int]:
    """Rows of the images that duplicate no other class and whose class has styles enough left."""
    slugs = [one.subject.slug for one in drawings]
    _, classes = np.unique(slugs, return_inverse=True)
    identical = identical_across(pixel_digests(images), classes)
    alike = alike_across(thumbnails(images), classes, settings.near_duplicate_rms)
    styles: dict[str, int] = defaultdict(int)
    unique = []
    for row, slug in enumerate(slugs):
        if identical[row] or alike[row]:
            aside.add(IDENTICAL if identical[row] else ALIKE, slug)
        else:
            styles[slug] += 1
            unique.append(row)
    for row in unique:
        if styles[slugs[row]] < settings.minimum_styles:
            aside.add(FEW_LEFT, slugs[row])
    return [row for row in unique if styles[slugs[row]] >= settings.minimum_styles]


def _split(slugs: list[str], settings: EmojiSettings) -> dict[str, str]:
    """The split of each class: a seeded permutation of the classes in alphabetical order, cut in three."""
    classes = np.unique(slugs)
    train, test = settings.split.train, settings.split.test
    if train + test >= len(classes):
        raise SuiteError(
            f"emoji: settings.split: train {train} and test {test} leave no class for validation; "
            f"there are {len(classes)} classes"
        )
    shuffled = np.random.default_rng(settings.seed).permutation(classes).tolist()
    return {
        slug: "train" if place < train else "test" if place < train + test else "val"
        for place, slug in enumerate(shuffled)
    }


def _check_counts(items: pd.DataFrame, expected: Expected | None) -> None:
    found = (len(items), int(items["emoji"].nunique()))
    if expected and found != (expected.images, expected.classes):
        raise SuiteError(
            f"emoji: settings.expected: {expected.images} images of {expected.classes} classes, but the build gave "
            f"{found[0]} of {found[1]}; check the pinned versions, or state the new counts"
        )
