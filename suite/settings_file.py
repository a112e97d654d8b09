"""Changes to a settings file that keep its comments and layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from suite.files import atomic_file


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Yield the document of a YAML file for editing in place; it is written, whole, if the block ends without error."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(Path(path).read_text(encoding="utf-8"))
    yield document
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)
