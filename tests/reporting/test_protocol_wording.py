"""What a report says and shows of a data set whose queries are held against a gallery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.datasets.protocols import Protocol
from suite.reporting import conclusions
from suite.reporting.data_cards import licences
from suite.reporting.evidence import DatasetEvidence, Evidence, read_evidence
from suite.reporting.gap_section import gap
from suite.reporting.leaderboard_section import leaderboard
from suite.reporting.looks import looks
from suite.reporting.method import trained_on
from suite.reporting.model import Figure, Paragraph, Table
from suite.reporting.retrieval import FROZEN, Between, gallery, marks
from suite.reporting.runs_section import runs


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root = tmp_path_factory.mktemp("study")
    return read_evidence(make_study(root, Study(losses=2, scaling=False)), root)


def with_gallery(data: DatasetEvidence) -> DatasetEvidence:
    """The test images by turns queries and gallery; the first of the gallery is a distractor that all queries find."""
    rows = np.flatnonzero(data.items["split"] == "test")
    items = data.items.copy()
    items.loc[rows[1], ["emoji", "subgroup", "group"]] = None
    pairs = pd.DataFrame({"query": rows[:1], "item": rows[3:4], "relation": ["positive"]})
    near = {name: table[table["query"].isin(rows[::2])].copy() for name, table in data.neighbours.items()}
    for table in near.values():
        table.loc[table["rank"] == 1, "item"] = rows[1]
    return replace(data, items=items, neighbours=near, protocol=Protocol("all", rows[::2], rows[1::2], relations=pairs))


def test_the_report_says_how_test_is_judged(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    count = len(data.protocol.queries)
    assert conclusions.judged(data) == f"Test: each of {count:,} images against all others."
    told = conclusions.judged(with_gallery(data))
    assert told.startswith(f"Test: {count // 2:,} queries against a gallery of {count // 2:,} images (protocol `all`).")
    assert "mAP@100 goes by the pairs that the data set states" in told


def test_the_set_of_the_gap_is_not_the_one_of_the_leaderboard(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    look = looks(evidence.params)

    def text(shown: DatasetEvidence) -> str:
        return " ".join(block.text for block in gap(evidence, shown, look) if isinstance(block, Paragraph))

    assert "queries and gallery together" not in text(data)
    assert "queries and gallery together" in text(with_gallery(data))


def test_a_distractor_among_the_results_is_wrong_and_has_no_label(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    shown = gallery(
        with_gallery(data), Between("contrastive", FROZEN), {"contrastive": "Contrastive", FROZEN: "Frozen"}
    )
    blank = int(np.flatnonzero(data.items["split"] == "test")[1])
    results = [result for example in shown.examples for ranking in example.rankings for result in ranking.results]
    unlabelled = [result for result in results if result.picture.alt.startswith("no label")]
    assert unlabelled
    assert all(result.verdict == -1 for result in unlabelled)
    assert not any("None" in result.picture.alt or "nan" in result.picture.alt for result in results)
    assert pd.isna(with_gallery(data).items.at[blank, "emoji"])


def test_levels_are_named_in_words() -> None:
    assert [mark.meaning for mark in marks(["landmark", "natural_or_human_made"])] == [
        "right landmark",
        "right natural or human made only",
        "wrong at every level",
    ]


def test_a_release_without_authors_of_files_is_attributed_in_one_row(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    files = [{"name": f"shard-{n}.tar", "url": "file", "size": 1, "sha256": "0" * 64} for n in range(30)]
    card = data.card | {"sources": files, "licence": "CC0 1.0", "citation": "Drawn by the suite"}
    blocks = licences(replace(evidence, datasets=(replace(data, card=card),)))
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert [[cell.text for cell in row] for row in table.rows] == [[data.short, "Drawn by the suite", "CC0 1.0"]]
    assert len(table.frame) == 30


def test_captions_name_what_was_trained(evidence: Evidence) -> None:
    (data,) = evidence.datasets
    losses = {name: loss.model_copy(update={"protocol": "full"}) for name, loss in evidence.params.losses.items()}
    networks = replace(evidence, params=evidence.params.model_copy(update={"losses": losses}))

    def captions(told: Evidence) -> str:
        look = looks(told.params)
        blocks = [*gap(told, data, look), *leaderboard(told, data, look), *runs(told)]
        return " ".join(block.caption for block in blocks if isinstance(block, Figure | Table)) + trained_on(
            told.params
        )

    assert "heads trained at batch 256" in captions(evidence)
    assert "network" not in captions(evidence)
    assert "networks trained at batch 256" in captions(networks)
    assert "head" not in captions(networks)
