"""Verdicts: what agrees, what does not, and that nothing deviates in silence."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from suite.conformance.cases import cases
from suite.conformance.layout import AGREES, CANNOT, DIFFERS, NOT_INSTALLED, UNEXPLAINED, as_text, conclusion, lay_out
from suite.conformance.peers import PEERS
from suite.conformance.quantities import Outcome, Peer, Quantity
from suite.conformance.reasons import DEVIATIONS, REASONS
from suite.conformance.run import COLUMNS, compare, conformance_table

REPOSITORY = Path(__file__).parents[2]
CASES = {case.name: case for case in cases()}
PML = "pytorch-metric-learning"


def verdicts(table: pd.DataFrame, implementation: str, quantity: str) -> dict[str, str]:
    rows = table[(table["implementation"] == implementation) & (table["quantity"] == quantity)]
    return dict(zip(rows["case"], rows["verdict"], strict=True))


def quantity(theirs, ours=None, definition: str = "triplet", **settings) -> Quantity:
    outcome = Outcome(np.array([0.5, 0.25]))
    return Quantity("measure", definition, "loss", "", ours or (lambda case: outcome), theirs, **settings)


@pytest.mark.parametrize(
    "name", ["TripletMarginLoss", "TripletMarginMiner semihard", "BatchHardMiner", "ContrastiveLoss cosine"]
)
def test_pair_and_triplet_losses_agree_on_every_batch(table, name):
    found = verdicts(table, PML, name)
    assert set(found) == set(CASES)
    assert set(found.values()) == {AGREES}


@pytest.mark.parametrize(
    ("implementation", "name"),
    [
        (PML, "mean_average_precision"),
        (PML, "mean_average_precision_at_r"),
        ("scikit-learn", "average_precision_score"),
        ("scikit-learn", "ndcg_score of gains"),
        ("torchmetrics", "RetrievalHitRate, top_k 2"),
        ("torchmetrics", "RetrievalNormalizedDCG of gains"),
    ],
)
def test_metrics_agree_where_scores_are_distinct(table, implementation, name):
    found = verdicts(table, implementation, name)
    distinct = {"square", "equal", "order", "unequal", "singles", "negative", "gallery"}
    assert {found[case] for case in distinct} == {AGREES}


def test_smooth_ap_of_pytorch_metric_learning_is_right_on_square_batches_alone(table):
    found = verdicts(table, PML, "SmoothAPLoss")
    assert found["square"] == AGREES
    assert found["equal"] == found["order"] == DIFFERS
    assert found["unequal"] == found["singles"] == found["gallery"] == CANNOT
    row = table[(table["quantity"] == "SmoothAPLoss") & (table["case"] == "equal")].iloc[0]
    assert "number of items a class for the number of classes" in row["reason"]
    assert abs(row["ours"] - row["theirs"]) > 0.01
    refused = table[(table["quantity"] == "SmoothAPLoss") & (table["case"] == "unequal")].iloc[0]
    assert refused["reason"].startswith("ValueError: All classes must have the same number")


def test_every_deviation_has_a_reason_and_every_reason_a_deviation(table):
    assert not (table["verdict"] == UNEXPLAINED).any()
    compared = table[table["verdict"] != NOT_INSTALLED]
    keys = {(row.implementation, row.quantity, row.case): row.verdict for row in compared.itertuples()}
    certain = {
        (deviation.implementation, name, case)
        for deviation in DEVIATIONS
        for name in deviation.quantities
        for case in deviation.cases
        if deviation.certain
    }
    stale = {key for key in certain if keys.get(key, DIFFERS) != DIFFERS}
    assert stale == set()
    known = {(peer.name, each.name) for peer in map(PEERS.resolve, PEERS.names()) for each in peer.quantities}
    assert {key[:2] for key in REASONS} <= known
    assert {key[2] for key in REASONS} <= set(CASES)


def test_a_deviation_without_a_recorded_reason_is_called_so():
    peer = PEERS.resolve("pml_losses")
    smooth = dataclasses.replace(peer, quantities=tuple(q for q in peer.quantities if q.name == "SmoothAPLoss"))
    found = conformance_table([smooth], [CASES["equal"], CASES["square"]], reasons={})
    assert list(found["verdict"]) == [UNEXPLAINED, AGREES]
    assert found.loc[0, "reason"] == ""
    text = as_text(found)
    assert "≠?" in text.splitlines()[1]
    assert "1 of them for no known reason" in conclusion(found)


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [
        (Outcome(np.array([0.5, 0.25])), AGREES),
        (Outcome(np.array([0.5, 0.25 + 2e-7])), AGREES),
        (Outcome(np.array([0.5, 0.25 + 2e-6])), UNEXPLAINED),
        (Outcome(np.array([0.25, 0.5])), UNEXPLAINED),
        (Outcome(np.array([0.5, np.nan])), UNEXPLAINED),
        (Outcome(np.array([0.375])), UNEXPLAINED),
    ],
)
def test_every_value_counts(theirs, verdict):
    assert compare(quantity(lambda case: theirs), CASES["square"])["verdict"] == verdict


def test_gradients_count_beside_equal_values():
    ours = Outcome(np.array([0.5]), (np.ones((2, 2)),))
    theirs = Outcome(np.array([0.5]), (np.array([[1.0, 1.0], [1.0, 0.9]]),))
    found = compare(quantity(lambda case: theirs, lambda case: ours), CASES["square"], "told")
    assert found["verdict"] == DIFFERS
    assert found["deviation"] == 0.0
    assert found["gradient_deviation"] == pytest.approx(0.1)


def test_what_a_peer_raises_is_its_answer_and_what_we_raise_is_not():
    def refuse(case):
        raise RuntimeError("\n no such batch\nat all")

    found = compare(quantity(refuse), CASES["square"], "a reason for something else")
    assert (found["verdict"], found["reason"]) == (CANNOT, "RuntimeError: no such batch")
    with pytest.raises(RuntimeError, match="no such batch"):
        compare(quantity(lambda case: Outcome(np.ones(1)), refuse), CASES["square"])


def test_what_is_not_registered_or_not_defined_is_left_out():
    same = Outcome(np.ones(1))
    unknown = quantity(lambda case: same, lambda case: same, definition="no_such_loss")
    centred = quantity(lambda case: same, lambda case: same, own_gallery=True)
    found = conformance_table([Peer("torch", "torch", (unknown, centred))])
    assert set(found["definition"]) == {"triplet"}
    assert set(found["case"]) == set(CASES) - {"gallery"}


def test_columns_and_numbers(table):
    assert tuple(table.columns) == COLUMNS
    agreeing = table[table["verdict"] == AGREES]
    assert (agreeing["deviation"] <= agreeing["tolerance"]).all()
    assert (agreeing["gradient_deviation"].fillna(0) <= agreeing["tolerance"]).all()
    losses = agreeing[agreeing["kind"] == "loss"]
    assert losses["gradient_deviation"].notna().all()
    assert (agreeing["reason"] == "").all()
    assert (table.loc[table["verdict"] != AGREES, "reason"] != "").all()


def test_layout_numbers_notes_by_their_text(table):
    layout = lay_out(table)
    assert list(layout.cases) == list(CASES)
    assert len(set(layout.notes)) == len(layout.notes)
    line = next(line for line in layout.lines if line.quantity == "SmoothAPLoss")
    marks = dict(zip(layout.cases, line.marks, strict=True))
    assert marks["square"] == "✓"
    mark, _, note = marks["equal"].partition("\u00a0")
    assert mark == "≠"
    assert "number of classes" in layout.notes[int(note) - 1]


def test_a_missing_peer_has_its_rows_and_the_command_gives_the_same_bytes(written, table, tmp_path):
    """Another process, in which torchmetrics cannot be imported: all other rows are the same, bit for bit."""
    script = (
        "import sys; sys.modules['torchmetrics'] = None; from suite.cli import main; "
        f"main(['conformance', '--output', {str(tmp_path / 'out')!r}])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert "Not installed, so not compared: " in " ".join(ended.stdout.split())
    assert "torchmetrics (not installed)" in " ".join(ended.stdout.split())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["conformance.csv", "conformance.parquet"]
    found = pd.read_parquet(tmp_path / "out" / "conformance.parquet")
    missing = found["implementation"] == "torchmetrics"
    assert set(found.loc[missing, "verdict"]) == {NOT_INSTALLED}
    assert set(found.loc[missing, "version"]) == {""}
    assert found.loc[missing, "reason"].str.contains("torchmetrics").all()
    pd.testing.assert_frame_equal(found[~missing], table[table["implementation"] != "torchmetrics"], check_exact=True)
    lines = (written / "conformance.csv").read_text().splitlines()
    again = (tmp_path / "out" / "conformance.csv").read_text().splitlines()
    assert [line for line in lines if not line.startswith("torchmetrics,")] == [
        line for line in again if not line.startswith("torchmetrics,")
    ]


def test_cases_are_what_they_say():
    for name, case in CASES.items():
        queries, gallery = case.unit()
        assert queries.dtype == torch.float64
        lowest = float((queries @ gallery.t()).min())
        assert (lowest < -0.5) if name == "negative" else (lowest > 0.1)
    sizes = torch.unique(CASES["singles"].labels[:, 0], return_counts=True)[1]
    assert sizes.tolist() == [4, 1, 3, 1, 4]
    assert len(torch.unique(CASES["copies"].embeddings, dim=0)) == 14
    for name, same_class in (("copies", True), ("strays", False)):
        rows, labels = CASES[name].embeddings, CASES[name].labels[:, 0]
        first, second = (torch.cdist(rows, rows) == 0).triu(1).nonzero(as_tuple=True)
        assert len(first) == 2
        assert bool((labels[first] == labels[second]).all()) is same_class
    ties = CASES["ties"].unit()[0]
    assert len(torch.unique(ties, dim=0)) == len(ties)
    assert set((ties @ ties.t()).flatten().tolist()) <= {0.25, 0.5, 0.75, 1.0}
    gallery = CASES["gallery"]
    assert 3 in gallery.labels[:, 0]
    assert 3 not in gallery.ref_labels[:, 0]
