"""Images a second at 224 px, on one core: from bytes in memory, from the built store, through `ImageDataset`.

    make benchmark-loading

Photographs of 400 x 300 as JPEG, decoded whole and resized (bilinear). What a case loads beside decoding is all that
it may cost: the bar is 90 % of the rate from memory. The share is the median over turns of a few images that the cases
take one after the other, so that what else the machine does falls on all of them alike; pages of the store are in
memory, as in every epoch but the first.
"""

import io
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from suite.datasets.images import decode_image
from suite.datasets.loading import ImageDataset
from suite.datasets.store import ImageStore, store_images
from suite.files import write_json

IMAGES, SIZE, SIDE = 200, (400, 300), (224, 224)
TURNS, IMAGES_A_TURN = 300, 10


def photograph(seed: int) -> bytes:
    """Smooth areas, edges and grain: about as many bytes as a photograph of this size has."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 256, (20, 27, 3), np.uint8))
    pixels = np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC), np.int16)
    grain = generator.normal(0, 8, pixels.shape).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def resized(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize(SIDE, Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def photographs():
    return [photograph(seed) for seed in range(IMAGES)]


@pytest.fixture(scope="module")
def cases(photographs, tmp_path_factory):
    """What loads image `i` in each case."""
    root = tmp_path_factory.mktemp("artifacts")
    folder = root / "datasets" / "photographs"
    store_images(folder, ((str(number), data) for number, data in enumerate(photographs)), threads=1)
    items = pd.DataFrame({"image": range(IMAGES), "split": "train", "class": [str(i // 4) for i in range(IMAGES)]})
    items.to_parquet(folder / "items.parquet", index=False)
    write_json(folder / "card.json", {"levels": ["class"]})
    store, dataset = ImageStore(folder), ImageDataset(root, "photographs", "train", resized)
    return {
        "memory": lambda i: resized(decode_image(photographs[i])),
        "store": lambda i: resized(store.decode(i)),
        "dataset": lambda i: dataset[i][0],
    }


@pytest.fixture(scope="module")
def turns(cases):
    """Seconds of each case in each turn, all cases on the same images."""
    generator = np.random.default_rng(0)
    seconds = {name: [] for name in cases}
    for _ in range(TURNS):
        chosen = generator.choice(IMAGES, IMAGES_A_TURN).tolist()
        for name in generator.permutation(list(cases)).tolist():
            start = time.perf_counter()
            for i in chosen:
                cases[name](i)
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(taken) for name, taken in seconds.items()}


@pytest.mark.parametrize("case", ["memory", "store", "dataset"])
def test_loading_at_224(benchmark, case, cases, turns, photographs, record_share):
    order = np.random.default_rng(1).permutation(IMAGES).tolist()
    images = benchmark.pedantic(lambda: [cases[case](i) for i in order], rounds=3, warmup_rounds=1)
    benchmark.extra_info |= {
        "images": IMAGES,
        "bytes": sum(map(len, photographs)),
        "images_per_second": IMAGES_A_TURN / float(np.median(turns[case])),
        "share_of_decoding_alone": float(np.median(turns["memory"] / turns[case])),
    }
    record_share(case, benchmark.extra_info)
    np.testing.assert_array_equal(images[0], resized(decode_image(photographs[order[0]])))
