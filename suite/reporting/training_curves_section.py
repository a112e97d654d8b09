"""How training went: validation mAP and training loss against epoch, and when validation was best."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.model import (
    Block,
    Cell,
    Column,
    Figure,
    Paragraph,
    Runs,
    Table,
    count,
    measured,
    number,
    whole,
    with_interval,
)
from suite.reporting.plates import render
from suite.reporting.training_figures import training_loss_figure, validation_figure
from suite.statistics.intervals import t_interval

CASE = ["loss", "batch_size"]


def training_curves(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Block]:
    """Curves of the main runs and of those trained end to end; a sentence where no history is on record."""
    order = list(evidence.params.losses)
    curves = data.curves.sort_values("loss", key=lambda names: names.map(order.index), kind="stable")
    if curves.empty:
        return [
            Paragraph(
                "No training history is on record, so whether training had levelled off where it stopped cannot be "
                "told."
            )
        ]
    validation, training = over_seeds(curves, "validation"), over_seeds(curves, "training_loss")
    best = best_validations(curves)
    blocks: list[Block] = [Paragraph(_text(data, curves, best))]
    if not validation.empty:
        wholes = {loss for loss in curves["loss"] if evidence.params.protocol(loss) == "full"}
        caption = (
            f"Validation mAP along training on {data.short}: mean over seeds and 95 % interval, t over seeds (for new "
            "seeds on the same classes). See whether the curves have levelled off, and where they turn down: the state "
            "that is tested is the one of the highest point of each run. Losses stand a little aside of one another."
        )
        wide, narrow = render(validation_figure, validation, wholes, look)
        blocks.append(
            Figure(
                f"{data.name}-validation-curves",
                caption,
                _alt(validation, look),
                wide,
                narrow,
                validation,
                detail=True,
            )
        )
    caption = (
        f"Training loss along training on {data.short}: mean over the steps of an epoch, then over seeds, with its 95 "
        "% interval, t over seeds. Every loss has a scale of its own: see the shape, and compare no heights between "
        "panels."
    )
    wide, narrow = render(training_loss_figure, training, look)
    blocks.append(
        Figure(
            f"{data.name}-training-loss",
            caption,
            f"Training loss against epoch, a panel a loss: {_ends(training, look)}.",
            wide,
            narrow,
            training,
            detail=True,
        )
    )
    if not best.empty:
        blocks.append(_table(evidence, data, best))
    return blocks


def over_seeds(curves: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean and t interval over seeds of a column of the curves, a row a loss, batch size and epoch, in their order."""
    rows = []
    for (loss, size, epoch), part in curves.dropna(subset=[value]).groupby([*CASE, "epoch"], sort=False):
        interval = t_interval(part[value].to_numpy())
        row = {"loss": loss, "batch_size": size, "epoch": epoch, "seeds": len(part)}
        rows.append(row | {end: float(part) for end, part in interval._asdict().items()})
    columns = [*CASE, "epoch", "seeds", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def best_validations(curves: pd.DataFrame) -> pd.DataFrame:
    """A row a run with validations: the first epoch of its best one, its value, and the value of the last one."""
    rows = []
    for (loss, size, seed), run in curves.dropna(subset=["validation"]).groupby([*CASE, "seed"], sort=False):
        part = run.sort_values("epoch")
        best = part.loc[part["validation"].idxmax()]
        last = part.iloc[-1]
        row = {"loss": loss, "batch_size": size, "seed": seed, "best_epoch": best["epoch"], "best": best["validation"]}
        rows.append(row | {"last_epoch": last["epoch"], "last": last["validation"]})
    columns = [*CASE, "seed", "best_epoch", "best", "last_epoch", "last"]
    return pd.DataFrame(rows, columns=columns)


def _text(data: DatasetEvidence, curves: pd.DataFrame, best: pd.DataFrame) -> str:
    runs = curves["fingerprint"].nunique()
    text = f"The curves are of {count(runs, 'run')}: those at the main batch size and those trained end to end."
    if not data.failed.empty:
        text += f" {count(len(data.failed), 'failed run')} left no curve."
    if best.empty:
        return f"{text} No validation is on record, so when training should have stopped cannot be told."
    late = int((best["best_epoch"] == best["last_epoch"]).sum())
    text += (
        f" At the last validation {late} of {count(len(best), 'run')} {'was' if late == 1 else 'were'} at their best"
    )
    text += (
        ": longer training might have taken them further, so the comparison holds for this many epochs."
        if late
        else ": none was cut short while it still rose."
    )
    if best.groupby(CASE)["seed"].nunique().max() < 2:
        text += " With one seed a loss there is no interval, and a bend may be the luck of a run."
    return text


def _table(evidence: Evidence, data: DatasetEvidence, best: pd.DataFrame) -> Table:
    rows = []
    for (loss, size), part in best.groupby(CASE, sort=False):
        runs = Runs(data.name, loss, int(size), "epochs")
        epochs = part["best_epoch"]
        reached = measured(*(float(value) for value in t_interval(part["best"].to_numpy())))
        lost = measured(*(float(value) for value in t_interval((part["last"] - part["best"]).to_numpy())), sign=True)
        rows.append(
            (
                Cell(evidence.label(loss)),
                whole(size),
                replace(whole(len(part)), runs=runs),
                Cell(_epoch(part["last_epoch"].max()), float(part["last_epoch"].max())),
                Cell(_epoch(epochs.median()), float(epochs.median()), _span(epochs)),
                replace(reached, runs=runs),
                replace(lost, runs=runs),
            )
        )
    columns = (
        Column("Loss"),
        Column("Batch", True),
        Column("Seeds", True),
        Column("Epochs", True),
        Column("Best epoch", True),
        Column("mAP (validation)", True),
        Column("last − best", True),
    )
    caption = (
        "When validation was best: median over seeds above the earliest and the latest, validation mAP there (mean and "
        "95 % interval, t over seeds), and what it had changed by at the last validation."
    )
    return Table(f"{data.name}-best-validation", caption, columns, tuple(rows), best, sortable=True, folded=True)


def _epoch(value: float) -> str:
    return f"{value:g}" if float(value).is_integer() else number(value, 1)


def _span(epochs: pd.Series) -> str:
    ends = dict.fromkeys((_epoch(epochs.min()), _epoch(epochs.max())))
    return " to ".join(ends) if len(ends) > 1 else ""


def _alt(validation: pd.DataFrame, look: Looks) -> str:
    parts = [
        f"{look[loss].label} ends at {with_interval(*rows[['mean', 'low', 'high']].iloc[-1])}"
        for loss, rows in validation.groupby("loss", sort=False)
    ]
    return f"Validation mAP against epoch: {'; '.join(parts)}."


def _ends(training: pd.DataFrame, look: Looks) -> str:
    return "; ".join(
        f"{look[loss].label} from {number(rows['mean'].iloc[0])} to {number(rows['mean'].iloc[-1])}"
        for loss, rows in training.groupby("loss", sort=False)
    )
