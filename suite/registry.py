"""Names to objects: a registry holds import strings and resolves one only when it is asked for.

Third parties add entries through the entry-point group of the registry (for example `ranksuite.losses`),
in-house entries are one line each.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any

from suite.errors import SuiteError


class Registry:
    """A mapping from names to import strings `package.module:Attribute`.

    Args:
        kind: what the entries are, for error messages ("loss", "data set").
        group: entry-point group searched for third-party entries.
        entries: the built-in names.
    """

    def __init__(self, kind: str, group: str, entries: dict[str, str]):
        self.kind, self.group, self._entries = kind, group, dict(entries)

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._entries, *(point.name for point in entry_points(group=self.group))})

    def import_string(self, name: str) -> str:
        """The import string behind `name`. Raises SuiteError, naming the nearest known name, if there is none."""
        if name in self._entries:
            return self._entries[name]
        for point in entry_points(group=self.group):
            if point.name == name:
                return point.value
        near = difflib.get_close_matches(str(name), self.names(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.names())}"
        raise SuiteError(f"unknown {self.kind} '{name}': {hint}")

    def resolve(self, name: str) -> Any:
        """Import and return the object behind `name`."""
        module, _, attribute = self.import_string(name).partition(":")
        return getattr(importlib.import_module(module), attribute)
