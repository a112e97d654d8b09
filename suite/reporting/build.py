"""From recorded tables to the report, and from the report to its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from suite.config import Params
from suite.files import atomic_directory, atomic_file
from suite.recipes import RECIPES
from suite.reporting import method, results
from suite.reporting.citing import cite
from suite.reporting.comparison_figures import main_figure
from suite.reporting.drawing_pool import drawing_pool, finished
from suite.reporting.evidence import Evidence, read_evidence
from suite.reporting.html import render_html
from suite.reporting.leaderboard_section import main_figure_data
from suite.reporting.looks import looks
from suite.reporting.losses_section import losses
from suite.reporting.model import AP, Figure, Report, Section, Table, csv_bytes
from suite.reporting.pdf import render_pdf
from suite.reporting.plates import render_png
from suite.reporting.references import cited
from suite.reporting.summary import NOTE, summary


def write_reports(
    params: Params,
    root: Path = Path("artifacts"),
    destination: Path = Path("reports"),
    *,
    recipes: Path = RECIPES,
    processes: int = 1,
) -> None:
    """Write `report.html`, `report.pdf`, `figures/` and `tables/` from the records under `root`.

    Besides these, the tuning trials and the validation of the statistics under `recipes` alone are read: the same
    records and settings give the same bytes, by however many processes the figures are drawn.

    Raises:
        SuiteError: naming a table that is missing and the stage that makes it.
    """
    evidence = read_evidence(params, Path(root), Path(recipes))
    extra = {}
    for data in evidence.datasets[:1]:
        if not data.board(AP).empty:
            arguments = main_figure_data(evidence, data, looks(params))
            extra["main.png"] = render_png(main_figure, *arguments)
    write_files(build_report(evidence, processes), Path(destination), extra)


def write_files(report: Report, destination: Path, pictures: dict[str, bytes] | None = None) -> None:
    """Write a report's page, paper, figures and tables; `pictures`: further files of the folder of figures, by name."""
    page, paper = render_html(report).encode("utf-8"), render_pdf(report)
    with atomic_directory(destination / "figures") as folder:
        drawn = {f"{figure.name}.svg": figure.wide.svg for figure in report.blocks(Figure)}
        for name, data in (drawn | (pictures or {})).items():
            (folder / name).write_bytes(data)
    with atomic_directory(destination / "tables") as folder:
        for table in report.blocks(Table):
            (folder / f"{table.name}.csv").write_bytes(csv_bytes(table.frame))
    for name, data in (("report.html", page), ("report.pdf", paper)):
        with atomic_file(destination / name) as temporary:
            temporary.write_bytes(data)


def build_report(evidence: Evidence, processes: int = 1) -> Report:
    """The document: results of each data set, then how they came about; its figures are drawn by so many processes."""
    params = evidence.params
    with drawing_pool(processes):
        chapters = tuple(finished(section) for section in list(_sections(evidence)))
    subtitle = (
        f"{method.dataset_titles(evidence.datasets)}; {method.trained_on(params)}, batch size {params.main_batch_size}"
    )
    told = summary(evidence)
    return Report(
        title=f"Rank losses compared: study “{params.study}”",
        subtitle=subtitle,
        study=params.study,
        summary=told,
        note=NOTE,
        sections=chapters,
        citation=cite(evidence),
        references=cited(told, NOTE, chapters),
    )


def _sections(evidence: Evidence) -> Iterator[Section]:
    look = looks(evidence.params)
    yield Section("compared", "What is compared", tuple(losses(evidence)))
    for data in evidence.datasets:
        yield from results.sections(evidence, data, look)
    yield from results.common_sections(evidence, look)
    yield from method.sections(evidence, look)
