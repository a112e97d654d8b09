"""Plans that are kept: most batches have the structure of the last one, and a CUDA graph can make none."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor

from suite.kernels.capture import capturing
from suite.kernels.fused.plan import RankPlan, plan_fits, rank_plan

_KEPT = 8
_plans: OrderedDict[tuple, RankPlan] = OrderedDict()
# A graph holds addresses within its plan for as long as it may be replayed.
_captured: list[RankPlan] = []


def kept_plan(
    query_labels: Tensor, labels: Tensor, own_places: Tensor | None, counted: bool, share: tuple[int, int] | None
) -> tuple[RankPlan, Tensor | None]:
    """The plan of labels: the last one of these shapes if it fits, else a new one.

    Args:
        query_labels, labels, own_places, counted: see `rank_plan`.
        share: rank and number of the processes that share the queries.

    Returns:
        The plan; and () bool whether it fits while a CUDA graph is captured, which is replayed on labels that nobody
        looks at; else None.

    Raises:
        RuntimeError: nothing of these shapes was planned before a capture.
    """
    shapes = (len(query_labels), *labels.shape)
    key = (*shapes, own_places is not None, counted, share, labels.device)
    last = _plans.get(key)
    if capturing():
        if last is None:
            raise RuntimeError("CUDA graph: call the loss once on a batch of these labels before the capture begins")
        _captured.append(last)
        return last, plan_fits(last, query_labels, labels, own_places is not None)
    if last is None or not bool(plan_fits(last, query_labels, labels, own_places is not None)):
        last = rank_plan(query_labels, labels, own_places, counted)
    _plans[key] = last
    _plans.move_to_end(key)
    while len(_plans) > _KEPT:
        _plans.popitem(last=False)
    return last, None
