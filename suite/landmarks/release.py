"""Writes drawn landmarks in the layout of the GLDv2 release, noise and all.

The layout, the tables' headers and the form of the md5 files are those of the release's own page and scripts,
https://github.com/cvdfoundation/google-landmark: an md5 file is a line of md5sum, ids are 16 hexadecimal digits, and
the image 0123... lies at 0/1/2/0123....jpg.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError
from tqdm import tqdm

from suite.errors import SuiteError
from suite.files import atomic_directory, remove_leftovers
from suite.landmarks.archetypes import ARCHETYPES
from suite.landmarks.catalogue import Key, generator, make_landmark
from suite.landmarks.developing import encode_jpeg
from suite.landmarks.photo import take_photo
from suite.landmarks.plan import Photo, Plan, make_plan
from suite.landmarks.scenery import photograph_scenery
from suite.landmarks.settings import Part, ReleaseSettings
from suite.workers import worker_pool

PARTS: tuple[Part, ...] = ("train", "index", "test")
_BATCH = 24
# In the place of web addresses.
_DRAWN = "drawn:"


def draw_release(destination: Path, *, processes: int = 1, **options: Any) -> dict[str, int]:
    """Draw a release into `destination`, a folder that is made, or replaced if it holds a release.

    Args:
        destination: receives `metadata/`, `ground_truth/`, `train/`, `index/`, `test/` and `md5sum/`.
        processes: drawn side by side; the bytes do not depend on it.
        options: fields of `ReleaseSettings`; the defaults give landmarks-mini.

    Returns:
        counts: images of each part, landmarks (of clean; with queries), bytes.

    Raises:
        SuiteError: a setting is out of range, or `destination` holds something else.
    """
    try:
        settings = ReleaseSettings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SuiteError(f"draw-landmarks: {name}: {first['msg']}") from None
    destination = Path(destination)
    if destination.exists() and not _is_release(destination):
        raise SuiteError(f"{destination}: exists and is no drawn release; name another folder or remove it")
    plan = make_plan(settings)
    remove_leftovers(destination)
    with atomic_directory(destination) as folder:
        _write_tables(folder, plan)
        with _Spool(folder / "spool") as spool:
            drawn = tqdm(_draw(plan, settings, processes), "draw", len(plan.photos), unit="image", disable=None)
            for image, data in drawn:
                spool.put(image, data)
            for part in PARTS:
                _write_shards(folder, part, plan.ids(part), settings.shards(part), spool)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    counts = {part: len(plan.ids(part)) for part in PARTS}
    queried = sum(key.part == "index" for key in plan.index_ids.values())
    landmarks = {"train_landmarks": len(plan.clean), "index_landmarks": queried}
    return {**counts, **landmarks, "bytes": size}


def draw_photos(task: tuple[Key | None, list[Photo], ReleaseSettings]) -> list[tuple[str, bytes]]:
    """(id, JPEG) of photos of one landmark, or of scenery where the key is None."""
    key, photos, settings = task
    budget = settings.image_bytes * settings.size**2 // 128**2
    site = None if key is None else make_landmark(key, settings.seed)
    drawn = []
    for photo in photos:
        rng = generator(settings.seed, "photo", photo.id)
        picture = photograph_scenery(rng, settings.size) if site is None else take_photo(site, rng, settings.size)
        drawn.append((photo.id, encode_jpeg(picture, budget)))
    return drawn


def _draw(plan: Plan, settings: ReleaseSettings, processes: int) -> Iterator[tuple[str, bytes]]:
    groups: dict[Key | None, list[Photo]] = defaultdict(list)
    for photo in plan.photos:
        groups[photo.key].append(photo)
    tasks = [
        (key, photos[start : start + _BATCH], settings)
        for key, photos in groups.items()
        for start in range(0, len(photos), _BATCH)
    ]
    if processes == 1:
        for task in tasks:
            yield from draw_photos(task)
        return
    with worker_pool(processes) as pool:
        for drawn in pool.map(draw_photos, tasks):
            yield from drawn


class _Spool:
    """A file of images in the order they were drawn, so that none but their places are held in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> _Spool:
        self._file = self._path.open("w+b")
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._path.unlink()

    def put(self, image: str, data: bytes) -> None:
        self._places[image] = (self._file.seek(0, io.SEEK_END), len(data))
        self._file.write(data)

    def get(self, image: str) -> bytes:
        start, length = self._places[image]
        self._file.seek(start)
        return self._file.read(length)


