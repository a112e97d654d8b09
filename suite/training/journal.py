"""The journal of a grid: a line for every run that began, ended or failed, for whoever wants to know afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from suite.training.specification import RunSpecification


class Journal:
    """Appends to `journal/DATASET/LOSS.jsonl` below the artifacts folder; a context.

    A line has `time` (UTC), `event`, `fingerprint`, `batch_size`, `seed`, `learning_rate` and, after a failure,
    `error`.
    """

    def __init__(self, root: Path, dataset: str, loss: str):
        self.path = Path(root) / "journal" / dataset / f"{loss}.jsonl"

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Line by line: what stands there was so even if this process is killed.
        self._stream = self.path.open("a", buffering=1, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, event: str, spec: RunSpecification, error: str | None = None) -> None:
        """Append a line."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        line |= {key: getattr(spec, key) for key in ("fingerprint", "batch_size", "seed", "learning_rate")}
        self._stream.write(json.dumps(line | ({} if error is None else {"error": error})) + "\n")
