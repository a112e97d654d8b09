import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from revisited_miniature import QUERIES, ground_truth, rparis, write_paris
from study_settings import study

from suite.cli import main
from suite.cli_data import data
from suite.config import load_params
from suite.datasets import build_dataset, download_dataset, store_images
from suite.datasets.arrays import load_labels, load_protocol
from suite.datasets.contact_sheet import GAP, LABEL, MARGIN, TILE, font, wrap
from suite.datasets.preview import write_previews
from suite.datasets.protocols import Protocol, write_protocols
from suite.errors import SuiteError

# A data set of a third party: files to place by hand, one of them read before the next are known.
THIRD_PARTY = """
from suite.datasets.builder import About, Builder, BuilderSettings, DownloadSettings
from suite.datasets.origins import ByHandOrigin, Origin, SourceFile

class Download(DownloadSettings):
    origin: Origin = ByHandOrigin(folder="placed/stones")

class Settings(BuilderSettings):
    rivers: int

class Stones(Builder):
    about = About("Stones: by river", ("stone", "river"), "CC BY 4.0", "A paper", "https://stones.example", "by hand")
    Download, Settings = Download, Settings

    def download(self, download, fetcher):
        fetcher.fetch([SourceFile("stones.zip", instructions="The images; ask the authors."), SourceFile("list.txt")])
        fetcher.path("list.txt").read_text()

    def build(self, settings, download, source, target, processes):
        raise AssertionError
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder, and two third parties' data sets installed: `stones`, and one that cannot be loaded."""
    site = tmp_path / "site"
    information = site / "stones-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stones\nVersion: 1.0\n")
    entries = "[ranksuite.datasets]\nstones = third_party_stones:Stones\nsand = third_party_sand:Sand\n"
    (information / "entry_points.txt").write_text(entries)
    (site / "third_party_stones.py").write_text(THIRD_PARTY)
    monkeypatch.syspath_prepend(str(site))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def run(*arguments):
    result = CliRunner().invoke(data, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def place_paris(workplace):
    """R-Paris in params.yaml and built."""
    params = rparis(write_paris(workplace / "release", ground_truth()))
    (workplace / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    download_dataset(params, "paris")
    build_dataset(params, "paris")


def cells(output, name):
    (line,) = [line for line in output.splitlines() if line.startswith(f"{name} ")]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_list_names_every_data_set_without_settings(workplace):
    output = run("list")
    assert cells(output, "stones") == ["stones", "by hand", "stone, river", "CC BY 4.0"]
    assert cells(output, "sfm120k") == ["sfm120k", "public archive", "landmark", "not stated by its authors"]
    assert cells(output, "sand") == ["sand", "cannot be loaded", "No module named 'third_party_sand'"]


def test_list_says_how_far_each_is(workplace):
    place_paris(workplace)
    assert cells(run("list"), "paris")[:3] == ["paris", "built", "public archive"]
    (workplace / "artifacts/datasets/paris/card.json").unlink()
    assert cells(run("list"), "paris")[1] == "downloaded"
    (workplace / "artifacts/downloads/paris/manifest.json").unlink()
    assert cells(run("list"), "paris")[1] == "in params.yaml"


def test_info_says_what_to_place_and_what_to_paste(workplace):
    (workplace / "placed/stones").mkdir(parents=True)
    (workplace / "placed/stones/list.txt").touch()
    output = run("info", "stones")
    assert "Stones: by river" in output
    assert "placed/stones/stones.zip (missing)\n    The images; ask the authors." in output
    assert "placed/stones/list.txt (there)" in output
    entry = yaml.safe_load(output[output.index("  stones:\n") : output.index("\nNot built")])
    assert entry["stones"] == {
        "builder": "stones",
        "download": {"origin": {"kind": "by_hand", "folder": "placed/stones"}},
        "settings": {
            "validation": 0.2,
            "seed": 0,
            "max_pixels": 100_000_000,
            "enforce_counts": True,
            "rivers": "(to fill in)",
        },
    }


def test_info_names_what_is_placed_beside_public_files(workplace):
    output = run("info", "inaturalist")
    placed = output[output.index("To place by hand") : output.index("In params.yaml")]
    assert "placed/inaturalist/Inat_dataset_splits/Inaturalist_train_set1.txt (missing)" in placed
    assert ".tar" not in placed


def test_info_shows_the_card_of_what_is_built(workplace):
    place_paris(workplace)
    output = run("info", "paris")
    assert "    query         2\n    gallery       8\n" in output
    assert "protocol revisited: 2 queries, 8 in the gallery, stated pairs" in output
    assert "set aside: 1 images, in the archives, but in neither list" in output
    assert "- 'gallery images: 8 found, 6,322 published'" in output
    assert "enforce_counts: false" in output


def test_one_process_builds_a_data_set_and_clears_what_a_killed_one_left(workplace):
    place_paris(workplace)
    before = (workplace / "artifacts/datasets/paris/card.json").read_bytes()
    left = [workplace / "artifacts/datasets/.paris.x1y2/half", workplace / "artifacts/downloads/.paris.z3/removed/a"]
    for path in left:
        path.parent.mkdir(parents=True)
        path.touch()
    params = load_params()
    with FileLock(workplace / "artifacts/.build-paris.lock"):
        with pytest.raises(SuiteError, match="datasets/paris: another build writes here; wait for it or end it"):
            build_dataset(params, "paris")
        assert left[0].exists()
    download_dataset(params, "paris")
    build_dataset(params, "paris")
    assert not any(path.parent.exists() for path in left)
    assert (workplace / "artifacts/datasets/paris/card.json").read_bytes() == before


def test_a_download_that_changed_since_it_was_verified_is_not_built(workplace):
    place_paris(workplace)
    card = (workplace / "artifacts/datasets/paris/card.json").read_bytes()
    table = workplace / "artifacts/downloads/paris/gnd_rparis6k.pkl"
    for change, message in ((lambda: table.write_bytes(b"x"), "has 1 bytes, "), (table.unlink, "is missing")):
        change()
        with pytest.raises(SuiteError, match=rf"gnd_rparis6k\.pkl: {message}.*run `ranksuite download paris` again"):
            build_dataset(load_params(), "paris")
    assert (workplace / "artifacts/datasets/paris/card.json").read_bytes() == card


def test_damaged_tables_and_cards_are_named(workplace):
    place_paris(workplace)
    built = workplace / "artifacts/datasets/paris"
    for name in ("relations.parquet", "protocols.parquet", "items.parquet", "card.json"):
        (built / name).write_bytes(b"PAR1")
        for read in (
            lambda: load_labels(Path("artifacts"), "paris"),
            lambda: load_protocol(Path("artifacts"), "paris"),
        ):
            with pytest.raises(SuiteError, match=r"(not a sound table|not valid JSON).*build"):
                read(), load_protocol(Path("artifacts"), "paris")


def test_an_error_is_one_line_whatever_it_quotes(workplace):
    (workplace / "params.yaml").write_text(
        yaml.safe_dump(study(datasets={"sop": {"builder": "a\n\x1b[2Jb", "download": {}}}).model_dump(mode="json"))
    )
    result = CliRunner().invoke(main, ["download", "sop"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith(r"ranksuite: unknown data set 'a\n\x1b[2Jb': ")


def test_info_names_the_nearest_data_set(workplace):
    with pytest.raises(SuiteError, match="unknown data set 'roxfrd': did you mean 'roxford'"):
        run("info", "roxfrd")


def test_preview_draws_a_sheet_of_stated_pairs(workplace):
    place_paris(workplace)
    path = Path(run("preview", "paris").strip())
    assert path == Path("artifacts/previews/paris/protocol-revisited.png")
    with Image.open(path) as sheet:
        assert sheet.width == 2 * MARGIN + LABEL + 8 * (TILE + GAP) - GAP
        frames = [[sheet.getpixel(corner) for corner in row] for row in corners(sheet, len(QUERIES), captions=True)]
    green, orange, grey, empty = (42, 157, 74), (224, 138, 0), (154, 154, 154), (255, 255, 255)
    assert [row[1:] for row in frames] == [
        [green, green, orange, *[empty] * 4],
        [orange, orange, grey, *[empty] * 4],
    ]
    assert run("preview", "paris", "--output", "elsewhere").strip() == "elsewhere/protocol-revisited.png"
    assert Path("elsewhere/protocol-revisited.png").read_bytes() == path.read_bytes()
    with pytest.raises(SuiteError, match="data set 'paris': split 'gallery' alone states no pairs; leave --split out"):
        run("preview", "paris", "--split", "gallery")


def test_preview_of_what_is_not_built_says_what_to_do(workplace):
    with pytest.raises(SuiteError, match="not found; run `ranksuite build paris` first"):
        run("preview", "paris")


def corners(sheet, rows, captions):
    """Top left pixel of every tile."""
    step = TILE + GAP + 4 + (18 if captions else 0)
    top = sheet.height - MARGIN + GAP - rows * step
    return [[(MARGIN + LABEL + column * (TILE + GAP), top + row * step) for column in range(8)] for row in range(rows)]


def colour_of(stone):
    return (10 + 10 * stone, 200 - 7 * stone, 60 + 50 * (stone % 3))


def stones(root, splits):
    """A built data set of plain colours: 3 rivers with 4 stones each of 10 images; `splits` of the rivers."""
    rows, directory = [], root / "datasets" / "stones"
    directory.mkdir(parents=True)
    for stone in range(12):
        for number in range(10):
            split = splits[stone // 4]
            split = split if isinstance(split, str) else split[number % len(split)]
            rows.append((f"{stone:02d}/{number}", "river", split, f"stone-{stone:02d}", f"river-{stone // 4}"))
    items = pd.DataFrame(rows, columns=["key", "source", "split", "stone", "river"])
    items.insert(0, "image", range(len(items)))

    def pictures():
        for row in range(len(items)):
            path = directory / "one.png"
            Image.new("RGB", (30, 30), colour_of(row // 10)).save(path)
            yield str(row), path.read_bytes()

    store_images(directory, pictures(), threads=1)
    items.to_parquet(directory / "items.parquet", index=False)
    protocol = Protocol("test", np.flatnonzero(items["split"] == "test"))
    write_protocols(directory, [protocol])
    counts = {split: {"images": 0, "classes": 0, "levels": {}} for split in items["split"].unique()}
    card = {"title": "Stones", "levels": ["stone", "river"], "counts": counts}
    (directory / "card.json").write_text(json.dumps(card | {"protocols": {"test": protocol.summary()}}))
    return items


def middles(path, rows, captions):
    with Image.open(path) as sheet:
        sheet.load()
    return [[sheet.getpixel((x + TILE // 2, y + TILE // 2)) for x, y in row] for row in corners(sheet, rows, captions)]


def test_rows_are_classes_and_coarse_rows_differ_within(tmp_path):
    stones(tmp_path, ["train", "val", "test"])
    fine, coarse = write_previews(tmp_path, "stones", tmp_path / "sheets")
    assert (fine.name, coarse.name) == ("level0-stone.png", "level1-river.png")
    rows = middles(fine, 12, captions=False)
    assert [set(row) for row in rows] == [{colour_of(stone)} for stone in range(12)]
    for river, row in enumerate(middles(coarse, 3, captions=True)):
        of_river = {colour_of(stone) for stone in range(4 * river, 4 * river + 4)}
        assert set(row[:4]) == set(row[4:]) == of_river


def test_classes_are_drawn_evenly_over_the_splits_by_seed(tmp_path):
    stones(tmp_path, ["train", "val", "test"])
    drawn = []
    for seed in (0, 0, 1):
        fine, _ = write_previews(tmp_path, "stones", tmp_path / f"sheets{len(drawn)}", seed=seed, most_rows=6)
        drawn.append([row[0] for row in middles(fine, 6, captions=False)])
    order = [colour_of(stone) for stone in range(12)]
    for colours in drawn:
        assert [order.index(colour) // 4 for colour in colours] == [0, 0, 1, 1, 2, 2]
    assert drawn[0] == drawn[1] != drawn[2]


def test_queries_stand_framed_beside_their_gallery(tmp_path):
    stones(tmp_path, ["train", "train", ("query", "gallery")])
    fine, _ = write_previews(tmp_path, "stones", tmp_path / "sheets", most_rows=8)
    with Image.open(fine) as sheet:
        frames = [[sheet.getpixel(corner) for corner in row] for row in corners(sheet, 8, captions=True)]
    red = (214, 40, 40)
    assert [[colour == red for colour in row] for row in frames[:4]] == [[False] * 8] * 4
    assert [[colour == red for colour in row] for row in frames[4:]] == [[True, False] * 4] * 4


def test_one_split_can_be_shown_alone(tmp_path):
    stones(tmp_path, ["train", "val", "test"])
    fine, _ = write_previews(tmp_path, "stones", tmp_path / "sheets", split="val")
    assert [row[0] for row in middles(fine, 4, captions=False)] == [colour_of(stone) for stone in range(4, 8)]
    with pytest.raises(SuiteError, match="data set 'stones': no split 'valid'; it has: train, val, test"):
        write_previews(tmp_path, "stones", tmp_path / "sheets", split="valid")


@given(st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "Z"]), max_size=80), st.integers(1, 3))
def test_text_is_cut_to_its_room(text, lines):
    words = " ".join(text.split())
    found = wrap(text, 16, 120, lines)
    assert len(found) <= lines
    assert all(font(16).getlength(line) <= 120 for line in found)
    shown = "".join(found).replace(" ", "")
    if shown.endswith("…"):
        assert words.replace(" ", "").startswith(shown[:-1])
    else:
        assert shown == words.replace(" ", "")
