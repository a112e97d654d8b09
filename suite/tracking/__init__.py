"""MLflow as a view of the recorded runs: written live while training, rebuilt from records at any time.

Importing this package is cheap; MLflow itself is imported when a store is first opened.
"""

from suite.tracking.live import LiveTracker
from suite.tracking.server import serve
from suite.tracking.store import prepare_store
from suite.tracking.sync import SyncResult, sync

__all__ = ["LiveTracker", "SyncResult", "prepare_store", "serve", "sync"]
