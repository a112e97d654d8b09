"""Correct before fast: fused kernels against float64, bits twice, CUDA graphs, torch.compile and autocast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from suite.benchmarking.gpu.study import DEFAULT, Batch, Case, Study
from suite.kernels.dispatch import use_kernels

FINE, HALVED, COARSE = (1e-5, 1e-4), (1e-4, 1e-3), (1e-2, 1e-1)
LIMITS = {"blockwise": FINE, "ieee": FINE, "tf32x3": FINE, "bf16x3": HALVED, "tf32": COARSE}
"""Relative errors of value and gradient up to which a result counts as right."""


class Check(NamedTuple):
    """What was checked, on which loss, whether it holds, and in words what was found."""

    name: str
    loss: str
    holds: bool
    found: str


def checks(study: Study, device: torch.device, seed: int) -> Iterator[Check]:
    """Every check, on inputs drawn from `seed`."""
    for case in study.cases:
        yield from _against_float64(case, study, device, seed)
        yield _checked("same bits twice", case, lambda case=case: _twice(case, study, device, seed))
    first = study.cases[0]
    graphed = [_graph_replay, _graph_on_other_labels] if device.type == "cuda" else []
    for check in (*graphed, _compiled, _autocast):
        yield _checked(check.__doc__, first, lambda check=check: check(first, study, device, seed))


def relative_error(found: list[Tensor], exact: list[Tensor]) -> float:
    """||found - exact|| / ||exact|| over all of them; NaN where a number is."""
    apart, whole = (
        torch.stack([(some.double()).norm() for some in tensors]).norm()
        for tensors in ([a.double() - b.double() for a, b in zip(found, exact, strict=True)], exact)
    )
    return (apart / whole).item()


def _against_float64(case: Case, study: Study, device: torch.device, seed: int) -> Iterator[Check]:
    batch = case.draw(study.check_size, study.dimensions, seed, device)
    with use_kernels("blockwise"):
        value, gradients = batch.of_dtype(torch.float64).value_and_gradients(case.loss())
    for name in ("blockwise", *case.precisions):
        limits = LIMITS[name]

        def compare(name: str = name, limits: tuple[float, float] = limits) -> tuple[bool, str]:
            kernels = ("blockwise",) if name == "blockwise" else ("fused", name)
            with use_kernels(*kernels):
                found, of_found = batch.value_and_gradients(case.loss())
            errors = relative_error([found], [value]), relative_error(of_found, gradients)
            # A comparison with NaN is false.
            holds = all(error <= limit for error, limit in zip(errors, limits, strict=True))
            return holds, f"value {errors[0]:.1e}, gradient {errors[1]:.1e} off float64"

        yield _checked(f"{name} against float64", case, compare)


def _checked(name: str, case: Case, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        holds, found = check()
    # One check that breaks must not keep the others from being made.
    except Exception as error:
        holds, found = False, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return Check(name, case.title, holds, found)


def _equal(found: tuple[Tensor, list[Tensor]], other: tuple[Tensor, list[Tensor]]) -> tuple[bool, str]:
    """Whether two results agree bit by bit; NaN never does."""
    pairs = list(zip([found[0], *found[1]], [other[0], *other[1]], strict=True))
    same = all(torch.equal(a, b) for a, b in pairs)
    return same, "equal" if same else f"off by {max((a - b).abs().max().item() for a, b in pairs):.1e}"


def _twice(case: Case, study: Study, device: torch.device, seed: int) -> tuple[bool, str]:
    batch = case.draw(study.check_size, study.dimensions, seed + 1, device)
    with use_kernels("fused"):
        return _equal(batch.value_and_gradients(case.loss()), batch.value_and_gradients(case.loss()))


def _graph_replay(case: Case, study: Study, device: torch.device, seed: int) -> tuple[bool, str]:
    """CUDA graph replayed on other embeddings"""
    batch, other = (case.draw(study.check_size, study.dimensions, seed + nth, device) for nth in (2, 3))
    with use_kernels("fused"):
        replay, result = captured(case, batch)
        expected = other.value_and_gradients(case.loss())
    with torch.no_grad():
        batch.embeddings.copy_(other.embeddings)
    replay()
    return _equal(result, expected)


def _graph_on_other_labels(case: Case, study: Study, device: torch.device, seed: int) -> tuple[bool, str]:
    """CUDA graph replayed on labels of another structure gives NaN"""
    batch = case.draw(study.check_size, study.dimensions, seed + 4, device)
    with use_kernels("fused"):
        replay, (value, gradients) = captured(case, batch)
    batch.labels.copy_(batch.labels.roll(1))
    replay()
    everything = [value, *gradients]
    return all(bool(some.isnan().all()) for some in everything), f"value {value.item()}"


def captured(case: Case, batch: Batch) -> tuple[Callable[[], None], tuple[Tensor, list[Tensor]]]:
    """A forward and a backward pass as a CUDA graph: what replays it, and where its results lie."""
    loss = case.loss()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            batch.value_and_gradients(loss)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = batch.value_and_gradients(loss)
    return graph.replay, result


def _compiled(case: Case, study: Study, device: torch.device, seed: int) -> tuple[bool, str]:
    """torch.compile gives what eager gives"""
    batch = case.draw(study.check_size, study.dimensions, seed + 5, device)
    compiled = torch.compile(case.loss(), backend="inductor" if device.type == "cuda" else "eager")
    with use_kernels("fused", DEFAULT):
        (value, gradients), exact = batch.value_and_gradients(compiled), batch.value_and_gradients(case.loss())
    error = relative_error([value, *gradients], [exact[0], *exact[1]])
    return error <= 1e-5, f"{error:.1e} off eager"


def _autocast(case: Case, study: Study, device: torch.device, seed: int) -> tuple[bool, str]:
    """autocast to bfloat16 changes nothing for float32 embeddings"""
    batch = case.draw(study.check_size, study.dimensions, seed + 6, device)
    with use_kernels("fused", DEFAULT):
        plain = batch.value_and_gradients(case.loss())
        with torch.autocast(device.type, torch.bfloat16):
            narrow = batch.value_and_gradients(case.loss())
    return _equal(narrow, plain)
