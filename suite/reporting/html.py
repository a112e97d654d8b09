"""The report as one HTML file that asks nothing of any other file or host."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from importlib.resources import files
from itertools import groupby

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from suite.reporting.inline_svg import InlineDrawings
from suite.reporting.links import MLFLOW, run_link
from suite.reporting.model import Drawing, Figure, Picture, Report, csv_bytes, spans
from suite.reporting.palette import THEMES


def render_html(report: Report, mlflow: str = MLFLOW) -> str:
    """Render the report with style, script, every picture and the data behind it inside the page.

    Args:
        report: the document.
        mlflow: address of the MLflow server that links of numbers lead to.
    """
    drawings = InlineDrawings()
    drawn = {
        (figure.name, size): drawings.draw(getattr(figure, size), figure.alt)
        for figure in report.blocks(Figure)
        for size in ("wide", "narrow")
    }
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("suite.reporting"),
    )
    environment.filters |= {
        "spans": spans,
        "picture": _picture,
        "packed": _packed,
        "drawn": lambda name, size: drawn[name, size],
        "by_dataset": lambda sections: [(name, list(one)) for name, one in groupby(sections, lambda one: one.dataset)],
        "detail": _detail,
        "spots": _spots,
        "run_link": lambda runs: run_link(report.study, runs, mlflow),
        "kind": lambda block: type(block).__name__,
    }
    style, script = (
        (files("suite.reporting") / "templates" / name).read_text(encoding="utf-8")
        for name in ("report.css", "report.js")
    )
    # The page's policy admits this one script, known by its digest. The line feeds are those of the template.
    digest = base64.b64encode(hashlib.sha256(f"\n{script}\n".encode()).digest()).decode("ascii")
    return environment.get_template("report.html.j2").render(
        report=report,
        citations={reference.key: place for place, reference in enumerate(report.references, start=1)},
        themes=THEMES,
        style=Markup(style),
        drawing_style=drawings.style,
        script=Markup(script),
        digest=digest,
        mlflow=mlflow,
    )


def _picture(picture: Picture) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _detail(text: str) -> Markup:
    """The second line of a cell: an address is a link, and long names break between their parts."""
    if text.startswith("https://"):
        return Markup('<a href="{}">{}</a>').format(text, escape(text).replace("/", Markup("/<wbr>")))
    return escape(text).replace("_", Markup("_<wbr>"))


def _packed(frame: pd.DataFrame) -> str:
    """The CSV of a table, compressed: the page unpacks it when it is asked for."""
    return base64.b64encode(gzip.compress(csv_bytes(frame), mtime=0)).decode("ascii")


def _spots(drawing: Drawing) -> str:
    """Places in hundredths of a percent of the drawing's width and height, and what is to be read there."""
    rows = [
        (round(1e4 * spot.x / drawing.width), round(1e4 * spot.y / drawing.height), spot.text) for spot in drawing.spots
    ]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
