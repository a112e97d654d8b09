"""Result sections about batch size: the decomposability gap and metrics against training batch size."""

from __future__ import annotations

import pandas as pd

from suite.reporting import conclusions, figures
from suite.reporting.conclusions import AP
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import (
    HEADLINE,
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Table,
    count,
    measured,
    number,
    p_value,
    whole,
)
from suite.reporting.tuning import rates_in_words


def _set_in_words(data: DatasetEvidence) -> str:
    """What the gap is measured over, where that is not what the leaderboard is."""
    if data.protocol.gallery is None:
        return ""
    return (
        "here the labelled images of queries and gallery together, each against all others (so that its AP is not the "
        "mAP of the leaderboard, which holds queries against the gallery), "
    )


def gap(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Block]:
    """Gap against measuring and against training batch size, its two shares, and the numbers."""
    main = conclusions.gap_at_main(evidence, data)
    if main.empty:
        return [Paragraph("The gap was not measured.")]
    batch, measure = evidence.params.main_batch_size, evidence.params.measure
    blocks: list[Block] = [
        Paragraph(
            "The gap is the AP of a query within its batch minus the AP of the same query over the "
            f"whole evaluation set, {_set_in_words(data)}averaged over "
            f"batches drawn with {measure.samples_per_class} images a class "
            f"({count(measure.partitions, 'partition')} a run and size, the same for every run). A batch has "
            "fewer negatives, which raises AP, and fewer positives. How much is due to which depends on the "
            "one that is changed first; each of the two shares shown is the average over both orders, so that "
            "they sum to the gap. Changing one alone gives the literal parts, in the CSV of the gap table: "
            "they do not sum to the gap, since the two interact. Batch size of measuring and batch size of "
            "training are two variables."
        )
    ]
    wide, narrow = figures.render(figures.gap_figure, main, look)
    caption = (
        f"Decomposability gap of AP against measuring batch size, heads trained at batch {batch}, with "
        "the two shares it is the sum of. Frozen features and random embeddings are controls: what their gap "
        "does with batch size owes nothing to learning here, so "
        "compare a loss with them at the same size. Bars: 95 % t intervals over seeds."
    )
    smallest = main[main["measure_batch_size"] == main["measure_batch_size"].min()]
    alt = f"Gap at measuring batch {main['measure_batch_size'].min()}: " + "; ".join(
        f"{look[row.loss].label} {number(row.gap)}" for row in smallest.itertuples()
    )
    blocks.append(Figure(f"{data.name}-gap", caption, f"{alt}.", wide, narrow))
    blocks.append(Paragraph(conclusions.gap_difference(evidence, data)))
    if len(data.gap_comparison):
        blocks.append(_gap_comparison_table(data, batch, look))
    trained = data.gap[data.gap["train_batch_size"] > 0]
    varied = trained[trained.groupby("loss")["train_batch_size"].transform("nunique") > 1]
    if varied.empty:
        blocks.append(Paragraph("Training batch size was not varied, so the gap against it cannot be shown."))
    else:
        controls = data.gap[data.gap["train_batch_size"] == 0]
        wide, narrow = figures.render(figures.gap_training_figure, varied, controls, look)
        caption = (
            "Gap of AP against training batch size, one panel a measuring batch size. Dashed: the "
            "frozen control. A loss "
            "whose gap depends on the batch it was trained at shows a slope within a panel."
        )
        blocks.append(
            Figure(
                f"{data.name}-gap-training",
                caption,
                "The gap of each loss trained at several batch sizes; its values are in the table that follows.",
                wide,
                narrow,
            )
        )
    blocks.append(_gap_table(data, look))
    return blocks


