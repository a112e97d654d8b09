"""The archetypes, by super-category. A new one is one file here and one line in the table.

An archetype's module defines `parameters(rng) -> dict`, which draws what sets one landmark apart from another, and
`build(parameters, rng) -> Landmark`, which makes it; a near-twin is built from the same parameters with a few drawn
anew. `rng` in `build` is for small details alone (trees, stones).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# super-category: (module, category label, "natural" or "human-made")
ARCHETYPES: dict[str, tuple[str, str, str]] = {
    "lighthouse": ("lighthouse", "Lighthouses", "human-made"),
    "mountain": ("mountain", "Mountains", "natural"),
    "windmill": ("windmill", "Windmills", "human-made"),
    "pagoda": ("pagoda", "Pagodas", "human-made"),
    "palace": ("palace", "Palaces", "human-made"),
    "greenhouse": ("greenhouse", "Greenhouses", "human-made"),
}


def archetype(supercategory: str) -> ModuleType:
    """The module that builds landmarks of a super-category."""
    return import_module(f"{__name__}.{ARCHETYPES[supercategory][0]}")
