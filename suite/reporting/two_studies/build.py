"""From two recorded studies to the report that holds them side by side."""

from __future__ import annotations

from pathlib import Path

from suite.reporting.build import write_files
from suite.reporting.looks import looks
from suite.reporting.model import Finding, Report, Section, Summary
from suite.reporting.two_studies import sections
from suite.reporting.two_studies.differences import differences
from suite.reporting.two_studies.studies import Study, opened

NOTE = (
    "A is the first study named, B the second; differences are B minus A. Intervals are 95 %, each for itself: of "
    "test metrics for new seeds and new classes, of gaps for new seeds on the same partitions. Decisions are at the "
    "5 % level after Holm's correction over the losses. What cannot be decided is not thereby equal."
)


def compare_studies(first: str, second: str, destination: Path) -> None:
    """Write `report.html`, `report.pdf`, `figures` and `tables` on two studies into `destination`.

    Args:
        first, second: of each a folder that holds `params.yaml` and `artifacts`, or a revision of the repository here
            whose outs are in DVC's cache.
        destination: folder of the report.

    Raises:
        SuiteError: naming the study that cannot be read and why.
    """
    with opened(first, second) as (a, b):
        write_files(build_comparison(a, b), destination)


def build_comparison(a: Study, b: Study) -> Report:
    """The document."""
    found = differences(a, b)
    look = looks(a.params) | looks(b.params)
    chapters = []
    for one in found:
        parts = {
            "differences": ("Metrics", sections.metric_blocks(a, b, one, look)),
            "gaps": ("Decomposability gap", sections.gap_blocks(one, look)),
            "slopes": ("Batch size", sections.slope_blocks(a, b, one.dataset)),
        }
        dataset = one.dataset if len(found) > 1 else ""
        chapters += [
            Section(f"{one.dataset}-{key}", topic, tuple(blocks), dataset=dataset)
            for key, (topic, blocks) in parts.items()
        ]
    chapters.append(Section("differs", "What differs between the studies", tuple(sections.what_differs(a, b))))
    told = sections.summarised(a, b, found)
    if not found:
        told = (Summary("", (Finding("Differences", "The studies have no data set in common.", "differs"),)),)
    return Report(
        title=f"Two studies compared: {a.name} and {b.name}",
        subtitle=f"A: {a.name}; B: {b.name}; batch size {b.params.main_batch_size}",
        study=b.params.study,
        summary=told,
        note=NOTE,
        sections=tuple(chapters),
        citation="",
        references=(),
    )
