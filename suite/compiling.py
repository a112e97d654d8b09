"""Compiles inner loops with numba; what was compiled before is used again as long as no source file has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def compiler(folder: Path, **options: Any) -> Decorator:
    """A decorator that compiles the functions of the modules in `folder`, which call none of another folder.

    numba sees a change of a function's own file alone, not of the files it calls into: so there is a cache for each
    state of all modules of the folder.

    Args:
        folder: of the modules.
        options: of `numba.njit`.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    cache = str(folder / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}")

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        # numba reads the folder of the cache when it decorates; other users of numba keep theirs.
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, cache
        try:
            return numba.njit(cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return compiled
