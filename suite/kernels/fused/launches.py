"""Launches of the kernels on ranks: grids, memory, and the order of arguments."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from suite.kernels.fused.plan import RankPlan, SlotBlock
from suite.kernels.fused.ranks import embedding_gradients_kernel, rank_sums_kernel
from suite.kernels.fused.slots import slot_gradients_kernel, slot_scores_kernel, slot_sums_kernel
from suite.kernels.fused.tuning import launch, sizes

StepConstants = tuple[int, float, float, float, float, float]

HELD_SLOTS = 16
"""Slots of a query up to which their sums stay in registers."""

PART_ITEMS = 1024
"""Least number of gallery items that a program goes over, so that few partial sums are written."""

PARTS_NUMBERS = 1 << 24
"""Most numbers of the parts of a gradient that are added up at the end."""

PAIRS = 1024
"""Pairs of slots that a program compares at a time."""


@dataclass(frozen=True)
class RankTensors:
    """What the kernels of one loss share.

    Attributes:
        queries: (Q, D), sorted as `plan` says.
        gallery: (G, D), sorted likewise; the very tensor `queries` where they are their own gallery.
        plan: who is a positive of whom.
        ties: (G,) int32, equal for equal gallery rows; None where no step jumps.
        relevances: (Q, L + 1), rel of items of each grade; None where H-rank is not asked for.
        positive, negative: the steps, as `step_constants` gives them.
        graded: relevance is the number of levels at which a query and an item agree.
        self_ranked: a query in its own gallery takes a place in the ranks.
        precision: how float32 products are made.
    """

    queries: Tensor
    gallery: Tensor
    plan: RankPlan
    ties: Tensor | None
    relevances: Tensor | None
    positive: StepConstants
    negative: StepConstants
    graded: bool
    self_ranked: bool
    precision: str

    def of_slots(self, parts: int | None = None) -> Tensor:
        """Zeros, (slots,) or (parts, slots)."""
        shape = (self.plan.slots,) if parts is None else (parts, self.plan.slots)
        return self.queries.new_zeros(shape)

    def tie_argument(self) -> Tensor:
        """`ties`, or something that no kernel reads."""
        return self.plan.own if self.ties is None else self.ties


def on_device(tensor: Tensor) -> AbstractContextManager:
    """Launches go to the current device, which need not be the tensor's."""
    return torch.cuda.device(tensor.device) if tensor.device.type == "cuda" else nullcontext()


def slot_scores(tensors: RankTensors) -> Tensor:
    """(slots,): the score of each query with the items of its class."""
    plan, queries, gallery = tensors.plan, tensors.queries, tensors.gallery
    scores = tensors.of_slots()
    tile, depth = 32, 32
    programs = triton.cdiv(len(queries), tile)
    parts, part_items = gallery_parts(programs, len(gallery), queries.device)
    with on_device(queries):
        slot_scores_kernel[(programs, parts)](
            queries,
            gallery,
            plan.lows[-1],
            plan.highs[-1],
            plan.firsts,
            scores,
            len(queries),
            len(gallery),
            queries.shape[1],
            part_items,
            ROWS=tile,
            COLUMNS=tile,
            DEPTH=depth,
            PRECISION=tensors.precision,
        )
    return scores


def rank_sums(tensors: RankTensors, scores: Tensor, slopes: bool) -> tuple[Tensor, Tensor]:
    """(slots,) each: what items of other classes count against a slot, and the derivative by the differences."""
    plan, queries, gallery = tensors.plan, tensors.queries, tensors.gallery
    parts, part_items = gallery_parts(triton.cdiv(len(queries), 128), len(gallery), queries.device)
    sums = tensors.of_slots(parts)
    of_slopes = tensors.of_slots(parts) if slopes else sums
    held = plan.widest <= HELD_SLOTS
    with on_device(queries):
        launch(
            rank_sums_kernel,
            lambda shape: (triton.cdiv(len(queries), shape["ROWS"]), parts),
            queries,
            gallery,
            tensors.tie_argument(),
            plan.lows[-1],
            plan.highs[-1],
            plan.firsts,
            scores,
            sums,
            of_slopes,
            len(queries),
            len(gallery),
            plan.slots,
            queries.shape[1],
            part_items,
            sizes(len(queries), len(gallery)),
            STEP=tensors.negative,
            TIES=tensors.ties is not None,
            SLOPES=slopes,
            HELD=held,
            SLOTS=plan.widest if held else HELD_SLOTS,
            PRECISION=tensors.precision,
        )
    return total(sums), total(of_slopes)


def slot_sums(tensors: RankTensors, scores: Tensor) -> tuple[Tensor, Tensor]:
    """(slots,) each: `plus` and `extra`, see `suite.kernels.fused.slots`."""
    plus, extra = tensors.of_slots(), tensors.of_slots()
    for block in tensors.plan.blocks:
        _on_slots(slot_sums_kernel, tensors, scores, block, (plus, extra))
    return plus, extra


