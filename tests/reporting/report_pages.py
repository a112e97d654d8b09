"""Reads written reports back: the HTML page by its tags, the PDF by its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pypdfium2

VOID = {"meta", "img", "source", "br", "link", "input", "hr", "wbr"}


@dataclass
class Page(HTMLParser):
    """What the tests look at: balance of tags, addresses, tables by name, alternative texts."""

    problems: list[str] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)
    images: list[dict] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tables: dict[str, list[list[dict]]] = field(default_factory=dict)
    heads: list[dict] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.table = ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [
            (tag, values[name]) for name in ("src", "href", "srcset", "poster", "data") if name in values
        ]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "img":
            self.images.append(values)
        elif tag == "small" and {"td", "th"} & set(self.open):
            # A second line of a cell.
            self.tables[self.table][-1][-1]["text"] += " "
        elif tag == "table":
            self.table = values["data-name"]
            self.tables[self.table] = []
        elif tag == "tr":
            self.tables[self.table].append([])
        elif tag in ("td", "th"):
            self.tables[self.table][-1].append({"text": "", "value": values.get("data-value")})
            self.heads += [values] if tag == "th" else []

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if "table" in self.open and {"td", "th"} & set(self.open):
            self.tables[self.table][-1][-1]["text"] += data
        elif not {"script", "style"} & set(self.open):
            self.text += data


def parse(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


def pdf_text(path: Path) -> tuple[int, str]:
    document = pypdfium2.PdfDocument(path)
    text = " ".join(page.get_textpage().get_text_range() for page in document)
    # Typst hyphenates and breaks lines where it likes.
    return len(document), " ".join(re.sub("[\ufffe\u200b]", "", text).split())
