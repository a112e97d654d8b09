"""The miniature: icons that the suite draws itself, in the npm layout of the emoji packages; works offline.

It has in small what the emoji data set has: six styles, names by `chars.json` or by slug, a set named by
another's `chars.json`, an alias that mirrors an icon, a family of person variants, a drawing under two
names, and an emoji that too few styles draw. So the builder of the real data set runs on it unchanged.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.datasets.miniature_glyphs import (
    SHAPES,
    STYLES,
    WORDS,
    Glyph,
    figure_glyph,
    moon_glyph,
    shape_glyph,
)
from suite.datasets.origins.npm import tarball_name
from suite.files import atomic_file

VERSION = "1.0.0"
NAMES, SUBGROUPS = "ranksuite-mini-names", "ranksuite-mini-subgroups"
# Styles whose icons are named by a chars.json: their own, or that of another style.
_NAMED_BY = {"flat": "flat", "line": "flat", "comic": "comic"}
# The miniature's emoji lie in the private use area, so that none is taken for one of Unicode's.
_FIRST_CODE = 0xE000


@dataclass(frozen=True)
class _Entry:
    """An emoji of the miniature; `styles` are those that draw it."""

    name: str
    subgroup: str
    group: str
    glyph: Glyph
    styles: tuple[str, ...] = tuple(STYLES)


def draw_miniature(destination: Path) -> list[Path]:
    """Write the packages of the miniature into the folder `destination`; the same bytes each time.

    Returns:
        Paths of the `.tgz` files.
    """
    destination.mkdir(parents=True, exist_ok=True)
    written = []
    for package, members in _packages().items():
        path = destination / tarball_name(package, VERSION)
        with atomic_file(path) as temporary:
            temporary.write_bytes(_tarball(members))
        written.append(path)
    return written


def miniature_settings(folder: Path) -> dict[str, Any]:
    """Download and build settings of the `emoji` builder for the miniature in `folder`, pinned to its files."""
    packages = {}
    for package in _packages():
        digest = hashlib.sha512((folder / tarball_name(package, VERSION)).read_bytes()).digest()
        kind = {NAMES: "names", SUBGROUPS: "subgroups"}.get(package, "style")
        pins = {"kind": kind, "version": VERSION, "integrity": f"sha512-{base64.b64encode(digest).decode()}"}
        style = package.rpartition("-")[2]
        named_by = _NAMED_BY.get(style, style)
        packages[package] = pins if named_by == style else {**pins, "names_from": _style_package(named_by)}
    return {
        "download": {"origin": {"kind": "file", "folder": str(folder)}, "packages": packages},
        "settings": {
            "image_size": 48,
            "minimum_styles": 4,
            "near_duplicate_rms": 0.05,
            "split": {"train": 24, "test": 16},
            "seed": 0,
        },
    }


def _style_package(style: str) -> str:
    return f"@ranksuite/mini-{style}"


def _entries() -> Iterator[_Entry]:
    for group, kinds in SHAPES.items():
        for subgroup in kinds:
            for number, word in enumerate(WORDS):
                yield _Entry(f"{subgroup} {word}", subgroup, group, shape_glyph(group, subgroup, number))
    for variant, who in enumerate(("person", "man", "woman")):
        yield _Entry(f"{who} waving", "figure", "Nature", figure_glyph(variant))
    yield _Entry("full moon", "moon", "Nature", moon_glyph())
    # The badge style draws both moons alike; the others keep them apart by colour and craters.
    craterless = Glyph(moon_glyph().outlines[:1], 0.6)
    yield _Entry("new moon", "moon", "Nature", craterless)
    yield _Entry("rare figure", "figure", "Nature", figure_glyph(2), ("flat", "line"))


def _packages() -> dict[str, dict[str, Any]]:
    """JSON members of every package, by package."""
    entries = list(_entries())
    packages = {_style_package(style): _style(style, entries) for style in STYLES}
    subgroups = list(dict.fromkeys(entry.subgroup for entry in entries))
    described = {"version": VERSION, "license": "CC0-1.0", "author": "ranksuite"}
    packages[NAMES] = {
        "package.json": {"name": NAMES, "description": "Names of the miniature's emoji", **described},
        "data-by-emoji.json": {
            chr(_FIRST_CODE + place): {
                "name": entry.name,
                "slug": entry.name.replace(" ", "_"),
                "group": entry.group,
            }
            for place, entry in enumerate(entries)
        },
    }
    packages[SUBGROUPS] = {
        "package.json": {
            "name": SUBGROUPS,
            "description": "Sub-groups of the miniature's emoji",
            **described,
        },
        "meta/groups.json": {"subgroups": {str(number): name for number, name in enumerate(subgroups)}},
        "en/data.json": [
            {"emoji": chr(_FIRST_CODE + place), "subgroup": subgroups.index(entry.subgroup)}
            for place, entry in enumerate(entries)
        ],
    }
    return packages


def _style(style: str, entries: list[_Entry]) -> dict[str, Any]:
    icons, aliases, characters = {}, {}, {}
    for place, entry in enumerate(entries):
        if style not in entry.styles:
            continue
        slug = entry.name.replace(" ", "-")
        name = f"icon-{place}" if style in _NAMED_BY else slug
        if style == "badge" and slug == "new-moon":
            aliases[name] = {"parent": "full-moon"}
        elif style == "mono" and slug == "man-waving":
            aliases[name] = {"parent": "person-waving", "hFlip": True}
        else:
            icons[name] = {"body": STYLES[style](entry.glyph)}
        characters[f"{_FIRST_CODE + place:x}"] = name
    members: dict[str, Any] = {
        "package.json": {"name": _style_package(style), "version": VERSION, "license": "CC0-1.0"},
        "info.json": {
            "prefix": f"mini-{style}",
            "name": f"Miniature, {style}",
            "author": {"name": "ranksuite"},
            "license": {
                "title": "CC0 1.0",
                "spdx": "CC0-1.0",
                "url": "https://creativecommons.org/publicdomain/zero/1.0/",
            },
        },
        "icons.json": {
            "prefix": f"mini-{style}",
            "width": 64,
            "height": 64,
            "icons": icons,
            "aliases": aliases,
        },
    }
    if _NAMED_BY.get(style) == style:
        members["chars.json"] = characters
    return members


def _tarball(members: dict[str, Any]) -> bytes:
    """A gzipped tar of JSON files below `package/`, free of times and owners."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in members.items():
            data = json.dumps(content, separators=(",", ":")).encode()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
