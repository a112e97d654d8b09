"""A run from checks to bars; what is known is on disk after every step, since a lent device may go at any time."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
import triton

from suite.benchmarking.amounts import amount
from suite.benchmarking.counting import Rates, floor_ms
from suite.benchmarking.gpu.ceilings import measured_rates
from suite.benchmarking.gpu.checks import Check, captured, checks
from suite.benchmarking.gpu.report import BLOCKWISE, FUSED, GRAPH, Record, bar_lines, check_lines, timing_lines
from suite.benchmarking.gpu.study import DEFAULT, Batch, Case, Study
from suite.benchmarking.gpu.timing import timed
from suite.benchmarking.memory import with_peak_memory
from suite.files import atomic_file, write_json
from suite.kernels.dispatch import use_kernels

INPUT_SETS = 3
"""Batches that calls rotate among, so that no cache holds what the next call reads."""

RATE_NAMES = {
    "tf32": "tf32 operations",
    "bf16": "bf16 operations",
    "ieee": "float32 operations",
    "special": "exponentials",
    "memory": "bytes copied",
    "l2": "bytes from L2",
}

Say = Callable[[str], None]


def run(study: Study, device: torch.device, out: Path, seed: int, stop: float = float("inf"), say: Say = print) -> bool:
    """Check and time everything, write `gpu.json` and `timings.csv` into `out`, and say the table last.

    Args:
        study: what to do.
        device: where.
        out: a directory.
        seed: of all inputs.
        stop: the time (`time.monotonic`) after which no further timing begins.
        say: takes lines.

    Returns:
        Whether all checks hold.
    """
    checked: list[Check] = []
    for check in checks(study, device, seed):
        checked.append(check)
        say(f"{'holds' if check.holds else 'FAILS'}  {check.name}, {check.loss}: {check.found}")
    rates, l2_rate = measured_rates(study, device)
    records: list[Record] = []
    facts = _facts(study, device, seed) | {"rates": asdict(rates) | {"l2": l2_rate}}

    def keep(record: Record) -> None:
        records.append(record)
        _write(out, facts, checked, records)
        taken = record.obstacle or f"{amount(record.median_ms)} ms"
        say(f"{record.loss}, B {record.batch_size:,}, {record.kernels} {record.precision}".rstrip() + f": {taken}")

    _write(out, facts, checked, records)
    for case in study.cases:
        for size in case.sizes:
            _time_case(case, size, study, device, seed, rates, stop, keep, records)
    say("")
    for line in (*_facts_lines(facts), *check_lines(checked), *timing_lines(records), *bar_lines(records)):
        say(line)
    return all(check.holds for check in checked)


def _time_case(
    case: Case,
    size: int,
    study: Study,
    device: torch.device,
    seed: int,
    rates: Rates,
    stop: float,
    keep: Callable[[Record], None],
    records: list[Record],
) -> None:
    of = case.work(size, study.dimensions)
    fours = case.labels == "4 a class" and not case.gallery and not case.settings
    batches = [case.draw(size, study.dimensions, seed + nth, device) for nth in range(INPUT_SETS)]
    kinds = [(FUSED, precision) for precision in case.precisions] + [(BLOCKWISE, "")]
    # SiMix draws its weights on the host, which a graph would not draw again.
    if device.type == "cuda" and not case.settings:
        kinds.insert(1, (GRAPH, DEFAULT))
    for kernels, precision in kinds:
        record = partial(Record, case.title, size, kernels, precision, fours, floor_ms(of, rates, precision or DEFAULT))
        obstacle = _too_long(case, size, study, records) if kernels == BLOCKWISE else ""
        if time.monotonic() > stop:
            obstacle = "no time left"
        if obstacle:
            keep(record(obstacle=obstacle))
            continue
        try:
            keep(record(**_measured(case, batches, kernels, precision or DEFAULT, study, device)))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            keep(record(obstacle="out of memory"))
        # What breaks at one size must not hide what others take.
        except Exception as error:
            keep(record(obstacle=f"{type(error).__name__}: {' '.join(str(error).split())}"[:120]))


def _measured(
    case: Case, batches: list[Batch], kernels: str, precision: str, study: Study, device: torch.device
) -> dict[str, Any]:
    """The fields of a record that are measured."""
    loss = case.loss()
    with use_kernels(BLOCKWISE if kernels == BLOCKWISE else FUSED, precision):
        if kernels == GRAPH:
            replay, _results = captured(case, batches[0])
            return timed([replay], study, device)._asdict()
        calls = [partial(batch.value_and_gradients, loss) for batch in batches]
        timing = timed(calls, study, device)
        _, held = with_peak_memory(calls[0], device)
    return timing._asdict() | {"extra_bytes": held - batches[0].gradient_bytes}


def _too_long(case: Case, size: int, study: Study, records: list[Record]) -> str:
    """Whether a blockwise call would take too long, by the time of the largest smaller batch."""
    smaller = [
        record
        for record in records
        if (record.loss, record.kernels) == (case.title, BLOCKWISE) and record.batch_size < size and record.median_ms
    ]
    if not smaller:
        return ""
    last = max(smaller, key=lambda record: record.batch_size)
    steps = [case.work(batch_size, study.dimensions) for batch_size in (last.batch_size, size)]
    growth = max((size / last.batch_size) ** 2, steps[1].steps / max(1, steps[0].steps))
    return "too long" if last.median_ms * growth > 1000 * study.longest else ""


def _facts(study: Study, device: torch.device, seed: int) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    return {
        "device": name,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "seed": seed,
        "dimensions": study.dimensions,
    }


def _facts_lines(facts: dict[str, Any]) -> list[str]:
    rates = facts["rates"]
    return [
        f"{facts['device']}, torch {facts['torch']}, triton {facts['triton']}, D {facts['dimensions']}, "
        f"seed {facts['seed']}",
        "measured, 10^12 a second: " + ", ".join(f"{name} {rates[key] / 1e12:.3g}" for key, name in RATE_NAMES.items()),
    ]


def _write(out: Path, facts: dict[str, Any], checked: list[Check], records: list[Record]) -> None:
    rows = [asdict(record) for record in records]
    write_json(out / "gpu.json", facts | {"checks": [check._asdict() for check in checked], "timings": rows})
    with atomic_file(out / "timings.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        table = csv.DictWriter(handle, [field.name for field in fields(Record)], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
