"""The section on what a loss costs: forward and backward timed by the benchmark."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.reporting import figures
from suite.reporting.evidence import Evidence
from suite.reporting.model import Block, Cell, Column, Figure, Paragraph, Table, number


def timing_table(benchmark: dict[str, Any] | None) -> pd.DataFrame:
    """One row a benchmark case: loss, batch size, median and quartiles in ms, rounds, peak memory (bytes)."""
    rows = []
    for case in (benchmark or {}).get("benchmarks", []):
        params, stats = case.get("params") or {}, case["stats"]
        if "loss" in params and "batch_size" in params:
            rows.append(
                {
                    "loss": str(params["loss"]),
                    "batch_size": int(params["batch_size"]),
                    **{f"{name}_ms": 1000 * float(stats[name]) for name in ("median", "q1", "q3")},
                    "rounds": int(stats["rounds"]),
                    "peak_memory_bytes": (case.get("extra_info") or {}).get("peak_memory_bytes"),
                }
            )
    columns = ["loss", "batch_size", "median_ms", "q1_ms", "q3_ms", "rounds", "peak_memory_bytes"]
    return pd.DataFrame(rows, columns=columns)


def timings(evidence: Evidence, look: figures.Looks) -> list[Block]:
    """Forward and backward of every loss against batch size."""
    table = timing_table(evidence.benchmark)
    if table.empty:
        return [Paragraph("No benchmark is on record: `ranksuite benchmark` makes it.")]
    cpu = (evidence.benchmark["machine_info"].get("cpu") or {}) if "machine_info" in evidence.benchmark else {}
    machine = f" Recorded on: {cpu['brand_raw']}." if cpu.get("brand_raw") else ""
    wide, narrow = figures.render(figures.timing_figure, table, look)
    sizes = sorted(table["batch_size"].unique())
    last = table[table["batch_size"] == sizes[-1]].sort_values("median_ms")
    alt = f"Median milliseconds at batch {sizes[-1]}: " + "; ".join(
        f"{look[r.loss].label} {number(r.median_ms, 2)}" for r in last.itertuples()
    )
    caption = (
        "Time of forward and backward of each loss on given embeddings against batch size, both axes "
        "logarithmic. Marks: median of the rounds; bars: quartiles. Grey: peers of other libraries, where "
        "installed (pml: pytorch-metric-learning)."
    )
    rows = []
    for key in (key for key in look if key in set(table["loss"])):
        cells = [Cell(look[key].label)]
        for size in sizes:
            mine = table[(table["loss"] == key) & (table["batch_size"] == size)]
            if mine.empty:
                cells.append(Cell(number(None)))
                continue
            case = mine.iloc[0]
            memory = case["peak_memory_bytes"]
            detail = f"{number(case['q1_ms'], 2)} to {number(case['q3_ms'], 2)}"
            detail += "" if pd.isna(memory) else f"; {memory / 2**20:.1f} MiB"
            cells.append(Cell(number(case["median_ms"], 2), float(case["median_ms"]), detail))
        rows.append(tuple(cells))
    columns = (Column("Loss"), *(Column(f"batch {size} (ms)", True) for size in sizes))
    text = (
        "Timed in one process with `pytest-benchmark`. Timings belong to the machine they were taken "
        "on; compare within the "
        f"table, not across machines.{machine}"
    )
    return [
        Paragraph(text),
        Figure("timings", caption, f"{alt}.", wide, narrow),
        Table(
            "timings",
            "Median time of forward and backward in milliseconds, quartiles below, and peak memory "
            "where it was measured.",
            columns,
            tuple(rows),
            table,
            sortable=True,
        ),
    ]
