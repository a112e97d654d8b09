"""Every colour that a figure may use, with its twin on a dark page.

The colours of losses stand at least 3:1 against their page, and stay apart from one another under simulated
deuteranopia, protanopia and tritanopia (a CIELAB difference of at least 22, by Machado et al. 2009). Markers and line
styles differ as well, so that no figure depends on colour.
"""

from __future__ import annotations

# Name: on a white page, on a dark one. The names are those of the page's CSS variables.
THEMES: dict[str, tuple[str, str]] = {
    "loss-1": ("#183e6c", "#53c3ff"),
    "loss-2": ("#dc7a17", "#d27e37"),
    "loss-3": ("#07a785", "#0aff85"),
    "loss-4": ("#c76bcb", "#c46ebd"),
    "loss-5": ("#5f212f", "#cb455e"),
    "loss-6": ("#7366ff", "#767aec"),
    "loss-7": ("#76642e", "#d7d141"),
    "loss-8": ("#56029c", "#883ef8"),
    "size-1": ("#3b9bb3", "#2f8fa8"),
    "size-2": ("#2c86b0", "#46a5cf"),
    "size-3": ("#2a6ca8", "#79b6ea"),
    "size-4": ("#34539a", "#a5c4f5"),
    "size-5": ("#3b3a84", "#cdd0fb"),
    "size-6": ("#3a1f66", "#ece0ff"),
    "frozen": ("#444444", "#d0d3d8"),
    "random": ("#848484", "#979ca5"),
    "peer": ("#777777", "#8f949d"),
    "ink": ("#222222", "#e7e8ea"),
    "ticks": ("#333333", "#d5d8dd"),
    "edge": ("#555555", "#a9adb5"),
    "line": ("#999999", "#7d838d"),
    "grid": ("#e4e4e4", "#343941"),
    "cells": ("#c4c4c4", "#4a4f58"),
    "paper": ("#ffffff", "#1e2126"),
    "nothing": ("#eeeeee", "#2a2e35"),
    "higher": ("#b9d9ee", "#1f4d6b"),
    "lower": ("#f7d3b8", "#6b3f1d"),
    "allowed": ("#d9ead3", "#2c4a2a"),
}


def light(name: str) -> str:
    """The colour of a name on a white page, as a hex triplet."""
    return THEMES[name][0]


LOSSES = tuple(light(name) for name in THEMES if name.startswith("loss-"))
SIZES = tuple(light(name) for name in THEMES if name.startswith("size-"))
