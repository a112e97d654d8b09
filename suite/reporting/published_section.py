"""Published figures beside the study's own, where the data set is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from suite.config import Loss
from suite.losses.registry import nested_losses
from suite.recipes.published import PublishedFigure, published_figures
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import Block, Cell, Column, Paragraph, Runs, Table, count, listing, measured, number, whole
from suite.statistics.intervals import t_interval

CAVEAT = (
    "The networks, the images, the training classes held out and the number of runs differ from the papers'; so a "
    "difference is not that of two losses, and none of it is tested."
)


def published(evidence: Evidence) -> list[Block]:
    """A table for every data set that papers have figures of; a sentence where none has."""
    blocks: list[Block] = []
    for data in evidence.datasets:
        builder = evidence.params.datasets[data.name].builder
        figures = [figure for figure in published_figures() if figure.dataset == builder]
        if figures:
            rows = [row for figure in figures for row in _rows(evidence, data, figure)]
            blocks += [Paragraph(_text(evidence, data, figures, rows)), _table(evidence, data, rows)]
    if not blocks:
        return [Paragraph("Of none of the study's data sets are there published figures to stand beside.")]
    return blocks


def registered(loss: Loss) -> str:
    """The registered name of a loss; of a sum, those of its terms, as the published figures join them."""
    if loss.loss != "combine":
        return loss.loss
    terms = nested_losses(loss.loss, loss.settings)
    known = (figure.loss for figure in published_figures() if set(figure.loss.split("+")) == terms)
    return next(known, "+".join(sorted(terms)))


def _rows(evidence: Evidence, data: DatasetEvidence, figure: PublishedFigure) -> list[dict[str, Any]]:
    """The figure with each loss of the study that is its loss, or alone."""
    told = {"method": figure.method, "protocol": figure.protocol, "metric": figure.title, "published": figure.value}
    told |= {"backbone": figure.backbone, "source": figure.source, "note": figure.note}
    ours = []
    if figure.protocol in ("", data.protocol.name):
        for key, loss in evidence.params.losses.items():
            if registered(loss) == figure.loss and len(runs := _runs(evidence, data, key)):
                values = 100 * _values(data, runs, figure)
                interval = t_interval(values[np.isfinite(values)])
                row = {
                    "loss": key,
                    "batch_size": int(runs["batch_size"].iloc[0]),
                    "seeds": int(np.isfinite(values).sum()),
                }
                ours.append(told | row | {end: float(value) for end, value in interval._asdict().items()})
    return ours or [told | {"loss": "", "batch_size": 0, "seeds": 0} | dict.fromkeys(("mean", "low", "high"), np.nan)]


def _runs(evidence: Evidence, data: DatasetEvidence, loss: str) -> pd.DataFrame:
    """Finished runs of a loss at equal epochs: at the main batch size, or else at the first it was trained at."""
    runs = data.finished[(data.finished["loss"] == loss) & (data.finished["budget"] == "epochs")]
    if runs.empty:
        return runs
    main = evidence.params.main_batch_size
    sizes = set(runs["batch_size"])
    return runs[runs["batch_size"] == (main if main in sizes else runs["batch_size"].iloc[0])]


def _values(data: DatasetEvidence, runs: pd.DataFrame, figure: PublishedFigure) -> np.ndarray:
    """(runs,) values of the figure's metric; NaN where it is not on record."""
    if figure.k is not None:
        names = [f"test/level0/R_at_{figure.k}"]
    else:
        names = [f"test/level{place}/AP" for place in range(len(data.levels))]
    return runs.reindex(columns=names).to_numpy(dtype=float).mean(axis=1)


def _text(evidence: Evidence, data: DatasetEvidence, figures: list[PublishedFigure], rows: list[dict[str, Any]]) -> str:
    papers = dict.fromkeys((figure.method, figure.source) for figure in figures)
    named = listing(f"{method} [@{source}]" for method, source in papers)
    text = f"{data.short}: published are {count(len(figures), 'figure')}, of {named}. {CAVEAT}"
    beside = {row["loss"] for row in rows if row["seeds"]}
    if not beside:
        return f"{text} No loss of theirs has finished runs in this study, so nothing stands beside them."
    text += f" Ours: {listing(_made(evidence, data, [loss for loss in evidence.params.losses if loss in beside]))}."
    notes: dict[str, list[str]] = {}
    for figure in figures:
        if figure.note:
            told = notes.setdefault(figure.note, [])
            name = f"{figure.method}'s {figure.title} with {figure.backbone}"
            told += [] if name in told else [name]
    return " ".join([text, *(f"Of {listing(names)}: {note}." for note, names in notes.items())])


def _made(evidence: Evidence, data: DatasetEvidence, losses: list[str]) -> list[str]:
    made = dict.fromkeys(evidence.params.protocol(loss) for loss in losses)
    words = []
    for protocol in made:
        if protocol == "head":
            words.append(f"heads on frozen {evidence.params.backbone.name} features")
        else:
            words.append(f"{evidence.params.full_settings(data.name).network.backbone} trained end to end")
    return words


def _table(evidence: Evidence, data: DatasetEvidence, rows: list[dict[str, Any]]) -> Table:
    shown = []
    for row in rows:
        runs = Runs(data.name, row["loss"], row["batch_size"], "epochs") if row["seeds"] else None
        mine = measured(row["mean"], row["low"], row["high"], 1)
        apart = measured(*(row[end] - row["published"] for end in ("mean", "low", "high")), 1, sign=True)
        shown.append(
            (
                Cell(row["method"]),
                Cell(f"{row['metric']}, {row['protocol']}" if row["protocol"] else row["metric"]),
                Cell(row["backbone"]),
                Cell(number(row["published"], 1), row["published"]),
                Cell(evidence.label(row["loss"]) if row["loss"] else number(None)),
                replace(whole(row["seeds"]), runs=runs) if row["seeds"] else Cell(number(None)),
                replace(mine, runs=runs),
                apart,
            )
        )
    columns = (
        Column("Method"),
        Column("Metric"),
        Column("Its network"),
        Column("Published, %", True),
        Column("Our loss"),
        Column("Seeds", True),
        Column("Ours, %", True),
        Column("ours − published", True),
    )
    caption = (
        f"Published figures on {data.short}, and what the same loss reaches here (the weights of a sum may differ, see "
        "Tuning): mean over seeds above its 95 % "
        "interval, t over seeds, since the test classes are the papers'. A dash: no loss of that kind was trained "
        "here, or the metric is not on record."
    )
    return Table(f"{data.name}-published", caption, columns, tuple(shown), pd.DataFrame(rows), sortable=True)
