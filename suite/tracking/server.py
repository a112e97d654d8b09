"""Serve the store's web interface."""

from __future__ import annotations

import os
import socket
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import NoReturn

from suite.errors import SuiteError
from suite.tracking.store import (
    ARTIFACTS,
    artifact_location,
    is_remote,
    one_line,
    prepare_store,
    redacted,
    tracking_uri,
)

# The entry point of the suite's application in the group `mlflow.app`.
APP = "ranksuite"


def serve(root: Path = ARTIFACTS, host: str = "127.0.0.1", port: int = 5000) -> NoReturn:
    """Print the address, then become MLflow's server over the store (one worker); a signal ends it.

    It has one page more than MLflow's own (`suite.tracking.pages`).

    Raises SuiteError if the address is taken or cannot be listened on, if the store is a server already, or if the
    suite was installed before it had that page.
    """
    _check_address(host, port)
    if not entry_points(group="mlflow.app", name=APP):
        raise SuiteError("the suite's page for MLflow is not installed: run `make env` (or `pip install --editable .`)")
    if is_remote(uri := tracking_uri(root)):
        raise SuiteError(f"MLFLOW_TRACKING_URI: {redacted(uri)} is a server already; open it in a browser")
    prepare_store(root)
    print(f"MLflow: http://{host}:{port} (Ctrl-C ends it)", flush=True)
    # The URI may hold a password, so it goes by the environment and not by the command line.
    store = {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifact_location(root)}
    options = ["--host", host, "--port", str(port), "--workers", "1", "--app-name", APP]
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", "server", *options], {**os.environ, **store})


def _check_address(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does: a port whose last connections are still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise SuiteError(
            f"{host}:{port}: cannot listen here ({one_line(error)}); end what uses it or choose another port"
        ) from None
