"""The plan of a study as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from suite.columns import aligned
from suite.config import Params
from suite.planning.plan import (
    Extent,
    PlannedCase,
    Total,
    checkpoints_at_once,
    extent,
    features_to_come,
    plan_study,
    total,
)
from suite.training.board import duration

UNKNOWN = "?"
_HEAD = ("loss", "protocol", "batch", "runs", "steps", "images", "params", "memory", "disk", "time")
_LEGEND = (
    "runs: on record / asked for. Steps, images, memory, disk and time are of one run; ~ is told from published "
    "sizes, ? is not known yet. Memory is that of weights, gradients, optimiser, one chunk of images and the loss; "
    "Python and its libraries take about half a GB beside it. Time is that of like runs on record."
)


def plan_lines(
    params: Params,
    root: Path,
    datasets: Iterable[str] | None = None,
    losses: Iterable[str] | None = None,
    width: int = 100,
) -> Iterator[str]:
    """A table a data set, its totals, and those of all, as `suite.planning.plan.plan_study` has them.

    Args:
        params, root, datasets, losses: as there.
        width: columns to which sentences are wrapped; tables are as wide as they are.
    """
    everything: list[PlannedCase] = []
    names = list(params.datasets if datasets is None else datasets)
    for name in names:
        cases = plan_study(params, root, [name], losses)
        everything += cases
        found = extent(params, root, name)
        yield from wrap(f"{name}: {_extent(found, features_to_come(params, root, name, found))}", width)
        yield ""
        yield from (f"  {line}" for line in aligned([_HEAD, *map(_row, cases)], numbers_from=2))
        yield ""
        yield from wrap(f"  {_total(total(cases))}", width, subsequent_indent="  ")
        yield ""
    if len(names) > 1:
        yield from wrap(f"All: {_total(total(everything))}", width)
        yield ""
    at_once, held = checkpoints_at_once(everything, params.workers.processes)
    if held:
        yield from wrap(f"Checkpoints, two a run under way: up to {size(held)}, {at_once} runs at once.", width)
    yield from wrap(_LEGEND, width)


def size(number: float | None) -> str:
    """Bytes for reading, to three digits."""
    if number is None:
        return UNKNOWN
    value, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000.0, units[1:]
    return f"{value:.3g} {units[0]}"


def count(number: float | None) -> str:
    """A large number for reading."""
    if number is None:
        return UNKNOWN
    for limit, unit in ((1e9, "G"), (1e6, "M")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:,.0f}"


def _row(case: PlannedCase) -> tuple[str, ...]:
    about = "" if case.exact or case.steps is None else "~"
    return (
        case.loss,
        case.protocol if case.budget == "epochs" else f"{case.protocol}, steps",
        f"{case.batch_size:,}",
        f"{case.recorded}/{case.runs}",
        UNKNOWN if case.steps is None else f"{about}{case.steps:,}",
        about + count(case.images),
        count(case.parameters),
        size(None if case.memory is None else case.memory.total),
        size(case.run_disk),
        UNKNOWN if case.run_seconds is None else duration(case.run_seconds),
    )


def _extent(found: Extent, features: int | None) -> str:
    if found.train_images is None:
        text = "not built, and no published sizes"
    else:
        classes = "" if found.classes[0] is None else f" of {found.classes[0]:,} classes"
        split = "" if found.images is None else f", {found.images:,} images in all"
        about, state = ("", "built") if found.source == "built" else ("about ", "as published; not built yet")
        text = f"{about}{found.train_images:,} training images{classes}{split} ({state})"
    text += f"; {'nothing' if found.disk is None else size(found.disk)} on disk"
    return f"{text}, features to come: {size(features)}" if features else text


def _total(sums: Total) -> str:
    """What is to do, with what of it is not known."""
    if not sums.to_do:
        return f"all {sums.runs} runs are on record"
    parts = [f"{sums.to_do} of {sums.runs} runs to do"]
    parts.append(
        f"{sums.steps:,} steps, {count(sums.images)} images, {size(sums.disk)} of disk{_of(sums.counted, sums.to_do)}"
        if sums.counted
        else "steps, images and disk not known before the data is built"
    )
    parts.append(
        f"{duration(sums.seconds)} one after the other{_of(sums.timed, sums.to_do)}"
        if sums.timed
        else "time not known: no run like them is on record"
    )
    return "; ".join(parts)


def _of(known: int, runs: int) -> str:
    return "" if known == runs else f" ({known} of {runs} runs; of the others it is not known)"
