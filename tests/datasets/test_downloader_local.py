from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from suite.datasets.origins import ByHandOrigin, Fetcher, FileOrigin, SourceFile
from suite.errors import SuiteError

MD5 = hashlib.md5(b"images").hexdigest()
FILES = [SourceFile("b/cars.tgz", md5=MD5, instructions="The images, from the authors' page."), SourceFile("names.csv")]


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    folder = tmp_path / "placed"
    (folder / "b").mkdir(parents=True)
    (folder / "b/cars.tgz").write_bytes(b"images")
    (folder / "names.csv").write_bytes(b"names")
    return folder


@pytest.mark.parametrize(("kind", "url"), [(FileOrigin, "file"), (ByHandOrigin, "by hand")])
def test_files_are_linked_and_listed(placed: Path, tmp_path: Path, kind: type, url: str):
    fetcher = Fetcher(kind(folder=placed), tmp_path / "incoming")
    fetcher.fetch(FILES)
    fetcher.finish()
    assert fetcher.manifest() == [
        {"name": "b/cars.tgz", "url": url, "size": 6, "sha256": hashlib.sha256(b"images").hexdigest()},
        {"name": "names.csv", "url": url, "size": 5, "sha256": hashlib.sha256(b"names").hexdigest()},
    ]
    for file in FILES:
        assert fetcher.path(file.name).samefile(placed / file.name)
    assert {path.name for path in (tmp_path / "incoming").rglob("*")} == {"b", "cars.tgz", "names.csv", "manifest.json"}


def test_links_are_followed_to_the_bytes(placed: Path, tmp_path: Path):
    (placed / "b/cars.tgz").rename(tmp_path / "elsewhere")
    (placed / "b/cars.tgz").symlink_to(tmp_path / "elsewhere")
    fetcher = Fetcher(ByHandOrigin(folder=placed), tmp_path / "incoming")
    fetcher.fetch(FILES)
    assert not fetcher.path("b/cars.tgz").is_symlink()
    assert fetcher.path("b/cars.tgz").read_bytes() == b"images"


def test_files_of_another_disk_are_copied(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory):
    shared = next(path for path in (Path("/dev/shm"), Path("/run"), Path("/tmp")) if os.access(path, os.W_OK))
    source = shared / f"ranksuite-{os.getpid()}"
    source.mkdir()
    try:
        (source / "names.csv").write_bytes(b"names")
        fetcher = Fetcher(FileOrigin(folder=source), tmp_path / "incoming")
        fetcher.fetch(FILES[1:])
    finally:
        (source / "names.csv").unlink()
        source.rmdir()
    assert fetcher.path("names.csv").read_bytes() == b"names"


def test_missing_files_are_all_named_with_their_instructions(tmp_path: Path):
    with pytest.raises(SuiteError) as caught:
        Fetcher(ByHandOrigin(folder=tmp_path / "placed"), tmp_path / "incoming").fetch(FILES)
    assert str(caught.value) == (
        f"{tmp_path}/placed: 2 files are missing: b/cars.tgz (The images, from the authors' page); "
        "names.csv (from its authors); place what is missing there and run again"
    )


def test_missing_embedded_file_says_how_to_bring_it(placed: Path, tmp_path: Path):
    (placed / "names.csv").unlink()
    with pytest.raises(SuiteError, match=r"placed/names\.csv: not found; bring the embedded data with `dvc pull"):
        Fetcher(FileOrigin(folder=placed), tmp_path / "incoming").fetch(FILES)


@pytest.mark.parametrize("data", [b"imagez", b"", b"images!"])
def test_wrong_bytes_are_refused_and_left_to_the_user(placed: Path, tmp_path: Path, data: bytes):
    (placed / "b/cars.tgz").write_bytes(data)
    with pytest.raises(SuiteError, match=rf"placed/b/cars\.tgz: its md5 is .*, but {MD5} is stated; refused"):
        Fetcher(ByHandOrigin(folder=placed), tmp_path / "incoming").fetch(FILES)
    assert (placed / "b/cars.tgz").read_bytes() == data
    assert not (tmp_path / "incoming/b/cars.tgz").exists()


def test_wrong_length_is_refused(placed: Path, tmp_path: Path):
    with pytest.raises(SuiteError, match=r"placed/names\.csv: 5 bytes, but 6 are stated; refused"):
        Fetcher(FileOrigin(folder=placed), tmp_path / "incoming").fetch([SourceFile("names.csv", size=6)])
    assert not (tmp_path / "incoming/names.csv").exists()


def test_placed_files_that_changed_replace_the_earlier_ones(placed: Path, tmp_path: Path):
    for data in (b"names", b"others"):
        (placed / "new").write_bytes(data)
        (placed / "new").replace(placed / "names.csv")
        fetcher = Fetcher(FileOrigin(folder=placed), tmp_path / "incoming", tmp_path / "incoming")
        fetcher.fetch(FILES)
        assert fetcher.path("names.csv").read_bytes() == data
    # Nothing to do the second time.
    Fetcher(FileOrigin(folder=placed), tmp_path / "incoming").fetch(FILES)
    assert (tmp_path / "incoming/names.csv").samefile(placed / "names.csv")


def test_files_cleared_away_after_an_earlier_download_are_taken_from_it(placed: Path, tmp_path: Path):
    first = Fetcher(ByHandOrigin(folder=placed), tmp_path / "downloads")
    first.fetch(FILES)
    first.finish()
    (placed / "b/cars.tgz").unlink()
    second = Fetcher(ByHandOrigin(folder=placed), tmp_path / "incoming", tmp_path / "downloads")
    second.fetch(FILES)
    assert second.manifest() == first.manifest()
    assert second.path("b/cars.tgz").read_bytes() == b"images"


def test_origin_inside_the_download_folder_is_refused(placed: Path):
    with pytest.raises(SuiteError, match="lies in the folder that the download writes"):
        Fetcher(ByHandOrigin(folder=placed), placed).fetch(FILES)
    assert (placed / "names.csv").read_bytes() == b"names"


def test_file_in_the_way_is_one_line(placed: Path, tmp_path: Path):
    (tmp_path / "incoming").write_bytes(b"in the way")
    with pytest.raises(SuiteError, match=r"incoming: File exists"):
        Fetcher(FileOrigin(folder=placed), tmp_path / "incoming").fetch(FILES)
    with pytest.raises(SuiteError, match=r"incoming/below: cannot be written to"):
        Fetcher(FileOrigin(folder=placed), tmp_path / "incoming/below").fetch(FILES)
    assert (tmp_path / "incoming").read_bytes() == b"in the way"
