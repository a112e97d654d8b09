"""Compiles the inner loops of the renderer."""

from __future__ import annotations

from pathlib import Path

from suite.compiling import compiler

compiled = compiler(Path(__file__).parent)
