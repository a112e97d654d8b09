"""The commands `ranksuite recipe` and `ranksuite plan`: what a study would be, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

import click

from suite.config import PARAMS


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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(width) if place < 3 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells))
    click.echo(f"\nranksuite recipe NAME writes {PARAMS}; docs/recipes.md says where each stands.")