def scaling(evidence: Evidence, data: DatasetEvidence, look: figures.Looks) -> list[Block]:
    """mAP and R@1 against training batch size."""
    if conclusions.studied(data, AP).empty:
        return [Paragraph(conclusions.scaling(data))]
    chosen = {
        HEADLINE[metric]: (conclusions.studied(data, metric), data.floor(metric)) for metric in (AP, "level0/R_at_1")
    }
    chosen = {label: pair for label, pair in chosen.items() if not pair[0].empty}
    wide, narrow = figures.render(figures.scaling_figure, chosen, look)
    table = conclusions.studied(data, AP)
    caption = (
        f"Test metrics against training batch size at equal epochs, {rates_in_words(evidence, data, table)}. "
        "Bars: 95 % t intervals "
        "over seeds; dashed: frozen features. Steps fall as the batch grows, so a slope is the two "
        "effects together."
    )
    alt = "Test mAP by training batch size: " + "; ".join(
        f"{look[row.loss].label} at {row.batch_size} {number(row.mean)}" for row in table.itertuples()
    )
    metrics = [metric for metric in HEADLINE if not conclusions.studied(data, metric).empty]
    values = {metric: conclusions.studied(data, metric).set_index(["loss", "batch_size"]) for metric in metrics}
    rows = tuple(
        (
            Cell(look[row.loss].label),
            whole(row.batch_size),
            whole(row.seeds),
            whole(row.epochs),
            whole(row.steps),
            *(measured(*values[metric].loc[(row.loss, row.batch_size), ["mean", "low", "high"]]) for metric in metrics),
        )
        for row in table.sort_values("batch_size", kind="stable")
        .sort_values("loss", kind="stable", key=lambda column: column.map(list(look).index))
        .itertuples()
    )
    columns = (
        Column("Loss"),
        *(Column(name, True) for name in ("Batch", "Seeds", "Epochs", "Steps", *(HEADLINE[m] for m in metrics))),
    )
    frame = data.scaling.drop(columns="dataset")
    return [
        Paragraph(conclusions.scaling(data)),
        Figure(f"{data.name}-scaling", caption, f"{alt}.", wide, narrow),
        Table(
            f"{data.name}-scaling",
            "Test metrics by training batch size: mean over seeds above its 95 % interval.",
            columns,
            rows,
            frame,
            sortable=True,
        ),
    ]


def _gap_table(data: DatasetEvidence, look: figures.Looks) -> Table:
    sizes = sorted(data.gap["measure_batch_size"].unique())
    rows = []
    for key in look:
        mine = data.gap[data.gap["loss"] == key]
        for trained, part in mine.groupby("train_batch_size"):
            cells = [
                Cell(look[key].label),
                whole(trained) if trained else Cell(number(None), 0.0),
                whole(part["seeds"].iloc[0]),
            ]
            first = part.iloc[0]
            cells.append(measured(first["set_AP"], first["set_AP_low"], first["set_AP_high"]))
            for size in sizes:
                row = part[part["measure_batch_size"] == size]
                cells.append(measured(*row[["gap", "gap_low", "gap_high"]].iloc[0]) if len(row) else Cell(number(None)))
                cells.append(_plain(row["gap_partition_se"].iloc[0] if len(row) else None))
            rows.append(tuple(cells))
    gaps = (title for size in sizes for title in (f"gap at {size}", "± part."))
    titles = ("Trained at", "Seeds", "AP over set", *gaps)
    caption = (
        "Gap of AP by training batch size (rows) and measuring batch size (columns), mean over seeds "
        "above its 95 % interval, which is conditional on the partitions; ± part.: standard error over "
        "partitions. AP over the set stands beside it, since a gap moves with it. Shares and literal parts of "
        "every gap are in the CSV."
    )
    return Table(
        f"{data.name}-gap",
        caption,
        (Column("Loss"), *(Column(title, True) for title in titles)),
        tuple(rows),
        data.gap.drop(columns="dataset"),
        sortable=True,
        folded=True,
    )


def _gap_comparison_table(data: DatasetEvidence, batch: int, look: figures.Looks) -> Table:
    table = data.gap_comparison[data.gap_comparison["train_batch_size"] == batch]
    controls = {"frozen": "minus frozen", "random": "minus random"}
    cells = table.set_index(["loss", "measure_batch_size", "control"])
    rows = []
    for loss, size in dict.fromkeys(zip(table["loss"], table["measure_batch_size"], strict=True)):
        row = [Cell(look[loss].label), whole(size)]
        for control in controls:
            if (loss, size, control) not in cells.index:
                row += [Cell(number(None))] * 3
                continue
            found = cells.loc[(loss, size, control)]
            row.append(
                measured(
                    found["difference"], found["low"], found["high"], sign=True, strong=found["decision"] != "undecided"
                )
            )
            row += [_plain(found["partition_se"]), p_value(found["p_holm"])]
        rows.append(tuple(row))
    titles = [title for name in controls.values() for title in (name, "± part.", "p (Holm)")]
    return Table(
        f"{data.name}-gap-comparison",
        f"Gap of AP of heads trained at batch {batch} minus that of each control on the same partitions: mean over "
        "seeds above its 95 % interval, which is conditional on the partitions; ± part.: standard error over "
        "partitions; p after Holm's correction over the losses of a measuring size. Bold: decided at 5 %.",
        (Column("Loss"), Column("Measured at", True), *(Column(title, True) for title in titles)),
        tuple(rows),
        data.gap_comparison.drop(columns="dataset"),
        sortable=True,
        folded=True,
    )


def _plain(value: float | None) -> Cell:
    return Cell(number(value), None if value is None or pd.isna(value) else float(value))
