"""How far intervals can be trusted is told from the records of the validation alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from synthetic import Study, make_study

from suite.recipes import RECIPES
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.model import Paragraph, Table
from suite.reporting.trust import trust


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    root = tmp_path_factory.mktemp("trust")
    return read_evidence(make_study(root, Study(losses=1, seeds=2, scaling=False, gap_extras=False)), root, RECIPES)


def test_coverage_and_the_real_null_are_read_from_the_record(evidence: Evidence) -> None:
    paragraph, methods, cells = trust(evidence)
    coverage, null = (pd.read_csv(RECIPES / "validation" / f"{name}.csv") for name in ("coverage", "null"))
    ours = coverage[(coverage["method"] == "crossed") & coverage["quantity"].isin(["mean", "difference"])]
    assert f"cover {ours['coverage'].min():.1f} to {ours['coverage'].max():.1f} %" in paragraph.text
    for row in null[null["method"] == "crossed"].itertuples():
        assert f"{row.rejections:.1f} % with {row.seeds} seeds a group" in paragraph.text
    assert isinstance(methods, Table)
    assert methods.rows[0][0].strong
    assert len(cells.rows) == coverage.groupby(["cell", "seeds"]).ngroups
    first = coverage[(coverage["method"] == "crossed") & (coverage["quantity"] == "mean")].iloc[0]
    assert cells.rows[0][2].value == first["coverage"]


def test_without_a_record_nothing_is_claimed(evidence: Evidence, tmp_path: Path) -> None:
    bare = replace(evidence, validation={"coverage": pd.DataFrame(), "null": pd.DataFrame()})
    (paragraph,) = trust(bare)
    assert isinstance(paragraph, Paragraph)
    assert "cannot be told" in paragraph.text
    assert "%" not in paragraph.text


def test_simulation_without_a_real_null_says_so(evidence: Evidence) -> None:
    coverage = evidence.validation["coverage"]
    paragraph, methods, _ = trust(replace(evidence, validation={"coverage": coverage, "null": pd.DataFrame()}))
    assert paragraph.text.endswith("No real study without a difference is on record.")
    assert len(methods.columns) == 3
