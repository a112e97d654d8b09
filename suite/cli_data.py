"""The commands `ranksuite data list | info | preview`."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import yaml

from suite.columns import aligned
from suite.config import PARAMS, Params, load_params

ROOT = Path("artifacts")


@click.group()
def data() -> None:
    """The data sets: what there is, what they need, what they look like."""


@data.command("list")
def list_data() -> None:
    """List the registered data sets."""
    from suite.datasets.registry import DATASETS

    params = _params()
    rows = [("data set", "state", "access", "levels, finest first", "licence")]
    for builder in DATASETS.names():
        try:
            about = DATASETS.resolve(builder).about
        except (ImportError, AttributeError) as error:
            # One that cannot be loaded hides none of the others.
            rows.append((builder, "cannot be loaded", "", "", _shorten(str(error), 44)))
            continue
        levels = ", ".join(about.levels) or "none: stated pairs"
        for name in _names_of(params, builder):
            rows.append((name, _state(name, params), about.access, levels, _shorten(about.licence, 44)))
    for line in aligned(rows):
        click.echo(line)
    click.echo("\nranksuite data info NAME says how to get one and how params.yaml names it.")


@data.command()
@click.argument("name")
def info(name: str) -> None:
    """Say all about data set NAME: facts, files to place, the entry for params.yaml, and the card if it is built."""
    from suite.datasets.builder import default_entry, without_default
    from suite.datasets.registry import DATASETS
    from suite.datasets.stages import load_card, resolve

    params = _params()
    configured = params is not None and name in params.datasets
    builder_name = params.dataset(name).builder if configured else name
    builder = DATASETS.resolve(builder_name)()
    about = builder.about
    click.echo(about.title)
    for what in ("access", "licence", "licence_url", "citation", "homepage"):
        if value := getattr(about, what):
            _field(what.replace("_", " "), value)
    _field("levels", ", ".join(about.levels) or "none: relevance is stated pair by pair")
    # Which files it takes may depend on settings that have no default.
    if configured or not without_default(builder.Download):
        _files_to_place(builder, resolve(params, name)[1] if configured else builder.Download())
    click.echo(f"\nIn {PARAMS}, below `datasets:`" + (" (as it stands there)" if configured else ""))
    entry = params.dataset(name).model_dump(mode="json") if configured else default_entry(builder_name, builder)
    click.echo(textwrap.indent(yaml.safe_dump({name: entry}, sort_keys=False, width=110), "  ").rstrip())
    if _state(name, params) == "built":
        _card(load_card(ROOT, name))
    else:
        click.echo(f"\nNot built; {_state(name, params) or f'not in {PARAMS}'}.")


@data.command()
@click.argument("name")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder of the sheets.")
@click.option("--split", help="Show this split alone.")
@click.option("--seed", default=0, show_default=True, help="Draws other classes and images.")
def preview(name: str, output: Path | None, split: str | None, seed: int) -> None:
    """Draw contact sheets of the built data set NAME: one a level, one a protocol of stated pairs."""
    from suite.datasets.preview import write_previews

    for path in write_previews(ROOT, name, output or ROOT / "previews" / name, split, seed):
        click.echo(path)


def _params() -> Params | None:
    return load_params() if PARAMS.is_file() else None


def _names_of(params: Params | None, builder: str) -> list[str]:
    """The data sets of params.yaml that this builder makes; its own name if there is none."""
    entries = {} if params is None else params.datasets
    return [name for name, entry in entries.items() if entry.builder == builder] or [builder]


def _state(name: str, params: Params | None) -> str:
    if (ROOT / "datasets" / name / "card.json").is_file():
        return "built"
    if (ROOT / "downloads" / name / "manifest.json").is_file():
        return "downloaded"
    return f"in {PARAMS}" if params is not None and name in params.datasets else ""


def _shorten(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" …")


def _field(name: str, value: str) -> None:
    indent = " " * 14
    click.echo(textwrap.fill(value, 110, initial_indent=f"  {name}".ljust(14), subsequent_indent=indent))


class _Asked(Exception):
    """The builder wants to read a file that it asked for."""


class _Wishes:
    """Stands in for a `Fetcher` to learn which files a builder asks for, and from which origin if not its main one."""

    def __init__(self) -> None:
        self.files: list[tuple[Any, Any]] = []

    def fetch(self, files: Any, origin: Any = None) -> None:
        self.files += [(file, origin) for file in files]

    def path(self, name: str) -> Path:
        raise _Asked(name)


def _files_to_place(builder: Any, download: Any) -> None:
    from suite.datasets.origins import ByHandOrigin

    if not any(isinstance(value, ByHandOrigin) for _, value in download):
        return
    wishes = _Wishes()
    with suppress(_Asked):
        builder.download(download, wishes)
    click.echo("\nTo place by hand")
    for file, origin in wishes.files:
        origin = origin or download.origin
        if isinstance(origin, ByHandOrigin):
            path = origin.folder / file.name
            click.echo(f"  {path} ({'there' if path.exists() else 'missing'})")
            if file.instructions:
                click.echo(textwrap.fill(file.instructions, 110, initial_indent="    ", subsequent_indent="    "))


def _card(card: dict[str, Any]) -> None:
    from suite.datasets.builder import SPLITS

    click.echo(f"\nBuilt, in {ROOT / 'datasets' / card['name']}")
    levels = card["levels"]
    rows = [("split", "images", *levels)]
    for split in (split for split in SPLITS if split in card["counts"]):
        counts = card["counts"][split]
        rows.append((split, f"{counts['images']:,}", *(f"{counts['levels'][level]:,}" for level in levels)))
    for line in aligned(rows, numbers_from=1):
        click.echo(f"    {line}")
    for name, protocol in card["protocols"].items():
        gallery = (
            protocol["gallery"] if isinstance(protocol["gallery"], str) else f"{protocol['gallery']:,} in the gallery"
        )
        click.echo(f"  protocol {name}: {protocol['queries']:,} queries, {gallery}, {protocol['relevance']}")
        if protocol["description"]:
            click.echo(textwrap.fill(protocol["description"], 110, initial_indent="    ", subsequent_indent="    "))
    for reason, counts in sorted(card["set_aside"].items()):
        classes = f" of {counts['classes']:,} classes" if counts["classes"] else ""
        click.echo(f"  set aside: {counts['images']:,} images{classes}, {reason}")
    for name, note in card["notes"].items():
        click.echo(textwrap.indent(yaml.safe_dump({name: note}, allow_unicode=True, width=106).rstrip(), "  "))
