"""A store gives back what was put in, whatever the sizes and threads; damage to it is named."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from image_makers import encoded, enormous_png, png, turned
from PIL import Image
from torch.utils.data import DataLoader

from suite.datasets.images import NOT_AN_IMAGE, TOO_MANY_PIXELS, TRUNCATED
from suite.datasets.loading import ImageDataset
from suite.datasets.store import INDEX, ImageStore, store_images
from suite.errors import SuiteError
from suite.files import write_json


def grey(value: int, side: int = 1) -> bytes:
    return png(side, side, 8, 0, bytes([value % 256]) * side * side)


def numbered(count: int) -> list[tuple[str, bytes]]:
    return [(f"key-{number}", grey(number, 1 + number % 9)) for number in range(count)]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_images_come_back_byte_for_byte_over_batches_and_shards(tmp_path: Path):
    images = numbered(1300)
    stored = store_images(tmp_path, images, threads=3, shard_bytes=30_000)
    store = ImageStore(tmp_path)
    assert stored.keys == [key for key, _ in images]
    assert stored.faults == []
    assert len(store) == 1300
    assert [store.read(row) for row in range(1300)] == [data for _, data in images]
    assert [store.read(row) for row in (1299, 0, 700)] == [images[row][1] for row in (1299, 0, 700)]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[:2] == ["images-00000.arrow", "images-00001.arrow"]
    assert names[-1] == INDEX
    # Small images: the frame of a file is no small part of it.
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 60_000


def test_a_shard_is_a_plain_arrow_file(tmp_path: Path):
    store_images(tmp_path, numbered(3), threads=1)
    table = pa.ipc.open_file(tmp_path / "images-00000.arrow").read_all()
    assert table.schema == pa.schema([("image", pa.large_binary())])
    assert table.column("image").to_pylist() == [data for _, data in numbered(3)]


def test_bytes_written_do_not_depend_on_threads(tmp_path: Path):
    images = [*numbered(300), ("broken", b"nothing"), ("last", grey(7))]
    one = store_images(tmp_path / "one", images, threads=1, shard_bytes=9_000)
    four = store_images(tmp_path / "four", iter(images), threads=4, shard_bytes=9_000)
    assert one == four
    assert digests(tmp_path / "one") == digests(tmp_path / "four")


def test_one_image_larger_than_a_shard_has_its_own(tmp_path: Path):
    large = png(300, 300, 8, 0, np.random.default_rng(0).integers(0, 256, 90_000, np.uint8).tobytes())
    images = [("a", grey(1)), ("large", large), ("b", grey(2))]
    store_images(tmp_path, images, threads=1, shard_bytes=5_000)
    assert len(list(tmp_path.glob("images-*.arrow"))) == 3
    assert [ImageStore(tmp_path).read(row) for row in range(3)] == [data for _, data in images]


def test_faulty_images_are_set_aside_in_order_and_leave_no_gap(tmp_path: Path):
    whole = turned(1, "JPEG")
    images = [
        ("a", grey(1)),
        ("cut", whole[: len(whole) // 2]),
        ("b", grey(2)),
        ("page", b"<html>"),
        ("huge", enormous_png(20_000)),
    ]
    stored = store_images(tmp_path, [*images, ("c", grey(3)), ("wide", grey(4, 9))], threads=2, max_pixels=80)
    assert stored.keys == ["a", "b", "c"]
    assert stored.faults == [
        ("cut", TRUNCATED),
        ("page", NOT_AN_IMAGE),
        ("huge", TOO_MANY_PIXELS),
        ("wide", TOO_MANY_PIXELS),
    ]
    assert [ImageStore(tmp_path).decode(row).getpixel((0, 0))[0] for row in range(3)] == [1, 2, 3]


def test_decoded_images_are_upright_and_rgb(tmp_path: Path):
    store_images(tmp_path, [("turned", turned(6, "JPEG"))], threads=1)
    image = ImageStore(tmp_path).decode(0)
    assert (image.mode, image.size) == ("RGB", (48, 32))


def test_a_new_store_replaces_the_one_that_stands_there(tmp_path: Path):
    store_images(tmp_path, numbered(600), threads=1, shard_bytes=9_000)
    store_images(tmp_path, numbered(2), threads=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images-00000.arrow", INDEX]
    assert len(ImageStore(tmp_path)) == 2


def test_an_empty_store(tmp_path: Path):
    stored = store_images(tmp_path, [("page", b"<html>")], threads=1)
    assert (stored.keys, len(ImageStore(tmp_path))) == ([], 0)
    with pytest.raises(IndexError, match="image 0 of a store of 0"):
        ImageStore(tmp_path).read(0)


@pytest.mark.parametrize("row", [-1, 2, 10**12])
def test_rows_that_are_not_there(tmp_path: Path, row: int):
    store_images(tmp_path, numbered(2), threads=1)
    with pytest.raises(IndexError, match=f"image {row} of a store of 2"):
        ImageStore(tmp_path).read(row)


def test_images_are_read_a_bounded_number_ahead_in_bounded_memory(tmp_path: Path):
    bitmap = encoded(Image.new("L", (1000, 1000)), "BMP")

    def images() -> Iterator[tuple[str, bytes]]:
        for number in range(150):
            yield f"{number}", bitmap[:-1] + bytes([number])

    tracemalloc.start()
    stored = store_images(tmp_path, images(), threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(stored.keys) == 150
    assert peak < 80 * 2**20


def failing(images: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    yield from images
    raise SuiteError("the archive ends here")


def test_a_source_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(SuiteError, match="the archive ends here"):
        store_images(tmp_path, failing(numbered(900)), threads=2, shard_bytes=9_000)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_comes_twice_is_named(tmp_path: Path):
    with pytest.raises(SuiteError, match="image 'b' comes twice"):
        store_images(tmp_path, [("a", grey(1)), ("b", b"broken"), ("b", grey(2))], threads=1)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_images(tmp_path / "store", numbered(600), threads=2, shard_bytes=20_000)
    return tmp_path / "store"


def cut(folder: Path) -> None:
    path = folder / "images-00001.arrow"
    path.write_bytes(path.read_bytes()[:-100])


def overwrite(folder: Path) -> None:
    path = folder / "images-00001.arrow"
    path.write_bytes(bytes(path.stat().st_size))


def other_column(folder: Path) -> None:
    path = folder / "images-00001.arrow"
    path.write_bytes(path.read_bytes().replace(b"image", b"eggs!"))


def miscount(folder: Path) -> None:
    index = json.loads((folder / INDEX).read_text())
    index["shards"][1]["images"] += 5
    write_json(folder / INDEX, index)


def last_shard_gone(folder: Path) -> None:
    sorted(folder.glob("images-*.arrow"))[-1].unlink()


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (shutil.rmtree, r"images\.json: not found; build the data set first"),
        (lambda folder: (folder / INDEX).unlink(), r"images\.json: not found; build the data set first"),
        (lambda folder: (folder / INDEX).write_text("{}"), r"images\.json: not the index of a store"),
        (lambda folder: (folder / INDEX).write_text("[1"), r"images\.json: not the index of a store"),
        (last_shard_gone, r"images-0000\d\.arrow: a shard of the store is missing"),
        (cut, r"images-00001\.arrow: has [\d,]+ bytes instead of [\d,]+"),
        (overwrite, r"images-00001\.arrow: not a shard of images"),
        (other_column, r"images-00001\.arrow: not a shard of images"),
        (miscount, r"images-00001\.arrow: holds \d+ images instead of \d+"),
    ],
)
def test_a_missing_or_damaged_store_is_one_line(folder: Path, spoil, line: str):
    spoil(folder)
    with pytest.raises(SuiteError, match=line) as caught:
        store = ImageStore(folder)
        [store.read(row) for row in range(len(store))]
    assert "\n" not in str(caught.value)


def test_an_image_damaged_in_the_store_is_named(folder: Path):
    path = folder / "images-00000.arrow"
    path.write_bytes(path.read_bytes().replace(b"\x89PNG", b"\0\0\0\0"))
    with pytest.raises(SuiteError, match="store: image 3 is not an image; build the data set again"):
        ImageStore(folder).decode(3)


def test_a_store_travels_as_its_path(folder: Path):
    store = ImageStore(folder)
    store.read(0)
    sent = pickle.dumps(store)
    assert len(sent) < 500
    assert pickle.loads(sent).read(599) == store.read(599)


def side_and_grey(image) -> torch.Tensor:
    return torch.tensor([image.width, image.getpixel((0, 0))[0]])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A built data set whose rows run against the order of its store."""
    folder = tmp_path / "datasets" / "mini"
    store_images(folder, numbered(40), threads=1)
    items = pd.DataFrame(
        {
            "image": range(40)[::-1],
            "split": ["train"] * 24 + ["test"] * 16,
            "class": [f"class-{row // 4}" for row in range(40)],
            "group": [f"group-{row // 20}" if row else None for row in range(40)],
        }
    )
    items.to_parquet(folder / "items.parquet", index=False)
    write_json(folder / "card.json", {"levels": ["class", "group"]})
    return tmp_path


