"""Landmarks-mini: landmarks that the suite draws, in the layout of the GLDv2 release, built as H-GLDv2 is.

The release lies in `data/landmarks_mini`; `suite.landmarks` draws it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from suite.datasets.builder import About, BuilderSettings, Built
from suite.datasets.gldv2 import HGLDv2, ReleaseDownload, Shards
from suite.datasets.origins import FileOrigin, Origin


class MiniDownload(ReleaseDownload):
    """Where the drawn release lies, and its shards."""

    origin: Origin = FileOrigin(kind="file", folder=Path("data/landmarks_mini"))
    train_shards: Shards = "0-3"
    index_shards: Shards = "0-1"
    test_shards: Shards = "0"


class LandmarksMini(HGLDv2):
    """H-GLDv2's builder on the drawn release."""

    about: ClassVar[About] = About(
        title="Landmarks-mini: landmarks drawn by the suite, in the layout of H-GLDv2",
        levels=HGLDv2.about.levels,
        licence="CC0 1.0",
        licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
        citation="Drawn by ranksuite draw-landmarks; layout of the release: Google Landmarks Dataset v2 (T. Weyand et "
        "al., CVPR 2020)",
        homepage="docs/datasets.md",
        access="embedded",
    )
    Download: ClassVar = MiniDownload
    published = ()

    def build(
        self, settings: BuilderSettings, download: MiniDownload, source: Path, target: Path, processes: int
    ) -> Built:
        """As H-GLDv2; a drawn release has any number of shards, and no published counts to be held against."""
        built = super().build(settings, download, source, target, processes)
        notes = {name: note for name, note in built.notes.items() if name not in ("whole release", "published counts")}
        return replace(built, notes=notes)
