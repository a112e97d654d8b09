"""What a run found, from its records alone: a short table, and the bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suite.benchmarking.amounts import amount
from suite.benchmarking.gpu.checks import Check
from suite.benchmarking.gpu.study import DEFAULT

BLOCKWISE, FUSED, GRAPH = "blockwise", "fused", "graph"
FASTER, LEAN_BYTES, WITHIN, NO_SLOWER = 5.0, 2e9, 2.5, 1.1


@dataclass(frozen=True)
class Record:
    """One timing.

    Attributes:
        loss, batch_size: the case.
        kernels: `blockwise`, `fused`, or `graph`: the fused ones as a replayed CUDA graph.
        precision: of the fused kernels.
        fours: classes of 4 and one gallery: what the bars on a batch size speak of.
        floor_ms: the counted floor, with the measured rates.
        median_ms, q1_ms, q3_ms, rounds, first_ms: see `Timing`; None where it did not run.
        extra_bytes: held at most beyond inputs and gradients; None where it is not known.
        obstacle: why it did not run.
    """

    loss: str
    batch_size: int
    kernels: str
    precision: str
    fours: bool
    floor_ms: float
    median_ms: float | None = None
    q1_ms: float | None = None
    q3_ms: float | None = None
    rounds: int = 0
    first_ms: float | None = None
    extra_bytes: int | None = None
    obstacle: str = ""


def timing_lines(records: Sequence[Record]) -> list[str]:
    """The table: a line a loss, batch size and precision, with the blockwise time beside it."""
    header = ("loss", "B", "precision", "blockwise ms", "fused ms", "faster", "graph ms", "floor ms", "x floor", "MB")
    rows = [header]
    for fused in (record for record in records if record.kernels == FUSED):
        blockwise, graph = (_like(fused, kernels, records) for kernels in (BLOCKWISE, GRAPH))
        ratio, over = _ratio(blockwise, fused), _over_floor(fused)
        rows.append(
            (
                fused.loss,
                f"{fused.batch_size:,}",
                fused.precision,
                _milliseconds(blockwise),
                _milliseconds(fused),
                _known(ratio, amount),
                _milliseconds(graph),
                amount(fused.floor_ms),
                _known(over, amount),
                _known(fused.extra_bytes, lambda found: f"{found / 1e6:,.0f}"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if nth in (0, 2) else cell.rjust(width)
            for nth, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def bar_lines(records: Sequence[Record]) -> list[str]:
    """One line a bar: holds, misses, or not measured, and the values behind it, the worst first."""
    default = [record for record in records if record.kernels == FUSED and record.precision == DEFAULT]
    fours = [record for record in default if record.fours]
    ratios = [(_ratio(_like(record, BLOCKWISE, records), record), record) for record in default]
    quick = [found for found in ratios if found[1].fours and found[1].batch_size == 4096]
    lean = [(record.extra_bytes, record) for record in fours if record.batch_size == 65536]
    near = [(_over_floor(record), record) for record in fours if record.batch_size >= 4096]
    return [
        _bar(f"B 4,096 at least {FASTER:g} times faster than blockwise", quick, lambda found: found >= FASTER, False),
        _bar(
            f"B 65,536 under {LEAN_BYTES / 1e9:g} GB beyond inputs and gradients",
            lean,
            lambda found: found < LEAN_BYTES,
            True,
            lambda found: f"{found / 1e6:,.0f} MB",
        ),
        _bar(f"within {WITHIN:g} times of the floor from B 4,096 on", near, lambda found: found <= WITHIN, True),
        _bar(
            "no shape slower than blockwise by more than 10 %",
            ratios,
            lambda found: found * NO_SLOWER >= 1.0,
            False,
        ),
    ]


def check_lines(checks: Sequence[Check]) -> list[str]:
    """Every check that fails, with what was found, and how many hold."""
    failing = [f"FAILS  {check.name}, {check.loss}: {check.found}" for check in checks if not check.holds]
    return [*failing, f"{len(checks) - len(failing)} of {len(checks)} checks hold"]


def _bar(
    name: str,
    found: Sequence[tuple[float | None, Record]],
    holds: Callable[[float], bool],
    high_is_worse: bool,
    words: Callable[[float], str] = amount,
) -> str:
    measured = sorted(
        ((value, record) for value, record in found if value is not None),
        key=lambda pair: pair[0],
        reverse=high_is_worse,
    )
    # A shape that could not run at all is no shape that a bar holds for.
    broken = [record for _, record in found if record.obstacle]
    if not measured and not broken:
        return f"not measured  {name}"
    kept = all(holds(value) for value, _ in measured) and not broken
    shown = [f"{record.loss} at {record.batch_size:,}: {record.obstacle}" for record in broken]
    shown += [f"{record.loss} at {record.batch_size:,} {words(value)}" for value, record in measured]
    more = f"; {len(shown) - 4} more" if len(shown) > 4 else ""
    return f"{'holds' if kept else 'MISSES'}  {name}: {', '.join(shown[:4])}{more}"


def _like(record: Record, kernels: str, records: Sequence[Record]) -> Record | None:
    """The same case on other kernels."""
    for other in records:
        same = (other.loss, other.batch_size, other.kernels) == (record.loss, record.batch_size, kernels)
        if same and (kernels == BLOCKWISE or other.precision == record.precision):
            return other
    return None


def _ratio(blockwise: Record | None, fused: Record) -> float | None:
    if blockwise is None or blockwise.median_ms is None or fused.median_ms is None:
        return None
    return blockwise.median_ms / fused.median_ms


def _over_floor(record: Record) -> float | None:
    return None if record.median_ms is None else record.median_ms / record.floor_ms


def _milliseconds(record: Record | None) -> str:
    if record is None:
        return "-"
    return record.obstacle or _known(record.median_ms, amount)


def _known(value: float | None, words: Callable[[float], str]) -> str:
    return "-" if value is None else words(value)
