"""The report as a PDF, set by typst from the same document."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from suite.reporting.model import (
    Cell,
    Example,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Picture,
    Points,
    Report,
    Section,
    Table,
    spans,
)

# Rows of a folded table that are still printed.
PRINTED = 40


def render_pdf(report: Report) -> bytes:
    """Set the report with typst's own fonts alone and no date: the same report gives the same bytes."""
    source = (files("suite.reporting") / "templates" / "report.typ").read_bytes()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        content = _Content(root)
        (root / "report.json").write_text(json.dumps(content.report(report)), encoding="utf-8")
        (root / "report.typ").write_bytes(source)
        compiler = typst.Compiler(root / "report.typ", root=root, ignore_system_fonts=True)
        return compiler.compile(format="pdf", timestamp=0)


class _Content:
    """The document as plain values for the template; pictures become files beside it."""

    def __init__(self, root: Path):
        self.root = root
        self.pictures: dict[bytes, str] = {}

    def report(self, report: Report) -> dict[str, Any]:
        return {
            "title": report.title,
            "subtitle": report.subtitle,
            "summary": [
                {
                    "title": part.title,
                    "findings": [{"label": finding.label, "text": _text(finding.text)} for finding in part.findings],
                }
                for part in report.summary
            ],
            "note": _text(report.note),
            "sections": [self.section(section) for section in report.sections],
        }

    def section(self, section: Section) -> dict[str, Any]:
        return {"title": section.title, "blocks": [self.block(block) for block in section.blocks]}

    def block(self, block: Any) -> dict[str, Any]:
        match block:
            case Paragraph():
                return {"kind": "paragraph", "text": _text(block.text)}
            case Heading():
                return {"kind": "heading", "text": block.text}
            case Points():
                return {"kind": "points", "items": [_text(item) for item in block.items]}
            case Figure():
                return {
                    "kind": "figure",
                    "caption": _text(block.caption),
                    "alt": block.alt,
                    "file": self.file(block.wide.svg, "svg"),
                }
            case Table():
                # What is folded on the page and long would be pages of figures that no one reads on paper.
                left_out = len(block.rows) if block.folded and len(block.rows) > PRINTED else 0
                return {
                    "kind": "table",
                    "caption": _text(block.caption),
                    "columns": [{"title": c.title, "numeric": c.numeric, "wide": c.wide} for c in block.columns],
                    "rows": [[_cell(cell) for cell in row] for row in ([] if left_out else block.rows)],
                    "left_out": _text(f"{left_out} rows: see `tables/{block.name}.csv`.") if left_out else [],
                }
            case Gallery():
                marks = {
                    str(mark.verdict): {
                        "glyph": mark.glyph,
                        "border": mark.border,
                        "colour": mark.colour,
                        "meaning": mark.meaning,
                    }
                    for mark in block.marks
                }
                return {
                    "kind": "gallery",
                    "caption": _text(block.caption),
                    "marks": marks,
                    "examples": [self.example(example) for example in block.examples],
                }
        raise TypeError(f"no PDF rendering for {type(block).__name__}")

    def example(self, example: Example) -> dict[str, Any]:
        return {
            "reason": example.reason,
            "title": example.title,
            "query": self.picture(example.query),
            "rankings": [
                {
                    "label": ranking.label,
                    "score": ranking.score,
                    "results": [
                        self.picture(result.picture) | {"verdict": str(result.verdict)} for result in ranking.results
                    ],
                }
                for ranking in example.rankings
            ],
        }

    def picture(self, picture: Picture) -> dict[str, str]:
        return {"file": self.file(picture.data, picture.kind), "alt": picture.alt}

    def file(self, data: bytes, kind: str) -> str:
        if data not in self.pictures:
            self.pictures[data] = f"{len(self.pictures)}.{kind}"
            (self.root / self.pictures[data]).write_bytes(data)
        return self.pictures[data]


def _text(text: str) -> list[dict[str, Any]]:
    return [{"text": span.text, "code": span.code} for span in spans(text)]


def _cell(cell: Cell) -> dict[str, Any]:
    return {"text": cell.text, "detail": cell.detail, "strong": cell.strong, "code": cell.code}
