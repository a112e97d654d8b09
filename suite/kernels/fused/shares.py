"""A process's share of the queries on the fused kernels (see `suite.kernels.sharing`)."""

from __future__ import annotations

import torch
from torch import Tensor

from suite.kernels.sharing import query_share


def own_rows(queries: int) -> slice:
    """Which of the queries this process ranks: all, unless others have their share."""
    share = query_share()
    return slice(0, queries) if share is None else slice(*share.part(queries))


def of_everyone(
    of_rows: Tensor | None, of_gallery: Tensor | None, queries: Tensor, own_gallery: bool
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of all processes, by `queries` (Q, D) and by the gallery, from those of this one.

    Args:
        of_rows: by its own rows of the queries; None where no gradient is wanted.
        of_gallery: by the gallery; None where no gradient is wanted, or where it is in `of_rows`.
        queries: those of all processes.
        own_gallery: the gallery is the queries, so that there is one gradient for both.
    """
    share = query_share()
    if share is None:
        return of_rows, of_gallery
    of_queries = None
    if of_rows is not None:
        # What the gallery has gained is the queries' where they are one.
        of_queries = of_gallery if own_gallery else torch.zeros_like(queries)
        of_queries[own_rows(len(queries))] += of_rows
    gradients = (of_queries, None if own_gallery else of_gallery)
    for gradient in gradients:
        if gradient is not None:
            share.add_up(gradient)
    return gradients
