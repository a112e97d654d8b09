"""Procedural materials and grounds: the colour of a point from where it lies, seeded by the landmark."""

from __future__ import annotations

import math

from suite.landmarks.compiling import compiled
from suite.landmarks.landmark import GROUNDS
from suite.landmarks.mesh import MATERIALS
from suite.landmarks.noise import clouded, clouded_flat, hashed, noise

STONE, BRICK, PLASTER = MATERIALS.index("stone"), MATERIALS.index("brick"), MATERIALS.index("plaster")
WOOD, ROCK, GRASS, SNOW = (MATERIALS.index(name) for name in ("wood", "rock", "grass", "snow"))
WATER, METAL, GLASS, TILES = (MATERIALS.index(name) for name in ("water", "metal", "glass", "tiles"))
FOLIAGE = MATERIALS.index("foliage")
LAWN, SAND, SEA, PAVING = (GROUNDS.index(name) for name in ("grass", "sand", "water", "paving"))
BARE_ROCK, SNOWFIELD = GROUNDS.index("rock"), GROUNDS.index("snow")


@compiled
def _courses(along, up, length, height, joint, seed):
    """Masonry in running bond: brightness of the block at (along, up), darker in the joints."""
    row = math.floor(up / height)
    x = along / length + 0.5 * (row & 1)
    column = math.floor(x)
    tone = 0.82 + 0.30 * hashed(column, row, 0, seed)
    edge = min((x - column) * length, (column + 1 - x) * length, up - row * height, (row + 1) * height - up)
    return tone * (0.62 if edge < joint else 1.0)


@compiled
def texture(material, x, y, z, nx, ny, nz, grain, footprint, seed):
    """Factor on the colour at a point with normal n; `grain` scales blocks (metres), `footprint` is a pixel's width.

    Patterns fade out as their period falls below two pixels, as in a photo that cannot resolve them.
    """
    along = -x * ny + y * nx if abs(nz) < 0.8 else x
    up = z if abs(nz) < 0.8 else y
    if material in (STONE, BRICK):
        size = grain if material == STONE else 0.4 * grain
        fade = min(max(1.6 * size / footprint - 1.6, 0.0), 1.0)
        blocks = _courses(along, up, 2.0 * size, size, 0.07 * size, seed) if fade > 0.0 else 0.94
        stains = 0.82 + 0.36 * clouded(x / (5 * grain), y / (5 * grain), z / (5 * grain), 3, seed)
        return (0.94 + fade * (blocks - 0.94)) * stains
    if material == PLASTER:
        return 0.9 + 0.2 * clouded(x / (4 * grain), y / (4 * grain), z / (8 * grain), 3, seed)
    if material == WOOD:
        plank = hashed(math.floor(along / (0.5 * grain)), 0, 0, seed)
        return 0.75 + 0.35 * plank + 0.15 * (noise(along / (0.1 * grain), up / grain, 0.0, seed) - 0.5)
    if material == TILES:
        size = 0.5 * grain
        slope = z / max(math.sqrt(max(1.0 - nz * nz, 0.0)), 0.2)
        fade = min(max(1.6 * size / footprint - 1.6, 0.0), 1.0)
        row = math.floor(slope / size)
        tone = 0.8 + 0.3 * hashed(row, math.floor((x + y) / size), 1, seed)
        step = 0.7 if slope / size - row < 0.2 else 1.0
        return (0.93 + fade * (tone * step - 0.93)) * (0.88 + 0.24 * noise(x / (3 * grain), y / (3 * grain), z, seed))
    if material == ROCK:
        # Strata and cracks: noise that is stretched along the horizontal.
        strata = clouded(x / (7 * grain), y / (7 * grain), z / (2.5 * grain), 4, seed)
        return 0.35 + 1.3 * strata
    if material == GRASS:
        return 0.7 + 0.6 * clouded(x / (2.5 * grain), y / (2.5 * grain), z / (2.5 * grain), 4, seed)
    if material == FOLIAGE:
        return 0.45 + 1.1 * clouded(x / (0.7 * grain), y / (0.7 * grain), z / (0.7 * grain), 3, seed)
    if material == SNOW:
        return 0.94 + 0.12 * clouded(x / (6 * grain), y / (6 * grain), z / (6 * grain), 3, seed)
    if material == METAL:
        return 0.9 + 0.2 * noise(x / (3 * grain), y / (3 * grain), z / (3 * grain), seed)
    return 1.0


@compiled
def ground(kind, x, y, grain, footprint, seed, out):
    """Colour of the ground at (x, y) into `out` (3,); water has its own shading."""
    coarse = clouded_flat(x / (14 * grain), y / (14 * grain), 4, seed)
    fine = 0.5
    if footprint < 2.0 * grain:
        fade = 1.0 - footprint / (2.0 * grain)
        fine += fade * (clouded_flat(x / grain, y / grain, 3, seed + 5) - 0.5)
    tone = 0.72 + 0.36 * coarse + 0.24 * (fine - 0.5)
    if kind == LAWN:
        dry = min(max(2.2 * coarse - 0.8, 0.0), 1.0)
        out[0], out[1], out[2] = (0.075 + 0.075 * dry) * tone, (0.145 + 0.025 * dry) * tone, 0.038 * tone
    elif kind == SAND:
        out[0], out[1], out[2] = 0.52 * tone, 0.41 * tone, 0.25 * tone
    elif kind == PAVING:
        size = 1.6 * grain
        fade = min(max(1.6 * size / footprint - 1.6, 0.0), 1.0)
        slabs = 0.92 + fade * (_courses(x, y, 1.5 * size, size, 0.06 * size, seed) - 0.92)
        out[0], out[1], out[2] = 0.30 * tone * slabs, 0.285 * tone * slabs, 0.26 * tone * slabs
    elif kind == BARE_ROCK:
        tone *= 0.7 + 0.7 * (fine - 0.2)
        out[0], out[1], out[2] = 0.24 * tone, 0.215 * tone, 0.18 * tone
    elif kind == SNOWFIELD:
        tone = 0.75 + 0.25 * tone
        out[0], out[1], out[2] = 0.78 * tone, 0.80 * tone, 0.84 * tone
    else:
        out[0], out[1], out[2] = 0.20 * tone, 0.135 * tone, 0.08 * tone