def slot_gradients(tensors: RankTensors, scores: Tensor, of_plus: Tensor, of_extra: Tensor, slopes: Tensor) -> Tensor:
    """(slots,): d(loss) / d(scores), from the derivatives by `plus` and `extra`, and the sweep's `slopes`."""
    of_scores = tensors.of_slots()
    for block in tensors.plan.blocks:
        _on_slots(slot_gradients_kernel, tensors, scores, block, (of_plus, of_extra, slopes, of_scores))
    return of_scores


def embedding_gradients(
    tensors: RankTensors, scores: Tensor, of_sums: Tensor, of_scores: Tensor, of_queries: bool, of_gallery: bool
) -> Tensor:
    """Gradients by the queries, by the gallery, or, where that is they, by both together: in the order in which
    the embeddings came."""
    plan = tensors.plan
    left, right = (tensors.queries, tensors.gallery) if of_queries else (tensors.gallery, tensors.queries)
    out, part_items = gradient_parts(left, right)
    with on_device(left):
        launch(
            embedding_gradients_kernel,
            gradient_grid(out),
            left,
            right,
            tensors.tie_argument(),
            plan.lows[-1],
            plan.highs[-1],
            plan.firsts,
            scores,
            of_sums,
            of_scores,
            plan.query_order if of_queries else plan.gallery_order,
            out,
            len(left),
            len(right),
            left.shape[1],
            part_items,
            sizes(len(left), len(right)),
            STEP=tensors.negative,
            TIES=tensors.ties is not None,
            OF_ROWS=of_queries,
            OF_COLUMNS=of_gallery,
            PRECISION=tensors.precision,
        )
    return total(out)


def gallery_parts(programs: int, items: int, device: torch.device) -> tuple[int, int]:
    """Into how many parts the items are cut so that every multiprocessor has work, and the items of a part.

    Args:
        programs: how many there are a part.
        items: to go over.
        device: that the programs run on.
    """
    # The interpreter runs one program after the other, but goes the way of a small device.
    processors = 4
    if device.type == "cuda":
        processors = torch.cuda.get_device_properties(device).multi_processor_count
    wanted = triton.cdiv(2 * processors, max(programs, 1))
    parts = max(1, min(wanted, items // PART_ITEMS))
    # Whole tiles of any shape.
    part_items = max(1, triton.cdiv(triton.cdiv(items, parts), 256)) * 256
    return triton.cdiv(items, part_items), part_items


def gradient_parts(left: Tensor, right: Tensor) -> tuple[Tensor, int]:
    """A place (parts, rows, D) for the gradients of `left` (rows, D) from parts of `right`, and the items of a part."""
    most = max(1, PARTS_NUMBERS // max(1, left.numel()))
    programs = triton.cdiv(len(left), 64) * triton.cdiv(left.shape[1], 256)
    parts, part_items = gallery_parts(programs, len(right), left.device)
    if parts > most:
        part_items = triton.cdiv(triton.cdiv(len(right), most), 256) * 256
        parts = triton.cdiv(len(right), part_items)
    return left.new_empty(parts, *left.shape), part_items


def gradient_grid(out: Tensor) -> Callable[[dict[str, int]], tuple[int, int, int]]:
    """The programs that fill a place of `gradient_parts`, by the shape of their tiles."""
    parts, rows, width = out.shape
    return lambda shape: (triton.cdiv(rows, shape["ROWS"]), triton.cdiv(width, shape["SPAN"]), parts)


def total(parts: Tensor) -> Tensor:
    """The sum over all parts (parts, ...), in their order."""
    return parts[0] if len(parts) == 1 else parts.sum(0)


def _on_slots(kernel, tensors: RankTensors, scores: Tensor, block: SlotBlock, more: tuple[Tensor, ...]) -> None:
    """Run a kernel on the pairs of slots of one block."""
    plan = tensors.plan
    ranked = min(block.width, 32)
    rows = max(1, PAIRS // ranked**2)
    with on_device(scores):
        kernel[(triton.cdiv(block.stop - block.start, rows), block.width // ranked)](
            scores,
            tensors.tie_argument(),
            plan.lows,
            plan.highs,
            plan.firsts,
            plan.own,
            scores if tensors.relevances is None else tensors.relevances,
            *more,
            block.start,
            block.stop,
            len(tensors.queries),
            LEVELS=len(plan.lows),
            POSITIVE=tensors.positive,
            NEGATIVE=tensors.negative,
            GRADED=tensors.graded,
            WEIGHTED=tensors.relevances is not None,
            SELF_RANKED=tensors.self_ranked,
            TIES=tensors.ties is not None,
            ROWS=rows,
            RANKED=ranked,
            ITEMS=ranked,
        )
