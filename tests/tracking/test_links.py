"""The page of the served store that leads from tags to runs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from mlflow import MlflowClient
from store_contents import stored
from tracking_servers import Server, synced_server

from suite.reporting.links import run_link
from suite.reporting.model import Runs

pytestmark = pytest.mark.slow


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def served(tmp_path_factory, params, describe, record_run) -> Iterator[tuple[Path, Server]]:
    """A synced store, served: two seeds at the main batch size, one run at another, equal steps, a failed run."""
    root = tmp_path_factory.mktemp("served")
    for seed in (0, 1):
        record_run(root, describe(seed=seed))
    record_run(root, describe(batch_size=32))
    record_run(root, describe() | {"budget": "steps", "role": "equal_steps", "fingerprint": "ab" * 8})
    record_run(root, describe("smoothap"), error="diverged")
    with synced_server(root, params) as server:
        yield root, server


def ask(server: Server, address: str) -> tuple[int, str, str]:
    """Status, place that is led to, and body of the reply to a link."""
    assert address.startswith(server.address)
    try:
        reply: HTTPResponse = urllib.request.build_opener(_NoRedirect).open(address, timeout=30)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        return reply.status, reply.headers.get("Location", ""), reply.read().decode()


def asked(place: str) -> dict[str, str]:
    """The query of a page of MLflow, which stands behind the fragment's path."""
    return {key: value for key, (value,) in parse_qs(urlsplit(place).fragment.partition("?")[2]).items()}


@pytest.mark.parametrize(
    ("runs", "name"),
    [
        (Runs("emoji", "supap", batch_size=256, budget="epochs", seed=1), "emoji-supap-256-1"),
        (Runs("emoji", "supap", batch_size=32), "emoji-supap-32-0"),
        (Runs("emoji", "supap", budget="steps"), "emoji-supap-256-0-steps"),
        (Runs("emoji", fingerprint="ab" * 8), "emoji-supap-256-0-steps"),
        (Runs("emoji", "smoothap"), "emoji-smoothap-256-0"),
    ],
    ids=["seed", "batch size", "budget", "fingerprint", "failed"],
)
def test_a_link_to_one_run_leads_to_its_page(served, runs: Runs, name: str) -> None:
    root, server = served
    run = stored(root)[name]
    status, place, _ = ask(server, run_link("trial", runs, server.address))
    assert status == 302
    expected = f"/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert urlsplit(place).fragment.partition("?")[0] == expected


def test_a_link_to_several_runs_leads_to_the_list_of_them_alone(served) -> None:
    root, server = served
    status, place, _ = ask(server, run_link("trial", Runs("emoji", "supap", budget="epochs"), server.address))
    (experiment,) = {run.info.experiment_id for run in stored(root).values()}
    assert (status, urlsplit(place).fragment.partition("?")[0]) == (302, f"/experiments/{experiment}/runs")
    client = MlflowClient(tracking_uri=server.address)
    found = client.search_runs([experiment], asked(place)["searchFilter"])
    assert {run.info.run_name for run in found} == {"emoji-supap-256-0", "emoji-supap-256-1", "emoji-supap-32-0"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"study": "trial", "dataset": "emoji", "loss": "triplet"}, "no run of the study 'trial'"),
        ({"study": "elsewhere", "dataset": "emoji"}, "no study 'elsewhere'"),
        ({"dataset": "emoji"}, "no study ''"),
        ({"study": "trial", "dataset": "emoji' or '1' = '1"}, "dataset: not a name or number"),
        ({"study": "trial", "colour": "red"}, "colour: no key of /runs"),
    ],
    ids=["no run", "no study", "no name", "quotes", "another key"],
)
def test_a_link_that_leads_nowhere_says_so_in_a_line(served, query: dict[str, str], words: str) -> None:
    _, server = served
    status, _, body = ask(server, f"{server.address}/runs?{urlencode(query)}")
    assert status == 404
    assert words in body
    assert body.count("\n") == 1


def test_a_study_alone_leads_to_all_its_runs(served) -> None:
    _, server = served
    status, place, _ = ask(server, f"{server.address}/runs?study=trial")
    assert status == 302
    assert "searchFilter" not in asked(place)
