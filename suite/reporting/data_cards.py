"""The data sets as their cards describe them: what they are, what was used of them, and whose pictures they hold."""

from __future__ import annotations

from typing import Any

import pandas as pd

from suite.reporting.evidence import DatasetEvidence, Evidence
from suite.reporting.model import Block, Cell, Column, Paragraph, Table, number, worded


def cards(evidence: Evidence) -> list[Block]:
    """A row a data set: title, licence, citation, where it comes from, levels and how its test images are judged."""
    rows, flat = [], []
    for data in evidence.datasets:
        card = data.card
        protocols = "; ".join(
            f"{name}: {found.get('description', '')}" for name, found in (card.get("protocols") or {}).items()
        )
        fields = {name: str(card.get(name) or "") for name in ("title", "licence", "licence_url", "citation")}
        fields |= {"homepage": str(card.get("homepage") or ""), "levels": ", ".join(map(worded, data.levels))}
        rows.append(
            (
                Cell(data.short, detail=fields["title"].partition(": ")[2]),
                Cell(fields["licence"] or number(None), detail=fields["licence_url"]),
                Cell(fields["citation"] or number(None), detail=fields["homepage"]),
                Cell(fields["levels"], detail=protocols),
            )
        )
        flat.append({"dataset": data.name, **fields, "protocols": protocols, "card_sha256": data.card_sha256})
    columns = (
        Column("Data set"),
        Column("Licence"),
        Column("Cite as, and home page", wide=True),
        Column("Levels, finest first, and protocols", wide=True),
    )
    caption = "The data sets as their cards describe them; the licence of every source file is under Image sources."
    return [Table("cards", caption, columns, tuple(rows), pd.DataFrame(flat))]


def licences(evidence: Evidence) -> list[Block]:
    """Attribution of the image sets, as their cards give it."""
    sources = [(data, source) for data in evidence.datasets for source in data.card.get("sources", [])]
    if not sources:
        return [Paragraph("The data card names no sources.")]
    rows = tuple(row for data in evidence.datasets for row in _attributions(data))
    frame = pd.DataFrame([{"dataset": data.name, **source} for data, source in sources])
    return [
        Paragraph("The pictures in this report stand under the licences below; they are shown at a small size."),
        Table(
            "sources",
            "Image sources, authors and licences; where each source has an author, with the start of its checksum. "
            "The CSV lists every source file with its whole checksum.",
            (Column("Source"), Column("Author", wide=True), Column("Licence", wide=True)),
            rows,
            frame,
        ),
    ]


def _attributions(data: DatasetEvidence) -> list[tuple[Cell, Cell, Cell]]:
    """A row a source that has an author of its own; one row for a data set whose sources are files of one release."""
    sources = data.card.get("sources", [])
    if not any(source.get("author") for source in sources):
        card = data.card
        licence = Cell(str(card.get("licence") or "–"), detail=str(card.get("licence_url") or ""))
        return [(Cell(data.short), Cell(str(card.get("citation") or "–")), licence)] if sources else []
    return [
        (
            Cell(_source_name(source), detail=f"{_checksum(source)[:24]}…"),
            Cell(str(source.get("author") or "–")),
            Cell(str(source.get("licence") or "–"), detail=str(source.get("licence_url") or "")),
        )
        for source in sources
    ]


def _source_name(source: dict[str, Any]) -> str:
    if "package" in source:
        return f"{source['package']} {source.get('version', '')}".strip()
    return str(source.get("name", "–"))


def _checksum(source: dict[str, Any]) -> str:
    return str(source.get("integrity") or f"sha256-{source.get('sha256', '')}")


def counts(evidence: Evidence) -> Table:
    rows, flat = [], []
    for data in evidence.datasets:
        entries = [(split, "used", part) for split, part in data.card.get("counts", {}).items()]
        entries += [(reason, "set aside", part) for reason, part in data.card.get("set_aside", {}).items()]
        for name, use, part in entries:
            rows.append(
                (
                    Cell(data.short),
                    Cell(use),
                    Cell(name.replace("_", " ")),
                    *(
                        Cell(f"{part[key]:,}" if key in part else number(None), part.get(key))
                        for key in ("images", "classes")
                    ),
                )
            )
            flat.append(
                {
                    "dataset": data.name,
                    "use": use,
                    "part": name,
                    "images": part.get("images"),
                    "classes": part.get("classes"),
                }
            )
    columns = (
        Column("Data set"),
        Column("Use"),
        Column("Part", wide=True),
        Column("Images", True),
        Column("Classes", True),
    )
    return Table(
        "data",
        "Images and classes of each split, and what was set aside and why.",
        columns,
        tuple(rows),
        pd.DataFrame(flat),
    )
