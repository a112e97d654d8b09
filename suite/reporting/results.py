"""Sections that hold results: those of each data set, then those over all of them."""

from __future__ import annotations

from suite.reporting.ablation_section import ablations
from suite.reporting.across_section import across
from suite.reporting.comparison_section import comparison
from suite.reporting.end_to_end_section import end_to_end
from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.gap_section import gap
from suite.reporting.leaderboard_section import leaderboard
from suite.reporting.levels_section import levels
from suite.reporting.looks import Looks
from suite.reporting.model import Section
from suite.reporting.published_section import published
from suite.reporting.retrieval_section import retrieval
from suite.reporting.scaling_section import scaling
from suite.reporting.training_curves_section import training_curves

# Sections that decide nothing.
ILLUSTRATIONS = ("training", "retrieval")


def sections(evidence: Evidence, data: DatasetEvidence, look: Looks) -> list[Section]:
    """All result sections of one data set; titles name it where the study has several."""
    several = len(evidence.datasets) > 1
    parts = {
        "leaderboard": ("Leaderboard", leaderboard(evidence, data, look)),
        "comparison": ("Pairwise comparison", comparison(evidence, data, look)),
        "gap": ("Decomposability gap", gap(evidence, data, look)),
        "ablations": ("Ablations", ablations(evidence, data, look)),
        "end-to-end": ("End-to-end training", end_to_end(evidence, data)),
        "scaling": ("Training batch size", scaling(evidence, data, look)),
        "levels": ("Hierarchical levels", levels(evidence, data, look)),
        "training": ("Training curves", training_curves(evidence, data, look)),
        "retrieval": ("Retrieval examples", retrieval(evidence, data)),
    }
    return [
        Section(
            f"{data.name}-{key}",
            topic,
            tuple(blocks),
            appendix=key in ILLUSTRATIONS,
            dataset=data.short if several else "",
        )
        for key, (topic, blocks) in parts.items()
        if blocks
    ]


def common_sections(evidence: Evidence, look: Looks) -> list[Section]:
    """What is said of all data sets at once."""
    return [
        Section("across", "Across data sets", tuple(across(evidence, look))),
        Section("published", "Published figures", tuple(published(evidence))),
    ]
