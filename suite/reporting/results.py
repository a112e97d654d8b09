"""Sections that hold results of one data set: leaderboard, comparisons, gap, batch size, levels, examples."""

from __future__ import annotations

import math

import pandas as pd

from suite.reporting import conclusions, figures
from suite.reporting.conclusions import AP
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Section,
    Table,
    count,
    measured,
    number,
    with_interval,
)
from suite.reporting.retrieval import gallery

HEADLINE = {AP: "mAP", "level0/R_at_1": "R@1", "level0/mAP_at_R": "mAP@R", "NDCG": "NDCG", "H_AP": "H-AP"}
Looks = dict[str, figures.Look]


def sections(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Section]:
    """All result sections of one data set; titles name it where the study has several."""
    several = len(evidence.datasets) > 1
    parts = {
        "leaderboard": ("Leaderboard", leaderboard(evidence, data, look)),
        "comparison": ("Pairwise comparison", comparison(evidence, data, look)),
        "gap": ("Decomposability gap", gap(evidence, data, look)),
        "scaling": ("Training batch size", scaling(data, look)),
        "levels": ("Hierarchical levels", levels(evidence, data)),
        "retrieval": ("Retrieval examples", retrieval(evidence, data)),
    }
    return [Section(f"{data.name}-{key}", f"{title}: {data.title}" if several else title, tuple(blocks))
            for key, (title, blocks) in parts.items()]  # fmt: skip


def main_figure_data(evidence: Evidence, data: DatasetEvidence, look: Looks) -> tuple:
    """Arguments of `figures.main_figure` for one data set."""
    return data.board(AP), conclusions.studied(data, AP), data.floor(AP), look


