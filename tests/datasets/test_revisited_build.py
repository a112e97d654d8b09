import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniatures import picture, serve, write_tar
from revisited_miniature import GALLERY, QUERIES, ground_truth, number_of, rparis, write_paris
from study_settings import study

from suite.datasets import ImageStore, build_dataset, download_dataset, load_card, load_items
from suite.datasets.arrays import load_protocol
from suite.datasets.protocols import Protocol
from suite.datasets.revisited import crop_query, read_boxes, revisited_ground_truth
from suite.errors import SuiteError
from suite.evaluation import revisited_metrics


def built(params, root, name="paris"):
    download_dataset(params, name, root)
    return build_dataset(params, name, root)


def test_lists_become_queries_gallery_and_stated_pairs(tmp_path):
    root = tmp_path / "artifacts"
    target = built(rparis(write_paris(tmp_path / "release", ground_truth())), root)
    items, card = load_items(root, "paris"), load_card(root, "paris")
    assert list(items.columns) == ["image", "key", "source", "split"]
    assert items["split"].value_counts().to_dict() == {"gallery": 8, "query": 2}
    store = ImageStore(target)
    assert all(store.read(row.image) == picture(number_of(row.key)) for row in items.itertuples())

    protocol = load_protocol(root, "paris")
    key = items["key"].to_numpy()
    assert key[protocol.queries].tolist() == QUERIES
    assert key[protocol.gallery].tolist() == GALLERY
    pairs = {(key[row.query], key[row.item], row.relation) for row in protocol.relations.itertuples()}
    assert pairs == {
        (QUERIES[0], GALLERY[4], "easy"),
        (QUERIES[0], GALLERY[6], "easy"),
        (QUERIES[0], GALLERY[7], "hard"),
        (QUERIES[1], GALLERY[1], "hard"),
        (QUERIES[1], GALLERY[0], "hard"),
        (QUERIES[1], GALLERY[2], "junk"),
    }
    assert card["levels"] == []
    assert card["counts"]["gallery"] == {"images": 8, "classes": 0, "levels": {}}
    assert card["set_aside"] == {"in the archives, but in neither list": {"images": 1, "classes": 0}}
    assert card["notes"]["differences from published counts"] == [
        "queries: 2 found, 70 published",
        "gallery images: 8 found, 6,322 published",
    ]


def test_the_ground_truth_of_the_metric_is_that_of_the_file(tmp_path):
    root = tmp_path / "artifacts"
    truth = ground_truth()
    built(rparis(write_paris(tmp_path / "release", truth)), root)
    read = revisited_ground_truth(load_protocol(root, "paris"))
    assert [{name: rows.tolist() for name, rows in entry.items()} for entry in read] == [
        {name: sorted(np.asarray(entry[name]).tolist()) for name in ("easy", "hard", "junk")} for entry in truth["gnd"]
    ]
    scores = np.random.default_rng(0).random((2, 8))
    assert revisited_metrics(scores, read) == revisited_metrics(scores, truth["gnd"])


def test_queries_are_cut_to_the_boxes_beside_the_images(tmp_path):
    root = tmp_path / "artifacts"
    target = built(rparis(write_paris(tmp_path / "release", ground_truth())), root)
    boxes, protocol = read_boxes(target), load_protocol(root, "paris")
    assert boxes.index.tolist() == protocol.queries.tolist()
    assert boxes.to_numpy().tolist() == [[2, 1, 14, 9.5], [0, 0, 16, 12]]
    image = ImageStore(target).decode(int(load_items(root, "paris")["image"][protocol.queries[0]]))
    cut = crop_query(image, boxes.loc[protocol.queries[0]])
    assert cut.size == (12, 9)
    assert cut.tobytes() == image.crop((2, 1, 14, 10)).tobytes()


def test_faulty_images_leave_with_their_pairs(tmp_path):
    root = tmp_path / "artifacts"
    images = {GALLERY[1]: picture(1)[:200], QUERIES[0]: b"<html>302 Found</html>"}
    target = built(rparis(write_paris(tmp_path / "release", ground_truth(), images)), root)
    card, protocol = load_card(root, "paris"), load_protocol(root, "paris")
    assert card["set_aside"]["truncated"] == {"images": 1, "classes": 0}
    assert card["set_aside"]["not an image"] == {"images": 1, "classes": 0}
    assert (len(protocol.queries), len(protocol.gallery)) == (1, 7)
    (entry,) = revisited_ground_truth(protocol)
    assert {name: rows.tolist() for name, rows in entry.items()} == {"easy": [], "hard": [0], "junk": [1]}
    assert read_boxes(target).index.tolist() == protocol.queries.tolist()


