"""The light of a photo as the renderer takes it, and the sky it comes from."""

from __future__ import annotations

import math
from typing import NamedTuple

from suite.landmarks.compiling import compiled
from suite.landmarks.noise import clouded_flat, hashed

Triple = tuple[float, float, float]


class Light(NamedTuple):
    """Colours are linear radiance, directions unit vectors in the world.

    Both are tuples of three floats: arrays would be counted in and out at every call of compiled code.
    """

    sun: Triple  # towards the sun (or moon)
    sun_colour: Triple
    ambient_up: Triple  # what faces the sky receives
    ambient_down: Triple  # what faces the ground receives
    zenith: Triple
    horizon: Triple
    glow: Triple  # around the sun
    cloud: Triple  # lit clouds
    cover: float  # share of the sky under clouds, 0..1
    fog: float  # extinction per metre
    night: float  # 0 day, 1 night: windows are lit, stars are out
    snow: float  # 0..1, share of upward faces under snow
    autumn: float  # 0 summer green .. 1 autumn leaves
    wet: float  # 0 dry .. 1 soaked and shining
    seed: int  # of clouds and ripples


@compiled
def sky(dx, dy, dz, light, out):
    """Radiance of the sky in direction (dx, dy, dz), unit length, into `out` (3,). Below the horizon: the horizon."""
    up = max(dz, 0.0)
    blend = 1.0 - math.exp(-up * 3.2)
    facing = max(dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2], 0.0)
    halo = 0.35 * facing**6 + 0.65 * facing**60
    for c in range(3):
        out[c] = light.horizon[c] * (1.0 - blend) + light.zenith[c] * blend + light.glow[c] * halo
    if light.night > 0.5 and dz > 0.05 and light.cover < 0.5:
        ix, iy, iz = int(dx * 500 + 1000), int(dy * 500 + 1000), int(dz * 500)
        if hashed(ix, iy, iz, light.seed) > 0.9993:
            for c in range(3):
                out[c] += 0.12
    if dz > 0.015 and light.cover > 0.02:
        # Clouds lie on a plane overhead, flattened towards the horizon.
        scale = 1.1 / (dz + 0.12)
        density = clouded_flat(dx * scale + 7.3, dy * scale + 2.1, 5, light.seed)
        edge = 0.68 - 0.4 * light.cover
        thick = min(max((density - edge) / 0.16, 0.0), 1.0) * min(dz * 12.0, 1.0)
        shade = 1.0 - 0.45 * min(max((density - edge) / 0.35, 0.0), 1.0)
        for c in range(3):
            lit = light.cloud[c] * shade + light.glow[c] * halo * 0.4
            out[c] += thick * (lit - out[c])
