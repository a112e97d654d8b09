"""The report as one HTML file that asks nothing of any other file or host."""

from __future__ import annotations

import base64
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from suite.reporting.model import Report, spans


def render_html(report: Report) -> str:
    """Render the report with style, script and every picture inside the page."""
    templates = files("suite.reporting") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"spans": spans, "data_uri": _data_uri, "kind": lambda block: type(block).__name__}
    template = environment.from_string((templates / "report.html.j2").read_text(encoding="utf-8"))
    style, script = (Markup((templates / name).read_text(encoding="utf-8")) for name in ("report.css", "report.js"))
    return template.render(report=report, style=style, script=script)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
