"""From cases and implementations to verdicts."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from suite.conformance.cases import Case, cases
from suite.conformance.layout import AGREES, CANNOT, DIFFERS, NOT_INSTALLED, UNEXPLAINED
from suite.conformance.peers import PEERS
from suite.conformance.quantities import TOLERANCES, Outcome, Peer, Quantity
from suite.conformance.reasons import REASONS, Key
from suite.files import write_table
from suite.losses import list_losses
from suite.torchvision_schemas import declare_torchvision_schemas

COLUMNS = (
    "implementation",
    "version",
    "quantity",
    "definition",
    "kind",
    "settings",
    "dtype",
    "tolerance",
    "case",
    "batch",
    "verdict",
    "ours",
    "theirs",
    "deviation",
    "gradient_deviation",
    "reason",
)


def write_conformance(output: Path) -> pd.DataFrame:
    """Compare every implementation and write `conformance.parquet` and `conformance.csv` into `output`."""
    table = conformance_table()
    write_table(Path(output) / "conformance", table)
    return table


def conformance_table(
    peers: Iterable[Peer] | None = None, batches: Iterable[Case] | None = None, reasons: Mapping[Key, str] = REASONS
) -> pd.DataFrame:
    """One row an implementation, quantity and case, with the columns of `COLUMNS`.

    A loss that is not registered is left out. A peer that is not installed has its rows all the same.

    Args:
        peers: the implementations; all registered ones by default.
        batches: the cases; all by default.
        reasons: why, by implementation, quantity and case.
    """
    found = [PEERS.resolve(name) for name in PEERS.names()] if peers is None else list(peers)
    chosen = cases() if batches is None else tuple(batches)
    losses = set(list_losses())
    # torchmetrics imports torchvision.
    declare_torchvision_schemas()
    rows = []
    for peer in sorted(found, key=lambda each: (each.name, each.quantities[0].kind)):
        installed, missing = _installed(peer)
        for quantity in peer.quantities:
            if quantity.kind == "loss" and quantity.definition not in losses:
                continue
            for case in (each for each in chosen if each.ref_emb is None or not quantity.own_gallery):
                told = reasons.get((peer.name, quantity.name, case.name), "")
                row = {"verdict": NOT_INSTALLED, "reason": missing} if missing else compare(quantity, case, told)
                rows.append(_described(peer, installed, quantity, case) | row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("tolerance", "ours", "theirs", "deviation", "gradient_deviation"), float))


def compare(quantity: Quantity, case: Case, reason: str = "") -> dict[str, Any]:
    """The verdict on one quantity and case, with both numbers and the largest deviations.

    Args:
        quantity: what is compared.
        case: on what.
        reason: why it deviates, if that is known; without one a deviation is unexplained.

    Returns:
        `verdict`, `ours` and `theirs` (means over the values), `deviation` and `gradient_deviation` (largest
        difference over largest magnitude; NaN where there is none), `reason`; of what the implementation
        raises, the first line.
    """
    ours = quantity.ours(case)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = quantity.theirs(case)
    # Whatever a peer raises is its answer.
    except Exception as error:
        return {"verdict": CANNOT, "ours": _mean(ours), "reason": _first_line(error)}
    deviation = _deviation(ours.values, theirs.values)
    slopes = [_deviation(mine, other) for mine, other in zip(ours.gradients, theirs.gradients, strict=True)]
    gradient = max(slopes, default=float("nan"))
    numbers = {"ours": _mean(ours), "theirs": _mean(theirs), "deviation": deviation, "gradient_deviation": gradient}
    if max([deviation, *slopes]) <= TOLERANCES[quantity.dtype]:
        return {"verdict": AGREES, "reason": ""} | numbers
    return {"verdict": DIFFERS if reason else UNEXPLAINED, "reason": reason} | numbers


def _described(peer: Peer, installed: str, quantity: Quantity, case: Case) -> dict[str, Any]:
    return {
        "implementation": peer.name,
        "version": installed,
        "quantity": quantity.name,
        "definition": quantity.definition,
        "kind": quantity.kind,
        "settings": quantity.settings,
        "dtype": quantity.dtype,
        "tolerance": TOLERANCES[quantity.dtype],
        "case": case.name,
        "batch": case.about,
    }


def _installed(peer: Peer) -> tuple[str, str]:
    """The version of a peer and nothing, or nothing and why it cannot be imported."""
    try:
        importlib.import_module(peer.module)
        return version(peer.name), ""
    # A package that is there but breaks on import is of no more use than one that is not.
    except Exception as error:
        return "", _first_line(error)


def _deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference over largest magnitude; infinite where the shapes differ or a value is not finite."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return float("inf")
    largest = max(np.abs(ours).max(initial=0.0), np.abs(theirs).max(initial=0.0))
    return float(np.abs(ours - theirs).max(initial=0.0) / largest) if largest else 0.0


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0].strip()}"


def _mean(outcome: Outcome) -> float:
    return float(outcome.values.mean())
