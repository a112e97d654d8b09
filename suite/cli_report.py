"""The command `ranksuite report`: of the study here, or of two studies side by side."""

from __future__ import annotations

from pathlib import Path

import click

from suite.config import load_params

ROOT, REPORTS = Path("artifacts"), Path("reports")


@click.command()
@click.option(
    "--compare",
    "pair",
    nargs=2,
    metavar="A B",
    help="Two studies side by side, each a folder with params.yaml and artifacts, or a revision whose outs DVC has.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the report; default: reports, or reports/compare.",
)
def report(pair: tuple[str, str] | None, output: Path | None) -> None:
    """Write the HTML and the PDF report from the recorded tables."""
    if pair:
        from suite.reporting.two_studies import compare_studies

        output = output or REPORTS / "compare"
        compare_studies(*pair, output)
        click.echo(f"{output / 'report.html'} and {output / 'report.pdf'} hold {pair[0]} (A) against {pair[1]} (B)")
        return
    from suite.reporting import write_reports

    params = load_params()
    write_reports(params, ROOT, output or REPORTS, processes=params.workers.processes)
