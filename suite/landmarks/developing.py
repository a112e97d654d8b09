"""From radiance to the bytes of a picture: falling rain, lens, exposure, white balance, film curve, noise, JPEG."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from suite.landmarks.weather import Weather

_QUALITIES = (88, 82, 76, 70, 64, 58, 52, 46, 40, 34, 28, 22, 16)


def develop(image: np.ndarray, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance (size, size, 3) to sRGB bytes, as a camera of middling quality would."""
    size = len(image)
    if weather.falling != "nothing":
        image = _fall(image, weather.falling, rng)
    image = image * _vignette(size, rng)[..., None]
    blur = rng.gamma(1.0, 0.2)
    if blur > 0.3:
        image = gaussian_filter(image, (min(blur, 0.9) * size / 128,) * 2 + (0,))
    bright = np.percentile(image.mean(axis=2), (65, 95)).mean()
    # A meter lifts a dark scene, though not to daylight.
    key = 0.55 * (1 - 0.55 * weather.light.night)
    image = image * key / max(bright, 0.02) * np.exp2(np.clip(rng.normal(0, 0.35), -0.7, 0.7))
    warmth = rng.normal(0, 0.06)
    image = image * (1 + warmth, 1.0, 1 - warmth)
    grey = image.mean(axis=2, keepdims=True)
    image = np.clip(grey + (image - grey) * rng.uniform(0.8, 1.3), 0, None)
    curve = image * (1 + image / 9) / (1 + 0.55 * image)
    srgb = np.where(curve <= 0.0031308, 12.92 * curve, 1.055 * np.maximum(curve, 1e-9) ** (1 / 2.4) - 0.055)
    noise = rng.gamma(1.5, 0.003) * (1 + weather.light.night)
    srgb = srgb + rng.normal(0, noise, (size, size, 1))
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)


def encode_jpeg(picture: np.ndarray, budget: int) -> bytes:
    """The best JPEG (4:2:0, optimised) of at most `budget` bytes, or the smallest there is."""
    for quality in _QUALITIES:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=2, optimize=True)
        if stream.tell() <= budget:
            break
    return stream.getvalue()


def _vignette(size: int, rng: np.random.Generator) -> np.ndarray:
    axis = (np.arange(size) + 0.5) / size - 0.5
    return 1 - rng.uniform(0, 0.7) * (axis[:, None] ** 2 + axis[None] ** 2)


def _fall(image: np.ndarray, what: str, rng: np.random.Generator) -> np.ndarray:
    """Rain as slanting streaks, snow as soft flakes, brighter than what lies behind."""
    size = len(image)
    layer = np.zeros((size, size))
    slant, count = rng.normal(0, 0.25), int((260 if what == "rain" else 190) * rng.uniform(0.5, 1.2))
    starts = rng.uniform(-0.1, 1.1, (count, 2)) * size
    length = int(0.07 * size) if what == "rain" else 1
    for step in range(max(length, 1)):
        rows, columns = (starts[:, 0] + step).astype(int), (starts[:, 1] + slant * step).astype(int)
        inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        layer[rows[inside], columns[inside]] += 1.0
    layer = gaussian_filter(layer, (0.55 if what == "rain" else 0.75) * math.sqrt(size / 128))
    level = 1.3 * np.percentile(image.mean(axis=2), 90)
    share = np.clip(layer * (0.35 if what == "rain" else 2.2), 0, 0.8)[..., None]
    return image + share * (level - image)
