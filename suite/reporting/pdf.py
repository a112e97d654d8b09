"""The report as a paper, set by typst from the same document."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from functools import singledispatchmethod
from importlib.resources import files
from pathlib import Path
from typing import Any

import typst

from suite.reporting.model import (
    Block,
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
    numbered,
    spans,
)
from suite.reporting.plates import FONTS

# No page holds more rows of a table; the template leaves those of second rank that would fill one to their files.
PRINTED = 60
NO_BREAK = "\u00a0"
_INTERVAL = re.compile(r"\[[^\[\], ]+, [^\[\], ]+\]")
KEYWORDS = ("image retrieval", "rank losses", "average precision", "decomposability gap", "benchmark")


def render_pdf(report: Report) -> bytes:
    """Set the report as tagged PDF (PDF/UA-1) with embedded fonts and no date: the same report gives the same bytes.

    The body holds what `Section.is_detail` leaves; references and the appendix follow.
    """
    source = (files("suite.reporting") / "templates" / "report.typ").read_bytes()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        content = _Content(root, report)
        (root / "report.json").write_text(json.dumps(content.report()), encoding="utf-8")
        (root / "report.typ").write_bytes(source)
        compiler = typst.Compiler(root / "report.typ", root=root, ignore_system_fonts=True, font_paths=[FONTS])
        return compiler.compile(format="pdf", timestamp=0, pdf_standards="ua-1")


class _Content:
    """The document as plain values for the template; pictures become files beside it."""

    def __init__(self, root: Path, report: Report):
        self.root = root
        self.document = report
        self.pictures: dict[bytes, str] = {}
        self.citations = {reference.key: place for place, reference in enumerate(report.references, start=1)}

    def report(self) -> dict[str, Any]:
        report = self.document
        body = [section for section in report.sections if not section.appendix]
        return {
            "title": report.title,
            "subtitle": report.subtitle,
            "keywords": KEYWORDS,
            "summary": [
                {
                    "title": part.title,
                    "findings": [
                        {"label": one.label, "text": self.text(one.text), "section": one.section}
                        for one in part.findings
                    ],
                }
                for part in report.summary
            ],
            "note": self.text(report.note),
            "sections": [self.section(section, self.body(section)) for section in body],
            "appendix": [
                self.section(section, blocks) for section in report.sections if (blocks := self.details(section))
            ],
            "references": [{"key": one.key, "text": one.text, "url": one.url} for one in report.references],
            "citation": report.citation,
        }

    def section(self, section: Section, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        return {"key": section.key, "title": section.title, "appendix": section.appendix, "blocks": blocks}

    def body(self, section: Section) -> list[dict[str, Any]]:
        """Blocks of the body; each text names the figures and tables that belong to it, wherever they stand."""
        shown = _belonging(section.blocks)
        return [
            self.block(block) | {"shown": [self.target(one) for one in shown.get(place, ())]}
            for place, block in enumerate(section.blocks)
            if not (numbered(block) and section.is_detail(block))
        ]

    def details(self, section: Section) -> list[dict[str, Any]]:
        """Blocks of the appendix: a whole section of it, or what a section of the body leaves to it."""
        return [
            self.block(block) | {"shown": []}
            for block in section.blocks
            if section.appendix or (numbered(block) and section.is_detail(block))
        ]

    def target(self, block: Figure | Table | Gallery) -> dict[str, str]:
        kind = numbered(block)
        return {"id": f"{kind}-{block.name}", "label": self.document.labels[kind, block.name]}

    @singledispatchmethod
    def block(self, block: Any) -> dict[str, Any]:
        raise TypeError(f"no PDF rendering for {type(block).__name__}")

    @block.register
    def _(self, block: Paragraph) -> dict[str, Any]:
        return {"kind": "paragraph", "text": self.text(block.text)}

    @block.register
    def _(self, block: Heading) -> dict[str, Any]:
        return {"kind": "heading", "text": block.text}

    @block.register
    def _(self, block: Points) -> dict[str, Any]:
        return {"kind": "points", "items": [self.text(item) for item in block.items]}

    @block.register
    def _(self, block: Figure) -> dict[str, Any]:
        return self.captioned(block, "figure") | {
            "alt": block.alt,
            "file": self.file(block.wide.svg, "svg"),
            "ratio": block.wide.height / block.wide.width,
        }

    @block.register
    def _(self, block: Table) -> dict[str, Any]:
        rows = () if block.folded and len(block.rows) > PRINTED else block.rows
        return self.captioned(block, "table") | {
            "columns": [{"title": c.title, "numeric": c.numeric, "wide": c.wide} for c in block.columns],
            "rows": [[self.cell(cell) for cell in row] for row in rows],
            "left_out": self.text(f"{len(block.rows)} rows: see `tables/{block.name}.csv`.") if block.folded else [],
        }

    @block.register
    def _(self, block: Gallery) -> dict[str, Any]:
        marks = {str(mark.verdict): asdict(mark) for mark in block.marks}
        examples = [self.example(example) for example in block.examples]
        return self.captioned(block, "gallery") | {"marks": marks, "examples": examples}

    def captioned(self, block: Figure | Table | Gallery, kind: str) -> dict[str, Any]:
        return {"kind": kind, "caption": self.text(block.caption)} | self.target(block)

    def example(self, example: Example) -> dict[str, Any]:
        return {
            "reason": example.reason,
            "title": example.title,
            "query": self.picture(example.query),
            "rankings": [
                {
                    "label": ranking.label,
                    "score": [part.replace(" ", NO_BREAK) for part in ranking.score.split(", ")],
                    "results": [
                        self.picture(result.picture) | {"rank": result.rank, "verdict": str(result.verdict)}
                        for result in ranking.results
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

    def text(self, text: str) -> list[dict[str, Any]]:
        return [
            self.citation(one.text)
            if one.cite
            else {"text": one.text if one.code else _unbroken(one.text), "code": one.code}
            for one in spans(text)
        ]

    def citation(self, key: str) -> dict[str, Any]:
        return {"cite": key, "number": self.citations[key]}

    def cell(self, cell: Cell) -> dict[str, Any]:
        return {
            "text": cell.text,
            "detail": cell.detail,
            "strong": cell.strong,
            "code": cell.code,
            "cites": [self.citation(key) for key in cell.cites],
        }


def _unbroken(text: str) -> str:
    """Intervals and percentages keep to one line."""
    return _INTERVAL.sub(lambda found: found[0].replace(" ", NO_BREAK), text).replace(" %", f"{NO_BREAK}%")


def _belonging(blocks: Iterable[Block]) -> dict[int, list[Block]]:
    """Place of a text -> the figures and tables that follow it; those that open a part belong to its first text."""
    shown: dict[int, list[Block]] = {}
    latest: list[Block] = []
    opening = True
    for place, block in enumerate(blocks):
        if numbered(block):
            latest.append(block)
        elif isinstance(block, Heading):
            latest, opening = [], True
        else:
            latest = shown.setdefault(place, latest if opening else [])
            opening = False
    return shown
