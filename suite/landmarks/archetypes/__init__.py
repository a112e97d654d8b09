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
    "bridge": ("bridge", "Bridges", "human-made"),
    "castle": ("castle", "Castles", "human-made"),
    "church": ("church", "Churches", "human-made"),
    "ferris_wheel": ("ferris_wheel", "Ferris wheels", "human-made"),
    "greenhouse": ("greenhouse", "Greenhouses", "human-made"),
    "iceberg": ("iceberg", "Icebergs", "natural"),
    "lighthouse": ("lighthouse", "Lighthouses", "human-made"),
    "mesa": ("mesa", "Mesas", "natural"),
    "monument": ("monument", "Monuments", "human-made"),
    "mountain": ("mountain", "Mountains", "natural"),
    "pagoda": ("pagoda", "Pagodas", "human-made"),
    "palace": ("palace", "Palaces", "human-made"),
    "pyramid": ("pyramid", "Pyramids", "human-made"),
    "rock_arch": ("rock_arch", "Rock arches", "natural"),
    "sea_stack": ("sea_stack", "Sea stacks", "natural"),
    "skyscraper": ("skyscraper", "Skyscrapers", "human-made"),
    "stadium": ("stadium", "Stadiums", "human-made"),
    "stone_circle": ("stone_circle", "Stone circles", "human-made"),
    "temple": ("temple", "Temples", "human-made"),
    "torii": ("torii", "Torii", "human-made"),
    "tower": ("tower", "Towers", "human-made"),
    "volcano": ("volcano", "Volcanoes", "natural"),
    "waterfall": ("waterfall", "Waterfalls", "natural"),
    "windmill": ("windmill", "Windmills", "human-made"),
}


def archetype(supercategory: str) -> ModuleType:
    """The module that builds landmarks of a super-category."""
    return import_module(f"{__name__}.{ARCHETYPES[supercategory][0]}")
