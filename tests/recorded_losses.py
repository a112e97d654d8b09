"""Values and gradients recorded from the authors' implementations, float64 (tests/oracles)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from suite.losses import create_loss, list_losses, mix_positive_pairs

FOLDER = Path(__file__).parent / "oracles"
TOLERANCE = 1e-6
SIMIX_FILES = [entry["file"] for entry in json.loads((FOLDER / "metrics.json").read_text())]


def cases() -> Iterator[Any]:
    """(file, case) of every recorded loss that is registered."""
    registered = set(list_losses())
    for entry in json.loads((FOLDER / "losses.json").read_text()):
        for case in entry["cases"]:
            if case["loss"] in registered:
                yield pytest.param(entry["file"], case, id=f"{Path(entry['file']).stem}-{case['name']}")


def assert_recorded(file: str, case: dict[str, Any], device: str = "cpu") -> None:
    """The registered loss gives the recorded value and gradients."""
    arrays, name = np.load(FOLDER / file), case["name"]
    embeddings = _leaf(arrays["embeddings"], device)
    loss, reference = create_loss(case["loss"], **case["params"]).to(device), {}
    if case.get("weight"):
        loss.weight = torch.nn.Parameter(_leaf(arrays["weight"].copy(), device))
    if case.get("ref"):
        ref_emb = _leaf(arrays["ref_embeddings"], device)
        reference = {"ref_emb": ref_emb, "ref_labels": torch.from_numpy(arrays["ref_labels"]).to(device)}
    value = loss(embeddings, torch.from_numpy(arrays["labels"]).to(device), **reference)
    value.backward()
    _assert_near(value, arrays[name + "/loss"])
    _assert_near(embeddings.grad, arrays[name + "/grad"])
    if case.get("ref"):
        _assert_near(ref_emb.grad, arrays[name + "/ref_grad"])
    if case.get("weight"):
        _assert_near(loss.weight.grad, arrays[name + "/weight_grad"])


def assert_simix_recorded(file: str, device: str = "cpu") -> None:
    """RS@k of the recorded virtual items has the recorded value and gradient."""
    arrays = np.load(FOLDER / file)
    column = {tuple(pair): place for place, pair in enumerate(arrays["simix_pairs"].tolist())}
    columns = [column[i, j] for i in range(4) for j in range(i + 1, 4)]
    alphas = torch.from_numpy(arrays["simix_alphas"][:, columns].reshape(-1))
    embeddings = _leaf(arrays["simix_embeddings"], device)
    mixed, labels = mix_positive_pairs(embeddings, torch.from_numpy(arrays["simix_labels"]), alphas=alphas)
    value = create_loss("recall_at_k", ks=[1, 2, 4, 8], self_match="rank_only")(mixed, labels)
    value.backward()
    _assert_near(value, arrays["simix_loss"])
    _assert_near(embeddings.grad, arrays["simix_grad"])


def _leaf(array: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(array).to(device).requires_grad_()


def _assert_near(found: torch.Tensor, expected: np.ndarray) -> None:
    value, expected = found.detach().cpu().numpy(), np.asarray(expected)
    assert value.shape == expected.shape
    assert np.linalg.norm(value - expected) <= TOLERANCE * max(np.linalg.norm(expected), 1e-12)
