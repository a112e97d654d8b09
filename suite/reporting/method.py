"""Sections on how the figures came about: trust, timings, conformance, tuning, reproducibility, images, runs."""

from __future__ import annotations

from suite.config import Params
from suite.reporting.conformance import conformance
from suite.reporting.data_cards import licences
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.looks import Looks
from suite.reporting.model import Section, listing
from suite.reporting.protocol_words import what
from suite.reporting.reproducibility import made
from suite.reporting.runs_section import runs
from suite.reporting.timings import timings
from suite.reporting.trust import trust
from suite.reporting.tuning import tuning


def sections(evidence: Evidence, look: Looks) -> list[Section]:
    """Trust, timings, conformance, tuning, how to run it again, the images' licences, the runs."""
    return [
        Section("trust", "How far the intervals can be trusted", tuple(trust(evidence))),
        Section("timings", "What a loss costs", tuple(timings(evidence, look))),
        Section("conformance", "Conformance", tuple(conformance(evidence)), appendix=True),
        Section("tuning", "Tuning", tuple(tuning(evidence)), appendix=True),
        Section("made", "How it was made", tuple(made(evidence)), appendix=True),
        Section("licences", "Image sources and licences", tuple(licences(evidence)), appendix=True),
        Section("runs", "Runs", tuple(runs(evidence)), appendix=True),
    ]


def trained_on(params: Params) -> str:
    """What the compared losses train, for the report's subtitle."""
    kind = what(params, params.compared)
    return f"{kind} trained end to end" if kind == "networks" else f"{params.backbone.name} features, trained {kind}"


def dataset_titles(datasets: tuple[DatasetEvidence, ...]) -> str:
    """The data sets' titles with their sizes."""
    return listing(f"{data.title} ({len(data.items):,} images)" for data in datasets)
