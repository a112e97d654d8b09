"""A study's experiment in the store: the only code that writes runs, live or from records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.errors import SuiteError
from suite.tracking import record as records
from suite.tracking.record import Point, Record
from suite.tracking.store import artifact_location, connect, is_remote, prepare_store

if TYPE_CHECKING:
    from mlflow.entities import Param, Run

COMPLETE = ("FINISHED", "FAILED")
# MLflow's limits on one log_batch call.
_METRICS, _PARAMETERS = 1000, 100


class Experiment:
    """The experiment of one study, made on first use.

    Args:
        root: the artifacts folder.
        study: the experiment's name.

    Raises:
        SuiteError: the store does not answer, or its artifacts lie in another folder.
    """

    def __init__(self, root: Path, study: str):
        self.root = Path(root)
        self._uri = prepare_store(self.root)
        self._client = connect(self._uri)
        self.id = self._find_or_create(study, None if is_remote(self._uri) else artifact_location(self.root))

    def prove(self) -> None:
        """Raise whatever the store raises when it is asked for this experiment; SuiteError if it cannot be written."""
        connect(self._uri).get_experiment(self.id)

    def runs(self) -> dict[str, list[Run]]:
        """The runs of the study by fingerprint, parents left out."""
        found: dict[str, list[Run]] = {}
        for run in self._search("tags.role != 'parent'"):
            if fingerprint := run.data.tags.get("fingerprint"):
                found.setdefault(fingerprint, []).append(run)
        return found

    def twins(self, fingerprint: str) -> list[Run]:
        """The runs of the study that have this fingerprint."""
        return self._search(f"tags.fingerprint = '{fingerprint}'")

    def parent(self, run: Mapping[str, Any]) -> Run:
        """The parent of `run`, one for each data set and loss; made if missing."""
        group = records.group(run)
        if found := self._parents(group):
            self.keep_alone(found[0])
            return found[0]
        tags = {key: str(run[key]) for key in ("dataset", "loss", "label", "protocol")}
        tags |= {"role": "parent", "group": group}
        made = self._client.create_run(self.id, tags=tags, run_name=group)
        # Parameters cannot change later, so a parent has only those that name it (plots want one).
        named = {key: tags[key] for key in ("dataset", "loss")}
        self._client.log_batch(made.info.run_id, params=_params(named))
        return made

    def keep_alone(self, parent: Run) -> None:
        """Delete other parents of the same group: a server that hangs may make one again for a request given up."""
        for twin in self._parents(parent.data.tags["group"]):
            if twin.info.run_id != parent.info.run_id:
                self.delete(twin.info.run_id)

    def create(self, run: Mapping[str, Any], parent: str, started: int | None = None) -> str:
        """Open a run below `parent` with its tags and parameters; returns its run id."""
        tags = records.tags(run) | {"mlflow.parentRunId": parent, "current": "true"}
        created = self._client.create_run(self.id, started, tags, records.run_name(run))
        params = _params(records.parameters(run))
        for start in range(0, len(params), _PARAMETERS):
            self._client.log_batch(created.info.run_id, params=params[start : start + _PARAMETERS])
        return created.info.run_id

    def log(self, run_id: str, points: list[Point]) -> None:
        """Write metric points to an open run."""
        from mlflow.entities import Metric

        metrics = [Metric(point.key, point.value, point.timestamp, point.step) for point in points]
        for start in range(0, len(metrics), _METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + _METRICS])

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
        self._client.log_text(run_id, json.dumps(record.run, indent=2, sort_keys=True) + "\n", "run.json")
        for path in record.files:
            self._client.log_artifact(run_id, str(path))
        if error := record.run.get("error"):
            self._client.set_tag(run_id, "error", str(error)[:5000])
        if commit := record.provenance.get("commit"):
            self._client.set_tag(run_id, "mlflow.source.git.commit", commit)
        self._client.set_terminated(run_id, record.status, finished)

    def summarise(self, parent: Run, group: list[Record]) -> None:
        """Give a parent the mean final metrics over its main seeds, and end it."""
        run_id, stamp = parent.info.run_id, now()
        # Only what changed is written, so that a second sync writes nothing.
        known = parent.data.metrics
        changed = {key: value for key, value in records.means(group).items() if known.get(key) != value}
        self.log(run_id, [Point(key, value, stamp, 0) for key, value in changed.items()])
        self.tag(parent, "seeds", ",".join(str(r.run["seed"]) for r in records.main_runs(group)))
        if parent.info.status != "FINISHED":
            self._client.set_terminated(run_id, "FINISHED", stamp)

    def tag(self, run: Run, key: str, value: str) -> None:
        """Set a tag of a run if it has another value."""
        if run.data.tags.get(key) != value:
            self._client.set_tag(run.info.run_id, key, value)

    def interrupt(self, run_id: str) -> None:
        """Mark an open run as killed."""
        self._client.set_terminated(run_id, "KILLED")

    def delete(self, run_id: str) -> None:
        """Take a run out of the experiment."""
        self._client.delete_run(run_id)

    def _parents(self, group: str) -> list[Run]:
        return self._search(f"tags.role = 'parent' and tags.group = '{group}'")

    def _search(self, query: str) -> list[Run]:
        page = self._client.search_runs([self.id], query, max_results=1000)
        found = list(page)
        while page.token:
            page = self._client.search_runs([self.id], query, max_results=1000, page_token=page.token)
            found += page
        return found

    def _find_or_create(self, study: str, location: str | None) -> str:
        found = self._client.get_experiment_by_name(study)
        if found is None:
            # The kind keeps the UI from asking, and opens the runs instead of the traces of language models.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return self._client.create_experiment(study, location, kind)
        if location is not None and found.artifact_location != location:
            raise SuiteError(
                f"the MLflow store keeps artifacts in {found.artifact_location}, not in {location}: it was "
                "made in another folder; delete its mlflow folder and run 'ranksuite mlflow sync'"
            )
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id


def _params(values: Mapping[str, str]) -> list[Param]:
    from mlflow.entities import Param

    return [Param(key, value) for key, value in values.items()]


def now() -> int:
    """Milliseconds since 1970 (UTC)."""
    return round(time.time() * 1000)
