"""The report as a document of plain values; HTML and PDF are two renderings that add nothing."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

MISSING = "–"
AP = "level0/AP"
# Metrics of the leaderboard, by the names of the tables, with the names a reader knows.
HEADLINE = {
    "level0/AP": "mAP",
    "level0/R_at_1": "R@1",
    "level0/mAP_at_R": "mAP@R",
    "stated/mAP_at_100": "mAP@100",
    "NDCG": "NDCG",
    "H_AP": "H-AP",
}
# Metrics that the gap is measured of, by the names of the gap tables.
GAP_METRICS = {"AP": "AP", "R_at_1": "R@1", "NDCG": "NDCG", "H_AP": "H-AP"}
_PIECES = re.compile(r"`([^`]+)`|\[@([\w-]+)\]|((?:[^`\[]|\[(?!@[\w-]+\])|`(?![^`]+`))+)")
_GAP = re.compile(r"gap_(.+)_at_(\d+)")


@dataclass(frozen=True)
class Span:
    """A piece of a sentence; `code` pieces are commands, file names or keys, `cite` ones the key of a reference."""

    text: str
    code: bool = False
    cite: bool = False


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more. Text between backticks is code."""

    text: str


@dataclass(frozen=True)
class Heading:
    """The title of a part of a section."""

    text: str


@dataclass(frozen=True)
class Points:
    """Sentences that stand side by side, as a list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Runs:
    """The runs of the report's study behind a number; what is None is left open."""

    dataset: str
    loss: str | None = None
    batch_size: int | None = None
    budget: str | None = None
    seed: int | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Cell:
    """A table cell: what is read, the exact number it sorts by, a second line in smaller type, the runs behind it.

    `cites` are keys of references, shown after the text.
    """

    text: str
    value: float | None = None
    detail: str = ""
    strong: bool = False
    code: bool = False
    runs: Runs | None = None
    cites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column head; numeric columns align right, `wide` ones take the room that is left and wrap."""

    title: str
    numeric: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption, and the exact numbers behind it, which become `tables/<name>.csv`.

    A `folded` one is of second rank: closed on the page until asked for, and in the appendix of the paper.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    frame: pd.DataFrame
    sortable: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Spot:
    """A place in a drawing, in the units of its SVG, and what is to be read there."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Drawing:
    """An SVG, its size in its own units, and the values that can be read off it."""

    svg: bytes
    width: float
    height: float
    spots: tuple[Spot, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A figure, drawn once for paper and wide screens and once for narrow ones, and the exact numbers behind it.

    A `detail` is of second rank: it stands in the appendix of the paper.
    """

    name: str
    caption: str
    alt: str
    wide: Drawing
    narrow: Drawing
    frame: pd.DataFrame
    detail: bool = False


@dataclass(frozen=True)
class Picture:
    """An image of the data set, encoded, with what it shows in words."""

    data: bytes
    kind: str
    alt: str


@dataclass(frozen=True)
class Result:
    """A retrieved item: `verdict` is the finest level at which it agrees with the query, -1 for none."""

    picture: Picture
    rank: int
    verdict: int


@dataclass(frozen=True)
class Ranking:
    """The first results that one loss (or the floor) gives for a query."""

    label: str
    score: str
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Example:
    """A query and its rankings, with the reason for which it was chosen."""

    reason: str
    title: str
    query: Picture
    rankings: tuple[Ranking, ...]


@dataclass(frozen=True)
class Mark:
    """How a verdict is shown: glyph and border style tell it without colour."""

    verdict: int
    glyph: str
    border: str
    colour: str
    meaning: str


@dataclass(frozen=True)
class Gallery:
    """Retrieval examples and the legend of their marks."""

    name: str
    caption: str
    marks: tuple[Mark, ...]
    examples: tuple[Example, ...]


Block = Heading | Paragraph | Points | Table | Figure | Gallery


@dataclass(frozen=True)
class Section:
    """A titled part of the report; `key` is its anchor. An `appendix` stands after the references of the paper.

    One of several parts on the same topic, each of another data set, names its `dataset`.
    """

    key: str
    topic: str
    blocks: tuple[Block, ...]
    appendix: bool = False
    dataset: str = ""

    @property
    def title(self) -> str:
        """The topic, and the data set where it names one."""
        return f"{self.topic}: {self.dataset}" if self.dataset else self.topic

    def is_detail(self, block: Block) -> bool:
        """Whether the paper has a block of this section in its appendix."""
        return self.appendix or getattr(block, "folded", False) or getattr(block, "detail", False)


@dataclass(frozen=True)
class Finding:
    """An answer of the summary: the question in a word or three, the answer, and the key of the section behind it."""

    label: str
    text: str
    section: str


@dataclass(frozen=True)
class Summary:
    """What a data set allows to be said; `title` is empty where there is one data set alone."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Reference:
    """A cited work; text cites it as `[@key]`."""

    key: str
    text: str
    url: str


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        study: name of the study, by which its runs are found in MLflow.
        note: how the summary is to be read.
        citation: how the report itself is cited, as BibTeX.
        references: works that the text cites, in the order of their first mention.
    """

    title: str
    subtitle: str
    study: str
    summary: tuple[Summary, ...]
    note: str
    sections: tuple[Section, ...]
    citation: str
    references: tuple[Reference, ...]

    def blocks(self, kind: type) -> list:
        """All blocks of one kind in reading order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, kind)]

    @cached_property
    def labels(self) -> dict[tuple[str, str], str]:
        """What figures and tables are called, by kind (`figure` or `table`) and name: `Figure 3`, `Table A2`.

        Those that the paper has in its appendix are counted apart, so that page and paper number alike and each of
        them counts upwards.
        """
        counted, labels = Counter(), {}
        for section in self.sections:
            for block in section.blocks:
                if kind := numbered(block):
                    appendix = "A" if section.is_detail(block) else ""
                    counted[kind, appendix] += 1
                    labels[kind, block.name] = f"{kind.capitalize()} {appendix}{counted[kind, appendix]}"
        return labels


