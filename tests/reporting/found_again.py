"""Finds every number of a written report again in the recorded tables, by a reading that shares no code with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from recorded import Records, Source
from recorded_method import OF_THE_STUDY
from recorded_results import OF_A_DATASET, ablation, tuning
from recorded_summary import summary_pool
from report_pages import parse, pdf_text

# A number that stands for itself: not within a word, a version, a name such as R@1, or a digest.
NUMBER = re.compile(r"(?<![\w.@])(?<!\w-)(<)?([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?)(?!\d)(?!\.\d)")
DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b")
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


@dataclass
class Told:
    """A finding of the summary: the section it leads to, its label, its text."""

    section: str
    label: str = ""
    text: str = ""


@dataclass
class SummaryReader(HTMLParser):
    """Reads the findings of the summary: from each link to a section up to the next."""

    sections: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.link = False
        self.closed = True

    def handle_starttag(self, tag: str, attrs: list) -> None:
        values = dict(attrs)
        if tag == "section" and "summary" in (values.get("class") or "").split():
            self.depth = 1
        elif self.depth and tag not in VOID:
            self.depth += 1
        target = (values.get("href") or "").removeprefix("#")
        if self.depth and tag == "a" and target in self.sections:
            self.told.append(Told(target))
            self.link, self.closed = True, False
        if tag in ("h3", "p", "svg", "table"):
            self.closed = True

    def handle_endtag(self, tag: str) -> None:
        self.link = self.link and tag != "a"
        self.depth = max(0, self.depth - 1) if self.depth else 0

    def handle_data(self, data: str) -> None:
        if self.depth and self.told and self.link:
            self.told[-1].label += data
        elif self.depth and self.told and not self.closed:
            self.told[-1].text += data


def read_summary(page: Path) -> list[Told]:
    """The findings of the report's summary."""
    source = page.read_text(encoding="utf-8")
    reader = SummaryReader(sections=set(re.findall(r'<section id="([^"]+)"', source)))
    reader.feed(source)
    reader.close()
    return reader.told


def plain(text: str) -> str:
    """Text with ASCII minus signs and single spaces."""
    return " ".join(text.replace("−", "-").replace("\u2011", "-").split())


def numbers(text: str) -> list[tuple[str, float, float, bool]]:
    """What stands there, its value, half a unit of its last digit, and whether it is an upper bound."""
    found = []
    for below, told in NUMBER.findall(plain(text)):
        mantissa, _, exponent = told.replace(",", "").partition("e")
        digits = len(mantissa.partition(".")[2])
        half = 0.5 * 10.0 ** (int(exponent or 0) - digits)
        found.append((told, float(told.replace(",", "")), half, bool(below)))
    return found


def missing(text: str, pool: np.ndarray) -> list[str]:
    """The numbers of a text that no value of the pool rounds to."""
    lost = []
    for told, value, half, below in numbers(text):
        hits = pool < value if below else np.abs(pool - value) <= half * (1 + 1e-6) + 1e-12
        if not hits.any():
            lost.append(told)
    return lost


def table_source(name: str, records: Records) -> Source | None:
    """Where the numbers of a table of the report come from; None for a table nobody has told of."""
    for dataset in records.params.datasets:
        if name.startswith(f"{dataset}-"):
            kind = name.removeprefix(f"{dataset}-")
            if kind.startswith("ablation-"):
                return ablation(records, dataset, kind.removeprefix("ablation-"))
            return OF_A_DATASET[kind](records, dataset) if kind in OF_A_DATASET else None
    if name == "tuning":
        return tuning(records, next(iter(records.params.datasets)))
    return OF_THE_STUDY[name](records) if name in OF_THE_STUDY else None


def check_tables(page: Path, records: Records, only: str = "") -> tuple[list[str], int]:
    """What of the tables is not found in the rows it is about, and how many numbers were looked for.

    `only`: of tables whose name begins like this.
    """
    problems, looked = [], 0
    for name, (head, *rows) in parse(page).tables.items():
        if not name.startswith(only):
            continue
        source = table_source(name, records)
        if source is None:
            problems.append(f"{name}: no recorded table is known for it")
            continue
        titles = [plain(cell["text"]) for cell in head]
        for place, row in enumerate(rows):
            cells = [plain(cell["text"]) for cell in row]
            mine = source.rows_of(dict(zip(titles, cells, strict=True)))
            if mine.empty:
                problems.append(f"{name}, row {place + 1} ({cells[0]}): no recorded row is about it")
                continue
            for title, text, cell in zip(titles, cells, row, strict=True):
                if title in source.keys or title in source.names:
                    continue
                where = f"{name}, row {place + 1} ({cells[0]}), {title}"
                if title in source.exact:
                    problems += _verbatim(where, text, mine)
                    continue
                pool = source.pool(mine, title)
                told = DIGEST.sub("", text)
                looked += len(numbers(told))
                problems += [f"{where}: {one}" for one in missing(told, pool)]
                problems += _exact(where, cell["value"], pool)
    return problems, looked


def _exact(where: str, value: str | None, pool: np.ndarray) -> list[str]:
    """A cell sorts by the number itself, not by what is shown of it."""
    if value is None or np.isclose(pool, float(value), rtol=1e-9, atol=1e-12).any():
        return []
    return [f"{where}: sorts by {value}"]


def _verbatim(where: str, text: str, rows: pd.DataFrame) -> list[str]:
    recorded = {plain(str(one)) for column in rows for one in rows[column]}
    parts = [text] if text in recorded else text.split(", ")
    return [f"{where}: {part} is not on record" for part in parts if part not in recorded]


def check_summary(page: Path, records: Records) -> tuple[list[str], int]:
    """What of the summary is not found in the tables that its findings are about, and how many numbers it has."""
    problems, looked = [], 0
    for told in read_summary(page):
        pool = summary_pool(told.section, told.label, records)
        text = plain(told.text)
        for name in sorted(records.names(), key=len, reverse=True):
            text = text.replace(plain(name), "")
        looked += len(numbers(text))
        label = told.label.strip(" .")
        problems += [f"summary, {told.section}, {label}: {one}" for one in missing(text, pool)]
    return problems, looked


def check_paper(page: Path, paper: Path) -> list[str]:
    """The findings of the page that the PDF does not have word for word."""

    def bare(text: str) -> str:
        return re.sub(r"[\s\-‐\u2011]", "", text.replace("−", "-"))

    _, text = pdf_text(paper)
    printed = bare(text)
    return [
        f"PDF: {told.label} {told.text}" for told in read_summary(page) if bare(told.text.strip(" .:")) not in printed
    ]


def check_csv(folder: Path, page: Path) -> list[str]:
    """Tables of the page without their CSV, or with one that is empty."""
    problems = []
    for name in parse(page).tables:
        path = folder / f"{name}.csv"
        if not path.is_file() or pd.read_csv(path).empty:
            problems.append(f"{name}: no numbers behind it in {path}")
    return problems
