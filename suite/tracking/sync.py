"""Bring the store in step with the recorded runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from suite.config import Params
from suite.tracking.experiment import COMPLETE, Experiment
from suite.tracking.record import Record, read_records, tags
from suite.tracking.store import ARTIFACTS, acquire


@dataclass(frozen=True)
class SyncResult:
    """What a sync did to runs, parents not counted.

    Attributes:
        created: runs built from their record.
        kept: runs that the store held whole.
        removed: runs taken out of the store: left incomplete, superseded by their record, or twins.
        postponed: another process (training that logs live) writes the store, so nothing was done.
    """

    created: int = 0
    kept: int = 0
    removed: int = 0
    postponed: bool = False


def sync(params: Params, root: Path = ARTIFACTS, wait: float = 10.0) -> SyncResult:
    """Make sure that the store shows every recorded run of `params` once and whole.

    Runs are matched by their fingerprint tag and must have the recorded status, else they are deleted and
    built anew. Whole runs that no record stands behind any longer stay, tagged `current` = `false`.
    If another process still writes the store after `wait` seconds, nothing is done and the result says so.
    Raises SuiteError if the store or a record cannot be read.
    """
    root = Path(root)
    groups = [read_records(root, dataset, loss) for dataset in params.datasets for loss in params.losses]
    try:
        held = acquire(root, "writer", wait)
    except Timeout:
        return SyncResult(postponed=True)
    with held:
        return _sync(Experiment(root, params.study), [group for group in groups if group])


def _sync(experiment: Experiment, groups: list[list[Record]]) -> SyncResult:
    stored = experiment.runs()
    created = kept = removed = 0
    for group in groups:
        parent = experiment.parent(group[0].run)
        for record in group:
            twins = stored.pop(record.fingerprint, [])
            whole = next((run for run in twins if run.info.status == record.status), None)
            for run in twins:
                if run is not whole:
                    experiment.delete(run.info.run_id)
                    removed += 1
            if whole is None:
                run_id = experiment.create(record.run, parent.info.run_id, record.time("started"))
                experiment.complete(run_id, record)
                created += 1
            else:
                # How a run is shown (label, role) may have changed since it was stored, and its parent been made anew.
                shown = tags(record.run) | {"current": "true", "mlflow.parentRunId": parent.info.run_id}
                for key, value in shown.items():
                    experiment.tag(whole, key, value)
                kept += 1
        experiment.summarise(parent, group)
    for run in (run for runs in stored.values() for run in runs):
        if run.info.status in COMPLETE:
            experiment.tag(run, "current", "false")
        else:
            experiment.delete(run.info.run_id)
            removed += 1
    return SyncResult(created, kept, removed)