def numbered(block: Block) -> str:
    """`table`, `figure` (a gallery is one), or nothing for text."""
    return "table" if isinstance(block, Table) else "figure" if isinstance(block, Figure | Gallery) else ""


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The exact numbers of a table or figure as CSV."""
    return frame.to_csv(index=False, lineterminator="\n").encode("utf-8")


def spans(text: str) -> list[Span]:
    """Split text at backticks into plain and code pieces, and at `[@key]` into citations."""
    pieces = []
    for match in _PIECES.finditer(text):
        code, key, plain = match.groups()
        pieces.append(Span(code, code=True) if code else Span(key, cite=True) if key else Span(plain))
    return pieces


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A figure with fixed decimals, a true minus sign, and a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    # What rounds to nothing has no side.
    text = text if float(text) else f"{0:.{digits}f}"
    return text.replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = 3, sign: bool = False) -> str:
    """`[low, high]`, or nothing where the seeds gave no interval."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits, sign)}, {number(high, digits, sign)}]"


def with_interval(mean: float, low: float, high: float, digits: int = 3) -> str:
    """`mean [low, high]` for a sentence, or `mean` where the seeds gave no interval."""
    return f"{number(mean, digits)} {interval(low, high, digits)}".strip()


def signed(mean: float, low: float, high: float, digits: int = 3) -> str:
    """A difference with its interval for a sentence, both with their signs."""
    return f"{number(mean, digits, True)} {interval(low, high, digits, True)}".strip()


def metric_name(metric: str) -> str:
    """A metric of the gap tables as a reader knows it; `R_at_k` for any k."""
    return GAP_METRICS.get(metric) or metric.replace("_at_", "@").replace("_", "-")


def quantity_name(name: str) -> str:
    """A metric, or a gap such as `gap_AP_at_128`, as a reader knows it."""
    gap = _GAP.fullmatch(name)
    return f"gap of {metric_name(gap[1])} at {gap[2]}" if gap else HEADLINE.get(name, name)


def measured(mean: float, low: float, high: float, digits: int = 3, sign: bool = False, strong: bool = False) -> Cell:
    """A cell with a mean above its interval."""
    value = float(mean) if math.isfinite(mean) else None
    return Cell(number(mean, digits, sign), value, interval(low, high, digits, sign), strong)


def plain(value: float | None, digits: int = 3) -> Cell:
    """A cell with a number alone."""
    return Cell(number(value, digits), None if value is None or pd.isna(value) else float(value))


def worded(name: str) -> str:
    """A column's name as words."""
    return name.replace("_", " ")


def whole(value: float) -> Cell:
    """A cell with a whole number, or a dash where there is none."""
    return Cell(number(None)) if pd.isna(value) else Cell(f"{int(value):,}", float(value))


def p_value(value: float | None) -> Cell:
    """A cell with a p value, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Cell(number(None))
    return Cell("<0.001" if value < 0.001 else number(value), float(value))


def count(amount: int, one: str, many: str | None = None) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listing(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"
