"""Values and gradients recorded from the authors' implementations, float64."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.losses import create_loss, list_losses, mix_positive_pairs

FOLDER = Path(__file__).parent
TOLERANCE = 1e-6
REQUIRED = {
    "arcface",
    "calibration",
    "contrastive",
    "fastap",
    "proxy",
    "proxy_nca_pp",
    "multi_similarity",
    "recall_at_k",
    "smoothap",
    "smoothrecall",
    "supap",
    "supcon",
    "suprecall",
    "triplet",
}


def relative(value, expected):
    value, expected = np.asarray(value), np.asarray(expected)
    assert value.shape == expected.shape
    return np.linalg.norm(value - expected) / max(np.linalg.norm(expected), 1e-12)


def cases():
    registered = set(list_losses())
    for entry in json.loads((FOLDER / "losses.json").read_text()):
        for case in entry["cases"]:
            if case["loss"] in registered:
                yield pytest.param(entry["file"], case, id=f"{Path(entry['file']).stem}-{case['name']}")


def test_the_losses_with_recorded_cases_are_registered():
    assert set(list_losses()) >= REQUIRED


@pytest.mark.parametrize(("file", "case"), list(cases()))
def test_value_and_gradients_are_the_recorded_ones(file, case):
    arrays, name = np.load(FOLDER / file), case["name"]
    embeddings = torch.from_numpy(arrays["embeddings"]).requires_grad_()
    loss, reference = create_loss(case["loss"], **case["params"]), {}
    if case.get("weight"):
        loss.weight = torch.nn.Parameter(torch.from_numpy(arrays["weight"].copy()))
    if case.get("ref"):
        ref_emb = torch.from_numpy(arrays["ref_embeddings"]).requires_grad_()
        reference = {"ref_emb": ref_emb, "ref_labels": torch.from_numpy(arrays["ref_labels"])}
    value = loss(embeddings, torch.from_numpy(arrays["labels"]), **reference)
    value.backward()
    assert relative(value.detach(), arrays[name + "/loss"]) < TOLERANCE
    assert relative(embeddings.grad, arrays[name + "/grad"]) < TOLERANCE
    if case.get("ref"):
        assert relative(ref_emb.grad, arrays[name + "/ref_grad"]) < TOLERANCE
    if case.get("weight"):
        assert relative(loss.weight.grad, arrays[name + "/weight_grad"]) < TOLERANCE


@pytest.mark.parametrize("file", [entry["file"] for entry in json.loads((FOLDER / "metrics.json").read_text())])
def test_simix_is_the_recorded_one(file):
    arrays = np.load(FOLDER / file)
    column = {tuple(pair): place for place, pair in enumerate(arrays["simix_pairs"].tolist())}
    columns = [column[i, j] for i in range(4) for j in range(i + 1, 4)]
    alphas = torch.from_numpy(arrays["simix_alphas"][:, columns].reshape(-1))
    embeddings = torch.from_numpy(arrays["simix_embeddings"]).requires_grad_()
    mixed, labels = mix_positive_pairs(embeddings, torch.from_numpy(arrays["simix_labels"]), alphas=alphas)
    value = create_loss("recall_at_k", ks=[1, 2, 4, 8], self_match="rank_only")(mixed, labels)
    value.backward()
    assert relative(value.detach(), arrays["simix_loss"]) < TOLERANCE
    assert relative(embeddings.grad, arrays["simix_grad"]) < TOLERANCE
