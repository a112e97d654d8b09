"""From an image of a data set to what a network sees, with augmentation and without."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from suite.full_settings import Images
from suite.torchvision_schemas import declare_torchvision_schemas


def training_transform(settings: Images) -> Callable[[Image.Image, int], Tensor]:
    """The augmentation of training images: resize of the shorter side, random resized crop, flip.

    Returns:
        From an RGB image and a key, an integer, to a uint8 (3, size, size) tensor. The same key gives the same crop
        and flip on every machine, whatever else is drawn.
    """
    transforms, bicubic = _torchvision()
    size = settings.size
    steps = [] if settings.resize is None else [transforms.Resize(settings.resize, bicubic)]
    if settings.crop is None:
        steps.append(transforms.Resize((size, size), bicubic))
    else:
        crop = settings.crop
        steps.append(transforms.RandomResizedCrop(size, crop.scale, crop.ratio, bicubic))
    if settings.flip:
        steps.append(transforms.RandomHorizontalFlip())
    return _Keyed(transforms.Compose([*steps, transforms.PILToTensor()]))


def judging_transform(settings: Images) -> Callable[[Image.Image], Tensor]:
    """How images are judged: resized to (resize, resize) and cropped in the middle, or straight to (size, size).

    Returns:
        From an RGB image to a uint8 (3, size, size) tensor.
    """
    transforms, bicubic = _torchvision()
    side = settings.size if settings.resize is None else settings.resize
    steps = [transforms.Resize((side, side), bicubic)]
    if side != settings.size:
        steps.append(transforms.CenterCrop(settings.size))
    return transforms.Compose([*steps, transforms.PILToTensor()])


class _Keyed:
    """A transform that draws from torch's global generator, seeded anew by the key of each image."""

    def __init__(self, transform: Callable[[Image.Image], Tensor]):
        self.transform = transform

    def __call__(self, image: Image.Image, key: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(key)
            return self.transform(image)


def _torchvision():
    declare_torchvision_schemas()
    with warnings.catch_warnings():
        # That its compiled part does not load beside a CPU-only torch: nothing here uses it.
        warnings.simplefilter("ignore")
        from torchvision import transforms
    return transforms, transforms.InterpolationMode.BICUBIC
