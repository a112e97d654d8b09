"""Synthetic GLDv2 releases in the exact layout: tables, tar shards, md5 files; any size, the same bytes each time.

Images are drawn from a small pool of 16 x 16 JPEGs, each made unique by a comment that holds its id.
"""

from __future__ import annotations

import hashlib
import io
import math
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SUPERCATEGORIES = ("castle", "church", "bridge", "mountain", "waterfall", "lake")
NATURAL = {"mountain", "waterfall", "lake"}
_POOL = 200


@dataclass(frozen=True)
class Release:
    """The size and the oddities of a release.

    Image n of a set belongs to landmark n // per_landmark and lies in shard n % shards. Landmark l has the id 7 l + 3
    in train and in index alike. Every `bare_every`-th landmark has no hierarchy (by turns no row and a blank
    super-category), every `distractor_every`-th index image no landmark; 0 means none. A share `answered` of the test
    images has an answer, the others are ignored. The shards of train hold `unclean` images that are not listed.
    """

    train: int = 60
    index: int = 40
    test: int = 8
    per_landmark: int = 5
    bare_every: int = 0
    distractor_every: int = 0
    answered: float = 1.0
    unclean: int = 0
    train_shards: int = 3
    index_shards: int = 2
    test_shards: int = 1

    @property
    def index_landmarks(self) -> int:
        return -(-self.index // self.per_landmark)

    def landmark(self, image: int) -> int:
        return self.landmark_id(image // self.per_landmark)

    def landmark_id(self, landmark: int) -> int:
        return 7 * landmark + 3

    def is_bare(self, landmark: int) -> bool:
        return bool(self.bare_every) and landmark % self.bare_every == self.bare_every - 1

    def is_distractor(self, image: int) -> bool:
        return bool(self.distractor_every) and image % self.distractor_every == self.distractor_every - 1

    def queries_before(self, image: int) -> int:
        """How many of the test images before `image` have an answer."""
        return math.floor(image * self.answered)

    def is_ignored(self, image: int) -> bool:
        return self.queries_before(image) == self.queries_before(image + 1)

    def queried(self, image: int) -> int:
        """The landmark (0, 1, ...) that test image `image` shows."""
        return image % self.index_landmarks

    def relevant(self, landmark: int) -> list[str]:
        """Ids of the index images of landmark 0, 1, ..."""
        first = landmark * self.per_landmark
        members = range(first, min(first + self.per_landmark, self.index))
        return [image_id("index", image) for image in members if not self.is_distractor(image)]


def image_id(part: str, image: int) -> str:
    """16 hexadecimal digits; a few ids stand in train and in index alike."""
    name = f"shared/{image}" if image % 97 == 1 and part != "test" else f"{part}/{image}"
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def supercategory(landmark: int) -> str:
    return SUPERCATEGORIES[landmark % len(SUPERCATEGORIES)]


def write_release(folder: Path, release: Release) -> None:
    """Write the whole release below `folder`."""
    pool = _pictures()
    sizes = {
        "train": (release.train + release.unclean, release.train_shards),
        "index": (release.index, release.index_shards),
        "test": (release.test, release.test_shards),
    }
    for part, (images, shards) in sizes.items():
        for number in range(shards):
            members = ((image_id(part, image), picture(pool, part, image)) for image in range(number, images, shards))
            write_shard(folder, part, number, members)
    _write_tables(folder, release)


def write_shard(folder: Path, part: str, number: int, images: Iterable[tuple[str, bytes]]) -> None:
    """Write one shard and its md5 file; `images` are id and bytes."""
    path = folder / part / f"images_{number:03d}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in images:
            info = tarfile.TarInfo(f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    checksum = folder / "md5sum" / part / f"md5.images_{number:03d}.txt"
    checksum.parent.mkdir(parents=True, exist_ok=True)
    checksum.write_text(f"{digest}  {path.name}\n")


def edit_shard(folder: Path, part: str, number: int, edit: Callable[[dict[str, bytes]], None]) -> None:
    """Rewrite a shard, its md5 file too, after `edit` has changed its images by id."""
    with tarfile.open(folder / part / f"images_{number:03d}.tar") as archive:
        images = {Path(member.name).stem: archive.extractfile(member).read() for member in archive}
    edit(images)
    write_shard(folder, part, number, images.items())


def edit_table(folder: Path, name: str, edit: Callable[[list[str]], None]) -> None:
    """Rewrite a table after `edit` has changed its lines."""
    lines = (folder / name).read_text().splitlines()
    edit(lines)
    (folder / name).write_text("\n".join(lines) + "\n")


def picture(pool: list[bytes], part: str, image: int) -> bytes:
    """A JPEG of the pool with a comment of its own behind the start marker."""
    comment = f"{part}/{image}".encode()
    data = pool[image % len(pool)]
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def _pictures() -> list[bytes]:
    generator = np.random.default_rng(0)
    pool = []
    for _ in range(_POOL):
        corners = Image.fromarray(generator.integers(0, 256, (2, 2, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        corners.resize((16, 16), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=60)
        pool.append(buffer.getvalue())
    return pool


def _write_tables(folder: Path, release: Release) -> None:
    clean = -(-release.train // release.per_landmark)
    tables = {
        "metadata/train_clean.csv": _clean_rows(release, clean),
        "metadata/train_label_to_hierarchical.csv": _hierarchy_rows(release, clean),
        "metadata/index.csv": ["id", *(image_id("index", image) for image in range(release.index))],
        "metadata/index_image_to_landmark.csv": _index_rows(release),
        "metadata/index_label_to_hierarchical.csv": _hierarchy_rows(release, release.index_landmarks),
        "ground_truth/retrieval_solution_v2.1.csv": _solution_rows(release),
    }
    for name, rows in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{row}\n" for row in rows)


def _clean_rows(release: Release, landmarks: int) -> Iterator[str]:
    yield "landmark_id,images"
    for landmark in range(landmarks):
        first = landmark * release.per_landmark
        images = range(first, min(first + release.per_landmark, release.train))
        yield f"{release.landmark_id(landmark)},{' '.join(image_id('train', image) for image in images)}"


def _hierarchy_rows(release: Release, landmarks: int) -> Iterator[str]:
    yield "landmark_id,category,supercategory,hierarchical_label,natural_or_human_made"
    bare = 0
    for landmark in range(landmarks):
        kind = supercategory(landmark)
        if release.is_bare(landmark):
            bare += 1
            if bare % 2:
                continue
            kind = ""
        made = "natural" if kind in NATURAL else "human-made"
        category = f'"http://commons.wikimedia.org/wiki/Category:Place,_{landmark}"'
        yield f"{release.landmark_id(landmark)},{category},{kind},{kind},{made}"


def _index_rows(release: Release) -> Iterator[str]:
    yield "id,landmark_id"
    for image in range(release.index):
        if not release.is_distractor(image):
            yield f"{image_id('index', image)},{release.landmark(image)}"


def _solution_rows(release: Release) -> Iterator[str]:
    yield "id,images,Usage"
    for image in range(release.test):
        if release.is_ignored(image):
            yield f"{image_id('test', image)},None,Ignored"
        else:
            usage = "Private" if release.queries_before(image) % 3 else "Public"
            yield f"{image_id('test', image)},{' '.join(release.relevant(release.queried(image)))},{usage}"