def leaderboard(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Main figure, test leaderboard, validation mAP."""
    board = data.board(AP)
    if board.empty:
        return [Paragraph("No run finished on this data set: there is no leaderboard.")]
    varied = not conclusions.studied(data, AP).empty
    name = "main" if data is evidence.datasets[0] else f"{data.name}-main"
    wide, narrow = figures.render(figures.main_figure, *main_figure_data(evidence, data, look))
    caption = (f"Test mAP on {data.title} at batch size {evidence.params.main_batch_size}, best on top"
               + ("; and against training batch size, in the same colours and markers" if varied else "")
               + ". Bars: 95 % t intervals over seeds; dashed: frozen features. Look first at how far the bars lie from the "
               "dashed line, then at which of them overlap.")  # fmt: skip
    alt = "Test mAP, best first: " + "; ".join(
        f"{look[row.loss].label} {with_interval(row.mean, row.low, row.high)}" for row in board.itertuples()
    )  # fmt: skip
    blocks: list[Block] = [Figure(name, caption, f"{alt}.", wide, narrow), Paragraph(conclusions.intervals_note(data))]
    metrics = {metric: label for metric, label in HEADLINE.items() if not data.board(metric).empty}
    blocks.append(_board_table(evidence, data, metrics))
    blocks.append(_validation_table(evidence, data))
    return blocks


def comparison(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Matrix and table of pairwise decisions on test mAP."""
    pairs = conclusions.test_pairs(data)
    order = [key for key in data.board(AP)["loss"] if key in {*pairs["loss_a"], *pairs["loss_b"]}]
    if pairs.empty or len(order) < 2:
        return [Paragraph("There are not two losses with finished runs, so there is nothing to compare.")]
    decided = int((pairs["decision"] != "undecided").sum())
    labels = {key: look[key].label for key in order}
    text = (f"Losses are compared at equal seeds: differences of test mAP run by run, a paired t test, and Holm's correction over "
            f"the {count(len(pairs), 'pair')}. {decided} of {len(pairs)} are decided at the 5 % level.")  # fmt: skip
    if decided < len(pairs):
        text += " For the others these seeds cannot say which is better, or whether either is."
    wide, narrow = figures.render(figures.pairwise_figure, pairs, order, look)
    caption = ("Difference of test mAP, row minus column, in hundredths, best loss first. Bold on a fill: decided after Holm's "
               "correction, the fill saying which is higher; hatched: undecided.")  # fmt: skip
    figure = Figure(f"{data.name}-pairwise", caption, f"Matrix of {len(pairs)} paired differences, {decided} decided; every value is in the table that follows.", wide, narrow)  # fmt: skip
    rows = tuple(
        (Cell(labels[row.loss_a]), Cell(labels[row.loss_b]), Cell(str(row.seeds), float(row.seeds)),
         measured(row.difference, row.low, row.high, sign=True), _p(row.p_holm),
         Cell(conclusions.decision_text(labels[row.loss_a], labels[row.loss_b], row.decision, row.reason),
              strong=row.decision != "undecided"))
        for row in pairs.itertuples() if {row.loss_a, row.loss_b} <= set(labels)
    )  # fmt: skip
    columns = (Column("Loss a"), Column("Loss b"), Column("Seeds", True), Column("mAP, a − b", True),
               Column("p (Holm)", True), Column("Decision", wide=True))  # fmt: skip
    table = Table(f"{data.name}-pairwise", "Every pair: mean difference of test mAP over common seeds with its 95 % interval, "
                  "p after Holm's correction, and the decision at 5 %.", columns, rows,
                  data.pairwise.drop(columns="dataset"), sortable=True, folded=True)  # fmt: skip
    return [Paragraph(text), figure, table]


def gap(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Gap against measuring and against training batch size, its two parts, and the numbers."""
    main = conclusions.gap_at_main(evidence, data)
    if main.empty:
        return [Paragraph("The gap was not measured.")]
    batch, measure = evidence.params.main_batch_size, evidence.params.measure
    blocks: list[Block] = [Paragraph(
        "The gap is the AP of a query within its batch minus the AP of the same query over the whole test set, averaged over "
        f"batches drawn with {measure.samples_per_class} images a class ({count(measure.partitions, 'partition')} a run and size). It is the sum of "
        "two parts: a batch has fewer negatives, which raises AP, and fewer positives. Batch size of measuring and batch "
        "size of training are two variables.")]  # fmt: skip
    wide, narrow = figures.render(figures.gap_figure, main, look)
    caption = (f"Decomposability gap of AP against measuring batch size, heads trained at batch {batch}, with the two parts it is "
               "the sum of. Frozen features and random embeddings are controls: their gap falls with batch size with no learning at all, so "
               "compare a loss with them at the same size. Bars: 95 % t intervals over seeds.")  # fmt: skip
    largest = main[main["measure_batch_size"] == main["measure_batch_size"].min()]
    alt = f"Gap at measuring batch {main['measure_batch_size'].min()}: " + "; ".join(
        f"{look[row.loss].label} {number(row.gap)}" for row in largest.itertuples()
    )  # fmt: skip
    blocks.append(Figure(f"{data.name}-gap", caption, f"{alt}.", wide, narrow))
    blocks.append(Paragraph(conclusions.gap_difference(evidence, data)))
    trained = data.gap[data.gap["train_batch_size"] > 0]
    varied = trained[trained.groupby("loss")["train_batch_size"].transform("nunique") > 1]
    if varied.empty:
        blocks.append(Paragraph("Training batch size was not varied, so the gap against it cannot be shown."))
    else:
        controls = data.gap[data.gap["train_batch_size"] == 0]
        wide, narrow = figures.render(figures.gap_training_figure, varied, controls, look)
        caption = ("Gap of AP against training batch size, one panel a measuring batch size. Dashed: the frozen control. A loss "
                   "whose gap depends on the batch it was trained at shows a slope within a panel.")  # fmt: skip
        blocks.append(Figure(f"{data.name}-gap-training", caption, "The gap of each loss trained at several batch sizes; its values are in the table that follows.", wide, narrow))  # fmt: skip
    blocks.append(_gap_table(data, look))
    return blocks


def scaling(data: DatasetEvidence, look: Looks) -> list[Block]:
    """mAP and R@1 against training batch size."""
    if conclusions.studied(data, AP).empty:
        return [Paragraph(conclusions.scaling(data))]
    chosen = {HEADLINE[metric]: (conclusions.studied(data, metric), data.floor(metric)) for metric in (AP, "level0/R_at_1")}
    chosen = {label: pair for label, pair in chosen.items() if not pair[0].empty}
    wide, narrow = figures.render(figures.scaling_figure, chosen, look)
    caption = ("Test metrics against training batch size at equal epochs, learning rate tuned at each size. Bars: 95 % t intervals "
               "over seeds; dashed: frozen features. Steps fall as the batch grows, so a slope is the two effects together.")  # fmt: skip
    table = conclusions.studied(data, AP)
    alt = "Test mAP by training batch size: " + "; ".join(
        f"{look[row.loss].label} at {row.batch_size} {number(row.mean)}" for row in table.itertuples()
    )  # fmt: skip
    metrics = [metric for metric in HEADLINE if not conclusions.studied(data, metric).empty]
    values = {metric: conclusions.studied(data, metric).set_index(["loss", "batch_size"]) for metric in metrics}
    rows = tuple(
        (Cell(look[row.loss].label), _whole(row.batch_size), _whole(row.seeds), _whole(row.epochs), _whole(row.steps),
         *(measured(*values[metric].loc[(row.loss, row.batch_size), ["mean", "low", "high"]]) for metric in metrics))
        for row in table.sort_values("batch_size", kind="stable").sort_values("loss", kind="stable", key=lambda column: column.map(list(look).index)).itertuples()
    )  # fmt: skip
    columns = (Column("Loss"), *(Column(name, True) for name in ("Batch", "Seeds", "Epochs", "Steps", *(HEADLINE[m] for m in metrics))))
    frame = data.scaling.drop(columns="dataset")
    return [Paragraph(conclusions.scaling(data)), Figure(f"{data.name}-scaling", caption, f"{alt}.", wide, narrow),
            Table(f"{data.name}-scaling", "Test metrics by training batch size: mean over seeds above its 95 % interval.",
                  columns, rows, frame, sortable=True)]  # fmt: skip


def levels(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """mAP at every hierarchy level."""
    metrics = {f"level{place}/AP": f"mAP, {name}" for place, name in enumerate(data.levels)}
    metrics = {metric: label for metric, label in metrics.items() if not data.board(metric).empty}
    if len(metrics) < 2:
        return [Paragraph("Results at one hierarchy level alone are on record.")]
    text = (f"The classes of the leaderboard are the finest level, {data.levels[0]}. Coarser levels ask whether what is retrieved "
            "is at least of the right kind; no level but those a loss names was trained on.")  # fmt: skip
    return [Paragraph(text), _metric_table(evidence, data, f"{data.name}-levels", metrics,
            "Test mAP at each hierarchy level, finest first: mean over seeds above its 95 % interval. Random retrieval "
            "already scores more at a coarser level, so compare within a column.")]  # fmt: skip


def retrieval(evidence: Evidence, data: DatasetEvidence) -> list[Block]:
    """Pictures of queries and their first results."""
    board = data.board(AP)
    best = board["loss"].iloc[0] if len(board) else ""
    made = gallery(data, best, evidence.params.loss(best).label) if best else None
    if made is None:
        return [Paragraph("Neighbours of the best loss and of frozen features are not both on record, so there are no examples.")]
    return [Paragraph("Examples illustrate; they decide nothing. The marks tell the levels apart by glyph and border, not by colour alone."), made]  # fmt: skip


def _board_table(evidence: Evidence, data: DatasetEvidence, metrics: dict[str, str]) -> Table:
    caption = (f"Test metrics at batch size {evidence.params.main_batch_size}, ordered by mAP: mean over seeds above its 95 % interval. Lift: mAP "
               "over that of frozen features, the floor in the last row. Bold: highest mean of a column, which is not by itself a decided difference.")  # fmt: skip
    return _metric_table(evidence, data, f"{data.name}-leaderboard", metrics, caption, lift=True)


def _metric_table(evidence: Evidence, data: DatasetEvidence, name: str, metrics: dict[str, str], caption: str, lift: bool = False) -> Table:
    boards = {metric: data.board(metric) for metric in metrics}
    best = {metric: board["loss"].iloc[0] for metric, board in boards.items()}
    rows = []
    for row in data.board(AP).itertuples():
        cells = [Cell(evidence.params.loss(row.loss).label, strong=row.loss == best[AP]), _whole(row.seeds)]
        for metric, board in boards.items():
            mine = board[board["loss"] == row.loss]
            cells.append(measured(*mine[["mean", "low", "high"]].iloc[0], strong=row.loss == best[metric]) if len(mine) else Cell(number(None)))
        if lift:
            cells.append(measured(row.lift, row.lift_low, row.lift_high, 2))
        rows.append(tuple(cells))
    floors = {metric: data.floor(metric) for metric in metrics}
    if floors[AP] is not None:
        cells = [Cell("Frozen features (floor)"), Cell("–")]
        cells += [Cell(number(value), value) for value in floors.values()]
        rows.append((*cells, Cell("1.00", 1.0)) if lift else tuple(cells))
    columns = (Column("Loss"), Column("Seeds", True), *(Column(label, True) for label in metrics.values()),
               *([Column("Lift", True)] if lift else []))  # fmt: skip
    table = data.leaderboard
    frame = table[(table["split"] == "test") & table["metric"].isin(metrics)].drop(columns="dataset")
    return Table(name, caption, columns, tuple(rows), frame, sortable=True)


def _validation_table(evidence: Evidence, data: DatasetEvidence) -> Table:
    rows = [(Cell(evidence.params.loss(row.loss).label), _whole(row.seeds), measured(row.mean, row.low, row.high),
             measured(row.lift, row.lift_low, row.lift_high, 2)) for row in data.board(AP, "val").itertuples()]  # fmt: skip
    floor = data.floor(AP, "val")
    if floor is not None:
        rows.append((Cell("Frozen features (floor)"), Cell("–"), Cell(number(floor), floor), Cell("1.00", 1.0)))
    table = data.leaderboard
    return Table(f"{data.name}-validation", "Validation mAP and its lift over frozen features. Optimistic: learning rates and "
                 "heads were chosen on these classes; the test table is the one to quote.",
                 (Column("Loss"), Column("Seeds", True), Column("mAP (validation)", True), Column("Lift", True)), tuple(rows),
                 table[(table["split"] == "val") & (table["metric"] == AP)].drop(columns="dataset"), sortable=True, folded=True)  # fmt: skip


def _gap_table(data: DatasetEvidence, look: Looks) -> Table:
    names = {"gap": "Gap", "fewer_negatives": "Fewer negatives", "fewer_positives": "Fewer positives",
             "batch_AP": "AP in batch", "set_AP": "AP over set"}  # fmt: skip
    order = list(look)
    table = data.gap.sort_values(["train_batch_size", "measure_batch_size"], kind="stable")
    table = table.sort_values("loss", key=lambda column: column.map(order.index), kind="stable")
    rows = tuple(
        (Cell(look[row["loss"]].label), Cell("–", 0.0) if row["train_batch_size"] == 0 else _whole(row["train_batch_size"]),
         _whole(row["measure_batch_size"]), _whole(row["seeds"]),
         *(measured(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names))
        for _, row in table.iterrows()
    )  # fmt: skip
    columns = (Column("Loss"), *(Column(title, True) for title in ("Trained at", "Measured at", "Seeds", *names.values())))
    return Table(f"{data.name}-gap", "The gap and its parts for every training and measuring batch size, mean over seeds above its "
                 "95 % interval; AP over the set belongs beside it, since a gap moves with it.",
                 columns, rows, data.gap.drop(columns="dataset"), sortable=True, folded=True)  # fmt: skip


def _whole(value: float) -> Cell:
    return Cell(f"{int(value):,}", float(value)) if not pd.isna(value) else Cell(number(None))


def _p(value: float) -> Cell:
    if value is None or not math.isfinite(value):
        return Cell(number(None))
    return Cell("<0.001" if value < 0.001 else number(value), float(value))


