"""Bring the store in step with the recorded runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from suite.config import Params
from suite.tracking.experiment import COMPLETE, LAYOUT, Experiment
from suite.tracking.models import best_record, register
from suite.tracking.overview import Groups, publish_overview
from suite.tracking.record import Record, read_records, tags
from suite.tracking.store import ARTIFACTS, acquire

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class SyncResult:
    """What a sync did to runs, the study's own not counted.

    Attributes:
        created: runs built from their record.
        kept: runs that the store held whole.
        removed: runs taken out of the store: left incomplete, superseded by their record, of an older layout, or twins.
        registered: versions of models made: of data sets whose best run on validation has changed.
        postponed: another process (training that logs live) writes the store, so nothing was done.
    """

    created: int = 0
    kept: int = 0
    removed: int = 0
    registered: int = 0
    postponed: bool = False


def sync(params: Params, root: Path = ARTIFACTS, wait: float = 10.0) -> SyncResult:
    """Make sure that the store shows every recorded run of `params` once and whole, and the study as it stands.

    Runs are matched by their fingerprint tag and must have the recorded status, else they are deleted and
    built anew. Whole runs that no record stands behind any longer stay, tagged `current` = `false`.
    The study's run takes in what the files beside `root` hold: `params.yaml` and `reports/`.
    If another process still writes the store after `wait` seconds, nothing is done and the result says so.
    Raises SuiteError if the store or a record cannot be read.
    """
    root = Path(root)
    groups = {
        (dataset, loss): read_records(root, dataset, loss) for dataset in params.datasets for loss in params.losses
    }
    try:
        held = acquire(root, "writer", wait)
    except Timeout:
        return SyncResult(postponed=True)
    with held:
        return _sync(Experiment(root, params.study), params, {key: group for key, group in groups.items() if group})


def _sync(experiment: Experiment, params: Params, groups: Groups) -> SyncResult:
    stored = experiment.runs()
    parent = experiment.parent()
    created = kept = removed = registered = 0
    run_ids: dict[str, str] = {}
    for record in (record for group in groups.values() for record in group):
        twins = stored.pop(record.fingerprint, [])
        whole = next((run for run in twins if _is_whole(run, record)), None)
        for run in twins:
            if run is not whole:
                experiment.delete(run.info.run_id)
                removed += 1
        if whole is None:
            run_id = experiment.create(record.run, parent.info.run_id, record.time("started"))
            experiment.complete(run_id, record)
            created += 1
        else:
            run_id = whole.info.run_id
            # How a run is shown (label, role) may have changed since it was stored, and its parent been made anew.
            shown = tags(record.run) | {"current": "true", "mlflow.parentRunId": parent.info.run_id}
            for key, value in shown.items():
                experiment.tag(whole, key, value)
            kept += 1
        run_ids[record.fingerprint] = run_id
    for run in (run for runs in stored.values() for run in runs):
        if run.info.status in COMPLETE:
            experiment.tag(run, "current", "false")
            experiment.tag(run, "mlflow.parentRunId", parent.info.run_id)
        else:
            experiment.delete(run.info.run_id)
            removed += 1
    for dataset in params.datasets:
        records = [record for (name, _), group in groups.items() if name == dataset for record in group]
        if best := best_record(params, records):
            registered += register(experiment, best, run_ids[best.fingerprint])
    publish_overview(experiment, parent, params, groups)
    experiment.end(parent)
    return SyncResult(created, kept, removed, registered)


def _is_whole(run: Run, record: Record) -> bool:
    return run.info.status == record.status and run.data.tags.get("layout") == LAYOUT
