"""From the z-buffer to radiance: sun with shadows, sky with occlusion, materials, water, fog."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from suite.landmarks.compiling import compiled
from suite.landmarks.light import Triple, sky
from suite.landmarks.noise import clouded, hashed, noise
from suite.landmarks.surface import FOLIAGE, GLASS, GRASS, LAWN, METAL, ROCK, SEA, WATER, ground, texture

_ANGLES = (np.arange(6) + 0.5) * math.pi / 3
_AROUND = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class Shadows(NamedTuple):
    """What the sun sees and what the sky sees: nearness maps over planes across the sun's rays and across z."""

    axes: tuple[Triple, Triple, Triple]  # right, down, towards the sun
    scale: float  # pixels a metre
    nearness: np.ndarray  # (N, N): metres towards the sun
    above_scale: float
    above: np.ndarray  # (M, M): height of the highest point, row y, column x


class Surfaces(NamedTuple):
    """Triangles of a scene with what colours them."""

    vertices: np.ndarray  # (T, 3, 3) float32 world
    normals: np.ndarray  # (T, 3, 3) float32
    colours: np.ndarray  # (T, 3) float32
    materials: np.ndarray  # (T,) int32
    ground: int
    grain: float  # size of building blocks, metres
    seed: int


@compiled
def sunlit(x, y, z, nx, ny, nz, shadows):
    """Share of the sun that reaches a point, 0..1, averaged over 2 x 2 texels."""
    texel = 1.0 / shadows.scale
    size = shadows.nearness.shape[0]
    # Moving off along the normal keeps a face from shading itself.
    x, y, z = x + 1.6 * texel * nx, y + 1.6 * texel * ny, z + 1.6 * texel * nz
    axes = shadows.axes
    u = (x * axes[0][0] + y * axes[0][1] + z * axes[0][2]) * shadows.scale + 0.5 * size - 0.5
    v = (x * axes[1][0] + y * axes[1][1] + z * axes[1][2]) * shadows.scale + 0.5 * size - 0.5
    near = x * axes[2][0] + y * axes[2][1] + z * axes[2][2] + 0.8 * texel
    column, row = math.floor(u), math.floor(v)
    if column < 0 or row < 0 or column >= size - 1 or row >= size - 1:
        return 1.0
    total = 0.0
    for dy in range(2):
        for dx in range(2):
            weight = (u - column if dx else 1.0 - (u - column)) * (v - row if dy else 1.0 - (v - row))
            if shadows.nearness[row + dy, column + dx] <= near:
                total += weight
    return total


@compiled
def openness(x, y, z, nx, ny, nz, shadows):
    """Share of the sky a point sees, from the horizon of the heights around it in six directions."""
    size = shadows.above.shape[0]
    texel = 1.0 / shadows.above_scale
    blocked = 0.0
    weights = 0.0
    for k in range(len(_AROUND)):
        dx, dy = _AROUND[k, 0], _AROUND[k, 1]
        weight = max(0.25 + dx * nx + dy * ny + nz, 0.0)
        if weight <= 0.0:
            continue
        steepest = 0.0
        for step in (2.0, 6.0):
            reach = step * texel
            column = int((x + dx * reach) * shadows.above_scale + 0.5 * size)
            row = int((y + dy * reach) * shadows.above_scale + 0.5 * size)
            if 0 <= column < size and 0 <= row < size:
                rise = shadows.above[row, column] - z - 0.5 * texel
                steepest = max(steepest, rise / reach)
        blocked += weight * steepest / math.sqrt(1.0 + steepest * steepest)
        weights += weight
    return 1.0 - 0.85 * blocked / weights if weights > 0.0 else 0.5


@compiled
def _illuminate(colour, x, y, z, nx, ny, nz, light, shadows, out):
    lambert = nx * light.sun[0] + ny * light.sun[1] + nz * light.sun[2]
    direct = lambert * sunlit(x, y, z, nx, ny, nz, shadows) if lambert > 0.0 else 0.0
    visible = openness(x, y, z, nx, ny, nz, shadows)
    upward = 0.5 + 0.5 * nz
    for c in range(3):
        ambient = (upward * light.ambient_up[c] + (1.0 - upward) * light.ambient_down[c]) * visible
        out[c] = colour[c] * (direct * light.sun_colour[c] + ambient)


