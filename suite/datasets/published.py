"""Benchmarks whose files list every image: published checksums and counts, and the one way to build them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from suite.datasets.builder import BuilderSettings, DownloadSettings, Published, assemble, check_count, hold_out
from suite.datasets.release import Release
from suite.datasets.store import store_images
from suite.errors import SuiteError


class PublishedDownload(DownloadSettings):
    """Download settings of a data set whose files have published checksums.

    `checksums: false` admits files that were packed again; the counts are checked all the same.
    """

    checksums: bool = True


def refuse_straddling(table: pd.DataFrame, finest: str, where: str) -> None:
    """Raise SuiteError if a class is listed for training and for evaluation."""
    sides = (table["split"] == "train").groupby(table[finest]).nunique()
    if (sides > 1).any():
        raise SuiteError(
            f"{where}: class '{sides.idxmax()}' is listed for training and for evaluation; get the file anew"
        )


def build_listed(
    table: pd.DataFrame,
    releases: Sequence[Release],
    levels: Sequence[str],
    published: Sequence[Published],
    settings: BuilderSettings,
    target: Path,
    processes: int,
) -> tuple[pd.DataFrame, dict[str, dict[str, int]], dict[str, Any]]:
    """Hold training classes out for validation, store the images, hold the counts against the published ones.

    Args:
        table: a row a listed image: `key`, `source`, `split` (`train` or one of the evaluation) and the levels.
        releases: the archives that hold the images, their keys the names below the root.
        levels: columns of the labels, finest first.
        target: the folder of the store.
        processes: images decoded side by side for their check.

    Returns:
        Items, what was set aside, and notes for the card.

    Raises:
        SuiteError: `settings.enforce_counts` and a count is not the published one: at once where the lists are too
            short or too long, else when images turn out missing or faulty.
    """
    held_out = hold_out(table.loc[table["split"] == "train", levels[0]], settings.validation, settings.seed)
    table = table.assign(split=table["split"].where(~table[levels[0]].isin(held_out), "val"))
    if settings.enforce_counts:
        _compare(table, levels[0], published, enforce=True)
    keys = set(table["key"])
    images = chain.from_iterable(release.images(keys) for release in releases)
    stored = store_images(target, images, threads=processes, max_pixels=settings.max_pixels)
    items, set_aside = assemble(table, stored, levels)
    for release in releases:
        for reason, counts in release.unlisted().items():
            earlier = set_aside.get(reason, {"images": 0, "classes": 0})
            set_aside[reason] = {what: earlier[what] + counts[what] for what in counts}
    differences = _compare(items, levels[0], published, settings.enforce_counts)
    return items, set_aside, {"differences": differences} if differences else {}


def _compare(table: pd.DataFrame, finest: str, published: Sequence[Published], enforce: bool) -> list[str]:
    notes = []
    for stated in published:
        # Validation classes are taken from the published training set.
        splits = {*stated.splits, "val"} if "train" in stated.splits else {*stated.splits}
        rows = table[table["split"].isin(splits)]
        for what, found, number in (
            ("images", len(rows), stated.images),
            ("classes", rows[finest].nunique(), stated.classes),
        ):
            if number is not None:
                notes.append(check_count(f"{stated.part} {what}", found, number, enforce))
    return [note for note in notes if note is not None]
