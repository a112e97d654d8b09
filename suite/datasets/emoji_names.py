"""Which icon of a set draws which emoji, and which emoji are variants of one subject."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# An emoji may be written with or without the selector of its coloured form; icon sets differ in it.
_SELECTOR = "\N{VARIATION SELECTOR-16}"

# Words of gender and person, each to one common word. A possessive (woman's hat) is an object, not a person.
_PERSON_WORDS = {
    **dict.fromkeys(["man", "woman"], "person"),
    **dict.fromkeys(["men", "women"], "people"),
    **dict.fromkeys(["boy", "girl"], "child"),
    **dict.fromkeys(["mermaid", "merman"], "merperson"),
    **dict.fromkeys(["prince", "princess"], "prince or princess"),
    **dict.fromkeys(["santa", "mrs"], "mx"),
}
_PERSON_WORD = re.compile(rf"\b({'|'.join(_PERSON_WORDS)})\b(?!['’])")
# What a name says of who takes part: `kiss person, person` is a kiss, `family person, child` a family.
_CAST = re.compile(r" (person|child)(, (person|child))+$")


@dataclass(frozen=True)
class Emoji:
    """An emoji of the Unicode list."""

    text: str
    name: str
    slug: str
    subgroup: str
    group: str


def list_emoji(
    by_emoji: Mapping[str, Any], subgrouped: Iterable[Mapping[str, Any]], groups: Mapping[str, Any]
) -> list[Emoji]:
    """The emoji of Unicode in their order, with their places in its hierarchy.

    Args:
        by_emoji: `data-by-emoji.json` of unicode-emoji-json: name, slug and group by emoji.
        subgrouped: `en/data.json` of emojibase-data: emoji and number of its sub-group.
        groups: `meta/groups.json` of emojibase-data: `subgroups`, names by number.

    An emoji that has no sub-group in `subgrouped` is left out.
    """
    numbers = {_bare(entry["emoji"]): entry["subgroup"] for entry in subgrouped if "subgroup" in entry}
    names = groups["subgroups"]
    return [
        Emoji(
            text,
            entry["name"],
            entry["slug"].replace("_", "-"),
            names[str(numbers[_bare(text)])],
            entry["group"],
        )
        for text, entry in by_emoji.items()
        if _bare(text) in numbers
    ]


class IconNames:
    """Finds the icon that draws an emoji in a set.

    Args:
        icons: parsed `icons.json` of the set.
        characters: parsed `chars.json` that names are looked up in (code points joined by `-` to icon name):
            the set's own, or that of another edition of it; empty where there is none: names are then the
            Unicode slugs.
    """

    def __init__(self, icons: Mapping[str, Any], characters: Mapping[str, str]):
        self._known = icons["icons"].keys() | icons.get("aliases", {}).keys()
        self._by_text = {
            _bare("".join(chr(int(code, 16)) for code in codes.split("-"))): name for codes, name in characters.items()
        }

    def find(self, emoji: Emoji) -> str | None:
        """The name of the icon that draws `emoji`, or None if the set has none."""
        name = self._by_text.get(_bare(emoji.text)) if self._by_text else emoji.slug
        return name if name in self._known else None


def variant_families(emoji: Iterable[Emoji]) -> list[list[Emoji]]:
    """Group emoji that show one subject: variants in gender or person, in cast (families, couples), mirrored.

    Returns:
        Families in order of their first member; within each the neutral member comes first, the others
        follow in the given order. An emoji without variants is a family of one.
    """
    emoji = list(emoji)
    names = {one.name.lower() for one in emoji}
    families: dict[str, list[Emoji]] = {}
    for one in emoji:
        families.setdefault(_subject(one.name, names), []).append(one)
    return [sorted(members, key=lambda one: one.name.lower() != subject) for subject, members in families.items()]


def _subject(name: str, names: set[str]) -> str:
    subject = name.lower().removesuffix(" facing right")
    subject = _PERSON_WORD.sub(lambda match: _PERSON_WORDS[match.group(1)], subject)
    subject = re.sub(r"\b(old|older) person\b", "older person", subject)
    subject = subject.replace("people and person", "people").replace("person and person", "people")
    subject = _CAST.sub("", subject)
    # "man judge" and "woman judge" belong to "judge".
    bare = subject.removeprefix("person ")
    return bare if bare in names else subject


def _bare(text: str) -> str:
    return text.replace(_SELECTOR, "")
