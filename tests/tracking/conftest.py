"""Recorded runs as docs/tables.md lays them down, and a look into the store they end up in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded_networks import FULL, network_state
from study_settings import loss_entry, study

from suite.config import NETWORK_FILES, Params
from suite.files import atomic_directory, write_json
from suite.models.saving import save_state

STEPS = 30


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of a test is the one under its root, whatever the caller's environment names."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def params() -> Params:
    """A study of one data set and two losses, two main seeds."""
    return study(
        study="trial",
        main_batch_size=256,
        seeds={"main": [0, 1], "scaling": [0]},
        losses={name: loss_entry(name, 256) for name in ("supap", "smoothap")},
    )


@pytest.fixture(scope="session")
def describe() -> Callable[..., dict[str, Any]]:
    """Builds the fields of `run.json` that are known before training."""

    def build(loss: str = "supap", seed: int = 0, batch_size: int = 256) -> dict[str, Any]:
        return {
            "fingerprint": f"{loss}{batch_size}{seed}".encode().hex(),
            "study": "trial",
            "dataset": "emoji",
            "loss": loss,
            "label": loss.title(),
            "budget": "epochs",
            "batch_size": batch_size,
            "seed": seed,
            "protocol": "head",
            "role": "main" if batch_size == 256 else "scaling",
            "learning_rate": 0.001,
            "epochs": 3,
            "steps": STEPS,
            "parameters": {"loss": loss, "settings": {"tau": 0.01, "ks": [1, 2]}, "note": "x" * 7000, **FULL},
            "data_digest": "d" * 64,
            "code_digest": "c" * 64,
        }

    return build


@pytest.fixture(scope="session")
def history_rows() -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """Builds the history of a run: a validation ends each third of its steps."""

    def build(run: dict[str, Any]) -> list[dict[str, Any]]:
        steps = run["steps"]
        third = max(1, steps // 3)
        return [
            {
                "step": step,
                "epoch": (step - 1) // third,
                "loss": 1 / step + run["seed"] / 10,
                "learning_rate": 0.001,
                "gradient_norm": float(np.sqrt(step)),
                "val/level0/AP": step / (2 * steps) if step % third == 0 else None,
            }
            for step in range(1, steps + 1)
        ]

    return build


@pytest.fixture(scope="session")
def telemetry_rows() -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    """Builds the telemetry of a run, a row a validation."""

    def build(run: dict[str, Any]) -> list[dict[str, Any]]:
        third = max(1, run["steps"] // 3)
        steps = range(third, run["steps"] + 1, third)
        return [{"step": s, "examples_per_second": 100.0 + s, "memory_bytes": 1000 * s} for s in steps]

    return build


@pytest.fixture(scope="session")
def record_run(history_rows, telemetry_rows) -> Callable[..., Path]:
    """Writes the directory and the provenance of a finished (or, with `error`, failed) run under a root."""

    def write(root: Path, run: dict[str, Any], error: str | None = None, **metrics: float) -> Path:
        place = Path(run["dataset"]) / run["loss"] / run["fingerprint"]
        directory = root / "runs" / place
        with atomic_directory(directory) as temporary:
            if error is not None:
                write_json(temporary / "run.json", {**run, "status": "failed", "error": error})
            else:
                write_json(temporary / "run.json", {**run, "status": "finished", "best_epoch": 2})
                final = {"val/level0/AP": 0.5, "test/level0/AP": 0.4 + run["seed"] / 10, "test/queries": 12.0}
                write_json(temporary / "metrics.json", {**final, **metrics})
                pd.DataFrame(history_rows(run)).to_parquet(temporary / "history.parquet", index=False)
                queries = pd.DataFrame({"item": [3, 4], "level0/AP": [0.25, 0.5 + run["seed"] / 4]})
                queries.to_parquet(temporary / "queries.parquet", index=False)
                state = network_state(run["protocol"], run["seed"])
                save_state(temporary / NETWORK_FILES[run["protocol"]], state)
        times = {"started": "2024-05-01T10:00:00+00:00", "finished": "2024-05-01T10:01:00+00:00"}
        telemetry = pd.DataFrame(telemetry_rows(run)).to_dict("list")
        costs = {"seconds": 60.0, "step_seconds": 0.5, "step_bytes": 4096}
        provenance = {**times, **costs, "commit": "a" * 40, "telemetry": telemetry}
        write_json(root / "provenance" / place.with_suffix(".json"), provenance)
        return directory

    return write