def test_oxford_comes_from_two_servers(tmp_path):
    names = {"imlist": ["all_souls_000013", "oxford_000001"], "qimlist": ["all_souls_000026"]}
    entry = {"bbx": [1, 1, 9, 9], "easy": [0], "hard": [], "junk": []}
    (tmp_path / "cmp/roxford5k").mkdir(parents=True)
    (tmp_path / "cmp/roxford5k/gnd_roxford5k.pkl").write_bytes(pickle.dumps({**names, "gnd": [entry]}, protocol=2))
    members = {f"{name}.jpg": picture(place) for place, name in enumerate([*names["imlist"], *names["qimlist"]])}
    write_tar(tmp_path / "vgg/oxbuild_images-v1.tgz", members, "gz")
    root = tmp_path / "artifacts"
    with serve(tmp_path / "vgg") as images, serve(tmp_path / "cmp") as annotations:
        address = f"{annotations}/roxford5k/gnd_roxford5k.pkl"
        download = {"origin": {"kind": "https", "base": images}, "ground_truth": address}
        entry = {"builder": "roxford", "download": download, "settings": {"enforce_counts": False}}
        built(study(datasets={"oxford": entry}), root, "oxford")
    assert load_items(root, "oxford")["split"].tolist() == ["gallery", "gallery", "query"]
    assert load_card(root, "oxford")["sources"][0]["url"] == address


def test_a_missing_archive_is_told_by_the_counts(tmp_path):
    params = rparis(write_paris(tmp_path / "release", ground_truth()), enforce_counts=True)
    root = tmp_path / "artifacts"
    with pytest.raises(SuiteError, match=r"^queries: 2 found, 70 published; .* set enforce_counts: false [^\n]*$"):
        built(params, root)
    assert not (root / "datasets/paris").exists()


def _set(query, name, value):
    return lambda truth: truth["gnd"][query].__setitem__(name, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda truth: truth.pop("imlist"), "holds no list 'imlist'; get the released file again"),
        (lambda truth: truth["gnd"].pop(), "gnd has 1 entries for 2 queries"),
        (lambda truth: truth["imlist"].__setitem__(3, 7), r"imlist\[3\] is 7, not the name of an image"),
        (lambda truth: truth["imlist"].__setitem__(0, "../x"), r"imlist\[0\] is '../x', not the name of an image"),
        (lambda truth: truth["imlist"].__setitem__(0, GALLERY[2]), f"imlist: image '{GALLERY[2]}' is listed 2 times"),
        (lambda truth: truth["qimlist"].__setitem__(0, GALLERY[2]), f"image '{GALLERY[2]}' is both in imlist and"),
        (lambda truth: truth["gnd"].__setitem__(1, 3), r"gnd\[1\]: is no mapping"),
        (lambda truth: truth["gnd"][1].pop("junk"), r"gnd\[1\]: no numbers under 'junk'"),
        (_set(0, "easy", [8]), r"gnd\[0\]: 'easy' leaves imlist, places 0 to 7"),
        (_set(0, "hard", [-1]), r"gnd\[0\]: 'hard' leaves imlist"),
        (_set(0, "hard", [1.5]), r"gnd\[0\]: 'hard' holds what is no such number"),
        (_set(1, "junk", [0]), r"gnd\[1\]: an image stands twice in easy, hard, junk"),
        (_set(1, "bbx", [3, 3, 2, 9]), r"gnd\[1\]: bbx is \[3.0, 3.0, 2.0, 9.0\], not left, top, right, bottom"),
    ],
)
def test_a_damaged_ground_truth_is_named(tmp_path, damage, message):
    truth = ground_truth()
    damage(truth)
    params = rparis(write_paris(tmp_path / "release", truth))
    with pytest.raises(SuiteError, match=rf"gnd_rparis6k.pkl: {message}"):
        built(params, tmp_path / "artifacts")


@given(st.data())
def test_pairs_find_their_places_whatever_the_rows(data):
    rows = data.draw(st.permutations(range(12)))
    queries, gallery = np.array(rows[:3]), np.array(rows[3:10])
    wanted = [
        {name: set(data.draw(st.lists(st.integers(0, 6), unique=True))) for name in ("easy", "hard", "junk")}
        for _ in queries
    ]
    pairs = [
        (queries[query], gallery[place], name)
        for query, entry in enumerate(wanted)
        for name, places in entry.items()
        for place in places
    ]
    relations = pd.DataFrame(data.draw(st.permutations(pairs)), columns=["query", "item", "relation"])
    read = revisited_ground_truth(Protocol("revisited", queries, gallery, relations=relations))
    assert [{name: set(places.tolist()) for name, places in entry.items()} for entry in read] == wanted


def test_protocols_without_stated_pairs_are_refused():
    rows = np.arange(3)
    with pytest.raises(
        SuiteError, match="protocol 'test' states no pairs of query and gallery; judge it by its labels"
    ):
        revisited_ground_truth(Protocol("test", rows, rows + 3))
    relations = pd.DataFrame({"query": [0], "item": [9], "relation": ["easy"]})
    with pytest.raises(SuiteError, match="protocol 'test': a pair names an image that is not in it"):
        revisited_ground_truth(Protocol("test", rows, rows + 3, relations=relations))
