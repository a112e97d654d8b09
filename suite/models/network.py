"""The network of the protocol `full`: a timm backbone, pooling and an embedding head, trained end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from suite.errors import SuiteError
from suite.full_settings import Network
from suite.models.backbone import Backbone, open_backbone
from suite.models.keyed_dropout import key_dropout, sample_keys
from suite.models.pooling import POOLINGS

# A direction in which the training features do not vary has no whitened form.
_FLAT = 1e-10


class RetrievalNetwork(nn.Module):
    """e = W dropout(norm(pool(f(x)))) + b, L2-normalised: images in, embeddings out.

    f is the backbone up to its last features, without the layers of its classifier. `norm` is a layer norm without
    gain and bias (Ramzi et al., TPAMI 2025) where the settings ask for it, and an L2 normalisation where the head is
    a whitening. Every dropout and drop path draws by keys of the images (`suite.models.keyed_dropout`).

    Frozen batch norm: its statistics stay as they are, in training too, while its gain and bias train, as in the
    papers' code.

    Args:
        backbone: its network becomes a part of this one.
        settings: all but backbone, weights and drop path, which went into `backbone`.
    """

    def __init__(self, backbone: Backbone, settings: Network):
        super().__init__()
        network = backbone.network
        if not hasattr(network, "forward_features"):
            raise SuiteError(f"backbone '{settings.backbone}': it has no forward_features; it serves `head` alone")
        if settings.pooling == "token" and getattr(network, "cls_token", None) is None:
            raise SuiteError(f"backbone '{settings.backbone}': it has no class token; choose another pooling")
        self.settings = settings
        self.backbone = network
        self.pooling = None if settings.pooling == "token" else POOLINGS[settings.pooling]()
        self.layer_norm = nn.LayerNorm(backbone.width, elementwise_affine=False) if settings.layer_norm else None
        self.dropout = nn.Dropout(settings.dropout)
        self.projection = nn.Linear(backbone.width, settings.embedding_dim)
        # Statistics of the input are the backbone's definition, not what is trained: they stay out of files.
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(backbone, name)).view(1, 3, 1, 1), persistent=False)
        self._keys = key_dropout(self)
        self._frozen = False
        self._compiled: Callable[[Tensor], Tensor] | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return self.projection.weight.dtype

    @property
    def device(self) -> torch.device:
        """Of the parameters."""
        return self.projection.weight.device

    def forward(self, images: Tensor, keys: Tensor | None = None) -> Tensor:
        """Embeddings for training.

        Args:
            images: (B, 3, H, W), uint8, or float in [0, 1].
            keys: (B,) int64 on the device of the images, by which dropout and drop path draw in training mode
                (`sample_keys`); None: they draw from torch's global generator.

        Returns:
            (B, embedding_dim) in the parameters' dtype, also under autocast; unit vectors if `settings.normalize`.
        """
        with self._keys.use(keys):
            embeddings = self.projection(self.dropout(self.features(images))).to(self.dtype)
        return nn.functional.normalize(embeddings, dim=-1) if self.settings.normalize else embeddings

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Embeddings for judging, of a network in evaluation mode.

        Args:
            images: as in `forward`.

        Returns:
            (B, embedding_dim) unit vectors, float32; float64 if the parameters are.
        """
        embeddings = self.projection(self.features(images))
        wide = embeddings if self.dtype == torch.float64 else embeddings.float()
        return nn.functional.normalize(wide, dim=-1)

    def features(self, images: Tensor) -> Tensor:
        """(B, width) pooled and normalised features of (B, 3, H, W) images: what dropout and projection work on."""
        pooled = self._pooled(self._mapped(self._standardised(images)))
        if self.layer_norm is not None:
            pooled = self.layer_norm(pooled)
        return nn.functional.normalize(pooled, dim=-1) if self.settings.whitening else pooled

    @torch.no_grad()
    def init_whitening(self, features: Tensor) -> None:
        """Set the projection to the PCA whitening of features of training images.

        With mean m and covariance U diag(l) U' of the features, W = diag(l)^(-1/2) U' for the `embedding_dim` largest
        l, and b = -W m: over those images the embeddings, before they are normalised, have mean 0 and covariance 1.

        Args:
            features: (N, width), as `features` gives them.

        Raises:
            SuiteError: they vary in fewer than `embedding_dim` directions.
        """
        wide = features.to(device="cpu", dtype=torch.float64)
        mean = wide.mean(0)
        values, vectors = torch.linalg.eigh((wide - mean).T @ (wide - mean) / len(wide))
        wanted = self.projection.out_features
        known = int((values > _FLAT * values[-1].clamp(min=1e-300)).sum())
        if known < wanted:
            raise SuiteError(
                f"network.whitening: features of {len(wide)} images vary in {known} directions, fewer than "
                f"embedding_dim, {wanted}; give more images or a smaller embedding_dim"
            )
        values, vectors = values.flip(0)[:wanted], vectors.flip(1)[:, :wanted]
        # An eigenvector has no sign of its own.
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        weight = (vectors * largest.sign() / values.sqrt()).T
        self.projection.weight.copy_(weight)
        self.projection.bias.copy_(-weight @ mean)

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the backbone."""
        return list(self.backbone.parameters())

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of pooling and projection."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("backbone.")]

    def freeze_backbone(self, flag: bool) -> None:
        """Make the backbone a fixed function, without gradients and in evaluation mode, or have it train again."""
        self._frozen = flag
        self.backbone.requires_grad_(not flag)
        self.train(self.training)

    def train(self, mode: bool = True) -> RetrievalNetwork:
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        if self.settings.freeze_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def __getstate__(self) -> dict[str, Any]:
        # What was compiled belongs to this object and process; a copy compiles anew.
        return super().__getstate__() | {"_compiled": None}

    def _standardised(self, images: Tensor) -> Tensor:
        pixels = images.to(self.dtype)
        if not images.is_floating_point():
            pixels = pixels / 255
        pixels = (pixels - self.mean) / self.std
        layout = torch.channels_last if self.settings.channels_last else torch.contiguous_format
        return pixels.contiguous(memory_format=layout)

    def _mapped(self, pixels: Tensor) -> Tensor:
        """The last features of the backbone: a feature map or tokens."""
        if not self.settings.compile:
            return self.backbone.forward_features(pixels)
        if self._compiled is None:
            self._compiled = torch.compile(self.backbone.forward_features)
        return self._compiled(pixels)

    def _pooled(self, maps: Tensor) -> Tensor:
        if self.pooling is None:
            return maps[:, 0]
        if maps.ndim == 3:
            return self.pooling(maps[:, getattr(self.backbone, "num_prefix_tokens", 0) :], (1,))
        if maps.ndim != 4:
            shape = tuple(maps.shape)
            raise SuiteError(
                f"backbone '{self.settings.backbone}': features of shape {shape} are neither a map nor tokens; "
                "choose another backbone"
            )
        last = str(getattr(self.backbone, "output_fmt", "NCHW")).endswith("NHWC")
        return self.pooling(maps, (1, 2) if last else (2, 3))


def create_network(settings: Network, seed: int, image_size: int | None = None) -> RetrievalNetwork:
    """A network to be trained, in training mode, on the CPU, in float32; torch's generators stay as they are.

    Args:
        settings: of the network.
        seed: fixes all weights that are drawn: the head's, and the backbone's where `weights` is `none`.
        image_size: side in pixels of the images, for a transformer that is made for one size; None: its own.

    Raises:
        SuiteError: an unknown backbone, weights that cannot be had or do not fit, a pooling or drop path that the
            backbone does not have.
    """
    of_backbone, of_head = sample_keys(seed, 0, torch.arange(2)).tolist()
    with _drawing(of_backbone):
        backbone = open_backbone(settings.backbone, settings.weights, settings.drop_path, image_size)
    with _drawing(of_head):
        return _laid_out(RetrievalNetwork(backbone, settings)).train()


def load_network(path: Path, settings: Network, image_size: int | None = None) -> RetrievalNetwork:
    """The network whose tensors `save_state` wrote: it gives the embeddings it gave when saved.

    In evaluation mode, on the CPU; `settings` and `image_size` are those it was made with, and the initial weights that
    they name are not needed.

    Raises:
        SuiteError: there is no such file, or it holds another network.
    """
    try:
        tensors = load_file(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise SuiteError(f"{path}: not a readable network ({error}); train the run again") from None
    with _drawing(0):
        backbone = open_backbone(settings.backbone, "none", settings.drop_path, image_size)
        network = RetrievalNetwork(backbone, settings)
    try:
        network.to(tensors["projection.weight"].dtype).load_state_dict(tensors)
    except (KeyError, RuntimeError):
        raise SuiteError(f"{path}: another network than its settings name; train the run again") from None
    return _laid_out(network).eval()


def _laid_out(network: RetrievalNetwork) -> RetrievalNetwork:
    return network.to(memory_format=torch.channels_last) if network.settings.channels_last else network


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Have the CPU's global generator start at `seed`, and afterwards go on where it stood."""
    with torch.random.fork_rng(devices=[]):
        # `torch.manual_seed` would seed every device.
        torch.default_generator.manual_seed(seed)
        yield
