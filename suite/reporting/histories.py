"""Training histories, read at once as curves: of every run a row an epoch, and a row a validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from suite.config import Params
from suite.errors import SuiteError

_SCORE = "val/level0/AP"
_READ = ["step", "epoch", "loss", _SCORE]
CURVES = {
    "loss": "str",
    "batch_size": "int64",
    "seed": "int64",
    "fingerprint": "str",
    "epoch": "float64",
    "training_loss": "float64",
    "validation": "float64",
}


def read_curves(runs: pd.DataFrame, folder: Path, params: Params) -> pd.DataFrame:
    """Curves of the main runs and of those that train the whole network, of the `runs` table of one data set.

    Args:
        runs: the `runs` table; runs that did not finish are left out, and those whose history is not on record.
        folder: of the data set's recorded runs.
        params: the study.

    Returns:
        `CURVES`: a row an epoch with `training_loss`, the mean over its steps, and a row a validation with
        `validation`, mAP on the validation classes; `epoch` is how many had been trained by then, a fraction where
        a validation stands within one. The other value of a row is NaN.
    """
    asked = runs[(runs["status"] == "finished") & (runs["batch_size"] > 0) & (runs["budget"] == "epochs")]
    parts = []
    for run in asked.itertuples():
        path = folder / run.loss / run.fingerprint / "history.parquet"
        if (run.role == "main" or params.protocol(run.loss) == "full") and path.exists():
            values = _curve(path)
            same = {name: getattr(run, name) for name in ("loss", "batch_size", "seed", "fingerprint")}
            parts.append(pd.DataFrame(same | values))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(CURVES))
    return table.astype(CURVES)[list(CURVES)]


def _curve(path: Path) -> dict[str, np.ndarray]:
    try:
        table = pq.read_table(path, columns=_READ)
        step, epoch, loss, score = (table[name].to_numpy() for name in _READ)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise SuiteError(f"{path}: no training history ({error}); remove its folder and run dvc repro") from None
    epochs, starts = np.unique(epoch, return_index=True)
    sizes = np.diff([*starts, len(loss)])
    means = np.add.reduceat(loss, starts) / sizes
    judged = np.isfinite(score)
    # Steps of an epoch need not be as many as those of another.
    ended = (
        epoch - 1 + (step - step[starts][np.searchsorted(epochs, epoch)] + 1) / sizes[np.searchsorted(epochs, epoch)]
    )
    gap = np.full(len(epochs), np.nan)
    return {
        "epoch": np.concatenate([epochs, ended[judged]]).astype(float),
        "training_loss": np.concatenate([means, np.full(judged.sum(), np.nan)]),
        "validation": np.concatenate([gap, score[judged]]),
    }
