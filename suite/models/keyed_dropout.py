"""Dropout and drop path whose masks are functions of a key of each image, not of a generator's state.

Counter-based random numbers, as Philox (Salmon et al., SC 2011) and JAX have them: the number at a place is a hash of
(key, layer, place), here by the finaliser of SplitMix64 (Steele et al., OOPSLA 2014). So an image meets the same masks
whatever chunk, process or pass it is in, on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from suite.torchvision_schemas import declare_torchvision_schemas

# Constants of SplitMix64, as signed integers: torch has no arithmetic on unsigned ones, and both wrap around alike.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
# A mask is decided by the upper bits of a number, in as many as a float64 holds.
_BITS = 53


def sample_keys(seed: int, step: int, places: Tensor) -> Tensor:
    """A well-mixed key for each image of a batch.

    Args:
        seed: of the run.
        step: number of the update.
        places: (n,) int64, places of the images in the whole batch.

    Returns:
        (n,) int64 on the device of `places`.
    """
    update = torch.tensor([seed, step], dtype=torch.int64, device=places.device)
    keys = torch.zeros_like(places)
    for part in (update[0], update[1], places):
        keys = _mix(keys + (part + 1) * _GOLDEN)
    return keys


class KeySource:
    """The keys by which the keyed layers of a network draw.

    Attributes:
        keys: (B,) int64 while a forward draws by keys; None: layers draw from torch's generator.
    """

    def __init__(self) -> None:
        self.keys: Tensor | None = None

    @contextmanager
    def use(self, keys: Tensor | None) -> Iterator[None]:
        """Have every forward inside draw by `keys`, (B,) int64, one an image of its batch."""
        before, self.keys = self.keys, keys
        try:
            yield
        finally:
            self.keys = before


class KeyedDropout(nn.Module):
    """Dropout as `nn.Dropout`, or of whole channels as `nn.Dropout1d`, `2d` and `3d`, by the keys of the images.

    Args:
        p: probability that an element is zeroed; the others are scaled by 1 / (1 - p).
        channels: zero whole channels, the second dimension, instead of elements.
        source: of the keys; None: its own.
        layer: number of the layer, by which layers of a network draw different masks.
    """

    def __init__(self, p: float = 0.5, channels: bool = False, source: KeySource | None = None, layer: int = 0):
        super().__init__()
        self.p, self.channels, self.layer = p, channels, layer
        self.source = KeySource() if source is None else source

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = (*x.shape[:2], *(1 for _ in x.shape[2:])) if self.channels else tuple(x.shape)
        return _masked(x, shape, 1 - self.p, True, self.source.keys, self.layer)

    def extra_repr(self) -> str:
        return f"p={self.p}, channels={self.channels}, layer={self.layer}"


class KeyedDropPath(nn.Module):
    """Stochastic depth (Huang et al., ECCV 2016) by the keys of the images: a residual branch is zeroed as a whole.

    Args:
        p: probability that the branch of an image is zeroed.
        scale_by_keep: scale the branches that are kept by 1 / (1 - p).
        source, layer: as in `KeyedDropout`.
    """

    def __init__(self, p: float = 0.0, scale_by_keep: bool = True, source: KeySource | None = None, layer: int = 0):
        super().__init__()
        self.p, self.scale_by_keep, self.layer = p, scale_by_keep, layer
        self.source = KeySource() if source is None else source

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        shape = (len(x), *(1 for _ in x.shape[1:]))
        return _masked(x, shape, 1 - self.p, self.scale_by_keep, self.source.keys, self.layer)

    def extra_repr(self) -> str:
        return f"p={self.p}, scale_by_keep={self.scale_by_keep}, layer={self.layer}"


def key_dropout(network: nn.Module) -> KeySource:
    """Replace every dropout and timm `DropPath` inside `network` by its keyed form, numbered by module order.

    What a network draws by a function (`torch.nn.functional.dropout`) is no module and stays as it is.

    Returns:
        The source of the keys of all of them.
    """
    source, replaced = KeySource(), {}
    for path, module in list(network.named_modules(remove_duplicate=False)):
        make = _keyed(module)
        if make is None:
            continue
        if module not in replaced:
            replaced[module] = make(source, len(replaced)).train(module.training)
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, replaced[module])
    return source


def _keyed(module: nn.Module) -> Callable[[KeySource, int], nn.Module] | None:
    """What makes the keyed form of a module from a source and a number; None for a module that has none."""
    declare_torchvision_schemas()
    from timm.layers import DropPath

    if isinstance(module, nn.Dropout):
        return lambda source, layer: KeyedDropout(module.p, False, source, layer)
    if isinstance(module, nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        return lambda source, layer: KeyedDropout(module.p, True, source, layer)
    if isinstance(module, DropPath):
        return lambda source, layer: KeyedDropPath(module.drop_prob, module.scale_by_keep, source, layer)
    return None


def _masked(x: Tensor, shape: tuple[int, ...], keep: float, scaled: bool, keys: Tensor | None, layer: int) -> Tensor:
    """`x`, zeroed where a mask of `shape`, whose elements are kept with probability `keep`, says so."""
    kept = torch.rand(shape, device=x.device) < keep if keys is None else _kept(keys, layer, shape, keep)
    # Scaling by a Python number rounds the product alone, not the scale, in half precision.
    return torch.where(kept, x / keep if scaled and keep > 0 else x, 0.0)


def _kept(keys: Tensor, layer: int, shape: tuple[int, ...], keep: float) -> Tensor:
    """The boolean mask of `shape` that a layer draws by `keys`.

    The first dimension is that of the images, or holds several rows for each, as windows of attention do, those of an
    image side by side.
    """
    if shape[0] % len(keys):
        raise ValueError(f"{len(keys)} keys for a batch of {shape[0]}: give one for each image")
    size = 1
    for length in (shape[0] // len(keys), *shape[1:]):
        size *= length
    bases = _mix(keys + _signed((layer + 1) * _FIRST))
    places = torch.arange(1, size + 1, device=keys.device) * _GOLDEN
    drawn = _shifted(_mix(bases[:, None] + places), 64 - _BITS)
    return (drawn < round(keep * 2**_BITS)).view(shape)


def _mix(x: Tensor) -> Tensor:
    """The finaliser of SplitMix64, a bijection of 64 bits in which every bit depends on every other."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """`x` shifted right as an unsigned integer."""
    return (x >> bits) & (2 ** (64 - bits) - 1)


def _signed(number: int) -> int:
    """`number` as arithmetic of 64 bits leaves it."""
    return (number + 2**63) % 2**64 - 2**63
