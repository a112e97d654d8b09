"""The recorded neighbours of data sets large and small."""

import numpy as np
import pytest

from suite.datasets.protocols import Protocol
from suite.errors import SuiteError
from suite.stages.measure import neighbour_table


@pytest.mark.parametrize(("images", "width"), [(2, 1), (5, 4), (11, 10), (30, 10)])
def test_every_image_has_ten_neighbours_or_all_the_others(images, width):
    embeddings = np.random.default_rng(0).normal(size=(images, 4)).astype(np.float32)
    items = np.arange(images) + 100
    table = neighbour_table(lambda rows: embeddings[rows - 100], Protocol("test", items), "emoji")
    assert table.groupby("query")["rank"].agg(list).tolist() == [list(range(1, width + 1))] * images
    assert (table["query"] != table["item"]).all()
    assert set(table["item"]) <= set(items)


@pytest.mark.parametrize("images", [0, 1])
def test_a_test_split_without_two_images_names_the_data_set(images):
    with pytest.raises(SuiteError, match=rf"^data set 'emoji': {images} test images"):
        neighbour_table(lambda rows: np.ones((len(rows), 4)), Protocol("test", np.arange(images)), "emoji")


def test_queries_find_what_their_gallery_holds():
    embeddings = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    protocol = Protocol("official", np.arange(5), np.arange(8, 20))
    table = neighbour_table(lambda rows: embeddings[rows], protocol, "landmarks")
    assert table.groupby("query").size().to_dict() == dict.fromkeys(range(5), 10)
    assert set(table["item"]) <= set(range(8, 20))
    best = 8 + np.argmax(embeddings[:5] @ embeddings[8:].T, axis=1)
    assert table.loc[table["rank"] == 1, "item"].tolist() == best.tolist()
