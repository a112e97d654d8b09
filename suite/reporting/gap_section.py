"""The section on the decomposability gap: against the controls, by metric, by sampler, by training batch."""

from __future__ import annotations

import pandas as pd

from suite.reporting import conclusions_ablations, conclusions_gap, gap_figures
from suite.reporting.evidence import CONTROLS, DatasetEvidence, Evidence
from suite.reporting.gap_training_section import along, generalisation, matched
from suite.reporting.looks import Looks
from suite.reporting.metric_table import main_runs
from suite.reporting.model import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Paragraph,
    Points,
    Runs,
    Table,
    count,
    listing,
    measured,
    metric_name,
    number,
    p_value,
    plain,
    whole,
)
from suite.reporting.plates import render
from suite.reporting.protocol_words import trained

_GAP = ["gap", "gap_low", "gap_high"]


def gap(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Gap against measuring batch size and the controls, then everything it may depend on, then the numbers."""
    everything = conclusions_gap.measured(evidence, data)
    main = conclusions_gap.at_main(evidence, everything)
    if main.empty:
        return [Paragraph("The gap was not measured.")]
    return [
        Paragraph(conclusions_gap.gap(evidence, data)),
        Paragraph(_estimand(evidence, data)),
        Heading("Against measuring batch size"),
        _main_figure(evidence, data, main, look),
        *_against_controls(evidence, data, look),
        Heading("At equal AP"),
        *matched(evidence, data),
        *_varied(evidence, data, everything),
        Heading("Against training batch size"),
        *_by_training_batch(evidence, data, everything, look),
        Heading("Along training"),
        *along(evidence, data, look),
        Heading("Against generalisation"),
        *generalisation(evidence, data, look),
        Heading("By metric and by sampler"),
        *_by_metric(evidence, data, look),
        *_by_sampler(evidence, data, look),
        Heading("All gaps"),
        Paragraph(conclusions_gap.precision(evidence, data)),
        _gap_table(data, everything, look),
    ]


def _varied(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame) -> list[Block]:
    """What each ablation did to the gap, in how many comparisons; nothing where the study has none."""
    quantities = [f"gap_AP_at_{size}" for size in sorted(set(table["measure_batch_size"]))]
    told = [
        f"{evidence.params.ablations[name].label}: {conclusions_ablations.outcome(data, name, quantities)}"
        for name in conclusions_ablations.varied(evidence.params, data.name)
    ]
    if not told:
        return []
    lead = "What each ablation did to the gap of AP; Ablations has its figures, its test metrics and every comparison."
    return [Heading("With and without what the ablations vary"), Paragraph(lead), Points(tuple(told))]


def _estimand(evidence: Evidence, data: DatasetEvidence) -> str:
    measure = evidence.params.measure
    where = (
        ""
        if data.protocol.gallery is None
        else "here the labelled images of queries and gallery together, each against all others (so that its AP is not "
        "the mAP of the leaderboard, which holds queries against the gallery), "
    )
    drawn = conclusions_gap.sampler_name(evidence, measure.main_sampler)
    return (
        "The gap is the AP of a query within its batch minus the AP of the same query over the whole evaluation set, "
        f"{where}averaged over batches drawn with {drawn} ({count(measure.partitions, 'partition')} a run and size, "
        "the same for every run). A batch has fewer negatives, which raises AP, and fewer positives. How much is due "
        "to which depends on the one that is changed first; each of the two shares shown is the average over both "
        "orders, so that they sum to the gap. Changing one alone gives the literal parts, in the CSV of the gap table: "
        "they do not sum to the gap, since the two interact. Batch size of measuring and batch size of training are "
        "two variables."
    )


def _main_figure(evidence: Evidence, data: DatasetEvidence, main: pd.DataFrame, look: Looks) -> Figure:
    wide, narrow = render(gap_figures.gap_figure, main, look)
    smallest = main[main["measure_batch_size"] == main["measure_batch_size"].min()]
    alt = f"Gap at measuring batch {main['measure_batch_size'].min()}: " + "; ".join(
        f"{look[row.loss].label} {number(row.gap)}" for row in smallest.itertuples()
    )
    caption = (
        f"Decomposability gap of AP against measuring batch size, {trained(evidence.params)}, with the two "
        "shares it is the sum of. Frozen features and random embeddings are controls: what their gap "
        "does with batch size owes nothing to learning here, so compare a loss with them at the same size. Bars: 95 % "
        "t intervals over seeds."
    )
    return Figure(f"{data.name}-gap", caption, f"{alt}.", wide, narrow, main.drop(columns="dataset"))


def _against_controls(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    told = conclusions_gap.comparisons(evidence, data)
    blocks: list[Block] = [Points(tuple(told)) if len(told) > 1 else Paragraph(told[0])]
    table = conclusions_gap.against_controls(evidence, data)
    if table.empty:
        return blocks
    wide, narrow = render(gap_figures.difference_figure, table, look)
    controls = listing(look[control].label.lower() for control in table["control"].unique())
    caption = (
        f"Gap of AP of each loss minus that of {controls}, on the same partitions, against measuring batch size. Bars: "
        "95 % t intervals over seeds; zero: no difference from the control."
    )
    alt = f"Differences of the gap from {controls}; every value is in the table that follows."
    return [
        *blocks,
        Figure(f"{data.name}-gap-difference", caption, alt, wide, narrow, table.drop(columns="dataset")),
        _comparison_table(evidence, data, table, look),
    ]


def _by_metric(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    table = conclusions_gap.at_main(evidence, conclusions_gap.measured(evidence, data, None))
    others = table[table["metric"] != "AP"]
    if others.empty:
        return [Paragraph("The gap was measured for AP alone.")]
    wide, narrow = render(gap_figures.metrics_figure, others, look)
    names = listing(metric_name(metric) for metric in others["metric"].unique())
    caption = (
        f"Gap of {names} against measuring batch size, {trained(evidence.params)}. "
        "Bars: 95 % t intervals over seeds. Each metric has its own scale; all values are in the CSV of the gap table."
    )
    return [
        Paragraph(conclusions_gap.metrics_in_words(evidence, data)),
        Figure(
            f"{data.name}-gap-metrics",
            caption,
            f"Gap of {names} of each loss and control by batch size.",
            wide,
            narrow,
            others.drop(columns="dataset"),
            detail=True,
        ),
    ]


def _by_sampler(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    table = conclusions_gap.samplers(evidence, data)
    if table.empty:
        return [Paragraph("The gap was measured under one sampler alone.")]
    used = [key for key in evidence.params.measure.samplers if key in set(table["sampler"])]
    cells = table.set_index(["loss", "sampler"])
    rows = tuple(
        (
            Cell(look[loss].label, runs=main_runs(evidence, data, loss)),
            *(
                measured(*cells.loc[(loss, key), _GAP]) if (loss, key) in cells.index else Cell(number(None))
                for key in used
            ),
        )
        for loss in _ordered(table, look)
    )
    size = int(table["measure_batch_size"].iloc[0])
    columns = (
        Column("Loss"),
        *(Column(conclusions_gap.sampler_name(evidence, key), True) for key in used),
    )
    caption = (
        f"Gap of AP in batches of {size} by how they are drawn: mean over seeds above its 95 % interval, "
        f"{trained(evidence.params)}. The same queries stand in both terms of a gap, but samplers do "
        "not draw the same batches, so compare losses within a column."
    )
    return [
        Paragraph(conclusions_gap.sampling(evidence, data, table)),
        Table(
            f"{data.name}-gap-samplers",
            caption,
            columns,
            rows,
            table.drop(columns="dataset"),
            sortable=True,
            folded=True,
        ),
    ]


def _by_training_batch(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame, look: Looks) -> list[Block]:
    trained = table[table["train_batch_size"] > 0]
    sizes = trained.groupby("loss")["train_batch_size"].transform("nunique")
    # Two sizes are those of an ablation, told of in its own section.
    varied = trained[(sizes > 2) | ((sizes > 1) & trained["loss"].isin(list(evidence.params.compared)))]
    if varied.empty:
        return [Paragraph("Training batch size was not varied, so the gap against it cannot be shown.")]
    wide, narrow = render(gap_figures.trained_figure, varied, table[table["train_batch_size"] == 0], look)
    caption = (
        "Gap of AP against training batch size at equal epochs, one panel a measuring batch size. Dashed: the frozen "
        "control. A loss whose gap depends on the batch it was trained at shows a slope within a panel. Bars: 95 % t "
        "intervals over seeds."
    )
    alt = "The gap of each loss trained at several batch sizes; its values are in the last table of this section."
    size = int(varied["measure_batch_size"].min())
    told = conclusions_gap.by_training_batch(evidence, data, size)
    return [
        *([Paragraph(told)] if told else []),
        Figure(f"{data.name}-gap-trained", caption, alt, wide, narrow, varied.drop(columns="dataset")),
    ]


def _ordered(table: pd.DataFrame, look: Looks) -> list[str]:
    return [key for key in look if key in set(table["loss"])]


def _gap_table(data: DatasetEvidence, table: pd.DataFrame, look: Looks) -> Table:
    sizes = sorted(table["measure_batch_size"].unique())
    rows = []
    for key in _ordered(table, look):
        for batch_size, part in table[table["loss"] == key].groupby("train_batch_size"):
            first = part.iloc[0]
            behind = None if key in CONTROLS else Runs(data.name, key, int(batch_size), "epochs")
            cells = [
                Cell(look[key].label, runs=behind),
                whole(batch_size) if batch_size else Cell(number(None), 0.0),
                whole(first["seeds"]),
                measured(first["set_value"], first["set_value_low"], first["set_value_high"]),
            ]
            for size in sizes:
                row = part[part["measure_batch_size"] == size]
                cells.append(measured(*row[_GAP].iloc[0]) if len(row) else Cell(number(None)))
                cells.append(plain(row["gap_partition_se"].iloc[0] if len(row) else None))
            rows.append(tuple(cells))
    titles = ("Trained at", "Seeds", "AP over set", *(t for size in sizes for t in (f"gap at {size}", "± part.")))
    caption = (
        "Gap of AP at equal epochs by training batch size (rows) and measuring batch size (columns), mean over seeds "
        "above its 95 % interval, which is conditional on the partitions; ± part.: standard error over partitions. AP "
        "over the set stands beside it, since a gap moves with it. The CSV has every metric, sampler and budget, the "
        "training classes, and the shares and literal parts of every gap."
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


def _comparison_table(evidence: Evidence, data: DatasetEvidence, table: pd.DataFrame, look: Looks) -> Table:
    cells = table.set_index(["loss", "measure_batch_size", "control"])
    controls = [control for control in CONTROLS if control in set(table["control"])]
    rows = []
    for loss, size in dict.fromkeys(zip(table["loss"], table["measure_batch_size"], strict=True)):
        row = [Cell(look[loss].label, runs=main_runs(evidence, data, loss)), whole(size)]
        for control in controls:
            if (loss, size, control) not in cells.index:
                row += [Cell(number(None))] * 3
                continue
            found = cells.loc[(loss, size, control)]
            decided = found["decision"] != "undecided"
            row.append(measured(found["difference"], found["low"], found["high"], sign=True, strong=decided))
            row += [plain(found["partition_se"]), p_value(found["p_holm"])]
        rows.append(tuple(row))
    titles = [title for control in controls for title in (f"minus {control}", "± part.", "p (Holm)")]
    caption = (
        f"Gap of AP of {trained(evidence.params)} minus that of each control on the same "
        "partitions: mean over seeds above its 95 % interval, which is conditional on the partitions; ± part.: "
        "standard error over partitions; p after Holm's correction over the losses of a measuring size. Bold: decided "
        "at 5 %. The CSV has every metric, training batch size and budget."
    )
    return Table(
        f"{data.name}-gap-comparison",
        caption,
        (Column("Loss"), Column("Measured at", True), *(Column(title, True) for title in titles)),
        tuple(rows),
        data.gap_comparison.drop(columns="dataset"),
        sortable=True,
        folded=True,
    )
