"""The `controls` stage: what no loss has touched, frozen features and random embeddings, judged as every run is."""

from __future__ import annotations

from pathlib import Path

from suite.config import Params
from suite.files import atomic_directory
from suite.models.head import feature_statistics
from suite.stages.measure import neighbour_table
from suite.statistics.controls import SPLITS, control_tables, normalise
from suite.training.head import load_head_data


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
    metrics, queries, gap = control_tables(
        frozen,
        data.labels.numpy(),
        {split: data.judged(split) for split in SPLITS},
        data.evaluation_rows(),
        dataset=dataset,
        random_width=params.training.embedding_dim,
        seeds=params.seeds.main,
        batch_sizes=params.measured_sizes(dataset),
        partitions=params.measure.partitions,
        samples_per_class=params.measure.samples_per_class,
    )
    with atomic_directory(root / "controls" / dataset) as target:
        metrics.to_parquet(target / "metrics.parquet", index=False)
        queries.to_parquet(target / "queries.parquet", index=False)
        gap.to_parquet(target / "gap.parquet", index=False)
        table = neighbour_table(lambda rows: normalise(frozen[rows]), data.official, dataset)
        table.to_parquet(target / "neighbours.parquet", index=False)
