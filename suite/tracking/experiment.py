"""A study's experiment in the store: the only code that writes runs, live or from records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from suite.errors import SuiteError
from suite.tracking import record as records
from suite.tracking.inputs import dataset_inputs
from suite.tracking.record import Point, Record
from suite.tracking.store import artifact_location, connect, is_remote, prepare_store

if TYPE_CHECKING:
    from mlflow.entities import Param, Run

COMPLETE = ("FINISHED", "FAILED")
# How runs are laid out in the store. A run with another number, or none, is built anew by `sync`.
LAYOUT = "2"
PARENT = "study"
# MLflow's limits on one log_batch call.
_METRICS, _PARAMETERS = 1000, 100


class Experiment:
    """The experiment of one study, made on first use.

    Args:
        root: the artifacts folder.
        study: the experiment's name.

    Attributes:
        id: the experiment's.
        client: a client of the store.
        uri: the store's.

    Raises:
        SuiteError: the store does not answer, or its artifacts lie in another folder.
    """

    def __init__(self, root: Path, study: str):
        self.root, self.study = Path(root), study
        self.uri = prepare_store(self.root)
        self.client = connect(self.uri)
        self.id = self._find_or_create(study, None if is_remote(self.uri) else artifact_location(self.root))

    def prove(self) -> None:
        """Raise whatever the store raises when it is asked for this experiment; SuiteError if it cannot be written."""
        connect(self.uri).get_experiment(self.id)

    def runs(self) -> dict[str, list[Run]]:
        """The runs of the study by fingerprint, parents left out."""
        found: dict[str, list[Run]] = {}
        for run in self._search(f"tags.role != '{PARENT}'"):
            if fingerprint := run.data.tags.get("fingerprint"):
                found.setdefault(fingerprint, []).append(run)
        return found

    def twins(self, fingerprint: str) -> list[Run]:
        """The runs of the study that have this fingerprint."""
        return self._search(f"tags.fingerprint = '{fingerprint}'")

    def parent(self) -> Run:
        """The run above all others, named by the study; made if missing."""
        found = self._parents()
        parent = found[0] if found else self._made_parent()
        self.keep_alone(parent)
        return parent

    def keep_alone(self, parent: Run) -> None:
        """Delete other parents, of an older layout too: a server that hangs may make one again for a request given up.

        Those of older layouts stood above the runs of one data set and loss.
        """
        for twin in [*self._parents(), *self._search("tags.role = 'parent'")]:
            if twin.info.run_id != parent.info.run_id:
                self.delete(twin.info.run_id)

    def end(self, parent: Run) -> None:
        """End the parent, unless it has."""
        if parent.info.status != "FINISHED":
            self.client.set_terminated(parent.info.run_id, "FINISHED")

    def create(self, run: Mapping[str, Any], parent: str, started: int | None = None) -> str:
        """Open a run below `parent` with its tags and parameters; returns its run id."""
        tags = records.tags(run) | {"mlflow.parentRunId": parent, "current": "true", "layout": LAYOUT}
        created = self.client.create_run(self.id, started, tags, records.run_name(run))
        params = _params(records.parameters(run))
        for start in range(0, len(params), _PARAMETERS):
            self.client.log_batch(created.info.run_id, params=params[start : start + _PARAMETERS])
        self.client.log_inputs(created.info.run_id, dataset_inputs(self.root, run))
        return created.info.run_id

    def log(self, run_id: str, points: list[Point]) -> None:
        """Write metric points to an open run."""
        from mlflow.entities import Metric

        metrics = [Metric(point.key, point.value, point.timestamp, point.step) for point in points]
        for start in range(0, len(metrics), _METRICS):
            self.client.log_batch(run_id, metrics=metrics[start : start + _METRICS])

    def complete(
        self, run_id: str, record: Record, logged: Iterable[tuple[str, int]] = (), ended: int | None = None
    ) -> None:
        """Bring an open run up to its record and end it.

        `logged` names the points of the history (series and step) that the run has already, `ended` is the time of a
        run whose record has none. The status is written last: a run that has one is whole.
        """
        finished = record.time("finished") or ended or now()
        started = record.time("started") or finished
        points = records.history_points(record, logged, started, finished)
        self.log(run_id, points + records.final_points(record, finished))
        self.client.log_text(run_id, _json(record.run), "run.json")
        if record.provenance:
            self.client.log_text(run_id, _json(record.provenance), "provenance.json")
        for path in record.files:
            self.client.log_artifact(run_id, str(path))
        if error := record.run.get("error"):
            self.client.set_tag(run_id, "error", str(error)[:5000])
        if commit := record.provenance.get("commit"):
            self.client.set_tag(run_id, "mlflow.source.git.commit", commit)
        self.client.set_terminated(run_id, record.status, finished)

    def publish(self, run: Run, folder: str, digest: str, write: Callable[[Path], None]) -> bool:
        """Bring a folder of a run's artifacts up to date; whether anything was written.

        Args:
            run: as it stands in the store.
            folder: its place among the run's artifacts.
            digest: of what the folder is to hold; the run is tagged with it.
            write: fills an empty directory with what the folder is to hold.
        """
        tag = f"digest.{folder}"
        if run.data.tags.get(tag) == digest:
            return False
        with TemporaryDirectory() as temporary:
            write(Path(temporary))
            # A figure that is no longer drawn must not stay.
            self._clear(run, folder)
            self.client.log_artifacts(run.info.run_id, temporary, folder)
        self.client.set_tag(run.info.run_id, tag, digest)
        return True

    def tag(self, run: Run, key: str, value: str) -> None:
        """Set a tag of a run if it has another value."""
        if run.data.tags.get(key) != value:
            self.client.set_tag(run.info.run_id, key, value)

    def interrupt(self, run_id: str) -> None:
        """Mark an open run as killed."""
        self.client.set_terminated(run_id, "KILLED")

    def delete(self, run_id: str) -> None:
        """Take a run out of the experiment."""
        self.client.delete_run(run_id)

    def _made_parent(self) -> Run:
        made = self.client.create_run(self.id, tags={"role": PARENT}, run_name=self.study)
        # A parameter cannot change later, and settings may.
        self.client.log_batch(made.info.run_id, params=_params({"study": self.study}))
        return self.client.get_run(made.info.run_id)

    def _clear(self, run: Run, folder: str) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if self.client.list_artifacts(run.info.run_id, folder):
            get_artifact_repository(run.info.artifact_uri, self.uri).delete_artifacts(folder)

    def _parents(self) -> list[Run]:
        return self._search(f"tags.role = '{PARENT}'")

    def _search(self, query: str) -> list[Run]:
        page = self.client.search_runs([self.id], query, max_results=1000)
        found = list(page)
        while page.token:
            page = self.client.search_runs([self.id], query, max_results=1000, page_token=page.token)
            found += page
        return found

    def _find_or_create(self, study: str, location: str | None) -> str:
        found = self.client.get_experiment_by_name(study)
        if found is None:
            # The kind keeps the UI from asking, and opens the runs instead of the traces of language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return self.client.create_experiment(study, location, kind)
        if location is not None and found.artifact_location != location:
            raise SuiteError(
                f"the MLflow store keeps artifacts in {found.artifact_location}, not in {location}: it was "
                "made in another folder; delete its mlflow folder and run 'ranksuite mlflow sync'"
            )
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id


def _params(values: Mapping[str, str]) -> list[Param]:
    from mlflow.entities import Param

    return [Param(key, value) for key, value in values.items()]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def now() -> int:
    """Milliseconds since 1970 (UTC)."""
    return round(time.time() * 1000)
