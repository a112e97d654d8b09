"""What an archetype returns: a landmark, fixed in shape and colour, and how people photograph it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from suite.landmarks.mesh import Mesh

GROUNDS = ("grass", "sand", "water", "paving", "rock", "snow", "earth")


@dataclass(frozen=True)
class ViewHints:
    """Where photographers stand.

    `elevation`: degrees above the horizon of the landmark's middle. `azimuth`: degrees, counter-clockwise, 0 is +x
    (a facade that looks along -y is seen from around -90); the full circle by default. `distance`: from the middle,
    in units of the landmark's radius, at a focal length of 35 mm (longer lenses stand further off).
    """

    elevation: tuple[float, float] = (0.0, 12.0)
    azimuth: tuple[float, float] = (0.0, 360.0)
    distance: tuple[float, float] = (2.0, 3.5)


@dataclass(frozen=True)
class Landmark:
    """A landmark around the origin. `radius` (metres) is that of a sphere around its middle.

    The sphere holds what people frame; the rock or lawn that it stands on may reach further.
    """

    mesh: Mesh
    radius: float
    height: float
    ground: str = "grass"
    view: ViewHints = field(default_factory=ViewHints)
    name: str = ""

    def __post_init__(self) -> None:
        if self.ground not in GROUNDS:
            raise ValueError(f"landmark {self.name!r}: ground {self.ground!r} is none of {', '.join(GROUNDS)}")
        if not (self.radius > 0 and math.isfinite(self.radius) and self.height > 0):
            raise ValueError(f"landmark {self.name!r}: radius and height must be positive")
