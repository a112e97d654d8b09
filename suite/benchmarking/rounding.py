"""What each way of multiplying float32 numbers on matrix units costs a score, and with it the ranks.

The fused kernels' products are emulated on the processor, bit by bit the same on every machine: operands are rounded as
the units round them, products of rounded numbers are exact in float64, and every `GROUP` of them is added to a float32
sum. How a unit rounds inside a group is not known, and not emulated. `python -m suite.benchmarking.rounding` prints the
table of docs/fused.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.benchmarking.batches import half_trained_batch

BATCH_SIZE, TAU = 512, 0.01
DIMENSIONS = (128, 512, 2048)
GROUP = {"ieee": 1, "tf32x3": 8, "bf16x3": 16, "tf32": 8, "bf16": 16}
"""Products that are added at a time: one by one without a matrix unit, else as deep as its instruction is."""


@dataclass(frozen=True)
class Rounding:
    """What a precision does to the scores of a half-trained batch, against float64.

    Attributes:
        precision, dimensions: the setting.
        largest, typical: the largest error of a score, and the root of the mean square.
        changed: share of queries that rank one of their positives otherwise, by counting higher scores.
        moved: the largest change of a positive's rank by sigmoids of temperature `TAU`.
    """

    precision: str
    dimensions: int
    largest: float
    typical: float
    changed: float
    moved: float


def rounding_table(batch_size: int = BATCH_SIZE) -> list[Rounding]:
    """One row for each number of dimensions and precision; 4 items a class."""
    rows = []
    for dimensions in DIMENSIONS:
        embeddings, labels = half_trained_batch(batch_size, dimensions=dimensions)
        exact = embeddings.double() @ embeddings.double().t()
        hard, soft = _ranks(exact, labels)
        for precision in GROUP:
            scores = emulated_scores(embeddings, precision).double()
            error = scores - exact
            its_hard, its_soft = _ranks(scores, labels)
            rows.append(
                Rounding(
                    precision,
                    dimensions,
                    error.abs().max().item(),
                    error.square().mean().sqrt().item(),
                    (its_hard != hard).any(1).double().mean().item(),
                    (its_soft - soft).abs().max().item(),
                )
            )
    return rows


def emulated_scores(embeddings: Tensor, precision: str) -> Tensor:
    """(B, B) float32 scores of float32 embeddings (B, D), multiplied in one of the precisions of `GROUP`."""
    total = torch.zeros(len(embeddings), len(embeddings))
    halves = _PARTS[precision](embeddings)
    # Of a number in two parts, the product of the small ones is left out; small terms come first.
    pairs = (
        [(halves[0], halves[0])] if len(halves) == 1 else [(halves[i], halves[j]) for i, j in ((1, 0), (0, 1), (0, 0))]
    )
    wide = [(left.double(), right.double().t()) for left, right in pairs]
    for start in range(0, embeddings.shape[1], GROUP[precision]):
        depth = slice(start, start + GROUP[precision])
        for left, right in wide:
            total = (total.double() + left[:, depth] @ right[depth]).float()
    return total


def to_tf32(numbers: Tensor) -> Tensor:
    """Float32 numbers rounded to the 10 bits of a tf32 mantissa, halves away from zero."""
    bits = numbers.view(torch.int32)
    return ((bits + (1 << 12)) & ~0x1FFF).view(torch.float32)


def to_bf16(numbers: Tensor) -> Tensor:
    """Float32 numbers rounded to the 7 bits of a bfloat16 mantissa, halves to even."""
    return numbers.bfloat16().float()


def _in_two(rounded: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    def parts(numbers: Tensor) -> tuple[Tensor, ...]:
        high = rounded(numbers)
        return high, rounded(numbers - high)

    return parts


_PARTS: dict[str, Callable[[Tensor], tuple[Tensor, ...]]] = {
    "ieee": lambda numbers: (numbers,),
    "tf32x3": _in_two(to_tf32),
    "bf16x3": _in_two(to_bf16),
    "tf32": lambda numbers: (to_tf32(numbers),),
    "bf16": lambda numbers: (to_bf16(numbers),),
}


def _ranks(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(B, positives) each: ranks by counting higher scores, and by sigmoids; the query takes no place."""
    others = scores.clone().fill_diagonal_(-torch.inf)
    same = (labels[:, None] == labels[None, :]).fill_diagonal_(False)
    places = same.nonzero()[:, 1].view(len(labels), -1)
    hard, soft = [], []
    for place in places.t():
        difference = others - scores.gather(1, place[:, None])
        hard.append(1 + (difference > 0).sum(1))
        # The positive itself is half a step above itself.
        soft.append(0.5 + (difference / TAU).sigmoid().sum(1))
    return torch.stack(hard, 1), torch.stack(soft, 1)


def documented_rounding() -> str:
    """The table of docs/fused.md."""
    lines = [
        "| precision | D | largest error | root mean square | queries with other ranks | largest change of soft rank |",
        "|---|---|---|---|---|---|",
    ]
    order = {precision: nth for nth, precision in enumerate(GROUP)}
    for row in sorted(rounding_table(), key=lambda row: (order[row.precision], row.dimensions)):
        errors = " | ".join(f"{value:.1e}" for value in (row.largest, row.typical))
        lines.append(f"| `{row.precision}` | {row.dimensions} | {errors} | {row.changed:.1%} | {row.moved:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(documented_rounding())