@compiled
def _season(material, light, x, y, z, nz, grain, seed, colour):
    """Snow on what faces up, autumn in the leaves."""
    if light.autumn > 0.0 and material in (FOLIAGE, GRASS):
        shade = light.autumn * (0.9 if material == FOLIAGE else 0.4)
        warm = hashed(math.floor(x / (4 * grain)), math.floor(y / (4 * grain)), 3, seed)
        brightness = colour[0] + colour[1] + colour[2]
        colour[0] += shade * (brightness * (0.75 + 0.3 * warm) - colour[0])
        colour[1] += shade * (brightness * (0.45 - 0.22 * warm) - colour[1])
        colour[2] += shade * (brightness * 0.06 - colour[2])
    if light.snow > 0.0 and nz > 0.25:
        drift = clouded(x / (3 * grain), y / (3 * grain), z / (3 * grain), 3, seed) - 0.5
        patch = 1.6 * (nz - 0.62) + 1.1 * drift + 0.7 * (light.snow - 0.6)
        share = min(max(patch * 4.0, 0.0), 1.0) * 0.95
        colour[0] += share * (0.80 - colour[0])
        colour[1] += share * (0.82 - colour[1])
        colour[2] += share * (0.86 - colour[2])


@compiled
def _face(face, x, y, z, dx, dy, dz, footprint, surfaces, light, shadows, colour, scratch, out):
    """Radiance of triangle `face` at point (x, y, z), seen along the unit direction d."""
    vertices = surfaces.vertices[face]
    corners = surfaces.normals[face]
    ax, ay, az = float(vertices[0, 0]), float(vertices[0, 1]), float(vertices[0, 2])
    e1x, e1y, e1z = vertices[1, 0] - ax, vertices[1, 1] - ay, vertices[1, 2] - az
    e2x, e2y, e2z = vertices[2, 0] - ax, vertices[2, 1] - ay, vertices[2, 2] - az
    px, py, pz = x - ax, y - ay, z - az
    d11, d12, d22 = (
        e1x * e1x + e1y * e1y + e1z * e1z,
        e1x * e2x + e1y * e2y + e1z * e2z,
        e2x * e2x + e2y * e2y + e2z * e2z,
    )
    p1, p2 = px * e1x + py * e1y + pz * e1z, px * e2x + py * e2y + pz * e2z
    span = max(d11 * d22 - d12 * d12, 1e-18)
    b1 = min(max((d22 * p1 - d12 * p2) / span, 0.0), 1.0)
    b2 = min(max((d11 * p2 - d12 * p1) / span, 0.0), 1.0 - b1)
    b0 = 1.0 - b1 - b2
    nx = b0 * corners[0, 0] + b1 * corners[1, 0] + b2 * corners[2, 0]
    ny = b0 * corners[0, 1] + b1 * corners[1, 1] + b2 * corners[2, 1]
    nz = b0 * corners[0, 2] + b1 * corners[1, 2] + b2 * corners[2, 2]
    length = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
    facing = (nx * dx + ny * dy + nz * dz) / length
    sign = -1.0 / length if facing > 0.0 else 1.0 / length
    nx, ny, nz, facing = nx * sign, ny * sign, nz * sign, abs(facing)
    material = surfaces.materials[face]
    if material in (ROCK, FOLIAGE):
        # Relief finer than the triangles: the normal leans where the noise rises.
        size = max((2.2 if material == ROCK else 0.6) * surfaces.grain, 3.0 * footprint)
        depth = 1.1 if material == ROCK else 0.9
        nx += depth * (clouded(x / size, y / size, z / size, 3, surfaces.seed + 11) - 0.5)
        ny += depth * (clouded(x / size, y / size, z / size, 3, surfaces.seed + 17) - 0.5)
        nz += depth * (clouded(x / size, y / size, z / size, 3, surfaces.seed + 23) - 0.5)
        length = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
        nx, ny, nz = nx / length, ny / length, nz / length
    factor = texture(material, x, y, z, nx, ny, nz, surfaces.grain, footprint, surfaces.seed)
    for c in range(3):
        colour[c] = surfaces.colours[face, c] * factor * (1.0 - 0.3 * light.wet)
    _season(material, light, x, y, z, nz, max(surfaces.grain, footprint), surfaces.seed, colour)
    _illuminate(colour, x, y, z, nx, ny, nz, light, shadows, out)
    if material in (GLASS, METAL, WATER) or light.wet > 0.0:
        grazing = (1.0 - facing) ** 4
        share = 0.25 * light.wet * grazing
        if material in (GLASS, WATER):
            share = 0.12 + 0.75 * grazing
        elif material == METAL:
            share = 0.22 + 0.4 * grazing
        twice = 2.0 * (nx * dx + ny * dy + nz * dz)
        sky(dx - twice * nx, dy - twice * ny, dz - twice * nz, light, scratch)
        for c in range(3):
            out[c] += share * (scratch[c] - out[c])
    if material == GLASS and light.night > 0.0:
        cell = 3.0 * surfaces.grain
        lit = hashed(math.floor(x / cell), math.floor(y / cell), math.floor(z / cell), surfaces.seed + light.seed)
        if lit < 0.7:
            bright = light.night * (0.5 + 0.7 * lit)
            out[0] += 1.10 * bright
            out[1] += 0.78 * bright
            out[2] += 0.36 * bright


