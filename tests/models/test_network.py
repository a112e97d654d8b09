"""Networks of the protocol `full`: what they compute, what trains, what is read back, and what is refused."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from suite.errors import SuiteError
from suite.full_settings import Network
from suite.models.backbone import load_backbone, open_backbone, weights_digest
from suite.models.keyed_dropout import sample_keys
from suite.models.network import RetrievalNetwork, create_network, load_network
from suite.models.pooling import GeMPooling
from suite.models.saving import save_state

SIDE = 32


def make(backbone: str = "test_resnet", image_size: int | None = None, seed: int = 0, **changes: object):
    settings = Network(**({"backbone": backbone, "weights": "none", "embedding_dim": 8} | changes))
    return create_network(settings, seed, image_size)


def pictures(count: int = 4, side: int = SIDE) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def keys_of(count: int, step: int = 1) -> torch.Tensor:
    return sample_keys(0, step, torch.arange(count))


KINDS = [
    ("resnet10t", None, {"pooling": "gem", "dropout": 0.3}),
    ("efficientnet_lite0", None, {"pooling": "max", "drop_path": 0.4, "layer_norm": False}),
    ("test_vit", SIDE, {"pooling": "token", "drop_path": 0.4}),
    ("vit_tiny_patch16_224", SIDE, {"pooling": "average", "drop_path": 0.4, "dropout": 0.3}),
    ("test_convnext", None, {"drop_path": 0.4, "whitening": True, "channels_last": False}),
]


@pytest.mark.parametrize(("backbone", "size", "changes"), KINDS)
def test_embeddings_are_unit_vectors_and_random_parts_follow_the_keys(backbone, size, changes):
    network, images, keys = make(backbone, size, **changes).double(), pictures(), keys_of(4)
    embeddings = network(images, keys)
    assert (embeddings.shape, embeddings.dtype) == ((4, 8), torch.float64)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4, dtype=torch.float64))
    for chunk in (1, 3):
        parts = [network(*pair) for pair in zip(images.split(chunk), keys.split(chunk), strict=True)]
        torch.testing.assert_close(torch.cat(parts), embeddings, rtol=1e-10, atol=1e-12)
    assert torch.equal(network(images, keys), embeddings)
    assert not torch.equal(network(images, keys_of(4, step=2)), embeddings)


@pytest.mark.parametrize(("backbone", "size", "changes"), KINDS)
def test_a_network_read_back_gives_the_same_bits(tmp_path: Path, backbone, size, changes):
    network = make(backbone, size, **changes)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01)
    save_state(tmp_path / "network.safetensors", network.state_dict())
    again = load_network(tmp_path / "network.safetensors", network.settings, size)
    assert not again.training
    assert torch.equal(again.embed(pictures()), network.eval().embed(pictures()))


def test_bytes_and_shares_of_full_scale_are_the_same_images():
    network = make().eval()
    torch.testing.assert_close(network.embed(pictures().float() / 255), network.embed(pictures()))


def test_input_is_standardised_for_the_backbone():
    network = make("test_vit", SIDE)
    seen = []
    network.backbone.patch_embed.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.embed(torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE))
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([-1.0, 1.0, -0.6]))


def test_the_registered_backbone_is_the_one_of_the_protocol_head():
    network = make("efficientnet_lite0", weights="pretrained", layer_norm=False).eval()
    pixels = pictures(2, 64)
    expected = load_backbone("efficientnet_lite0").features(pixels.permute(0, 2, 3, 1).numpy())
    with torch.no_grad():
        np.testing.assert_allclose(network.features(pixels).numpy(), expected, rtol=1e-3, atol=1e-3)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_judging_normalises_where_training_does_not():
    network = make(normalize=False)
    norms = network(pictures()).norm(dim=1)
    assert not torch.allclose(norms, torch.ones(4))
    embeddings = network.eval().embed(pictures())
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))
    assert not embeddings.requires_grad


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_judging_gives_single_precision_unless_parameters_are_double(dtype: torch.dtype):
    network = make().to(dtype).eval()
    assert network.embed(pictures()).dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_embeddings_under_autocast_are_as_wide_as_the_parameters():
    network = make(pooling="gem")
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = network(pictures())
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))


def test_the_seed_fixes_all_weights_and_leaves_the_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.projection.weight, other.projection.weight)
    assert not torch.equal(one.backbone.conv1[0].weight, other.backbone.conv1[0].weight)


def test_frozen_batch_norm_keeps_its_statistics_and_trains_its_gain():
    network = make()
    norm = network.backbone.layer1[0].bn1
    before = norm.running_mean.clone()
    network.train()
    network(pictures()).sum().backward()
    assert network.training
    assert not norm.training
    assert torch.equal(norm.running_mean, before)
    assert norm.weight.grad is not None


def test_batch_norm_trains_where_it_is_not_frozen():
    network = make(freeze_batch_norm=False)
    norm = network.backbone.layer1[0].bn1
    before = norm.running_mean.clone()
    network(pictures())
    assert not torch.equal(norm.running_mean, before)


def test_a_frozen_backbone_is_a_fixed_function_until_it_trains_again():
    network = make("test_vit", SIDE, drop_path=0.5, dropout=0.5)
    network.freeze_backbone(True)
    network.train()
    with torch.no_grad():
        assert torch.equal(network.features(pictures()), network.features(pictures()))
    assert not torch.equal(network(pictures()), network(pictures()))
    network(pictures()).sum().backward()
    assert all(parameter.grad is None for parameter in network.backbone_parameters())
    assert all(parameter.grad is not None for parameter in network.head_parameters())
    network.freeze_backbone(False)
    network(pictures()).sum().backward()
    assert network.backbone.training
    assert network.backbone.patch_embed.proj.weight.grad is not None


def test_every_parameter_is_in_one_group_and_the_exponent_of_gem_in_the_heads():
    network = make(pooling="gem")
    groups = [id(parameter) for parameter in [*network.backbone_parameters(), *network.head_parameters()]]
    assert sorted(groups) == sorted(id(parameter) for parameter in network.parameters())
    assert any(parameter is network.pooling.p for parameter in network.head_parameters())


def test_generalised_mean_lies_between_mean_and_maximum():
    maps = torch.rand(3, 5, 4, 4, dtype=torch.float64) + 0.1
    torch.testing.assert_close(GeMPooling(1.0).double()(maps, (2, 3)), maps.mean((2, 3)))
    torch.testing.assert_close(GeMPooling(400.0).double()(maps, (2, 3)), maps.amax((2, 3)), rtol=0.01, atol=0)
    pooling = GeMPooling().double()
    assert torch.autograd.gradcheck(lambda x: pooling(x, (2, 3)), maps.requires_grad_())


def test_pooling_of_tokens_leaves_out_the_class_token():
    network = make("test_vit", SIDE, layer_norm=False).eval()
    tokens = network.backbone.forward_features(network._standardised(pictures()))
    torch.testing.assert_close(network.features(pictures()), tokens[:, 1:].mean(1))
    token = make("test_vit", SIDE, layer_norm=False, pooling="token").eval()
    torch.testing.assert_close(token.features(pictures()), tokens[:, 0])


def test_feature_maps_with_channels_last_are_pooled_over_positions():
    network = make("swin_tiny_patch4_window7_224", 64, layer_norm=False, drop_path=0.3).eval()
    maps = network.backbone.forward_features(network._standardised(pictures(2, 64)))
    torch.testing.assert_close(network.features(pictures(2, 64)), maps.mean((1, 2)))
    assert network.features(pictures(2, 64)).shape == (2, 768)


def test_whitened_features_have_unit_covariance():
    network = make(whitening=True, layer_norm=False).double().eval()
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(500, network.projection.in_features)))
    features = features * torch.linspace(0.1, 3, features.shape[1]) + 2
    network.init_whitening(features)
    with torch.no_grad():
        white = network.projection(features)
    torch.testing.assert_close(white.mean(0), torch.zeros(8, dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(white.T @ white / 500, torch.eye(8, dtype=torch.float64), rtol=0, atol=1e-9)


def test_whitening_needs_features_that_vary():
    with pytest.raises(SuiteError, match=r"network\.whitening: features of 5 images vary in 4 directions"):
        make(whitening=True).init_whitening(torch.rand(5, 20))


def test_a_file_of_weights_is_read_without_its_classifier(tmp_path: Path):
    import timm

    donor = timm.create_model("test_resnet")
    paths = [tmp_path / "plain.safetensors", tmp_path / "nested.pt"]
    save_file(donor.state_dict(), paths[0])
    torch.save({"state_dict": donor.state_dict(), "epoch": 3}, paths[1])
    for path in paths:
        network = make(weights=str(path))
        assert torch.equal(network.backbone.conv1[0].weight, donor.conv1[0].weight)


class Sly:
    """What a file of weights must not be able to run."""

    def __reduce__(self):
        return (Path("sly").touch, ())


def spoilt(tmp_path: Path, kind: str) -> Path:
    """A file of weights of `test_resnet` with one fault."""
    import timm

    path, weights = tmp_path / f"{kind}.pt", timm.create_model("test_resnet").state_dict()
    if kind == "missing":
        del weights["conv1.0.weight"]
    elif kind == "more":
        weights["conv9.weight"] = torch.zeros(1)
    elif kind == "shape":
        weights["conv1.0.weight"] = torch.zeros(2)
    contents = {"sly": Sly(), "list": [torch.zeros(1)], "empty": {}}
    torch.save(contents.get(kind, weights), path)
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "text":
        path.write_text("weights")
    elif kind == "tensors":
        path = path.rename(path.with_suffix(".safetensors"))
    elif kind == "gone":
        path.unlink()
    return path


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("missing", r"missing\.pt: lacks conv1\.0\.weight; give weights of this backbone"),
        ("more", r"more\.pt: has what the backbone has not: conv9\.weight"),
        ("shape", r"shape\.pt: has of another shape: conv1\.0\.weight \(2,\) instead of"),
        ("sly", r"sly\.pt: not a readable file of weights"),
        ("list", r"list\.pt: holds no mapping of names to tensors"),
        ("empty", r"empty\.pt: holds no mapping of names to tensors"),
        ("cut", r"cut\.pt: not a readable file of weights"),
        ("text", r"text\.pt: not a readable file of weights"),
        ("tensors", r"tensors\.safetensors: not a readable file of weights"),
        ("gone", r"gone\.pt: no such file of weights"),
    ],
)
def test_a_file_of_weights_that_does_not_fit_is_named(tmp_path: Path, monkeypatch, kind: str, line: str):
    monkeypatch.chdir(tmp_path)
    path = spoilt(tmp_path, kind)
    with pytest.raises(SuiteError, match=line) as caught:
        make(weights=str(path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sly").exists()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"backbone": "resnet_50"}, r"unknown backbone 'resnet_50': did you mean resnet50"),
        ({"backbone": "efficientnet_lite"}, "did you mean efficientnet_lite"),
        ({"backbone": "hf-hub:timm/x"}, "unknown backbone 'hf-hub:timm/x'"),
        ({"backbone": "vgg11", "drop_path": 0.1}, "backbone 'vgg11': it has no drop path; set drop_path to 0"),
        ({"pooling": "token"}, "backbone 'test_resnet': it has no class token; choose another pooling"),
    ],
)
def test_settings_that_cannot_be_served_are_named(changes: dict, line: str):
    with pytest.raises(SuiteError, match=line):
        make(**changes)


def test_pretrained_weights_out_of_reach_are_named_with_the_remedy(monkeypatch, tmp_path: Path):
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SuiteError, match=r"backbone 'test_resnet': its pretrained weights cannot be had \(.*`none`"):
        make(weights="pretrained")


def test_what_is_no_network_is_named(tmp_path: Path):
    path = tmp_path / "network.safetensors"
    network = make()
    with pytest.raises(SuiteError, match=r"network\.safetensors: not a readable network"):
        load_network(path, network.settings)
    save_state(path, network.state_dict())
    with pytest.raises(SuiteError, match="another network than its settings name"):
        load_network(path, make(embedding_dim=4).settings)


def test_a_digest_names_the_initial_weights(tmp_path: Path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "b.safetensors")
    digests = [
        weights_digest("test_resnet", "none"),
        weights_digest("test_resnet", "pretrained"),
        weights_digest("test_resnet", str(tmp_path / "a.safetensors")),
        weights_digest("test_resnet", str(tmp_path / "b.safetensors")),
        weights_digest("efficientnet_lite0", "pretrained"),
    ]
    assert len(set(digests)) == 5
    assert digests[4] == open_backbone("efficientnet_lite0", "pretrained").weights_sha256


def test_a_copy_is_independent_and_draws_by_its_own_keys():
    network = make("test_vit", SIDE, drop_path=0.5)
    twin = copy.deepcopy(network)
    assert torch.equal(twin(pictures(), keys_of(4)), network(pictures(), keys_of(4)))
    with torch.no_grad():
        twin.projection.weight.zero_()
    assert network.projection.weight.abs().sum() > 0


def test_weights_and_images_lie_with_channels_last():
    network: RetrievalNetwork = make()
    convolution = next(module for module in network.backbone.modules() if isinstance(module, nn.Conv2d))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert network._standardised(pictures()).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
def test_a_compiled_network_is_compiled_once_for_all_keys():
    settings = {"image_size": SIDE, "drop_path": 0.5}
    plain, compiled = make("test_vit", **settings), make("test_vit", compile=True, **settings)
    torch._dynamo.utils.counters.clear()
    for step in range(4):
        keys = keys_of(4, step)
        embeddings = compiled(pictures(), keys)
        torch.testing.assert_close(embeddings, plain(pictures(), keys), rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            torch.testing.assert_close(compiled(pictures(), keys), embeddings, rtol=1e-4, atol=1e-5)
        embeddings.sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2
    assert math.isfinite(compiled.projection.weight.grad.norm())
    assert copy.deepcopy(compiled).state_dict().keys() == plain.state_dict().keys()
