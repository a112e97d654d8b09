"""Compiles the inner loops; what was compiled before is used again as long as no source file has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba

_FOLDER = Path(__file__).parent


def _sources() -> str:
    """A digest of the modules of this folder."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


# numba sees a change of a function's own file alone, not of the files it calls into: a folder for each state of all.
numba.config.CACHE_DIR = str(_FOLDER / "__pycache__" / f"compiled-{_sources()}")

compiled = numba.njit(cache=True)
