"""Training images follow from image and key alone; judged ones are resized and cut at the centre."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from suite.datasets.transforms import judging_transform, training_transform
from suite.full_settings import Images


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Noise under a gradient from left to right."""
    pixels = np.random.default_rng(0).integers(0, 40, (height, width, 3)) + np.linspace(0, 200, width)[:, None]
    return Image.fromarray(pixels.astype(np.uint8))


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_a_training_image_follows_from_its_key_and_draws_from_no_generator():
    transform = training_transform(Images(size=24, resize=32, crop={}))
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    images = [transform(picture(), key) for key in (5, -(2**62), 5)]
    assert torch.equal(torch.rand(2), expected)
    assert images[0].shape == (3, 24, 24)
    assert images[0].dtype == torch.uint8
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])
    assert torch.equal(pickle.loads(pickle.dumps(transform))(picture(), 5), images[0])


def test_half_of_the_images_are_flipped_and_none_where_not_asked():
    flipping, plain = training_transform(Images(size=24)), training_transform(Images(size=24, flip=False))
    kept = pixels(picture().resize((24, 24), Image.Resampling.BICUBIC))
    flipped = 0
    for key in range(400):
        image = flipping(picture(), key)
        assert torch.equal(plain(picture(), key), kept)
        flipped += torch.equal(image, kept.flip(2))
        assert torch.equal(image, kept) or torch.equal(image, kept.flip(2))
    assert 150 < flipped < 250


def test_crops_have_the_shares_of_the_area_that_are_asked_for():
    """In a ramp from 0 to 200 the range of values is the width of the crop."""
    ramp = Image.fromarray(np.broadcast_to(np.linspace(0, 200, 200)[None, :, None], (200, 200, 3)).astype(np.uint8))
    transform = training_transform(Images(size=50, crop={"scale": (0.25, 0.25), "ratio": (1.0, 1.0)}, flip=False))
    images = torch.stack([transform(ramp, key) for key in range(100)]).float()
    spans = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    assert spans.min() > 90
    assert spans.max() < 106
    starts = images.amin((1, 2, 3))
    assert starts.min() < 15
    assert starts.max() > 85


def test_a_crop_is_taken_after_the_shorter_side_is_resized():
    settings = Images(size=32, resize=32, crop={"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}, flip=False)
    # No square of the whole area fits into a wide image: the largest square at the centre is taken.
    wide = picture(90, 60).resize((48, 32), Image.Resampling.BICUBIC)
    assert torch.equal(training_transform(settings)(picture(90, 60), 1), pixels(wide.crop((8, 0, 40, 32))))


def test_judged_images_are_resized_whole_and_cut_at_the_centre():
    image = judging_transform(Images(size=24, resize=32))(picture())
    assert torch.equal(image, pixels(picture().resize((32, 32), Image.Resampling.BICUBIC).crop((4, 4, 28, 28))))
    image = judging_transform(Images(size=24))(picture())
    assert torch.equal(image, pixels(picture().resize((24, 24), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("make", [judging_transform, lambda settings: lambda i: training_transform(settings)(i, 3)])
def test_images_of_the_right_size_are_untouched(make):
    image = picture(24, 24)
    assert torch.equal(make(Images(size=24, flip=False))(image), pixels(image))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 7)])
def test_images_of_any_shape_are_taken(shape: tuple[int, int]):
    settings = Images(size=16, resize=20, crop={})
    for key in range(20):
        assert training_transform(settings)(picture(*shape), key).shape == (3, 16, 16)
    assert judging_transform(settings)(picture(*shape)).shape == (3, 16, 16)


def test_downsizing_is_antialiased():
    """Stripes of one pixel become grey."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    image = judging_transform(Images(size=8))(Image.fromarray(stripes)).float()
    assert (image - 127.5).abs().max() < 25
