"""Arguments of the metrics, checked and brought to plain arrays and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

# Bits of an unsigned 8-bit integer: one a hierarchy level.
MAX_LEVELS = 8


class Embedded(NamedTuple):
    """Queries and gallery of one width, type and device.

    Attributes:
        queries: (Q, D) float32 or float64.
        items: (G, D).
    """

    queries: Tensor
    items: Tensor


def as_array(values: Any) -> np.ndarray:
    """A NumPy view of an array, a (detached) tensor on any device, or a sequence."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def as_matrix(values: Any, name: str) -> Tensor:
    """Embeddings as a contiguous (N, D) float tensor: float64 stays float64, all else becomes float32; a tensor stays
    on its device.

    Raises:
        ValueError: naming the argument, if it is not 2-D, has no row or column, or holds a non-finite value.
    """
    tensor = values.detach() if isinstance(values, Tensor) else np.asarray(values)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ValueError(f"{name}: expected embeddings of shape (N, D) with N, D >= 1, found {tuple(tensor.shape)}")
    if isinstance(tensor, Tensor):
        tensor = tensor.to(torch.float64 if tensor.dtype == torch.float64 else torch.float32).contiguous()
    else:
        wanted = np.float64 if tensor.dtype == np.float64 else np.float32
        tensor = torch.from_numpy(np.require(tensor, wanted, ["C", "W"]))
    if not all(torch.isfinite(extreme) for extreme in torch.aminmax(tensor)):
        bad = ~torch.isfinite(tensor).all(dim=1)
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(tensor)} rows hold NaN or infinity, first row {int(bad.int().argmax())}"
        )
    return tensor


def as_embeddings(values: Any, name: str) -> np.ndarray:
    """`as_matrix` as a NumPy array."""
    return as_matrix(values, name).cpu().numpy()


def as_embedded(query: Any, gallery: Any) -> Embedded:
    """Embeddings of queries and gallery; without a gallery (None) the queries are it.

    float64 in one makes both float64.

    Raises:
        ValueError: naming the argument that is at fault.
    """
    queries = as_matrix(query, "query")
    items = queries if gallery is None else as_matrix(gallery, "gallery")
    if items.shape[1] != queries.shape[1]:
        raise ValueError(f"gallery: width {items.shape[1]} differs from the query's {queries.shape[1]}")
    if items.device != queries.device:
        raise ValueError(f"gallery: on {items.device}, but the query is on {queries.device}")
    if items.dtype != queries.dtype:
        items, queries = items.double(), queries.double()
    largest = [_largest(side) for side in (queries, items)]
    if largest[0] * largest[1] * queries.shape[1] > torch.finfo(items.dtype).max / 4:
        raise ValueError(
            f"query: entries as large as {largest[0]:.3g} (gallery {largest[1]:.3g}) can overflow a dot product in"
            f" {str(items.dtype).removeprefix('torch.')}; scale the embeddings"
        )
    return Embedded(queries, items)


def _largest(values: Tensor) -> float:
    low, high = torch.aminmax(values)
    return max(-float(low), float(high))


def as_labels(values: Any, name: str, rows: int, of: str) -> np.ndarray:
    """Labels as (N, L), N = `rows`. Raises ValueError, naming the argument, on any other shape and on NaN or None."""
    array = as_array(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != rows or not 1 <= array.shape[1] <= MAX_LEVELS:
        raise ValueError(
            f"{name}: expected shape ({rows},) or ({rows}, L) with 1 <= L <= {MAX_LEVELS},"
            f" as {of} has {rows} rows, found {np.shape(values)}"
        )
    # NaN differs from itself; None has no order.
    lacking = np.equal(array, None) | (array != array) if array.dtype == object else array != array
    if lacking.any():
        raise ValueError(
            f"{name}: {int(lacking.any(axis=1).sum())} of {rows} rows hold NaN or None; give an item without a label"
            " one of its own"
        )
    return array


def encode_labels(query: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of any type as int32 codes, (L, Q) and (L, G): equal codes in a row are equal labels there."""
    codes = [
        np.unique(np.concatenate([query[:, level], gallery[:, level]]), return_inverse=True)[1].astype(np.int32)
        for level in range(query.shape[1])
    ]
    stacked = np.stack(codes)
    return stacked[:, : len(query)], stacked[:, len(query) :]


def check_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """The cut-offs as integers. Raises ValueError unless there is at least one and all are whole and >= 1."""
    cutoffs = tuple(ks)
    if not cutoffs or any(k != int(k) or k < 1 for k in cutoffs):
        raise ValueError(f"ks: expected integers >= 1, found {ks!r}")
    return tuple(int(k) for k in cutoffs)
