"""Seeded noise that is a function of position alone: the same stone has the same stain in every photo."""

from __future__ import annotations

import math

from suite.landmarks.compiling import compiled


@compiled
def hashed(x, y, z, seed):
    """A number in [0, 1) for a cell of the integer lattice."""
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + seed * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 668265263) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@compiled
def _eased(x):
    return x * x * (3.0 - 2.0 * x)


@compiled
def noise(x, y, z, seed):
    """Smooth noise in [0, 1] with features of about one unit."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = _eased(x - ix), _eased(y - iy), _eased(z - iz)
    total = 0.0
    for dz in range(2):
        for dy in range(2):
            for dx in range(2):
                weight = (u if dx else 1.0 - u) * (v if dy else 1.0 - v) * (w if dz else 1.0 - w)
                total += weight * hashed(ix + dx, iy + dy, iz + dz, seed)
    return total


@compiled
def clouded(x, y, z, octaves, seed):
    """Noise summed over `octaves`, each half the size and half the strength of the one before; in [0, 1]."""
    total, strength, sum_of_strengths = 0.0, 0.5, 0.0
    for octave in range(octaves):
        total += strength * noise(x, y, z, seed + octave)
        sum_of_strengths += strength
        x, y, z, strength = x * 2.03, y * 2.03, z * 2.03, strength * 0.5
    return total / sum_of_strengths


@compiled
def _flat_noise(x, y, seed):
    ix, iy = math.floor(x), math.floor(y)
    u, v = _eased(x - ix), _eased(y - iy)
    lower = (1.0 - u) * hashed(ix, iy, 0, seed) + u * hashed(ix + 1, iy, 0, seed)
    upper = (1.0 - u) * hashed(ix, iy + 1, 0, seed) + u * hashed(ix + 1, iy + 1, 0, seed)
    return (1.0 - v) * lower + v * upper


@compiled
def clouded_flat(x, y, octaves, seed):
    """`clouded` on a plane, at half the cost: most pixels are sky and ground."""
    total, strength, sum_of_strengths = 0.0, 0.5, 0.0
    for octave in range(octaves):
        total += strength * _flat_noise(x, y, seed + octave)
        sum_of_strengths += strength
        x, y, strength = x * 2.03, y * 2.03, strength * 0.5
    return total / sum_of_strengths
