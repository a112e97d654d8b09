"""Orders and families of the 200 species of CUB-200-2011.

The grouping is that of Chang et al., Your "Flamingo" is My "Bird": Fine-Grained, or Not (CVPR 2021, arXiv 2011.09040;
tables `trees_order_to_family` and `trees_family_to_species` of the authors' code), which SupRank's loader takes over.
It numbers 13 orders and 38 families; the names here are those of the groups that the listed species belong to. It is
kept as published, so that labels agree with SupRank's: the red-legged kittiwake (class 84, a training class), a gull,
stands there in a family of its own, in the order of the kingfishers.
"""

from __future__ import annotations

SOURCE = "Chang et al., CVPR 2021 (arXiv 2011.09040)"

# Order -> family -> class numbers of CUB-200-2011; "9-13" is 9 to 13.
_GROUPS = {
    "Anseriformes": {"Anatidae": "46 87 89 90"},
    "Apodiformes": {"Trochilidae": "67-70"},
    "Caprimulgiformes": {"Caprimulgidae": "22 92 105"},
    "Charadriiformes": {
        "Alcidae": "5-8 58 106",
        "Laridae": "59-66 141-147",
        "Stercorariidae": "71 72",
    },
    "Coraciiformes": {"Alcedinidae": "79-83", "Rissa": "84"},
    "Cuculiformes": {"Cuculidae": "4 31-33 110"},
    "Gaviiformes": {"Gaviidae": "86"},
    "Passeriformes": {
        "Alaudidae": "85",
        "Bombycillidae": "185 186",
        "Cardinalidae": "14-17 54 57 139 140",
        "Certhiidae": "28",
        "Corvidae": "29 30 73-75 93 107 108",
        "Fringillidae": "34 35 47 48 55 56",
        "Hirundinidae": "135-138",
        "Icteridae": "9-13 26 27 49 88 95-98",
        "Icteriidae": "20",
        "Laniidae": "111 112",
        "Mimidae": "19 91 149 150",
        "Motacillidae": "104",
        "Parulidae": "99 109 158-184 200",
        "Passerellidae": "21 76 113-117 119-133 148",
        "Passeridae": "118",
        "Ptilonorhynchidae": "18",
        "Sittidae": "94",
        "Sturnidae": "134",
        "Troglodytidae": "193-199",
        "Tyrannidae": "37-43 77 78 102 103",
        "Vireonidae": "151-157",
    },
    "Pelecaniformes": {"Pelecanidae": "100 101"},
    "Piciformes": {"Picidae": "36 187-192"},
    "Podicipediformes": {"Podicipedidae": "50-53"},
    "Procellariiformes": {"Diomedeidae": "1-3", "Procellariidae": "45"},
    "Suliformes": {"Phalacrocoracidae": "23-25", "Fregatidae": "44"},
}


def bird_groups() -> dict[int, tuple[str, str]]:
    """Class number (1 to 200) -> family and order."""
    return {
        number: (family, order)
        for order, families in _GROUPS.items()
        for family, spans in families.items()
        for span in spans.split()
        for number in _numbers(span)
    }


def _numbers(span: str) -> range:
    first, _, last = span.partition("-")
    return range(int(first), int(last or first) + 1)
