"""Figures as SVG: text as text, colours of the palette alone, values where their marks stand."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from suite.reporting.palette import LOSSES, THEMES
from suite.reporting.plates import Plate, render

# Machado, Oliveira and Fernandes (2009), complete deficiency, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ @ np.ones(3)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_colours_of_losses_stay_apart_for_every_vision(theme: int, vision: str) -> None:
    colours = [pair[theme] for name, pair in THEMES.items() if name.startswith("loss-")]
    seen = [lab(np.asarray(VISION[vision]) @ linear(colour)) for colour in colours]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 22


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_marks_stand_out_from_their_page(theme: int) -> None:
    page = THEMES["paper"][theme]
    marks = ("loss-", "size-", "frozen", "random", "peer", "ink", "ticks", "edge")
    weak = {
        name: round(contrast(pair[theme], page), 2)
        for name, pair in THEMES.items()
        if name.startswith(marks) and contrast(pair[theme], page) < 3
    }
    assert weak == {}


def test_a_colour_has_one_name() -> None:
    assert len({pair[0] for pair in THEMES.values()}) == len(THEMES)


def test_a_note_lies_where_its_mark_is_drawn() -> None:
    def draw(narrow: bool) -> Plate:
        plate = Plate(figsize=(3, 2) if narrow else (6, 3))
        axes = plate.subplots()
        axes.plot([1, 2, 5], [0.1, 0.4, 0.2], "o", color=LOSSES[0], gid="marks")
        for x, y in ((1, 0.1), (2, 0.4), (5, 0.2)):
            plate.note(axes, x, y, f"{x}: {y}")
        return plate

    for drawing in render(draw):
        root = ElementTree.fromstring(drawing.svg)
        group = next(node for node in root.iter() if node.get("id") == "marks")
        marks = [(float(node.get("x")), float(node.get("y"))) for node in group.iter() if node.tag.endswith("use")]
        assert [spot.text for spot in drawing.spots] == ["1: 0.1", "2: 0.4", "5: 0.2"]
        found = [(spot.x, spot.y) for spot in drawing.spots]
        np.testing.assert_allclose(found, marks, atol=0.02)
        assert (drawing.width, drawing.height) == tuple(map(float, root.get("viewBox").split()[2:]))


def test_text_of_a_drawing_is_text() -> None:
    def draw(narrow: bool) -> Plate:
        plate = Plate(figsize=(3, 2))
        plate.subplots().set_xlabel("batch size (images)")
        return plate

    wide, _ = render(draw)
    assert b">batch size (images)</text>" in wide.svg
    assert set(re.findall(rb"#[0-9a-f]{6}\b", wide.svg)) <= {pair[0].encode() for pair in THEMES.values()}
