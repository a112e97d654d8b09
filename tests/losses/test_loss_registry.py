"""create_loss and the registry: names, settings, and what a mistake says."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from loss_catalogue import NAMES
from torch import nn

from suite.errors import SuiteError
from suite.losses import CombinedLoss, SupAPLoss, create_loss, list_losses, nested_losses


def test_names_are_sorted_and_every_one_is_in_the_catalogue():
    assert list_losses() == sorted(list_losses())
    assert set(list_losses()) == set(NAMES)


def test_unknown_loss_names_the_nearest():
    with pytest.raises(SuiteError, match="unknown loss 'supapp': did you mean 'supap'"):
        create_loss("supapp")


def test_unknown_setting_names_loss_and_settings():
    with pytest.raises(ValueError, match=r"^supap: unknown setting 'tua'; it takes: tau, rho, delta"):
        create_loss("supap", tua=0.1)


def test_missing_setting_is_named():
    with pytest.raises(ValueError, match="xbm: setting 'loss' is required"):
        create_loss("xbm", size=4)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("supap", {"tau": 0}, "supap: tau: expected a number above 0, found 0"),
        ("supap", {"tau": "0.1"}, "supap: tau"),
        ("supap", {"tau": float("nan")}, "supap: tau"),
        ("supap", {"rho": -1.0}, "supap: rho"),
        ("supap", {"offset": True}, "supap: offset"),
        ("smoothap", {"tau": -0.1}, "smoothap: tau"),
        (
            "smoothap",
            {"self_match": "self"},
            "smoothap: self_match: expected one of exclude, positive, rank_only",
        ),
        ("suprecall", {"ks": []}, "suprecall: ks"),
        ("suprecall", {"ks": [0, 1]}, "suprecall: ks: expected an integer of at least 1, found 0"),
        ("suprecall", {"ks": [1, 1]}, "suprecall: ks: values repeat"),
        ("suprecall", {"ks": np.array([2, 2])}, "suprecall: ks: values repeat"),
        ("suprecall", {"ks": range(3)}, "suprecall: ks: expected an integer of at least 1, found 0"),
        ("suprecall", {"ks": "12"}, "suprecall: ks: expected a list"),
        ("suprecall", {"ks": 4}, "suprecall: ks: expected a list"),
        ("suprecall", {"ks": np.array([1.0])}, "suprecall: ks: expected an integer"),
        ("suprecall", {"ks": np.array([[1]])}, "suprecall: ks: expected a list"),
        ("supap", {"tau": np.float32("nan")}, "supap: tau"),
        ("supap", {"tau": np.bool_(True)}, "supap: tau"),
        ("supap", {"tau": np.array([0.1])}, "supap: tau"),
        ("supap", {"level": np.float64(1)}, "supap: level"),
        ("recall_at_k", {"k_temperature": 0.0}, "recall_at_k: k_temperature"),
        ("recall_at_k", {"simix": "yes"}, "recall_at_k: simix"),
        ("recall_at_k", {"level": -1}, "recall_at_k: level"),
        ("fastap", {"num_bins": 0}, "fastap: num_bins"),
        ("fastap", {"block_bytes": 0}, "fastap: block_bytes"),
        ("multi_similarity", {"alpha": 0.0}, "multi_similarity: alpha: expected a number above 0"),
        ("multi_similarity", {"base": None}, "multi_similarity: base"),
        ("supcon", {"temperature": -0.1}, "supcon: temperature: expected a number above 0, found -0.1"),
        ("softbin_ap", {"num_bins": 1}, "softbin_ap: num_bins: expected an integer of at least 2, found 1"),
        ("blackbox_ap", {"interpolation": 0}, "blackbox_ap: interpolation: expected a number above 0"),
        ("blackbox_ap", {"margin": -1}, "blackbox_ap: margin"),
        ("blackbox_ap", {"objective": "recall"}, "blackbox_ap: objective: expected one of ap, log_recall, loglog"),
        ("triplet", {"mining": "hard"}, "triplet: mining: expected one of all, semihard, batch_hard"),
        ("triplet", {"margin": -0.1}, "triplet: margin"),
        ("contrastive", {"distance": "l1"}, "contrastive: distance"),
        ("calibration", {"pos_margin": float("inf")}, "calibration: pos_margin"),
        ("combine", {"terms": []}, "combine: terms"),
        ("combine", {"terms": [{"loss": "supap"}]}, r"combine: terms\[0\]: expected a mapping"),
        ("combine", {"terms": [{"loss": "supap", "weight": -1}]}, r"combine: terms\[0\].weight"),
        ("combine", {"terms": [{"loss": "supap", "weight": 1, "tau": 0}]}, "combine: supap: tau"),
    ],
)
def test_invalid_settings_name_loss_and_argument(name, settings, message):
    with pytest.raises(ValueError, match=message):
        create_loss(name, **settings)


@pytest.mark.parametrize(
    "ks", [(1, 2, 3), range(1, 4), np.arange(1, 4), torch.arange(1, 4), [np.int32(1), np.int64(2), np.uint8(3)]]
)
def test_any_sequence_of_integers_gives_the_cut_offs(ks):
    loss = create_loss("suprecall", ks=ks)
    assert loss.ks == (1, 2, 3)
    assert all(type(k) is int for k in loss.ks)


@pytest.mark.parametrize("one", [1, np.int64(1), np.array(1), torch.tensor(1)])
def test_any_scalar_is_a_number(one):
    loss = create_loss("supap", level=one, tau=one, delta=np.float32(0.25), offset=Fraction(3, 2))
    assert (loss.level, loss.tau, loss.delta, loss.offset) == (1, 1.0, 0.25, 1.5)
    assert type(loss.level) is int
    assert type(loss.tau) is float


def test_unknown_loss_in_a_combination():
    with pytest.raises(SuiteError, match="unknown loss 'calibraton': did you mean 'calibration'"):
        create_loss("combine", terms=[{"loss": "calibraton", "weight": 1.0}])


def test_combination_is_the_weighted_sum():
    terms = [
        {"loss": "supap", "weight": 0.9, "tau": 0.02},
        {"loss": "calibration", "weight": 0.1, "pos_margin": 0.8},
    ]
    generator = torch.Generator().manual_seed(0)
    points = nn.functional.normalize(torch.randn(20, 8, generator=generator).double(), dim=1).requires_grad_()
    labels = torch.arange(20) // 4
    roadmap = create_loss("combine", terms=terms)
    parts = [create_loss("supap", tau=0.02), create_loss("calibration", pos_margin=0.8)]
    value, expected = roadmap(points, labels), 0.9 * parts[0](points, labels) + 0.1 * parts[1](points, labels)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, points)[0], torch.autograd.grad(expected, points)[0])
    assert isinstance(roadmap, CombinedLoss)
    assert isinstance(roadmap.losses[0], SupAPLoss)
    assert terms[0]["weight"] == 0.9


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("supap", {"tau": 0.1}, set()),
        ("combine", {"terms": [{"loss": "supap", "weight": 1}, {"loss": "fastap", "weight": 1}]}, {"supap", "fastap"}),
        ("combine", {"preset": "happier", "num_classes": 3, "embedding_dim": 4}, {"suphap", "proxy"}),
        ("xbm", {"loss": "triplet", "size": 8}, {"triplet"}),
        (
            "xbm",
            {"loss": "combine", "size": 8, "settings": {"preset": "roadmap"}},
            {"combine", "supap", "calibration"},
        ),
    ],
)
def test_the_losses_inside_a_loss_are_known(name, settings, expected):
    create_loss(name, **settings)
    assert nested_losses(name, settings) == expected
