"""The run of the study as a whole: its settings, its means, its tables and its report."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from suite.config import PARAMS, Params
from suite.tracking.models import best_record
from suite.tracking.record import Record, main_runs

if TYPE_CHECKING:
    from mlflow.entities import Run

    from suite.tracking.experiment import Experiment

# The metric of the overview; its whole table is an artifact.
HEADLINE = "test/level0/AP"
_PER_QUERY = "level0/AP"
_NOTE_LENGTH = 8000

Groups = Mapping[tuple[str, str], list[Record]]


def publish_overview(experiment: Experiment, parent: Run, params: Params, groups: Groups) -> None:
    """Have the study's run show what its records, and the files beside the artifacts folder, say now.

    What it shows already is not written again.

    Args:
        experiment: of the study.
        parent: the study's run.
        params: the study's settings.
        groups: the records by data set and loss.
    """
    means = means_table(groups)
    for key, value in _settings(params, groups).items():
        experiment.tag(parent, key, value)
    experiment.tag(parent, "mlflow.note.content", note(params, means))
    tables = {"path": "summary/means.json", "type": "table"}
    queries = [{"path": f"summary/queries-{name}.json", "type": "table"} for name in sorted(means["dataset"].unique())]
    experiment.tag(parent, "mlflow.loggedArtifacts", json.dumps([tables, *queries]))
    summary = json.dumps([[r.fingerprint, r.run["label"]] for group in groups.values() for r in main_runs(group)])
    write = partial(_write_summary, experiment.root, groups, means)
    experiment.publish(parent, "summary", hashlib.sha256(summary.encode()).hexdigest(), write)
    beside = experiment.root.absolute().parent
    reports = beside / "reports"
    folders = {
        "settings": [beside / PARAMS],
        "tables": sorted((experiment.root / "compare").glob("*.csv")),
        "report": [reports / "report.html", reports / "report.pdf"],
        "figures": sorted((reports / "figures").glob("*.svg")),
    }
    for folder, paths in folders.items():
        found = [path for path in paths if path.is_file()]
        if found:
            experiment.publish(parent, folder, _digest(found), _copier(found))
    _publish_examples(experiment, parent, params, groups)


def _publish_examples(experiment: Experiment, parent: Run, params: Params, groups: Groups) -> None:
    """What the loss of each data set's best run finds, where its images and neighbours are at hand."""
    root, shown = experiment.root, {}
    for dataset in params.datasets:
        best = best_record(params, [one for (name, _), group in groups.items() if name == dataset for one in group])
        if best is not None:
            path = root / "measures" / dataset / best.run["loss"] / "neighbours.parquet"
            if path.is_file() and (root / "datasets" / dataset / "card.json").is_file():
                shown[dataset] = (path, best.run["label"])
    if not shown:
        return

    def write(target: Path) -> None:
        # Pillow and the images are read only where something is drawn.
        from suite.tracking.examples import draw_examples

        for dataset, (path, label) in shown.items():
            draw_examples(root, dataset, path, label, target / f"{dataset}.png")

    labels = json.dumps({dataset: label for dataset, (_, label) in shown.items()})
    digest = hashlib.sha256((labels + _digest(path for path, _ in shown.values())).encode()).hexdigest()
    experiment.publish(parent, "examples", digest, write)


def means_table(groups: Groups) -> pd.DataFrame:
    """The mean of every final metric over the finished runs of the main comparison.

    Returns:
        A row a data set and loss that has such runs: `dataset`, `loss`, `label`, `seeds` (how many), then every metric
        of `metrics.json`; NaN where one of them has none.
    """
    rows = []
    for (dataset, loss), records in groups.items():
        if main := main_runs(records):
            about = {"dataset": dataset, "loss": loss, "label": main[-1].run["label"], "seeds": len(main)}
            rows.append(about | pd.DataFrame([record.metrics for record in main]).mean(skipna=False).to_dict())
    return pd.DataFrame(rows, columns=None if rows else ["dataset", "loss", "label", "seeds"])


def note(params: Params, means: pd.DataFrame) -> str:
    """The text at the head of the run's page, in Markdown: the mean of `HEADLINE` by loss and data set."""
    lines = [f"`{HEADLINE}` at batch size {params.main_batch_size}, mean over seeds (their number).", ""]
    if HEADLINE in means:
        shown = means.assign(cell=[_cell(row) for row in means[[HEADLINE, "seeds"]].itertuples(index=False)])
        # `pivot` sorts, and the order of params.yaml is the order of the report.
        names = [name for name in params.datasets if name in set(shown["dataset"])]
        losses = [loss for loss in params.losses if loss in set(shown["loss"])]
        cells = shown.set_index(["loss", "dataset"])["cell"]
        labels = shown.drop_duplicates("loss").set_index("loss")["label"]
        lines += [f"| loss | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        lines += [
            f"| {labels[loss]} | {' | '.join(cells.get((loss, name), '') for name in names)} |" for loss in losses
        ]
    else:
        lines.append("No run of the main comparison has finished yet.")
    lines += [
        "",
        "Artifacts: `summary` (all means; AP of every query), `tables`, `report`, `figures`, `examples`, `settings`.",
    ]
    return "\n".join(lines)[:_NOTE_LENGTH]


def _cell(row: Any) -> str:
    value, seeds = row
    return f"{value:.4f} ({seeds})" if math.isfinite(value) else ""


def _settings(params: Params, groups: Groups) -> dict[str, str]:
    return {
        "datasets": ", ".join(params.datasets),
        "losses": ", ".join(params.losses),
        "backbone": f"{params.backbone.name} at {params.backbone.image_size} px",
        "protocol": params.training.protocol,
        "main_batch_size": str(params.main_batch_size),
        "seeds": ", ".join(map(str, params.seeds.main)),
        "runs": str(sum(map(len, groups.values()))),
    }


def _write_summary(root: Path, groups: Groups, means: pd.DataFrame, target: Path) -> None:
    _write_table(target / "means.json", means)
    for dataset in means["dataset"].unique():
        main = {loss: main_runs(records) for (name, loss), records in groups.items() if name == dataset}
        columns = {loss: _per_query(root, records) for loss, records in main.items() if records}
        table = pd.DataFrame(columns)
        items = Path(root) / "datasets" / dataset / "items.parquet"
        if items.is_file():
            table.insert(0, "key", pd.read_parquet(items, columns=["key"])["key"].reindex(table.index))
        _write_table(target / f"queries-{dataset}.json", table.rename_axis("item").reset_index())


def _per_query(root: Path, records: Iterable[Record]) -> pd.Series:
    """The mean AP over runs of each query, by its row of `items.parquet`."""
    tables = []
    for record in records:
        place = Path(record.run["dataset"]) / record.run["loss"] / record.fingerprint
        path = Path(root) / "runs" / place / "queries.parquet"
        tables.append(pd.read_parquet(path, columns=["item", _PER_QUERY]).set_index("item")[_PER_QUERY])
    return pd.concat(tables, axis=1).mean(axis=1, skipna=False)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    """In the layout that MLflow shows as a table."""
    path.write_text(table.to_json(orient="split", index=False, double_precision=10), encoding="utf-8")


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        total.update(f"{path.name} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def _copier(paths: Iterable[Path]) -> Callable[[Path], None]:
    def copy(target: Path) -> None:
        for path in paths:
            shutil.copyfile(path, target / path.name)

    return copy
