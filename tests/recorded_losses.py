"""Values and gradients recorded from the authors' implementations, float64 (tests/oracles)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from suite.losses import create_loss, list_losses, mix_positive_pairs

FOLDER = Path(__file__).parent / "oracles"
SIMIX_FILES = [entry["file"] for entry in json.loads((FOLDER / "metrics.json").read_text())]


class Setting(NamedTuple):
    """Where and in what a recorded case is computed, and how near it has to come, relative in norm."""

    device: str = "cpu"
    dtype: torch.dtype = torch.float64
    tolerance: float = 1e-6

    def leaf(self, array: np.ndarray) -> torch.Tensor:
        """A recorded array as a leaf."""
        return torch.from_numpy(array).to(self.device, self.dtype).requires_grad_()

    def labels(self, array: np.ndarray) -> torch.Tensor:
        """Recorded labels."""
        return torch.from_numpy(array).to(self.device)

    def assert_near(self, found: torch.Tensor, expected: np.ndarray) -> None:
        """Whether `found` is the recorded number or array."""
        value, expected = found.detach().double().cpu().numpy(), np.asarray(expected)
        assert value.shape == expected.shape
        assert np.linalg.norm(value - expected) <= self.tolerance * max(np.linalg.norm(expected), 1e-12)


AS_RECORDED = Setting()


def cases() -> Iterator[Any]:
    """(file, case) of every recorded loss that is registered."""
    registered = set(list_losses())
    for entry in json.loads((FOLDER / "losses.json").read_text()):
        for case in entry["cases"]:
            if case["loss"] in registered:
                yield pytest.param(entry["file"], case, id=f"{Path(entry['file']).stem}-{case['name']}")


def assert_recorded(file: str, case: dict[str, Any], setting: Setting = AS_RECORDED) -> None:
    """The registered loss gives the recorded value and gradients."""
    arrays, name = np.load(FOLDER / file), case["name"]
    embeddings = setting.leaf(arrays["embeddings"])
    loss, reference = create_loss(case["loss"], **case["params"]), {}
    if case.get("weight"):
        loss.weight = torch.nn.Parameter(setting.leaf(arrays["weight"].copy()))
    if case.get("ref"):
        ref_emb = setting.leaf(arrays["ref_embeddings"])
        reference = {"ref_emb": ref_emb, "ref_labels": setting.labels(arrays["ref_labels"])}
    value = loss(embeddings, setting.labels(arrays["labels"]), **reference)
    value.backward()
    setting.assert_near(value, arrays[name + "/loss"])
    setting.assert_near(embeddings.grad, arrays[name + "/grad"])
    if case.get("ref"):
        setting.assert_near(ref_emb.grad, arrays[name + "/ref_grad"])
    if case.get("weight"):
        setting.assert_near(loss.weight.grad, arrays[name + "/weight_grad"])


def assert_simix_recorded(file: str, setting: Setting = AS_RECORDED) -> None:
    """RS@k of the recorded virtual items has the recorded value and gradient."""
    arrays = np.load(FOLDER / file)
    column = {tuple(pair): place for place, pair in enumerate(arrays["simix_pairs"].tolist())}
    columns = [column[i, j] for i in range(4) for j in range(i + 1, 4)]
    alphas = torch.from_numpy(arrays["simix_alphas"][:, columns].reshape(-1))
    embeddings = setting.leaf(arrays["simix_embeddings"])
    mixed, labels = mix_positive_pairs(embeddings, setting.labels(arrays["simix_labels"]), alphas=alphas)
    value = create_loss("recall_at_k", ks=[1, 2, 4, 8], self_match="rank_only")(mixed, labels)
    value.backward()
    setting.assert_near(value, arrays["simix_loss"])
    setting.assert_near(embeddings.grad, arrays["simix_grad"])