@compiled
def shade(
    image, depth, faces, mirror_depth, mirror_faces, eye, axes, focal, centre_x, centre_y, surfaces, light, shadows
):
    """Fill `image` (H, W, 3) float64 with linear radiance.

    `depth`, `faces`: as `raster.rasterise` leaves them; `mirror_*` the same for the scene mirrored at z = 0, seen in
    the water (arrays of no size: no water). `eye` (3,) and `axes` (3, 3) are the camera's.
    """
    height, width = depth.shape
    colour, scratch, out = np.empty(3), np.empty(3), np.empty(3)
    for row in range(height):
        for column in range(width):
            u, v = (column + 0.5 - centre_x) / focal, (row + 0.5 - centre_y) / focal
            rx = u * axes[0, 0] + v * axes[1, 0] + axes[2, 0]
            ry = u * axes[0, 1] + v * axes[1, 1] + axes[2, 1]
            rz = u * axes[0, 2] + v * axes[1, 2] + axes[2, 2]
            length = math.sqrt(rx * rx + ry * ry + rz * rz)
            dx, dy, dz = rx / length, ry / length, rz / length
            ground_at = -eye[2] / rz if rz < -1e-9 else 1e18
            face_at = 1.0 / depth[row, column] if depth[row, column] > 0.0 else 1e18
            reach = min(ground_at, face_at)
            if reach > 1e17:
                sky(dx, dy, dz, light, out)
            else:
                x, y, z = eye[0] + reach * rx, eye[1] + reach * ry, eye[2] + reach * rz
                distance = reach * length
                footprint = reach / focal
                if face_at <= ground_at:
                    _face(
                        faces[row, column],
                        x,
                        y,
                        z,
                        dx,
                        dy,
                        dz,
                        footprint,
                        surfaces,
                        light,
                        shadows,
                        colour,
                        scratch,
                        out,
                    )
                elif surfaces.ground == SEA:
                    _water(
                        row,
                        column,
                        x,
                        y,
                        rx,
                        ry,
                        rz,
                        footprint,
                        mirror_depth,
                        mirror_faces,
                        eye,
                        axes,
                        focal,
                        centre_x,
                        centre_y,
                        surfaces,
                        light,
                        shadows,
                        colour,
                        scratch,
                        out,
                    )
                else:
                    # A pixel near the horizon covers more ground along the view than across it.
                    flat = footprint * min(1.0 / max(-dz, 0.02), 12.0)
                    ground(surfaces.ground, x, y, surfaces.grain, flat, surfaces.seed, colour)
                    for c in range(3):
                        colour[c] *= 1.0 - 0.35 * light.wet
                    material = GRASS if surfaces.ground == LAWN else -1
                    _season(material, light, x, y, 0.0, 1.0, max(surfaces.grain, flat), surfaces.seed, colour)
                    _illuminate(colour, x, y, 0.0, 0.0, 0.0, 1.0, light, shadows, out)
                    if light.wet > 0.0:
                        share = 0.5 * light.wet * (1.0 - abs(dz)) ** 3
                        sky(dx, dy, -dz, light, scratch)
                        for c in range(3):
                            out[c] += share * (scratch[c] - out[c])
                veil = 1.0 - math.exp(-distance * light.fog)
                sky(dx, dy, 0.0, light, scratch)
                for c in range(3):
                    out[c] += veil * (scratch[c] - out[c])
            for c in range(3):
                image[row, column, c] = out[c]


