"""The operations and bytes of a rank loss, counted, and the time that they take at least.

Two counts: `Work` is what any way in linear memory must do; `Done` is what the fused kernels do, with tiles of a given
shape. `python -m suite.benchmarking.counting` prints both as the tables of docs/fused.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suite.benchmarking.batches import DIMENSIONS, PER_CLASS

NUMBER_BYTES = 4
SPECIAL_FUNCTIONS = 2
"""Of a step: an exponential and a reciprocal, which the same unit computes."""

PRODUCTS = {"tf32x3": ("tf32", 3), "bf16x3": ("bf16", 3), "tf32": ("tf32", 1), "ieee": ("ieee", 1)}
"""By precision: the unit that multiplies, and how many products stand for one."""


@dataclass(frozen=True)
class Rates:
    """What a device does in a second: floating-point operations of products, special functions, bytes moved."""

    tf32: float
    bf16: float
    ieee: float
    special: float
    memory: float


H100_FP32 = 67e12
H100 = Rates(tf32=989e12 / 2, bf16=1979e12 / 2, ieee=H100_FP32, special=H100_FP32 / 16, memory=3.35e12)
"""NVIDIA's datasheet of the H100 SXM, whose matrix rates count with sparsity: dense ones are half. A multiprocessor
takes 128 multiply-adds a clock, two operations each, and 16 special functions (CUDA programming guide)."""


@dataclass(frozen=True)
class Work:
    """A forward and a backward pass: the least that must be done where scores are not kept.

    Attributes:
        queries, gallery, dimensions: of the embeddings.
        own: the queries are their own gallery, so that one product gives the gradient of both.
        steps: differences of scores whose step is taken in a pass: the gallery once for every positive of a query.
    """

    queries: int
    gallery: int
    dimensions: int
    own: bool
    steps: int

    @property
    def product(self) -> float:
        """Floating-point operations of all scores once."""
        return 2.0 * self.queries * self.gallery * self.dimensions

    @property
    def products(self) -> float:
        """Operations of the scores, the scores again, and the gradients."""
        return (3 if self.own else 4) * self.product

    @property
    def special(self) -> float:
        """Special functions: each step, and its derivative when the scores are gone."""
        return 2.0 * SPECIAL_FUNCTIONS * self.steps

    @property
    def bytes(self) -> float:
        """Bytes to and from memory: embeddings read once, gradients written once."""
        rows = self.queries if self.own else self.queries + self.gallery
        return 2.0 * NUMBER_BYTES * rows * self.dimensions


@dataclass(frozen=True)
class Tiles:
    """Shapes of tiles: rows and columns of the sweep, of the gradient, and the dimensions that a program holds."""

    sweep: tuple[int, int] = (128, 128)
    gradient: tuple[int, int] = (64, 32)
    span: int = 256


@dataclass(frozen=True)
class Pass:
    """What the kernels do in one direction."""

    products: float
    special: float
    on_chip_bytes: float


@dataclass(frozen=True)
class Done:
    """What the fused kernels do: forwards and backwards.

    `on_chip_bytes` are those that tiles load, from the L2 cache where it holds them, else from memory.
    """

    forward: Pass
    backward: Pass

    @property
    def products(self) -> float:
        return self.forward.products + self.backward.products

    @property
    def special(self) -> float:
        return self.forward.special + self.backward.special

    @property
    def on_chip_bytes(self) -> float:
        return self.forward.on_chip_bytes + self.backward.on_chip_bytes


def work(labels: Tensor, dimensions: int, ref_labels: Tensor | None = None, ranked: bool = True) -> Work:
    """The work of a loss.

    Args:
        labels: (B,) or (B, L), the finest level first: a positive shares at least the coarsest.
        dimensions: of an embedding.
        ref_labels: of another gallery.
        ranked: the loss takes steps of differences; the hinge of pairs takes none.
    """
    own = ref_labels is None
    gallery = labels if own else ref_labels
    positives = int(class_sizes(labels, gallery).sum()) - (len(labels) if own else 0)
    return Work(len(labels), len(gallery), dimensions, own, positives * len(gallery) if ranked else 0)


def done(of: Work, slots: int, tiles: Tiles | None = None) -> Done:
    """What the fused kernels do for `of`.

    Args:
        of: the work.
        slots: pairs of a query and an item of its class, the query itself included.
        tiles: shapes; None: the default ones.
    """
    tiles = tiles or Tiles()
    pairs = of.queries * of.gallery
    spans = -(-of.dimensions // tiles.span)
    steps = slots * of.gallery * SPECIAL_FUNCTIONS if of.steps else 0
    rows, columns = tiles.sweep
    loaded = NUMBER_BYTES * of.dimensions * (rows + columns)
    forward = Pass(of.product, steps, pairs / (rows * columns) * loaded)
    rows, columns = tiles.gradient
    loaded = NUMBER_BYTES * (of.dimensions * (rows + columns) + tiles.span * columns)
    # In a gallery of their own a tile serves queries and items at once; else each side has a turn. Steps come to the
    # same: the ranking of its rows and that of its columns, or one of them in either turn.
    turns = 1 if of.own else 2
    backward = Pass(
        turns * (spans + 1) * of.product, 2 * spans * steps, turns * spans * pairs / (rows * columns) * loaded
    )
    return Done(forward, backward)


def class_sizes(labels: Tensor, gallery: Tensor) -> Tensor:
    """(Q,): items of each query's coarsest class in a gallery."""
    asked, items = (some if some.dim() == 1 else some[:, -1] for some in (labels, gallery))
    in_order, asked = items.sort().values, asked.contiguous()
    return torch.searchsorted(in_order, asked, right=True) - torch.searchsorted(in_order, asked)


