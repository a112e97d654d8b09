"""Batches come as the same chunks of the same images in every pass, from any number of loaders; data sets are named."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pictures import write_pictures
from PIL import Image

from suite.datasets.store import INDEX, ImageStore
from suite.datasets.transforms import judging_transform, training_transform
from suite.errors import SuiteError
from suite.files import write_json
from suite.full_settings import Images, Network
from suite.models.keyed_dropout import sample_keys
from suite.models.network import create_network
from suite.training.data import evaluate
from suite.training.image_data import ImageData, load_data_digest, load_image_data

IMAGES = Images(size=32, resize=36, crop={})
BATCH, STEPS = 12, 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    write_pictures(root)
    return root


@pytest.fixture(scope="module")
def data(root: Path) -> ImageData:
    return load_image_data(root, "pictures", IMAGES)


def batches(part: slice = slice(None)) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    for step in range(STEPS):
        rows = np.random.default_rng(step).permutation(24)[:BATCH]
        yield rows[part], sample_keys(0, step, torch.arange(BATCH))[part]


def joined(chunks: Iterator, passes: int) -> list[list[torch.Tensor]]:
    """The images of each batch in each pass, from chunks of whole batches."""
    images = torch.cat([chunk.images for chunk in chunks])
    return [list(batch.chunk(passes)) for batch in images.split(BATCH * passes)]


def test_every_pass_and_chunk_size_gives_the_same_images(data: ImageData):
    whole = joined(data.chunks(batches(), BATCH, 1, 0), 1)
    assert len(whole) == STEPS
    for size in (1, 5, BATCH, 100):
        for (expected,), passes in zip(whole, joined(data.chunks(batches(), size, 2, 0), 2), strict=True):
            assert [torch.equal(images, expected) for images in passes] == [True, True]


def test_images_are_those_of_the_rows_with_the_keys(root: Path, data: ImageData):
    store, transform = ImageStore(root / "datasets" / "pictures"), training_transform(IMAGES)
    chunks = list(data.chunks(batches(), 5, 2, 0))
    assert [len(chunk.images) for chunk in chunks] == [5, 5, 2] * 2 * STEPS
    rows, keys = next(batches())
    assert torch.equal(torch.cat([chunk.keys for chunk in chunks[:3]]), keys)
    images = torch.cat([chunk.images for chunk in chunks[:3]])
    for row, key, image in zip(rows.tolist(), keys.tolist(), images, strict=True):
        assert torch.equal(image, transform(store.decode(71 - row), key))


def test_parts_of_a_batch_are_the_whole_batch_together(data: ImageData):
    whole = [chunk.images for chunk in data.chunks(batches(), BATCH, 1, 0)]
    parts = [list(data.chunks(batches(part), 4, 1, 0)) for part in (slice(0, 4), slice(4, 8), slice(8, 12))]
    for step, images in enumerate(whole):
        assert torch.equal(torch.cat([part[step].images for part in parts]), images)


@pytest.mark.slow
def test_loaders_give_the_same_chunks_and_leave_generator_and_processes_as_they_were(data: ImageData):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    alone = list(data.chunks(batches(), 5, 2, 0))
    together = list(data.chunks(batches(), 5, 2, 2))
    assert torch.equal(torch.rand(1), expected)
    assert len(alone) == len(together) == 18
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.keys, other.keys)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_closing_early_ends_the_loaders_and_batches_are_read_a_bounded_number_ahead(data: ImageData):
    taken = []

    def endless() -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        for step in range(1000):
            taken.append(step)
            yield np.arange(4), sample_keys(0, step, torch.arange(4))

    chunks = data.chunks(endless(), 2, 2, 2)
    assert next(chunks).images.shape == (2, 3, 32, 32)
    assert len(multiprocessing.active_children()) == 2
    assert len(taken) <= 3
    chunks.close()
    assert multiprocessing.active_children() == []


def damaged(root: Path, tmp_path: Path) -> ImageData:
    """Data whose images no longer decode."""
    folder = tmp_path / "datasets" / "pictures"
    shutil.copytree(root / "datasets" / "pictures", folder)
    shard = folder / "images-00000.arrow"
    shard.write_bytes(shard.read_bytes().replace(b"IDAT", b"IDOT"))
    return load_image_data(tmp_path, "pictures", IMAGES)


@pytest.mark.parametrize("loaders", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_image_that_cannot_be_read_is_named_in_one_line(root: Path, tmp_path: Path, loaders: int):
    with pytest.raises(SuiteError, match=r"pictures: image \d+ is damaged; build the data set again") as caught:
        list(damaged(root, tmp_path).chunks(batches(), 5, 1, loaders))
    assert "\n" not in str(caught.value)


def network():
    settings = Network(backbone="test_resnet", weights="none", embedding_dim=8, drop_path=0.3)
    return create_network(settings, 0)


@pytest.mark.parametrize("loaders", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_judging_embeds_images_without_augmentation_in_the_order_asked_for(root: Path, loaders: int):
    data, rows, judge = load_image_data(root, "pictures", IMAGES, loaders), np.arange(71, -1, -1), network()
    embeddings = data.embed(judge, rows)
    assert (embeddings.shape, embeddings.dtype) == ((72, 8), torch.float32)
    store, transform = ImageStore(root / "datasets" / "pictures"), judging_transform(IMAGES)
    expected = judge.embed(torch.stack([transform(store.decode(place)) for place in range(64)]))
    assert torch.equal(embeddings[:64], expected)
    assert data.embed(judge, rows[:0]).shape == (0, 8)


def test_a_split_is_judged_by_its_protocol(data: ImageData):
    means, queries = evaluate(network(), data, "test")
    assert len(queries) == 24
    assert 0 < means["test/level0/AP"] <= 1


def test_queries_with_boxes_are_cut_to_them_when_judged(tmp_path: Path):
    folder = write_pictures(tmp_path, gallery=True)
    before = load_data_digest(tmp_path, "pictures")
    box = {"left": 2.0, "top": 4.0, "right": 30.0, "bottom": 20.0}
    pd.DataFrame([{"query": 48, **box}]).to_parquet(folder / "queries.parquet", index=False)
    judge = network().eval()
    embedded = load_image_data(tmp_path, "pictures", Images(size=32)).embed(judge, np.array([48]))
    image = ImageStore(folder).decode(71 - 48).crop((2, 4, 30, 20)).resize((32, 32), Image.Resampling.BICUBIC)
    assert torch.equal(embedded, judge.embed(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]))
    assert load_data_digest(tmp_path, "pictures") != before


def test_the_digest_names_images_items_protocols_and_levels(tmp_path: Path):
    write_pictures(tmp_path, "one")
    write_pictures(tmp_path, "same")
    write_pictures(tmp_path, "smaller", side=39)
    write_pictures(tmp_path, "official", gallery=True)
    names = ("one", "same", "smaller", "official")
    digests = {name: load_data_digest(tmp_path, name) for name in names}
    assert digests["one"] == digests["same"]
    assert len(set(digests.values())) == 3
    card = tmp_path / "datasets" / "same" / "card.json"
    write_json(card, json.loads(card.read_text()) | {"levels": ["kind"]})
    assert load_data_digest(tmp_path, "same") != digests["same"]


def test_a_store_without_checksums_says_what_to_do(tmp_path: Path):
    index = write_pictures(tmp_path) / INDEX
    shards = [
        {key: shard[key] for key in ("name", "images", "bytes")} for shard in json.loads(index.read_text())["shards"]
    ]
    write_json(index, {"shards": shards})
    with pytest.raises(SuiteError, match=r"images\.json: has no checksums; build the data set again"):
        load_data_digest(tmp_path, "pictures")


def test_a_data_set_that_is_not_built_says_so(tmp_path: Path):
    with pytest.raises(SuiteError, match="run `ranksuite build pictures` first"):
        load_image_data(tmp_path, "pictures", IMAGES)
