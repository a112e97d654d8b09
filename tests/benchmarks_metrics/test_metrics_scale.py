"""Time and memory of the exact metrics beside their matrix products alone, and beside sorting the gallery.

    make benchmark-metrics

Leave one out over items like the test set of SOP: classes of about five, twelve super-classes, a level in between, so
that a query of the largest set has 5,000 positives at the coarse level; 512-d float32, two threads. A case takes the
metrics and the products alone, in the same blocks on the same threads, or the metrics by counting and by sorting, one
after the other, so that what else the machine does falls on both alike. Memory is the resident set of the whole
process, sampled every 10 ms: interpreter, libraries and embeddings are in it.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import torch
from sorting import SORTS, metrics_by_sorting

from suite.evaluation import per_query_metrics
from suite.evaluation.sweep import block_size, one_thread_each

THREADS, DIMENSIONS = 2, 512
SIZES = (5_000, 10_000, 14_000, 20_000, 30_000, 42_000, 60_000)
SORTED = (5_000, 10_000, 14_000)
KS = (1, 10, 100, 1000)


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def drawn(items: int) -> tuple[torch.Tensor, np.ndarray]:
    """Unit embeddings around the centres of their super-class and class, and labels of three levels."""
    generator = np.random.default_rng(0)
    fine = generator.integers(0, max(items * 11_316 // 60_502, 1), items)
    labels = np.stack([fine, fine % 240, fine % 12], axis=1)
    noise, classes, supers = (
        torch.randn(rows, DIMENSIONS, generator=torch.Generator().manual_seed(seed))
        for seed, rows in enumerate((items, int(fine.max()) + 1, 12))
    )
    embeddings = noise + 0.3 * classes[torch.from_numpy(fine)] + 0.1 * supers[torch.from_numpy(labels[:, 2])]
    return torch.nn.functional.normalize(embeddings, dim=1), labels


def seconds(call) -> tuple[float, float]:
    """Wall clock and processor time of all threads: the second hardly depends on what else the machine does."""
    start, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - used


def products(embeddings: torch.Tensor) -> tuple[float, float]:
    """`seconds` of the matrix products alone, in the blocks of the metrics."""
    items, size = len(embeddings), block_size(len(embeddings))

    def work(firsts):
        scores = torch.empty(size, items)
        for first in firsts:
            torch.mm(embeddings[first : first + size], embeddings.T, out=scores[: min(size, items - first)])

    def side_by_side():
        firsts = iter(range(0, items, size))
        with one_thread_each(), ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, [firsts] * THREADS))

    return seconds(side_by_side)


class Memory:
    """The largest resident set of the process while in the block."""

    def __enter__(self):
        self._process, self._stop = psutil.Process(), threading.Event()
        self.start = self.peak = self._process.memory_info().rss
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __exit__(self, *_):
        self._stop.set()
        self._watcher.join()


@pytest.mark.parametrize("items", SIZES)
def test_all_metrics(benchmark, items, record):
    embeddings, labels = drawn(items)
    # What is compiled or read from the cache of compiled code is no part of a case.
    per_query_metrics(embeddings[:50], labels[:50], ks=KS)
    used = time.process_time()
    with Memory() as memory:
        found = benchmark.pedantic(lambda: per_query_metrics(embeddings, labels, ks=KS), rounds=1)
    used = time.process_time() - used
    alone, alone_used = products(embeddings)
    row = {
        "items": items,
        "seconds": benchmark.stats.stats.min,
        "products": alone,
        "processor_ratio": used / alone_used,
        "peak": memory.peak,
        "start": memory.start,
    }
    benchmark.extra_info |= row
    record(row)
    assert found["level2/num_positives"].mean() == pytest.approx(items / 12, rel=0.05)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("items", SORTED)
def test_beside_sorting(benchmark, items, sort, record):
    embeddings, labels = drawn(items)
    found = per_query_metrics(embeddings, labels, ks=KS)
    taken, used = seconds(lambda: per_query_metrics(embeddings, labels, ks=KS))
    start = time.process_time()
    expected = benchmark.pedantic(lambda: metrics_by_sorting(embeddings, torch.from_numpy(labels), KS, sort), rounds=1)
    row = {
        "items": items,
        "sort": sort,
        "seconds": taken,
        "sorting": benchmark.stats.stats.min,
        "processor_ratio": (time.process_time() - start) / used,
    }
    benchmark.extra_info |= row
    record(row)
    assert set(found) == set(expected)
    for name, values in found.items():
        # Products in other blocks may round otherwise, and swap a near tie.
        np.testing.assert_allclose(np.nanmean(values), np.nanmean(expected[name].numpy()), rtol=1e-4)
