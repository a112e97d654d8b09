"""The `controls` stage: what no loss has touched, frozen features and random embeddings, judged as every run is."""

from __future__ import annotations

from pathlib import Path

from suite.config import Params
from suite.files import atomic_directory
from suite.models.head import feature_statistics
from suite.stages.measure import neighbour_table
from suite.statistics.controls import SPLITS, control_tables, normalise, whitened_gaps
from suite.statistics.measures import gap_plan
from suite.training.data import load_head_data


def controls_stage(params: Params, dataset: str, root: Path) -> None:
    """Write `artifacts/controls/<dataset>`.

    Raises:
        SuiteError: the data set has not been built and embedded, or its test split cannot fill a batch.
    """
    params.dataset(dataset)
    data = load_head_data(root, dataset)
    # Standardised with the training images' statistics, as a head does before its projection.
    mean, deviation = feature_statistics(data.features[data.rows("train")])
    frozen = ((data.features - mean) / deviation).numpy()
    labels, plan = data.labels.numpy(), gap_plan(params, dataset, data.labels.shape[1])
    measured = {"test": data.evaluation_rows(), "train": data.rows("train")}
    metrics, queries, gap = control_tables(
        frozen,
        labels,
        {split: data.judged(split) for split in SPLITS},
        measured,
        dataset=dataset,
        random_width=params.training.embedding_dim,
        seeds=params.seeds.main,
        plan=plan,
    )
    whitened = whitened_gaps(frozen, labels, measured["test"], measured["train"], dataset=dataset, plan=plan)
    with atomic_directory(root / "controls" / dataset) as target:
        metrics.to_parquet(target / "metrics.parquet", index=False)
        queries.to_parquet(target / "queries.parquet", index=False)
        gap.to_parquet(target / "gap.parquet", index=False)
        whitened.to_parquet(target / "whitened.parquet", index=False)
        table = neighbour_table(lambda rows: normalise(frozen[rows]), data.official, dataset)
        table.to_parquet(target / "neighbours.parquet", index=False)
