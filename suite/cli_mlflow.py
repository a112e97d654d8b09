"""The commands `ranksuite mlflow`: the view of the recorded runs in MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from suite.config import load_params

ROOT = Path("artifacts")


@click.group()
def mlflow() -> None:
    """The MLflow store: a view of the recorded runs."""


@mlflow.command()
def sync() -> None:
    """Bring every recorded run into the MLflow store that lacks it, and the study's tables and reports."""
    from suite.tracking import sync as fill

    result = fill(load_params(), ROOT)
    if result.postponed:
        click.echo("MLflow: a training is logging live; run `ranksuite mlflow sync` again when it has ended")
        return
    click.echo(
        f"MLflow: {result.created} runs added, {result.kept} there already, {result.removed} incomplete or outdated "
        f"ones replaced, {result.registered} models registered"
    )


@mlflow.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True)
def ui(host: str, port: int) -> None:
    """Serve the MLflow UI, and the page that the numbers of reports lead to."""
    from suite.tracking import serve

    serve(ROOT, host, port)
