"""Where the tracking store lies, how it is made, and who may write to it."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from suite.errors import SuiteError

if TYPE_CHECKING:
    from mlflow import MlflowClient

ARTIFACTS = Path("artifacts")

# What MLflow must find in the environment before its first import, here and in the server it starts.
_ALWAYS = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_UNLESS_SET = {
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow's own retries would hold up training for minutes when a tracking server is out of reach.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # The suite starts no jobs on the server; without this it would start a queue and its workers.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def prepare_environment() -> None:
    """Set what MLflow reads from the environment: telemetry off, quiet logs, short waits."""
    os.environ.update(_ALWAYS)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def tracking_uri(root: Path = ARTIFACTS) -> str:
    """`MLFLOW_TRACKING_URI` if set, else the SQLite store `root`/mlflow/mlflow.db by its absolute path."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_folder(root) / 'mlflow.db'}"


def is_remote(uri: str) -> bool:
    """Whether `uri` names a tracking server, which keeps its own database and artifacts."""
    return not uri.startswith(("sqlite:", "postgresql", "mysql", "mssql", "file:", "/", "."))


def artifact_location(root: Path = ARTIFACTS) -> str:
    """The `file:` URI of the folder that holds the artifacts of every study."""
    return (_folder(root) / "artifacts").as_uri()


def prepare_store(root: Path = ARTIFACTS) -> str:
    """Make the store if it is missing and return its URI.

    The first writers of an empty database race on its migration, so only the holder of a file lock makes it.
    A second call finds it made. Raises SuiteError if the store cannot be made or written.
    """
    uri = tracking_uri(root)
    try:
        held = acquire(root, "store", wait=120)
    except Timeout:
        path = _folder(root) / "store.lock"
        raise SuiteError(f"{path}: another process has held this lock for two minutes; let it end") from None
    with held:
        connect(uri)
    return uri


def connect(uri: str) -> MlflowClient:
    """A client of the store at `uri`, proven to answer. Raises SuiteError if it does not."""
    prepare_environment()
    if uri.startswith("sqlite:"):
        _check_sqlite(uri)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except ImportError as error:
        remedy = "for PostgreSQL: pip install 'ranksuite[postgres]'"
        raise SuiteError(f"the MLflow store {redacted(uri)} needs a driver ({one_line(error)}); {remedy}") from None
    except MlflowException as error:
        raise SuiteError(f"the MLflow store {redacted(uri)} does not answer: {one_line(error)}") from None
    return client


def acquire(root: Path, name: str, wait: float) -> AbstractContextManager[object]:
    """Take the lock `name` of the store under `root`; leaving the returned context frees it.

    "store" guards the making of the store, "writer" is held by the one process that writes runs.
    Raises filelock.Timeout after `wait` seconds, SuiteError if the folder cannot be made.
    """
    folder = _folder(root)
    lock = FileLock(folder / f"{name}.lock", thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return lock.acquire(timeout=wait)
    except Timeout:
        raise
    except OSError as error:
        raise SuiteError(f"{folder}: the MLflow store cannot be made here: {one_line(error)}") from None


def one_line(error: BaseException) -> str:
    """The message of `error` on one line of at most 300 characters, credentials in URIs left out."""
    return redacted(" ".join(str(error).split()))[:300]


def redacted(text: str) -> str:
    """`text` without the credentials that a URI in it may hold."""
    return re.sub(r"//[^@/\s]*@", "//***@", text)


def _check_sqlite(uri: str) -> None:
    # MLflow retries a database that it cannot open for over a minute; this finds out at once.
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise SuiteError(f"{path}: cannot be opened as the MLflow store: {one_line(error)}") from None


def _folder(root: Path) -> Path:
    return Path(root).resolve() / "mlflow"
