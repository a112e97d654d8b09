"""Why an implementation deviates, where it is known."""

from __future__ import annotations

Key = tuple[str, str, str]

REASONS: dict[Key, str] = {}
