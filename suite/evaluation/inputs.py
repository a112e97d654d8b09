"""Arguments of the metrics, checked and brought to plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

# Bits of an unsigned 8-bit integer: one a hierarchy level.
MAX_LEVELS = 8


def as_array(values: Any) -> np.ndarray:
    """A NumPy view of an array, a (detached) tensor on any device, or a sequence."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def as_embeddings(values: Any, name: str) -> np.ndarray:
    """Embeddings as a contiguous (N, D) float array: float64 stays float64, all else becomes float32.

    Raises:
        ValueError: naming the argument, if it is not 2-D, has no row or column, or holds a non-finite value.
    """
    if isinstance(values, torch.Tensor) and values.dtype == torch.bfloat16:
        values = values.float()
    array = as_array(values)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name}: expected embeddings of shape (N, D) with N, D >= 1, found {array.shape}")
    array = np.ascontiguousarray(array, dtype=np.float64 if array.dtype == np.float64 else np.float32)
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(array)} rows hold NaN or infinity, first row {bad.argmax()}"
        )
    return array


def as_labels(values: Any, name: str, rows: int, of: str) -> np.ndarray:
    """Labels as (N, L), N = `rows`. Raises ValueError, naming the argument, on any other shape."""
    array = as_array(values)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != rows or not 1 <= array.shape[1] <= MAX_LEVELS:
        raise ValueError(
            f"{name}: expected shape ({rows},) or ({rows}, L) with 1 <= L <= {MAX_LEVELS},"
            f" as {of} has {rows} rows, found {np.shape(values)}"
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