@compiled
def _water(
    row, column, x, y, rx, ry, rz, footprint, mirror_depth, mirror_faces, eye, axes, focal, centre_x, centre_y,
    surfaces, light, shadows, colour, scratch, out,
):  # fmt: skip
    """Water at (x, y): its own dark green, and the mirrored scene or sky displaced by ripples."""
    height, width = mirror_depth.shape
    length = math.sqrt(rx * rx + ry * ry + rz * rz)
    wave = 0.6 * surfaces.grain
    calm = 1.0 / (1.0 + 1.5 * footprint / (wave * max(-rz / length, 0.02)))
    slope_x = calm * (noise(x / wave, y / wave, 0.1, light.seed + 31) - 0.5)
    slope_y = calm * (noise(x / wave, y / wave, 0.9, light.seed + 47) - 0.5)
    down = -rz / length
    grazing = (1.0 - down) ** 4
    share = 0.06 + 0.8 * grazing
    seen_column = column + int(slope_x * 0.02 * width)
    seen_row = row + int((slope_y + 0.15 * (hashed(row, column, 0, light.seed) - 0.5)) * 0.05 * height)
    seen_column, seen_row = min(max(seen_column, 0), width - 1), min(max(seen_row, 0), height - 1)
    if mirror_depth[seen_row, seen_column] > 0.0:
        u, v = (seen_column + 0.5 - centre_x) / focal, (seen_row + 0.5 - centre_y) / focal
        mx = u * axes[0, 0] + v * axes[1, 0] + axes[2, 0]
        my = u * axes[0, 1] + v * axes[1, 1] + axes[2, 1]
        mz = u * axes[0, 2] + v * axes[1, 2] + axes[2, 2]
        far = 1.0 / mirror_depth[seen_row, seen_column]
        unit = math.sqrt(mx * mx + my * my + mz * mz)
        _face(
            mirror_faces[seen_row, seen_column], eye[0] + far * mx, eye[1] + far * my, -(eye[2] + far * mz),
            mx / unit, my / unit, -mz / unit, 2 * footprint, surfaces, light, shadows, colour, scratch, out,
        )  # fmt: skip
    else:
        sky(rx / length + 0.3 * slope_x, ry / length + 0.3 * slope_y, max(down + 0.25 * slope_y, 0.02), light, out)
        for c in range(3):
            # A glint of the sun would be a speck of pure white.
            out[c] = min(out[c], 1.3 * light.horizon[c] + 0.2)
    lit = sunlit(x, y, 0.0, 0.0, 0.0, 1.0, shadows)
    tone = 0.8 + 0.9 * slope_y
    for c in range(3):
        direct = light.sun_colour[c] * (0.3 + 0.7 * lit) * max(light.sun[2], 0.0)
        body = (0.020 + 0.016 * c) * (direct + light.ambient_up[c])
        out[c] = share * out[c] + (1.0 - share) * body * tone
