"""A miniature of R-Paris in its released layout."""

import pickle

import numpy as np
from miniatures import picture, write_tar
from study_settings import study

GALLERY = [f"paris_{place}_{number:06d}" for place in ("defense", "louvre") for number in (605, 7, 31, 112)]
QUERIES = ["paris_louvre_000001", "paris_defense_000038"]
CORRUPT = "paris_louvre_000136"


def ground_truth():
    """Lists and arrays both occur in the released files."""
    return {
        "imlist": list(GALLERY),
        "qimlist": list(QUERIES),
        "gnd": [
            {"bbx": [2.0, 1.0, 14.0, 9.5], "easy": np.array([4, 6]), "hard": [7], "junk": np.array([], dtype=np.int64)},
            {"bbx": np.array([0.0, 0.0, 16.0, 12.0]), "easy": [], "hard": [1, 0], "junk": [2]},
        ],
    }


def number_of(name):
    return [*GALLERY, *QUERIES, CORRUPT].index(name)


def write_paris(folder, truth, images=None):
    """The release of R-Paris below `folder`: two archives, a folder a landmark, and an HTML page among the images."""
    pages = {CORRUPT: b"<html>302 Found</html>"} | (images or {})
    for number, landmark in ((1, "defense"), (2, "louvre")):
        names = [name for name in [*GALLERY, *QUERIES, CORRUPT] if f"_{landmark}_" in name]
        members = {f"paris/{landmark}/{name}.jpg": pages.get(name, picture(number_of(name))) for name in names}
        write_tar(folder / f"paris_{number}-v1.tgz", members, "gz")
    (folder / "gnd_rparis6k.pkl").write_bytes(pickle.dumps(truth, protocol=2))
    return folder


def rparis(folder, **settings):
    origin = {"kind": "file", "folder": str(folder)}
    entry = {"builder": "rparis", "download": {"origin": origin}, "settings": {"enforce_counts": False, **settings}}
    return study(datasets={"paris": entry})
