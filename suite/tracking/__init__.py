"""MLflow as a view of the recorded runs: written live while training, rebuilt from records at any time.

A study is an experiment. It holds a run named by the study (`suite.tracking.overview`), and below it a run
`D-L-<batch size>-<seed>` for each recorded run (`-steps` behind it where the budget is equal steps); docs/mlflow.md
says what each shows.

Importing this package is cheap; MLflow itself is imported when a store is first opened.
"""

from suite.tracking.live import LiveTracker
from suite.tracking.server import serve
from suite.tracking.store import prepare_store
from suite.tracking.sync import SyncResult, sync

__all__ = ["LiveTracker", "SyncResult", "prepare_store", "serve", "sync"]
