"""MLflow as a view of the recorded runs: written live while training, rebuilt from records at any time.

A study is an experiment. It holds a parent run `D-L` for each data set and loss, which carries the mean final
metrics over the main seeds, and below it a run `D-L-<batch size>-<seed>` for each recorded run:

- parameters: `parameters` of `run.json`, flattened;
- metrics: `val/...` and `test/...` of `metrics.json`, and the columns of `history.parquet` as
  `history/<column>`, thinned to about 200 steps and every validation (the file itself is an artifact);
- tags: `dataset`, `loss`, `label`, `batch_size`, `seed`, `protocol`, `role` (`main`, `scaling`; `parent`),
  `fingerprint`, `group` (`D-L`), `current` (`false` once no record stands behind the run), `error` where it
  failed;
- artifacts: the files of the run's directory.

Importing this package is cheap; MLflow itself is imported when a store is first opened.
"""

from suite.tracking.live import LiveTracker
from suite.tracking.server import serve
from suite.tracking.store import prepare_store
from suite.tracking.sync import SyncResult, sync

__all__ = ["LiveTracker", "SyncResult", "prepare_store", "serve", "sync"]
