"""The commands `ranksuite recipe` and `ranksuite plan`: what a study would be, before anything starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from suite.columns import aligned
from suite.config import PARAMS, load_params

ROOT = Path("artifacts")


@click.command()
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Replace a params.yaml whose changes are not committed.")
def recipe(name: str | None, force: bool) -> None:
    """Write params.yaml for the paper's recipe NAME; without NAME, list the recipes.

    Comments at the top of the file say what the paper does not state. To go back, take params.yaml from version
    control.
    """
    from suite.recipes.papers import list_recipes, write_recipe

    if name is not None:
        write_recipe(name, PARAMS, force)
        click.echo(f"{PARAMS}: recipe {name}; see `ranksuite plan`, then `dvc repro`")
        return
    rows: list[Sequence[str]] = [("recipe", "data set", "network", "batch", "chunk", "epochs", "losses")]
    for one in list_recipes().values():
        network, _, _ = one.full.network.backbone.partition(".")
        chunk = one.full.chunk_size or one.batch_size
        numbers = (one.batch_size, chunk, one.full.epochs, len(one.losses))
        rows.append((one.name, one.dataset, network, *(f"{number:,}" for number in numbers)))
    for line in aligned(rows, numbers_from=3):
        click.echo(line)
    click.echo(f"\nranksuite recipe NAME writes {PARAMS}; docs/recipes.md says where each stands.")


@click.command()
@click.option("--dataset", "-d", multiple=True, help="Only this data set; once for each.")
@click.option("--loss", "-l", multiple=True, help="Only this loss; once for each.")
def plan(dataset: tuple[str, ...], loss: tuple[str, ...]) -> None:
    """Say what params.yaml asks for, before anything starts: runs, steps, memory, disk and time.

    Nothing needs to be downloaded or built. What is not known yet is a question mark.
    """
    from suite.planning.text import plan_lines

    width = shutil.get_terminal_size((100, 24)).columns
    for line in plan_lines(load_params(), ROOT, dataset or None, loss or None, width):
        click.echo(line)
