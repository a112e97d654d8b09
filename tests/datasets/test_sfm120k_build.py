import pickle

import numpy as np
import pytest
from miniatures import picture, serve, write_tar
from study_settings import study

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.errors import SuiteError


def cid(number):
    return f"{number * 7919:032x}"


def table():
    """Training: 3 models of 4 images; validation: 2 of 3, with cluster numbers that training has too."""
    return {
        "train": {
            "cids": [cid(number) for number in range(12)],
            "cluster": np.repeat([4, 17, 250], 4).tolist(),
            "qidxs": [0, 4],
            "pidxs": [1, 5],
        },
        "val": {
            "cids": [cid(number) for number in range(12, 18)],
            "cluster": [4, 4, 4, 9, 9, 9],
            "qidxs": [],
            "pidxs": [],
        },
    }


def write_release(folder, parts, prefix="", numbers=range(20), images=None):
    """The release below `folder`; images 18 and 19 stand in no list, as those of other training sets."""
    (folder / "dbs").mkdir(parents=True)
    (folder / "dbs/retrieval-SfM-120k.pkl").write_bytes(pickle.dumps(parts, protocol=2))
    members = {}
    for number in numbers:
        name = cid(number)
        members[f"{prefix}{name[-2:]}/{name[-4:-2]}/{name[-6:-4]}/{name}"] = (images or {}).get(number, picture(number))
    write_tar(folder / "ims/ims.tar.gz", members, "gz")
    return folder


def sfm(folder=None, base=None, **settings):
    origin = {"kind": "https", "base": base} if base else {"kind": "file", "folder": str(folder)}
    entry = {"builder": "sfm120k", "download": {"origin": origin}, "settings": settings}
    return study(datasets={"sfm": entry})


def built(params, root):
    download_dataset(params, "sfm", root)
    return build_dataset(params, "sfm", root)


def test_the_released_parts_are_the_splits(tmp_path):
    release = write_release(tmp_path / "release", table(), images={7: picture(7)[:200]})
    root = tmp_path / "artifacts"
    with serve(release) as base:
        target = built(sfm(base=base), root)
    items, card = load_items(root, "sfm"), load_card(root, "sfm")
    assert items["split"].value_counts().to_dict() == {"train": 11, "val": 6}
    assert items.groupby("landmark").size().to_dict() == {
        "train-000004": 4,
        "train-000017": 3,
        "train-000250": 4,
        "val-000004": 3,
        "val-000009": 3,
    }
    store = ImageStore(target)
    numbers = {cid(number): number for number in range(20)}
    assert all(store.read(row.image) == picture(numbers[row.key]) for row in items.itertuples())
    assert card["set_aside"] == {"truncated": {"images": 1, "classes": 1}}
    assert card["notes"]["differences from stated counts"] == [
        "listed images, train: 12 found, 91,642 published",
        "listed images, val: 6 found, 6,403 published",
    ]
    assert [source["name"] for source in card["sources"]] == ["dbs/retrieval-SfM-120k.pkl", "ims/ims.tar.gz"]
    protocol = load_protocol(root, "sfm")
    assert protocol.gallery is None
    np.testing.assert_array_equal(protocol.queries, np.flatnonzero(items["split"] == "val"))


def test_images_below_ims_missing_ones_and_second_listings_are_accounted_for(tmp_path):
    parts = table()
    parts["val"]["cids"][5] = cid(3)
    release = write_release(tmp_path / "release", parts, prefix="ims/", numbers=range(1, 20))
    root = tmp_path / "artifacts"
    built(sfm(release), root)
    items = load_items(root, "sfm")
    assert len(items) == 16
    assert items.loc[items["key"] == cid(3), "split"].tolist() == ["train"]
    assert load_card(root, "sfm")["set_aside"] == {
        "listed again": {"images": 1, "classes": 0},
        "listed, but not in the archives": {"images": 1, "classes": 1},
    }


def _without(parts, part, field):
    del parts[part][field]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda parts: parts.pop("val"), "val: no cids or no cluster; get the released file again"),
        (lambda parts: _without(parts, "train", "cluster"), "train: no cids or no cluster"),
        (lambda parts: parts["train"]["cids"].pop(), "train: 11 cids and 12 entries of cluster; the file is damaged"),
        (lambda parts: parts["val"]["cids"].__setitem__(2, 5), r"val: cids\[2\] is 5, not the name of an image"),
        (
            lambda parts: parts["val"]["cids"].__setitem__(0, "../../etc"),
            r"val: cids\[0\] is '../../etc', not the name",
        ),
        (lambda parts: parts["train"]["cluster"].__setitem__(3, "a"), r"train: cluster\[3\] is 'a', not a number"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, damage, message):
    parts = table()
    damage(parts)
    params = sfm(write_release(tmp_path / "release", parts))
    root = tmp_path / "artifacts"
    with pytest.raises(SuiteError, match=rf"retrieval-SfM-120k.pkl: {message}"):
        built(params, root)
    assert not (root / "datasets/sfm").exists()


def test_no_share_is_held_out_beside_the_released_validation(tmp_path):
    params = sfm(write_release(tmp_path / "release", table()), validation=0.2)
    with pytest.raises(SuiteError, match=r"datasets\.sfm\.settings: validation: Input should be 0"):
        built(params, tmp_path / "artifacts")
