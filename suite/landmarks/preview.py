"""Contact sheets of an archetype, to look at: a row a landmark, a column a photo.

python -m suite.landmarks.preview lighthouse sheet.png [--landmarks 6] [--photos 8] [--size 128] [--seed 0]
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

from suite.landmarks.archetypes import ARCHETYPES, archetype
from suite.landmarks.photo import make_site, take_photo


def contact_sheet(supercategory: str, landmarks: int, photos: int, size: int, seed: int) -> Image.Image:
    """Photos (columns) of landmarks (rows) of one super-category."""
    module = archetype(supercategory)
    sheet = np.zeros((landmarks * (size + 2), photos * (size + 2), 3), np.uint8)
    for row in range(landmarks):
        drawn = module.parameters(np.random.default_rng([seed, row]))
        landmark = module.build(drawn, np.random.default_rng([seed, row, 1]))
        site = make_site(landmark, np.random.default_rng([seed, row, 3]))
        for column in range(photos):
            photo = take_photo(site, np.random.default_rng([seed, row, 2, column]), size)
            top, left = row * (size + 2), column * (size + 2)
            sheet[top : top + size, left : left + size] = photo
    return Image.fromarray(sheet)


@click.command()
@click.argument("supercategory", type=click.Choice(sorted(ARCHETYPES)))
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--landmarks", default=6)
@click.option("--photos", default=8)
@click.option("--size", default=128)
@click.option("--seed", default=0)
def main(supercategory: str, path: Path, landmarks: int, photos: int, size: int, seed: int) -> None:
    """Draw a contact sheet of SUPERCATEGORY to PATH."""
    contact_sheet(supercategory, landmarks, photos, size, seed).save(path)


if __name__ == "__main__":
    main()
