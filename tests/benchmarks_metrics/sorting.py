"""The same metrics by sorting the gallery for every query: what the counting is measured against.

Vectorised over blocks of queries, which threads take in turn. After one sort of the scores everything is done on the
places of the relevant items alone, which are compacted first. Two sorts are timed: torch's, and NumPy's argsort, which
on processors with AVX-512 is several times as fast.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from suite.evaluation.sweep import one_thread_each

BLOCK = 256
SORTS = {
    "torch": lambda distances: distances.sort(dim=1).indices,
    "numpy": lambda distances: torch.from_numpy(np.argsort(distances.numpy(), axis=1)),
}


def metrics_by_sorting(embeddings: Tensor, labels: Tensor, ks: tuple[int, ...], sort: str) -> dict[str, Tensor]:
    """`per_query_metrics`, leave one out, of (N, D) embeddings and (N, L) labels, but for the order at ties.

    `sort` is a key of `SORTS`.
    """
    items, depth = labels.shape
    discounts = 1 / torch.log2(torch.arange(2, items + 2, dtype=torch.float64))

    def judge(own: Tensor) -> dict[str, Tensor]:
        distances = -embeddings[own] @ embeddings.T
        distances[torch.arange(len(own)), own] = torch.inf
        # The query itself stands last, and is dropped.
        order = SORTS[sort](distances)[:, :-1]
        shared = torch.zeros(len(own), items, dtype=torch.uint8)
        for level in range(depth):
            shared |= (labels[own, level][:, None] == labels[None, :, level]).to(torch.uint8) << level
        ranks, codes = _compact(shared.gather(1, order))
        piece = {}
        for level in range(depth):
            found = _binary(ranks, (codes >> level & 1).bool(), ks)
            piece |= {f"level{level}/{name}": values for name, values in found.items()}
        return piece | _graded(ranks, codes, depth, discounts)

    threads = torch.get_num_threads()
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        pieces = list(pool.map(judge, torch.arange(items).split(BLOCK)))
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}


def _compact(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks and codes, (b, P), of what is not zero in (b, G) codes in order of rank; padded with rank 1 and code 0."""
    rows, places = codes.nonzero(as_tuple=True)
    numbers = torch.bincount(rows, minlength=len(codes))
    target = torch.arange(len(rows)) - torch.repeat_interleave(numbers.cumsum(0) - numbers, numbers)
    ranks = torch.ones(len(codes), int(numbers.max()), dtype=torch.int64)
    found = torch.zeros(ranks.shape, dtype=torch.uint8)
    ranks[rows, target], found[rows, target] = places + 1, codes[rows, places]
    return ranks, found


def _binary(ranks: Tensor, member: Tensor, ks: tuple[int, ...]) -> dict[str, Tensor]:
    found = member.cumsum(1)
    total = found[:, -1]
    some = total.clamp(min=1)
    precision = torch.where(member, found / ranks.double(), 0.0)
    out = {
        "num_positives": total,
        "AP": precision.sum(1) / some,
        "mAP_at_R": (precision * (ranks <= total[:, None])).sum(1) / some,
    }
    for k in ks:
        top = ranks[:, :k] <= k
        hits, least = (member[:, :k] & top).sum(1), some.clamp(max=k)
        out[f"R_at_{k}"] = (hits > 0).double()
        out[f"P_at_{k}"] = hits / k
        out[f"true_R_at_{k}"] = torch.where(total > 0, hits / least, torch.nan)
        out[f"mAP_at_{k}"] = (precision[:, :k] * top).sum(1) / least
    return out


def _graded(ranks: Tensor, codes: Tensor, depth: int, discounts: Tensor) -> dict[str, Tensor]:
    shared = sum((codes >> level & 1).long() for level in range(depth))
    real, width = shared > 0, shared.shape[1]
    total = real.sum(1)
    running = [(shared == grade).cumsum(1) for grade in range(depth + 1)]
    counts = torch.stack([cumulative[:, -1] for cumulative in running], dim=1)
    counts[:, 0] = 0
    gains = 2.0 ** torch.arange(depth + 1, dtype=torch.float64) - 1
    gained = (gains[shared] * discounts[ranks - 1]).sum(1)
    summed = torch.cat([torch.zeros(1, dtype=torch.float64), discounts.cumsum(0)])

    relevance = torch.arange(depth + 1) / counts.clamp(min=1).double()
    own = relevance.gather(1, shared)
    hierarchical = sum(running[grade] * own.minimum(relevance[:, grade, None]) for grade in range(1, depth + 1))

    inside = real & (ranks <= total[:, None])
    first = torch.zeros(len(ranks), width, dtype=torch.int64)
    rows, places = inside.nonzero(as_tuple=True)
    first[rows, ranks[rows, places] - 1] = shared[rows, places]
    depths = torch.arange(1, width + 1)
    ideal, higher, common = torch.zeros(len(ranks), dtype=torch.float64), torch.zeros_like(total), 0
    for grade in range(depth, 0, -1):
        after = higher + counts[:, grade]
        ideal += gains[grade] * (summed[after] - summed[higher])
        wanted = (depths - higher[:, None]).clamp(min=0).minimum(counts[:, grade, None])
        common = common + (first == grade).cumsum(1).minimum(wanted)
        higher = after
    shares = torch.where(depths <= total[:, None], common / depths.double(), 0.0)
    return {
        "NDCG": (gained / ideal).nan_to_num(),
        "ASI": shares.sum(1) / total.clamp(min=1),
        "H_AP": ((hierarchical / ranks).sum(1) / own.sum(1)).nan_to_num(),
    }