def times_ms(of: Work, rates: Rates, precision: str) -> dict[str, float]:
    """Milliseconds of each kind of work at full rate: `products`, `exponentials`, `memory`."""
    unit, factor = PRODUCTS[precision]
    return {
        "products": 1000 * factor * of.products / getattr(rates, unit),
        "exponentials": 1000 * of.special / rates.special,
        "memory": 1000 * of.bytes / rates.memory,
    }


def floor_ms(of: Work, rates: Rates, precision: str) -> float:
    """Milliseconds that a forward and a backward pass take at least: units work side by side, the slowest counts."""
    return max(times_ms(of, rates, precision).values())


def documented_count() -> str:
    """The tables of docs/fused.md: B 4,096 and 65,536, 512 dimensions, 4 a class."""
    batches = {size: torch.arange(size) // PER_CLASS for size in (4096, 65536)}
    works = {size: work(labels, DIMENSIONS) for size, labels in batches.items()}
    counts = {size: done(of, PER_CLASS * size) for size, of in works.items()}
    lines = ["| | must, B 4,096 | done | must, B 65,536 | done |", "|---|---|---|---|---|"]

    def row(name: str, unit: float, must: str, does: str) -> None:
        cells = [
            _short(getattr(some[size], key) / unit) if key else ""
            for size in batches
            for some, key in ((works, must), (counts, does))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")

    row("products, 10^9 operations", 1e9, "products", "products")
    row("exponentials and reciprocals, 10^9", 1e9, "special", "special")
    row("bytes to and from memory, 10^9", 1e9, "bytes", "")
    row("bytes that tiles load, 10^9", 1e9, "", "on_chip_bytes")
    lines += ["", "| at datasheet rates, ms | B 4,096 | B 65,536 |", "|---|---|---|"]
    for precision, (_, factor) in PRODUCTS.items():
        products = [times_ms(of, H100, precision)["products"] for of in works.values()]
        times = "three times" if factor == 3 else "once"
        lines.append(f"| products, `{precision}` ({times}) | {' | '.join(_short(ms) for ms in products)} |")
    for name in ("exponentials", "memory"):
        cells = [_short(times_ms(of, H100, "tf32x3")[name]) for of in works.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    floors = [f"**{_short(floor_ms(of, H100, 'tf32x3'))}**" for of in works.values()]
    lines.append(f"| floor, `tf32x3` | {' | '.join(floors)} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    print(documented_count())
