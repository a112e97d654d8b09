"""Figures drawn by several processes while the text around them is written: the drawings do not depend on how many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from suite.reporting.model import Drawing, Figure, Section
from suite.workers import worker_pool

_EXECUTOR: ContextVar[Executor | None] = ContextVar("drawing_pool", default=None)


@contextmanager
def drawing_pool(processes: int) -> Iterator[None]:
    """Within it figures are drawn by so many processes, and sections hold promises until `finished` is asked for them.

    With one process each figure is drawn at once, in this one.

    Raises:
        SuiteError: a process died without an answer.
    """
    if processes < 2:
        yield
        return
    with worker_pool(processes) as pool:
        token = _EXECUTOR.set(pool)
        try:
            yield
        finally:
            _EXECUTOR.reset(token)


def drawn(draw: Callable[..., Drawing], *arguments: Any) -> Drawing | Future[Drawing]:
    """`draw(*arguments)`, or the promise of it within a `drawing_pool`; function and arguments can be pickled."""
    pool = _EXECUTOR.get()
    return draw(*arguments) if pool is None else pool.submit(draw, *arguments)


def finished(section: Section) -> Section:
    """The section with its drawings in the place of their promises."""
    return replace(section, blocks=tuple(_finished(block) for block in section.blocks))


def _finished(block: Any) -> Any:
    if not isinstance(block, Figure):
        return block
    promised = {name: getattr(block, name) for name in ("wide", "narrow")}
    return replace(block, **{name: one.result() for name, one in promised.items() if isinstance(one, Future)})
