"""MLflow's server with a page of the suite's: `/runs` leads to the runs that have given tags.

Run ids are random, so what must stay valid when the store is built anew (a link in a report) names tags.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from fastapi import FastAPI
    from flask import Response
    from mlflow import MlflowClient

PATH = "/runs"
STUDY = "study"
# The tags that a link may name.
KEYS = ("dataset", "loss", "batch_size", "budget", "seed", "fingerprint")
# Values stand in quotes in a search: what could end one is refused.
_VALUE = re.compile(r"[\w. +/-]{1,250}")
# MLflow's pages are otherwise those for language models.
_LAYOUT = {"workflowType": "machine_learning"}


def create_app() -> FastAPI:
    """MLflow's own application with the page added: the entry point `ranksuite` of the group `mlflow.app`."""
    import mlflow
    from flask import request
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app

    client = mlflow.MlflowClient(tracking_uri=os.environ["MLFLOW_BACKEND_STORE_URI"])
    pages.add_url_rule(PATH, "ranksuite_runs", lambda: _reply(client, request.args.to_dict()))
    return app


def _reply(client: MlflowClient, asked: Mapping[str, str]) -> Response:
    from flask import Response, redirect

    try:
        return redirect(find_runs(client, asked))
    except LookupError as error:
        return Response(f"{error.args[0]}\n", status=404, mimetype="text/plain")


def find_runs(client: MlflowClient, asked: Mapping[str, str]) -> str:
    """Where MLflow's pages show the runs asked for: the page of a single run, or the list of several.

    Args:
        client: of the store.
        asked: `study`, and any of `KEYS`, as text. Without a fingerprint only current runs count.

    Returns:
        The path on this server, from its root; with `study` alone, that of its list of runs.

    Raises:
        LookupError: there are none, or the question cannot be understood; its one line says which.
    """
    unknown = sorted(set(asked) - {STUDY, *KEYS})
    if unknown:
        raise LookupError(f"{unknown[0]}: no key of {PATH}; there are {STUDY}, {', '.join(KEYS)}")
    wrong = [key for key, value in asked.items() if not _VALUE.fullmatch(value)]
    if wrong:
        raise LookupError(f"{wrong[0]}: not a name or number")
    experiment = client.get_experiment_by_name(asked[STUDY]) if STUDY in asked else None
    if experiment is None:
        raise LookupError(f"study: no study '{asked.get(STUDY, '')}' in this store; run `ranksuite mlflow sync`")
    place = f"/#/experiments/{experiment.experiment_id}/runs"
    # In another order MLflow puts runs below their parent, which it shows closed.
    shown = _LAYOUT | {"orderByKey": "tags.`mlflow.runName`", "orderByAsc": "true", "startTime": "ALL"}
    tags = {key: asked[key] for key in KEYS if key in asked}
    if not tags:
        return f"{place}?{_query(shown)}"
    if "fingerprint" not in tags:
        tags["current"] = "true"
    search = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    found = client.search_runs([experiment.experiment_id], search, max_results=2)
    if not found:
        named = ", ".join(f"{key} {asked[key]}" for key in KEYS if key in asked)
        raise LookupError(f"no run of the study '{asked[STUDY]}' has {named}; run `ranksuite mlflow sync`")
    if len(found) == 1:
        return f"{place}/{found[0].info.run_id}?{_query(_LAYOUT)}"
    return f"{place}?{_query(shown | {'searchFilter': search})}"


def _query(values: Mapping[str, str]) -> str:
    return urlencode(values, quote_via=quote)
