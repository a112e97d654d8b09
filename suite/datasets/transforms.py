"""From decoded images to what a network sees: with random crops and flips for training, without for judging."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from suite.full_settings import Images
from suite.torchvision_schemas import declare_torchvision_schemas

# Left, top, right and bottom, in pixels.
Box = tuple[int, int, int, int]


def training_transform(settings: Images) -> Callable[[Image.Image, int], Tensor]:
    """What makes a training image: resized, cropped at random and flipped with probability 1/2, as far as set.

    The crop is torchvision's `RandomResizedCrop` of the image whose shorter side has been resized; sizes change by
    bicubic interpolation, antialiased, and only if they have to.

    Returns:
        A function of an RGB image and its key, an int64: all that is random follows from the key. It gives a uint8
        tensor (3, size, size), and can be sent to other processes.
    """
    return _Training(settings)


def judging_transform(settings: Images) -> Callable[[Image.Image], Tensor]:
    """What makes an image to be judged: resized to (resize, resize) and its centre taken, or to (size, size) where no
    `resize` is set, whatever its proportions.

    Returns:
        A function of an RGB image that gives a uint8 tensor (3, size, size), and can be sent to other processes.
    """
    return _Judging(settings)


class _Training:
    def __init__(self, settings: Images):
        self.settings = settings

    def __call__(self, image: Image.Image, key: int) -> Tensor:
        settings = self.settings
        with torch.random.fork_rng(devices=[]):
            # `torch.manual_seed` would seed every device.
            torch.default_generator.manual_seed(key)
            box = None
            if settings.crop is not None:
                image = _with_shorter_side(image, settings.resize)
                box = _random_box(image, settings.crop.scale, settings.crop.ratio)
            flipped = settings.flip and bool(torch.rand(()) < 0.5)
        image = _resized(image, (settings.size, settings.size), box)
        return _tensor(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else image)


class _Judging:
    def __init__(self, settings: Images):
        self.settings = settings

    def __call__(self, image: Image.Image) -> Tensor:
        size, side = self.settings.size, self.settings.resize or self.settings.size
        image, margin = _resized(image, (side, side)), (side - size) // 2
        return _tensor(image.crop((margin, margin, margin + size, margin + size)))


def _with_shorter_side(image: Image.Image, side: int | None) -> Image.Image:
    if side is None:
        return image
    scale = side / min(image.size)
    return _resized(image, tuple(max(side, round(length * scale)) for length in image.size))


def _random_box(image: Image.Image, scale: tuple[float, float], ratio: tuple[float, float]) -> Box:
    declare_torchvision_schemas()
    from torchvision.transforms import RandomResizedCrop

    top, left, height, width = RandomResizedCrop.get_params(image, list(scale), list(ratio))
    return left, top, left + width, top + height


def _resized(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Image.Image:
    if image.size == size and box in (None, (0, 0, *size)):
        return image
    return image.resize(size, Image.Resampling.BICUBIC, box)


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
