"""Sound archives of every kind give the same members, one at a time."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from archive_makers import END, bz, gz, header, member, packed_tar, packed_zip, pax, placed, raw_zip, tar, zip_entry
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.archives import iterate_members, read_member
from suite.datasets.archives.limits import MAX_MEMBER_BYTES

FILES = {"train/0/1/a.jpg": bytes(range(256)) * 9, "train/é ü.txt": b"", "b" * 150: b"x" * 512, "c/" + "d" * 120: b"1"}
STYLES = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}

NAMES = st.lists(
    st.text("abc é字.-_", min_size=1, max_size=40).filter(lambda part: part not in (".", "..")), min_size=1
)
CONTENTS = st.dictionaries(NAMES.map("/".join), st.binary(max_size=1500), max_size=6)


@pytest.mark.parametrize("pack", [bytes, gz, bz])
@pytest.mark.parametrize("style", STYLES)
def test_members_of_tars(style: str, pack, tmp_path: Path):
    # ustar has no names as long as these.
    files = {name[:90]: data for name, data in FILES.items()} if style == "ustar" else FILES
    path = placed(tmp_path, pack(packed_tar(files, style=STYLES[style])), "misnamed.zip")
    assert list(iterate_members(path)) == list(files.items())
    assert list(iterate_members(path, lambda name: name.startswith("train/"))) == list(files.items())[:2]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_of_zips(method: int, tmp_path: Path):
    path = placed(tmp_path, packed_zip(FILES, method), "misnamed.tar")
    assert list(iterate_members(path)) == list(FILES.items())
    assert list(iterate_members(path, lambda name: name.startswith("train/"))) == list(FILES.items())[:2]


def test_members_of_a_folder_come_sorted_by_whole_name(tmp_path: Path):
    for name in ("b/c", "b.txt", "b-c/d", "a", "b/a/z"):
        placed((tmp_path / name).parent, name.encode(), Path(name).name)
    (tmp_path / "link").symlink_to("b/c")
    names = [name for name, _ in iterate_members(tmp_path)]
    assert names == sorted(names) == ["a", "b-c/d", "b.txt", "b/a/z", "b/c", "link"]
    assert dict(iterate_members(tmp_path, lambda name: name == "link")) == {"link": b"b/c"}


@given(CONTENTS)
def test_any_names_and_contents_come_back(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]):
    folder = tmp_path_factory.mktemp("any")
    normal = {"/".join(part for part in name.split("/") if part): data for name, data in files.items()}
    for data in (
        *(packed_tar(normal, style=STYLES[style]) for style in ("gnu", "pax")),
        gz(packed_tar(normal)),
        packed_zip(normal),
    ):
        assert list(iterate_members(placed(folder, data))) == list(normal.items())


def test_folders_are_passed_over_and_names_are_normalised(tmp_path: Path):
    parts = (header(b"./", b"5"), header(b"./a/", b"5"), member(b"./a//b"), header(b"./a/", b"5"))
    assert list(iterate_members(placed(tmp_path, tar(*parts)))) == [("a/b", b"hello")]
    folders = raw_zip([zip_entry(b"a/", b"", mode=0o040755), zip_entry(b"./a/b")])
    assert list(iterate_members(placed(tmp_path, folders))) == [("a/b", b"hello")]


def test_attributes_in_pax_headers_are_passed_over(tmp_path: Path):
    attributes = {"mtime": "1.5", "SCHILY.xattr.user.x": b"\xff\0", "LIBARCHIVE.creationtime": "9", "size": "5"}
    data = tar(
        pax({"comment": "of git"}, b"g"), pax(attributes), header(b"a", b"0", 0), member(b"a")[512:], member(b"b")
    )
    assert list(iterate_members(placed(tmp_path, data))) == [("a", b"hello"), ("b", b"hello")]


def test_gz_and_bz2_of_several_streams_are_one(tmp_path: Path):
    whole = packed_tar(FILES)
    for pack in (gz, bz):
        parts = pack(whole[:700]) + pack(b"") + pack(whole[700:])
        assert list(iterate_members(placed(tmp_path, parts))) == list(FILES.items())


@pytest.mark.parametrize("pack", [gz, bz])
def test_zeros_behind_a_packed_stream_are_padding(pack, tmp_path: Path):
    data = packed_tar(FILES)
    path = placed(tmp_path, pack(data[:512]) + b"\0" * 99 + pack(data[512:]) + b"\0" * (3 * 2**20))
    assert list(iterate_members(path)) == list(FILES.items())


def test_empty_archives_have_no_members(tmp_path: Path):
    for data in (END, gz(END), packed_tar({}), packed_zip({})):
        assert list(iterate_members(placed(tmp_path, data))) == []


def test_one_member_is_read_without_what_follows_it(tmp_path: Path):
    data = packed_tar(FILES)
    assert read_member(placed(tmp_path, data), "train/é ü.txt") == b""
    assert read_member(placed(tmp_path, data[:4000]), "train/0/1/a.jpg") == FILES["train/0/1/a.jpg"]
    assert read_member(placed(tmp_path, packed_zip(FILES)), "b" * 150) == b"x" * 512


def test_a_damaged_header_is_no_end(tmp_path: Path):
    """Why `tarfile` does not read here: it gives the members before the damage and says nothing."""
    data = bytearray(packed_tar({"a": b"1", "b": b"2", "c": b"3"}, style=tarfile.USTAR_FORMAT))
    data[1024] ^= 1
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as archive:
        assert archive.getnames() == ["a"]
    with pytest.raises(Exception, match="the header after 'a' has a wrong checksum"):
        list(iterate_members(placed(tmp_path, bytes(data))))


@pytest.mark.parametrize("pack", [bytes, gz])
def test_memory_is_that_of_one_member(pack, tmp_path: Path):
    content = bytes(range(256)) * 2048
    path = placed(tmp_path, pack(packed_tar({f"{number:03d}": content for number in range(60)})))
    tracemalloc.start()
    assert sum(len(data) for _, data in iterate_members(path)) == 60 * len(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_a_large_member_that_is_not_wanted_costs_no_memory(tmp_path: Path):
    path = placed(tmp_path, header(b"large", size=MAX_MEMBER_BYTES))
    with path.open("r+b") as file:
        file.seek(512 + MAX_MEMBER_BYTES)
        file.write(member(b"small") + END)
    tracemalloc.start()
    assert read_member(path, "small") == b"hello"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20