def _write_shards(folder: Path, part: Part, ids: list[str], shards: int, spool: _Spool) -> None:
    (folder / part).mkdir()
    sums = folder / "md5sum" / part
    sums.mkdir(parents=True)
    for shard in range(shards):
        name = f"images_{shard:03d}.tar"
        path = folder / part / name
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for image in ids[len(ids) * shard // shards : len(ids) * (shard + 1) // shards]:
                member = tarfile.TarInfo(f"{image[0]}/{image[1]}/{image[2]}/{image}.jpg")
                data = spool.get(image)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        (sums / f"md5.images_{shard:03d}.txt").write_text(f"{digest}  {name}\n", encoding="ascii")


def _write_tables(folder: Path, plan: Plan) -> None:
    metadata, truth = folder / "metadata", folder / "ground_truth"
    metadata.mkdir()
    truth.mkdir()
    train = [(image, f"{_DRAWN}train/{image}", plan.train[image]) for image in sorted(plan.train)]
    _write(metadata / "train.csv", ("id", "url", "landmark_id"), train)
    clean = [(landmark, " ".join(plan.clean[landmark])) for landmark in sorted(plan.clean)]
    _write(metadata / "train_clean.csv", ("landmark_id", "images"), clean)
    _write(metadata / "index.csv", ("id",), [(image,) for image in plan.ids("index")])
    _write(metadata / "index_image_to_landmark.csv", ("id", "landmark_id"), sorted(plan.index.items()))
    _write(metadata / "test.csv", ("id",), [(image,) for image in plan.ids("test")])
    for part, ids in (("train", plan.train_ids), ("index", plan.index_ids)):
        categories = [(landmark, _category(key, landmark)) for landmark, key in sorted(ids.items())]
        _write(metadata / f"{part}_label_to_category.csv", ("landmark_id", "category"), categories)
        hierarchy = []
        for landmark, category in categories:
            if landmark not in plan.unlabelled[part]:
                supercategory = ids[landmark].supercategory
                _, label, nature = ARCHETYPES[supercategory]
                hierarchy.append((landmark, category, supercategory, label, nature))
        header = ("landmark_id", "category", "supercategory", "hierarchical_label", "natural_or_human_made")
        _write(metadata / f"{part}_label_to_hierarchical.csv", header, hierarchy)
    solution = [(image, " ".join(images) or "None", usage) for image, (images, usage) in sorted(plan.solution.items())]
    _write(truth / "retrieval_solution_v2.1.csv", ("id", "images", "Usage"), solution)


def _category(key: Key, landmark: int) -> str:
    """A name as the release has them, of a page of a landmark; here it names no page."""
    return f"{_DRAWN}Category:{ARCHETYPES[key.supercategory][1].replace(' ', '_')}_{landmark}"


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    pd.DataFrame(rows, columns=list(header)).to_csv(path, index=False, lineterminator="\n")


def _is_release(folder: Path) -> bool:
    """Whether a folder is empty or holds a drawn release: the real one has web addresses where a drawn one has none."""
    if folder.is_dir() and not any(folder.iterdir()):
        return True
    try:
        with (folder / "metadata" / "train.csv").open(encoding="utf-8") as table:
            return table.readline() == "id,url,landmark_id\n" and f",{_DRAWN}" in table.readline()
    except (OSError, UnicodeDecodeError):
        return False
