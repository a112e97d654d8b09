"""How a loss is drawn: the same colour, marker and line wherever it appears."""

from __future__ import annotations

from dataclasses import dataclass, replace

from suite.config import Params
from suite.reporting.palette import LOSSES, light

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
# Losses beyond the colours take the next line style: two of one colour differ in line and marker.
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1)))


@dataclass(frozen=True)
class Look:
    """How a loss is drawn wherever it appears; `line` is a line style of matplotlib."""

    label: str
    colour: str
    marker: str
    line: str | tuple = "-"
    hollow: bool = False


Looks = dict[str, Look]


def looks(params: Params) -> Looks:
    """A colour, a marker and a line style for every loss of the settings and for the controls.

    A loss that is not compared has the colour of what its ablation holds it against, hollow and with a broken line.
    """
    table = {key: _look(place, loss.label) for place, (key, loss) in enumerate(params.losses.items())}
    for ablation in params.ablations.values():
        first = table[next(iter(ablation.arms))]
        for key in ablation.arms:
            if not params.losses[key].compared:
                table[key] = replace(table[key], colour=first.colour, line="-.", hollow=True)
    table["frozen"] = Look("Frozen features", light("frozen"), "x", "--")
    table["random"] = Look("Random embeddings", light("random"), "+", ":")
    return table


def _look(place: int, label: str) -> Look:
    line = _LINES[place // len(LOSSES) % len(_LINES)]
    return Look(label, LOSSES[place % len(LOSSES)], MARKERS[place % len(MARKERS)], line)
