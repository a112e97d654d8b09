"""Contact sheets of a built data set: what its classes look like at every level, what its stated pairs are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from suite.datasets.arrays import load_protocol
from suite.datasets.builder import SPLITS
from suite.datasets.contact_sheet import Row, Tile, draw_sheet
from suite.datasets.protocols import Protocol
from suite.datasets.revisited import BOX, BOXES, read_boxes
from suite.datasets.stages import load_card, load_items
from suite.datasets.store import ImageStore
from suite.errors import SuiteError
from suite.files import atomic_file

ROWS, COLUMNS = 12, 8
NO_LABEL = "no label"
# Queries and gallery are shown together: they have their classes in common.
_SIDES = {"train": "train", "val": "val", "test": "test", "query": "both", "gallery": "both"}
# Relations in the order they are shown, with the colour of their frames.
FRAMES = {"positive": "#2a9d4a", "easy": "#2a9d4a", "hard": "#e08a00", "junk": "#9a9a9a"}
_OTHER, _QUERY = "#5b6ee1", "#d62828"


def write_previews(
    root: Path, name: str, output: Path, split: str | None = None, seed: int = 0, most_rows: int = ROWS
) -> list[Path]:
    """Draw the contact sheets of the built data set `name` and return their paths.

    A sheet a level (`level0-landmark.png`, ...): a class a row, drawn at random over the splits; at coarser levels
    its images are of different finest classes where it has them. A sheet a protocol of stated pairs
    (`protocol-revisited.png`): a query a row, with images of every relation.

    Args:
        root: the artifacts folder.
        output: folder of the sheets, made if need be.
        split: show this split alone.
        seed: draws classes and images.
        most_rows: classes a sheet at most.

    Raises:
        SuiteError: the data set is not built, has no such split, or the split alone has nothing to show.
    """
    items, card, store = load_items(root, name), load_card(root, name), ImageStore(Path(root) / "datasets" / name)
    if split is not None and split not in card["counts"]:
        raise SuiteError(f"data set '{name}': no split '{split}'; it has: {', '.join(card['counts'])}")
    shown = items if split is None else items[items["split"] == split]
    written = []
    for place, level in enumerate(card["levels"]):
        generator = np.random.default_rng([seed, place])
        rows = _level_rows(shown, store, card["levels"], place, most_rows, generator)
        classes = len({row.label for row in rows} - {NO_LABEL})
        note = f"level {place}{' (finest)' if place == 0 else ''}: {level} · "
        note += f"{classes} of {shown[level].nunique():,} classes · seed {seed}"
        note += " · queries framed" if (shown["split"] == "query").any() else ""
        written.append(_write(output / f"level{place}-{_slug(level)}.png", card["title"], note, rows))
    for place, (protocol, about) in enumerate(card["protocols"].items()):
        if about["relevance"] != "stated pairs" or split not in (None, "query", "test"):
            continue
        generator = np.random.default_rng([seed, len(card["levels"]) + place])
        rows = _pair_rows(items, store, load_protocol(root, name, protocol), most_rows, generator)
        note = (
            f"protocol {protocol} · {len(rows)} of {about['queries']:,} queries · seed {seed} · {about['description']}"
        )
        written.append(_write(output / f"protocol-{_slug(protocol)}.png", card["title"], note, rows))
    if not written:
        raise SuiteError(f"data set '{name}': split '{split}' alone states no pairs; leave --split out")
    return written


def _level_rows(
    items: pd.DataFrame,
    store: ImageStore,
    levels: Sequence[str],
    place: int,
    count: int,
    generator: np.random.Generator,
) -> list[Row]:
    level, finest = levels[place], levels[0]
    groups = items.groupby([items["split"].map(_SIDES), items[level].fillna(NO_LABEL)]).indices
    rows = []
    for side, label in _chosen_groups(list(groups), count, generator):
        members = items.iloc[generator.permutation(groups[side, label])]
        # One of every finest class, then second ones; at the finest level query, gallery, query, gallery, ...
        turns = members.groupby(finest if place else "split", dropna=False, sort=False).cumcount()
        order = np.lexsort((members["split"] != "query", turns))
        tiles = [
            Tile(
                store.decode(int(row["image"])),
                _caption(row, finest if place else "split"),
                _QUERY if row["split"] == "query" else None,
            )
            for _, row in members.iloc[order[:COLUMNS]].iterrows()
        ]
        sizes = members["split"].value_counts()
        details = [f"{split} · {_number(sizes[split], 'image')}" for split in SPLITS if split in sizes]
        if place and label != NO_LABEL:
            details.append(_number(members[finest].nunique(), finest, "classes"))
        rows.append(Row(label, details, tiles))
    return rows


def _caption(row: pd.Series, column: str) -> str:
    """Below an image: its finest class, or which side of the evaluation it is on; other splits stand in the label."""
    if column == "split":
        return row["split"] if row["split"] in ("query", "gallery") else ""
    return "" if row[column] is None or row[column] != row[column] else str(row[column])


def _chosen_groups(groups: list[tuple[str, str]], count: int, generator: np.random.Generator) -> list[tuple[str, str]]:
    """At most `count` pairs of side and class, as evenly over the sides as they allow; unlabelled ones last."""
    order = [groups[place] for place in generator.permutation(len(groups))]
    taken: dict[str, int] = {}
    turns = []
    for side, _ in order:
        turns.append(taken.get(side, 0))
        taken[side] = turns[-1] + 1
    chosen = [order[place] for place in np.argsort(turns, kind="stable")[:count]]
    sides = list(dict.fromkeys(_SIDES.values()))
    return sorted(chosen, key=lambda group: (sides.index(group[0]), group[1] == NO_LABEL, group[1]))


def _pair_rows(
    items: pd.DataFrame, store: ImageStore, protocol: Protocol, count: int, generator: np.random.Generator
) -> list[Row]:
    pairs = protocol.relations
    boxes = read_boxes(store.directory) if (store.directory / BOXES).is_file() else None
    image, key = items["image"].to_numpy(), items["key"].to_numpy()
    known = [relation for relation in FRAMES if relation in set(pairs["relation"])]
    relations = known + sorted(set(pairs["relation"]) - set(known))
    rows = []
    for place in np.sort(generator.permutation(len(protocol.queries))[:count]):
        query = protocol.queries[place]
        box = None if boxes is None or query not in boxes.index else tuple(boxes.loc[query, list(BOX)])
        tiles = [Tile(store.decode(int(image[query])), "query", _QUERY, box)]
        own = pairs[pairs["query"] == query]
        found = {relation: own.loc[own["relation"] == relation, "item"].to_numpy() for relation in relations}
        for relation, share in _shares([len(found[one]) for one in relations], relations, COLUMNS - 1):
            some = found[relation][generator.permutation(len(found[relation]))[:share]]
            tiles += [Tile(store.decode(int(image[item])), relation, FRAMES.get(relation, _OTHER)) for item in some]
        rows.append(Row(key[query], [f"{len(found[relation]):,} {relation}" for relation in relations], tiles))
    return rows


def _shares(sizes: Sequence[int], relations: Sequence[str], places: int) -> list[tuple[str, int]]:
    """How many images of each relation a row shows: one more of each in turn while there is room."""
    shares = [0] * len(sizes)
    while places and any(share < size for share, size in zip(shares, sizes, strict=True)):
        for which, size in enumerate(sizes):
            if places and shares[which] < size:
                shares[which] += 1
                places -= 1
    return list(zip(relations, shares, strict=True))


def _write(path: Path, title: str, note: str, rows: Sequence[Row]) -> Path:
    sheet = draw_sheet(title, note, rows, COLUMNS)
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG")
    return path


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _number(count: int, one: str, many: str = "") -> str:
    if many:
        return f"{count:,} {one} {many if count != 1 else 'class'}"
    return f"{count:,} {one}{'s' if count != 1 else ''}"