def test_dataset_gives_image_labels_and_row(root: Path):
    dataset = ImageDataset(root, "mini", "test", side_and_grey)
    image, labels, row = dataset[2]
    assert len(dataset) == 16
    assert row == 26
    assert image.tolist() == [1 + 13 % 9, 13]
    assert (labels.dtype, labels.tolist()) == (torch.int64, [6, 1])
    whole = ImageDataset(root, "mini")
    assert len(whole) == 40
    assert whole[26][0].mode == "RGB"
    assert whole[26][1].tolist() == [6, 1]
    assert whole[0][1].tolist() == [0, -1]


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_dataset_in_the_workers_of_a_loader(root: Path, context: str):
    dataset = ImageDataset(root, "mini", "train", side_and_grey)
    loader = DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context=context)
    images, labels, rows = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert rows.tolist() == list(range(24))
    assert images[:, 1].tolist() == [39 - row for row in range(24)]
    assert labels[:, 0].tolist() == [dataset[row][1][0].item() for row in range(24)]


def test_a_split_that_is_not_there_is_named(root: Path):
    with pytest.raises(SuiteError, match="data set 'mini': no split 'val'; it has: test, train"):
        ImageDataset(root, "mini", "val")


def test_a_data_set_that_is_not_built_says_so(tmp_path: Path):
    with pytest.raises(SuiteError, match="run `ranksuite build mini` first"):
        ImageDataset(tmp_path, "mini")
