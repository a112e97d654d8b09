"""Contact sheets of a super-category, to look at: a row a landmark of a release, a column a photo of it.

python -m suite.landmarks.preview lighthouse sheet.png [--landmarks 6] [--photos 8] [--size 128] [--seed 0]
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

from suite.landmarks.archetypes import ARCHETYPES
from suite.landmarks.catalogue import Key, generator, make_landmark
from suite.landmarks.photo import take_photo


def contact_sheet(supercategory: str, landmarks: int, photos: int, size: int, seed: int) -> Image.Image:
    """Photos (columns) of the first training landmarks (rows) of one super-category; the second is a near-twin."""
    sheet = np.zeros((landmarks * (size + 2), photos * (size + 2), 3), np.uint8)
    for row in range(landmarks):
        key = Key("train", supercategory, row)
        site = make_landmark(key, seed)
        for column in range(photos):
            photo = take_photo(site, generator(seed, key, "preview", column), size)
            top, left = row * (size + 2), column * (size + 2)
            sheet[top : top + size, left : left + size] = photo
    return Image.fromarray(sheet)


@click.command()
@click.argument("supercategory", type=click.Choice(sorted(ARCHETYPES)))
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--landmarks", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--photos", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--size", type=click.IntRange(min=16), default=128, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def main(supercategory: str, path: Path, landmarks: int, photos: int, size: int, seed: int) -> None:
    """Draw a contact sheet of SUPERCATEGORY to PATH."""
    contact_sheet(supercategory, landmarks, photos, size, seed).save(path)


if __name__ == "__main__":
    main()
