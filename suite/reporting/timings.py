"""The section on what a loss costs: time and memory against batch size, ratios to others, and half precision."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.benchmarking.amounts import amount
from suite.benchmarking.goals import Goal, Outcome, outcomes
from suite.benchmarking.timings import FLOOR, SLOPES_FROM, slope_table, timing_table
from suite.reporting import timing_figures
from suite.reporting.evidence import Evidence
from suite.reporting.looks import Looks
from suite.reporting.model import Block, Cell, Column, Figure, Paragraph, Table, count, number
from suite.reporting.plates import render

QUANTITIES = {"median_ms": 1.0, "peak_memory_bytes": 1e6}


def timings(evidence: Evidence, look: Looks) -> list[Block]:
    """Forward and backward of every loss against batch size, and what half precision costs them."""
    table = timing_table(evidence.benchmark)
    if table.empty:
        blocks: list[Block] = [Paragraph("No benchmark is on record: `ranksuite benchmark` makes it.")]
    else:
        styles = timing_figures.timed_looks(table, look)
        blocks = [
            Paragraph(_how(evidence.benchmark)),
            *_ratios(table, styles),
            *_figures(table, styles),
            *_slopes(table, styles),
            _quantities(table, styles, "timings", "median_ms", "Median time of forward and backward in milliseconds"),
            _quantities(
                table,
                styles,
                "memory",
                "peak_memory_bytes",
                "Peak memory of one call beyond its inputs in MB (10⁶ bytes)",
            ),
        ]
    return [*blocks, *_precision(evidence.precision, look)]


def _how(benchmark: dict[str, Any]) -> str:
    """Batches, device and threads of the recorded benchmark."""
    processor = ((benchmark.get("machine_info") or {}).get("cpu") or {}).get("brand_raw")
    extra = [case.get("extra_info") or {} for case in benchmark["benchmarks"]]
    devices = sorted({str(case["device"]) for case in extra if "device" in case})
    threads = sorted({int(case["threads"]) for case in extra if "threads" in case})
    where = ", ".join(
        [
            *([str(processor)] if processor else []),
            *([" and ".join(devices)] if devices and devices != ["cpu"] else []),
            *(count(amount, "thread") for amount in threads),
        ]
    )
    return (
        "Forward and backward on given embeddings, float32, 512 dimensions, 4 images a class around their class "
        "centres, all in one process with `pytest-benchmark`. Memory is what the allocator held at most during one "
        "call beyond its inputs, the gradient included. Timings belong to the machine they were taken on; compare "
        f"within this section, not across machines.{f' Recorded on: {where}.' if where else ''}"
    )


def _ratios(table: pd.DataFrame, look: Looks) -> list[Block]:
    found = [outcome for outcome in outcomes(table) if outcome.value is not None]
    if not found:
        return []
    rows = tuple(
        (
            Cell(look[outcome.goal.loss].label),
            Cell(f"{outcome.goal.batch_size:,}", float(outcome.goal.batch_size)),
            Cell(_against(outcome.goal, look)),
            _value(outcome),
            Cell(_bar(outcome.goal)),
            Cell("met" if outcome.met else "missed", strong=not outcome.met),
        )
        for outcome in found
    )
    frame = pd.DataFrame(
        [
            {
                "loss": outcome.goal.loss,
                "batch_size": outcome.goal.batch_size,
                "kind": outcome.goal.kind,
                "other": outcome.goal.other,
                "value": outcome.value,
                "bar": None if outcome.goal.kind == "runs" else outcome.goal.bar,
                "met": outcome.met,
            }
            for outcome in found
        ]
    )
    return [
        Table(
            "goals",
            "What the kernels set out to reach, and what this run found: ratios of medians and of peak memory.",
            (
                Column("Loss"),
                Column("Batch", True),
                Column("What", wide=True),
                Column("Found", True),
                Column("Bar", True),
                Column("Verdict"),
            ),
            rows,
            frame,
        )
    ]


def _against(goal: Goal, look: Looks) -> str:
    other = look[goal.other].label if goal.other else ""
    return {
        "faster": f"time of {other} over its own",
        "leaner": f"extra memory of {other} over its own",
        "within": f"its time over that of {other}",
        "below": "extra memory",
        "runs": "time of one call",
    }[goal.kind]


def _value(outcome: Outcome) -> Cell:
    unit = {"below": " MB", "runs": " ms"}.get(outcome.goal.kind, " ×")
    return Cell(f"{amount(outcome.value)}{unit}", float(outcome.value))


def _bar(goal: Goal) -> str:
    words = {"faster": "at least {} ×", "leaner": "at least {} ×", "within": "at most {} ×", "below": "below {} MB"}
    return words.get(goal.kind, "runs").format(f"{goal.bar:g}")


def _figures(table: pd.DataFrame, look: Looks) -> list[Block]:
    words = {"median_ms": ("Time", "Median milliseconds"), "peak_memory_bytes": ("Peak memory", "Peak megabytes")}
    explained = (
        "both axes logarithmic. Hollow marks and broken lines: another implementation of the loss of that colour "
        "(pml: pytorch-metric-learning), where installed. Dotted: the three matrix products that any loss on all "
        "scores needs, which hold all scores at once."
    )
    blocks: list[Block] = []
    for (value, unit), name in zip(QUANTITIES.items(), ("timings", "memory"), strict=True):
        known = table.dropna(subset=[value])
        known = known[known.groupby("loss")["batch_size"].transform("nunique") > 1]
        if set(known["loss"]) <= {FLOOR}:
            continue
        what, spoken = words[value]
        largest = known.loc[known.groupby("loss", sort=False)["batch_size"].idxmax()]
        alt = f"{spoken} at the largest batch: " + "; ".join(
            f"{look[row.loss].label} at {row.batch_size} {amount(getattr(row, value) / unit)}"
            for row in largest.itertuples()
        )
        wide, narrow = render(timing_figures.growth_figure, known, value, look)
        caption = f"{what} of forward and backward against batch size, {explained}"
        blocks.append(Figure(name, caption, f"{alt}.", wide, narrow, known, detail=name == "memory"))
    return blocks


def _slopes(table: pd.DataFrame, look: Looks) -> list[Block]:
    fitted = slope_table(table)
    if fitted.empty:
        return []
    rows = tuple(
        (
            Cell(look[row.loss].label),
            Cell(f"{row.smallest:,} to {row.largest:,}"),
            Cell(str(row.sizes), float(row.sizes)),
            *(
                Cell(number(value, 2), None if pd.isna(value) else value)
                for value in (row.time_slope, row.memory_slope)
            ),
        )
        for row in fitted.itertuples()
    )
    columns = (
        Column("Loss"),
        Column("Batch sizes"),
        Column("Sizes", True),
        Column("Time", True),
        Column("Memory", True),
    )
    caption = (
        f"Growth with the batch: exponent p of time and of peak memory, c Bᵖ fitted by least squares in log-log over "
        f"the batch sizes of at least {SLOPES_FROM} that a loss was timed at. All scores of a batch are B², its "
        "embeddings B."
    )
    return [Table("slopes", caption, columns, rows, fitted, sortable=True, folded=True)]


def _quantities(table: pd.DataFrame, look: Looks, name: str, value: str, caption: str) -> Table:
    sizes = sorted(table["batch_size"].unique())
    cells = table.dropna(subset=[value]).set_index(["loss", "batch_size"])[value] / QUANTITIES[value]
    rows = tuple(
        (
            Cell(look[loss].label),
            *(
                Cell(amount(cells[loss, size]), float(cells[loss, size]))
                if (loss, size) in cells.index
                else Cell(number(None))
                for size in sizes
            ),
        )
        for loss in look
    )
    return Table(
        name,
        f"{caption}, by batch size; quartiles of time and rounds are in the CSV.",
        (Column("Loss"), *(Column(f"{size:,}", True) for size in sizes)),
        rows,
        table,
        sortable=True,
        folded=True,
    )


def _precision(table: pd.DataFrame, look: Looks) -> list[Block]:
    if table.empty:
        return []
    first, errors = table.iloc[0], ("ranks_changed", "value_error", "gradient_error")
    rows = tuple(
        (
            Cell(look[row["loss"]].label if row["loss"] in look else row["loss"]),
            Cell(row["embeddings"]),
            Cell(row["scores"]),
            *(
                Cell(_share(row[key]) if key.startswith("ranks") else _relative(row[key]), float(row[key]))
                for key in (*errors, *(f"{key}_given" for key in errors))
            ),
        )
        for row in table.to_dict("records")
    )
    titles = ("Ranks", "Value", "Gradient", "Ranks: scores", "Value: scores", "Gradient: scores")
    half = table[table["embeddings"] == "bfloat16"]
    low, high = (half.loc[half["scores"] == scores, "ranks_changed_given"].max() for scores in ("bfloat16", "float32"))
    caption = (
        f"Error against float64 at tau {first['tau']:g}, batch {first['batch_size']}, embeddings in a cone as nets "
        "give them (cosines around 0.5): share of pairs of query and positive whose rank is another, relative error of "
        "the value, and of the gradient in norm. After the colon, scores alone: against float64 on the same rounded "
        "embeddings, which leaves out what the embeddings lost by their own rounding."
    )
    return [
        Paragraph(
            "Half precision is for embeddings, not for scores: from the same bfloat16 embeddings, scores formed in "
            f"bfloat16 put {_share(low)} of the positives in another rank, scores formed in float32, as the suite "
            f"forms them under autocast too, {_share(high)}."
        ),
        Table(
            "precision",
            caption,
            (Column("Loss"), Column("Embeddings"), Column("Scores"), *(Column(title, True) for title in titles)),
            rows,
            table,
            folded=True,
        ),
    ]


def _share(value: float) -> str:
    return "none" if value == 0 else f"{100 * value:.1f} %"


def _relative(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−")
