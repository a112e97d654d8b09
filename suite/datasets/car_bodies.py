"""The body type of a class of Cars196, from its name.

A class name is make, model, body and year ("Audi S4 Sedan 2012"). The body type is the last word of the name that
names one of the nine bodies of Chang et al., Your "Flamingo" is My "Bird": Fine-Grained, or Not (CVPR 2021, arXiv
2011.09040), whose grouping SupRank's loader takes over. Some names hold no such word ("Acura Integra Type R 2001"),
and in one the last is not the body they chose: these are listed as they grouped them.
"""

from __future__ import annotations

SOURCE = "Chang et al., CVPR 2021 (arXiv 2011.09040)"

_BODIES = {
    word: word for word in ("Cab", "Convertible", "Coupe", "Hatchback", "Minivan", "SUV", "Sedan", "Van", "Wagon")
} | {"SuperCab": "Cab"}

_LISTED = {
    "Acura Integra Type R 2001": "Coupe",
    "Acura TL Type-S 2008": "Sedan",
    "Buick Regal GS 2012": "Sedan",
    "Chevrolet Cobalt SS 2010": "Coupe",
    "Chevrolet Corvette Ron Fellows Edition Z06 2007": "Coupe",
    "Chevrolet Corvette ZR1 2012": "Coupe",
    "Chevrolet HHR SS 2010": "Minivan",
    "Chevrolet TrailBlazer SS 2009": "SUV",
    "Chrysler 300 SRT-8 2010": "Sedan",
    "Dodge Challenger SRT8 2011": "Coupe",
    "Dodge Charger SRT-8 2009": "Sedan",
    "FIAT 500 Abarth 2012": "Coupe",
    "Ford E-Series Wagon Van 2012": "Wagon",
    "Jaguar XK XKR 2012": "Coupe",
    "Lamborghini Gallardo LP 570-4 Superleggera 2012": "Coupe",
}


def body_type(name: str) -> str | None:
    """The body type of class `name`; None where the name tells none."""
    if name in _LISTED:
        return _LISTED[name]
    return next((_BODIES[word] for word in reversed(name.split()) if word in _BODIES), None)
