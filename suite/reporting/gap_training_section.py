"""What training does to the gap: at equal AP, along training, and on training beside unseen classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from suite.reporting import conclusions_gap, gap_figures
from suite.reporting.evidence import CONTROLS, DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.metric_table import main_runs
from suite.reporting.model import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Points,
    Table,
    measured,
    p_value,
    plain,
    whole,
)
from suite.reporting.plates import render
from suite.reporting.protocol_words import trained
from suite.statistics.intervals import t_interval

_BOTH = ["train_set_value", "test_set_value", "train_gap", "test_gap"]


def matched(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """Gap of each loss against each reference at equal AP over the set."""
    table = data.gap_matched[data.gap_matched["metric"] == "AP"]
    if table.empty:
        return [Paragraph("No loss and reference were compared at equal AP over the set.")]
    size = int(table["measure_batch_size"].min())
    shown = table[(table["measure_batch_size"] == size) & table["difference"].notna()]
    blocks: list[Block] = [Points(tuple(conclusions_gap.matched(evidence, data, size)))]
    if shown.empty:
        return blocks
    rows = tuple(
        (
            Cell(row.label, runs=main_runs(evidence, data, row.loss)),
            Cell(row.reference_label, runs=main_runs(evidence, data, row.reference)),
            Cell(f"{row.seeds} of {row.seeds_asked}", float(row.seeds)),
            plain(row.set_value),
            plain(row.gap),
            plain(row.reference_gap),
            measured(row.difference, row.low, row.high, sign=True, strong=row.decision != "undecided"),
            p_value(row.p_holm),
        )
        for row in shown.itertuples()
    )
    titles = ("Matched seeds", "AP over set", "Gap", "Gap of reference", "Difference", "p (Holm)")
    caption = (
        f"Gap of AP in batches of {size} at equal AP over the set, the largest that loss and reference both reach, "
        "seed by seed along training; difference above its 95 % t interval over seeds. Bold: decided at 5 % after "
        "Holm's correction over the losses of a reference. Pairs without an AP in common are in the CSV with the "
        "reason, beside the other metrics and sizes."
    )
    columns = (Column("Loss"), Column("Reference"), *(Column(title, True) for title in titles))
    frame = data.gap_matched.drop(columns="dataset")
    return [*blocks, Table(f"{data.name}-gap-matched", caption, columns, rows, frame, sortable=True, folded=True)]


def along(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Gap against AP over the set, validation by validation."""
    table = conclusions_gap.followed(evidence, data)
    if table.empty:
        return [Paragraph("No run was followed along training, so the gap along it cannot be shown.")]
    main = conclusions_gap.at_main(evidence, conclusions_gap.measured(evidence, data))
    # Random embeddings lie so far off that nothing else could be told apart.
    controls = main[(main["loss"] == "frozen") & main["measure_batch_size"].isin(table["measure_batch_size"])]
    wide, narrow = render(gap_figures.along_figure, table, controls, look)
    seeds = sorted(set(table["seeds"].astype(int)))
    caption = (
        "Gap of AP along training against AP over the set: a point a validation, the last in a ring, means over "
        f"{' or '.join(map(str, seeds))} seeds, {trained(evidence.params)}; frozen features are a point. Bars: "
        "95 % t intervals over seeds. Lines that lie apart at the same AP tell losses apart; places along one line do "
        "not."
    )
    sizes = sorted(table["measure_batch_size"].unique())
    cells = table.set_index(["loss", "epoch", "measure_batch_size"])
    rows = tuple(
        (
            Cell(row.label, runs=main_runs(evidence, data, row.loss)),
            whole(row.epoch),
            whole(row.seeds),
            plain(row.set_value),
            *(measured(*cells.loc[(row.loss, row.epoch, size), list(gap_figures.GAP)]) for size in sizes),
        )
        for row in table.drop_duplicates(["loss", "epoch"]).itertuples()
    )
    titles = ("Epoch", "Seeds", "AP over set", *(f"gap at {size}" for size in sizes))
    return [
        Paragraph(conclusions_gap.along(evidence, data)),
        Figure(
            f"{data.name}-gap-along",
            caption,
            "The gap of each loss as its AP over the set grows; the values are in the table that follows.",
            wide,
            narrow,
            table.drop(columns="dataset"),
            detail=True,
        ),
        Table(
            f"{data.name}-gap-along",
            "Gap of AP along training: mean over seeds above its 95 % interval. The CSV has the other losses and "
            "metrics.",
            (Column("Loss"), *(Column(title, True) for title in titles)),
            rows,
            data.gap_training.drop(columns="dataset"),
            sortable=True,
            folded=True,
        ),
    ]


def generalisation(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """AP and gap on the training classes beside those on unseen ones."""
    every = data.gap_generalisation[data.gap_generalisation["metric"] == "AP"]
    every = conclusions_gap.at_main(evidence, every)
    if every[~every["loss"].isin(CONTROLS)].empty:
        return [Paragraph("The gap was not measured on training classes, so it cannot be held against generalisation.")]
    size = int(every["measure_batch_size"].min())
    table = over_seeds(every[every["measure_batch_size"] == size], look)
    wide, narrow = render(gap_figures.generalisation_figure, table, size, look)
    caption = (
        f"Training classes (across) and unseen ones (up), {trained(evidence.params)}: AP "
        f"over the set and its gap in batches of {size}. The line is equality. The two sets of classes differ in size, "
        "which moves AP over the set; frozen features show by how much. Bars: 95 % t intervals over seeds."
    )
    rows = tuple(
        (
            Cell(look[row["loss"]].label, runs=main_runs(evidence, data, row["loss"])),
            whole(row["seeds"]),
            *(measured(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in _BOTH),
        )
        for row in table.to_dict("records")
    )
    titles = ("Seeds", "AP, training", "AP, unseen", "Gap, training", "Gap, unseen")
    return [
        Paragraph(conclusions_gap.generalisation(table, evidence, size)),
        Figure(
            f"{data.name}-gap-generalisation",
            caption,
            "AP and gap of each loss on training and unseen classes; the values are in the table that follows.",
            wide,
            narrow,
            table,
            detail=True,
        ),
        Table(
            f"{data.name}-gap-generalisation",
            f"AP over the set and gap of AP in batches of {size} on training and unseen classes: mean over seeds above "
            "its 95 % interval. The CSV has every run, size and metric.",
            (Column("Loss"), *(Column(title, True) for title in titles)),
            rows,
            data.gap_generalisation.drop(columns="dataset"),
            sortable=True,
            folded=True,
        ),
    ]


def over_seeds(runs: pd.DataFrame, look: Looks) -> pd.DataFrame:
    """A row a loss: means of both splits over seeds with the ends of their t intervals, `_low` and `_high`."""
    rows = []
    for key in (key for key in look if key in set(runs["loss"])):
        mine = runs[runs["loss"] == key].sort_values("seed")
        found = t_interval(mine[_BOTH].to_numpy(dtype=np.float64))
        row: dict[str, object] = {"loss": key, "seeds": len(mine)}
        for place, name in enumerate(_BOTH):
            ends = (found.mean[place], found.low[place], found.high[place])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)
