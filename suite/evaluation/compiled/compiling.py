"""Compiles the inner loops of the metrics."""

from __future__ import annotations

from pathlib import Path

from suite.compiling import compiler

compiled = compiler(Path(__file__).parent, nogil=True)
