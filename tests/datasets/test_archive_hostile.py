"""What no honest archive holds is refused with one line that names archive and member, and nothing is written."""

from __future__ import annotations

import os
import random
import socket
import zipfile
from pathlib import Path

import pytest
from archive_makers import (
    END,
    bz,
    gz,
    header,
    member,
    packed_tar,
    packed_zip,
    pax,
    pax_record,
    placed,
    raw_zip,
    tar,
    zip_entry,
)

from suite.datasets.archives import iterate_members, read_member
from suite.datasets.archives.limits import FREE_BYTES, MAX_HEADER_BYTES, MAX_MEMBER_BYTES
from suite.errors import SuiteError

GOOD = member(b"good.txt")
SOUND = packed_tar({"a.txt": b"hello", "b.txt": random.Random(0).randbytes(3000)})
SOUND_ZIP = packed_zip({"a.txt": b"hello", "b.txt": b"world" * 100})
BOMB = FREE_BYTES + 2**20


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


def after_gnu_name(name: bytes, last: bytes) -> bytes:
    return tar(GOOD, member(b"././@LongLink", name + b"\0", b"L"), last)


PATHS = {
    "absolute": (b"/etc/passwd", "'/etc/passwd': its path is absolute"),
    "parent": (b"../escaped.txt", r"'\.\./escaped.txt': its path climbs out"),
    "parent inside": (b"a/../../escaped.txt", r"'a/\.\./\.\./escaped.txt': its path climbs out"),
    "parent at the end": (b"a/..", r"'a/\.\.': its path climbs out"),
    "backslashes": (b"..\\escaped.txt", r"escaped.txt': its name holds a backslash"),
    "drive": (b"C:/windows/a.txt", "'C:/windows/a.txt': its path is absolute"),
    "newline": (b"a\nb", r"'a\\nb': its name holds control characters"),
    "escape sequence": (b"a\x1b[2J", r"'a\\x1b\[2J': its name holds control characters"),
    "right-to-left": ("a\u202egpj.exe".encode(), r"'a\\u202egpj.exe': its name holds control characters"),
    "folder slash": (b"./", "'./': a file without a name"),
}

TARS = {
    **{f"path {kind}": (tar(GOOD, member(name)), line) for kind, (name, line) in PATHS.items()},
    "path of an absolute folder": (tar(GOOD, header(b"/etc/x/", b"5")), "'/etc/x/': its path is absolute"),
    "path in a GNU long name": (after_gnu_name(b"../" * 60 + b"x", member()), "its path climbs out"),
    "path in a pax header": (tar(pax({"path": "/etc/passwd"}), member()), "'/etc/passwd': its path is absolute"),
    "path in ustar's prefix": (tar(b"".join([header(b"x")[:345], b"/etc", bytes(163)])), "neither a tar nor a zip"),
    "NUL in a pax path": (tar(pax({"path": "a\0b"}), member()), r"'a\\x00b': its name holds control"),
    "name that is not UTF-8": (tar(GOOD, member(b"caf\xe9.txt")), r"'caf\\xe9.txt' after 'good.txt': its name is not"),
    "surrogate in a pax path": (tar(pax({"path": b"\xed\xa0\x80"}), member()), "its name is not UTF-8"),
    "name of 20,000 bytes": (after_gnu_name(b"n" * 20_000, member()), "extended header after 'good.txt' has 20,001"),
    "hard link": (tar(GOOD, header(b"l", b"1", link=b"good.txt")), "'l': is a hard link"),
    "symbolic link": (tar(GOOD, header(b"l", b"2", link=b"/etc")), "'l': is a symbolic link"),
    "symbolic link to a long name": (tar(member(b"x", b"/etc" * 50, b"K"), header(b"l", b"2")), "'x': is a link"),
    "character device": (tar(header(b"null", b"3")), "'null': is a character device"),
    "block device": (tar(header(b"disk", b"4")), "'disk': is a block device"),
    "fifo": (tar(header(b"pipe", b"6")), "'pipe': is a fifo"),
    "sparse member (GNU)": (tar(header(b"holes", b"S", 512), bytes(512)), "'holes': is a sparse file"),
    "sparse member (pax)": (
        tar(pax({"GNU.sparse.major": "1", "GNU.sparse.realsize": str(2**40)}), member(b"holes")),
        "'holes': is a sparse file",
    ),
    "volume label": (tar(header(b"disk 1", b"V")), "'disk 1': is of unknown kind 'V'"),
    "duplicate": (tar(member(b"a"), member(b"b"), member(b"a")), "'a': a second member of this name"),
    "duplicate after ./": (tar(member(b"a/b"), member(b"./a//b")), "'./a//b': a second member of this name"),
    "duplicate after composition": (
        tar(member("é".encode()), member("e\u0301".encode())),
        r"'e\\u0301': a second member of this name",
    ),
    "oversized member": (tar(header(b"big", size=MAX_MEMBER_BYTES + 1)), "'big': has 1,073,741,825 bytes, more than"),
    "size of 9 exabytes": (tar(header(b"big", size=b"\x80" + b"\x7f" * 11)), "'big': has .* bytes, more than"),
    "size below zero": (tar(header(b"neg", size=b"\xff" * 12)), "'neg': has .* bytes, more than"),
    "size with a sign": (tar(header(b"neg", size=b"-0000000777\0")), "a number of a header reads '-0000000777'"),
    "size below zero in pax": (tar(pax({"size": "-512"}), member(b"neg")), "'neg': has a size of '-512'"),
    "size in pax beyond the file": (tar(pax({"size": "999999"}), member(b"m")), "truncated within member 'm'"),
    "folder with content": (tar(header(b"d/", b"5", 512), bytes(512)), "'d/': is a folder with content"),
    "huge pax header": (
        tar(GOOD, header(b"pax", b"x", MAX_HEADER_BYTES + 1)),
        "extended header after 'good.txt' has 1,048,577 bytes, more than",
    ),
    "pax header of 8 GB": (tar(GOOD, header(b"pax", b"x", 0o77777777777)), "has 8,589,934,591 bytes, more than"),
    "pax record too long": (tar(member(b"p", b"99 path=a\n", b"x"), GOOD), "has a wrong record"),
    "pax record of no length": (tar(member(b"p", b"0 path=a\n", b"x"), GOOD), "has a wrong record"),
    "two paths in pax": (
        tar(member(b"p", pax_record("path", "a") + pax_record("path", "b"), b"x"), GOOD),
        "gives path twice",
    ),
    "global pax header with a path": (tar(pax({"path": "x"}, b"g"), GOOD), "global header .* speaks of single members"),
    "pax header at the end": (tar(GOOD, pax({"path": "x"})), "an extended header after 'good.txt' stands alone"),
    "truncated in a member": (SOUND[:2000], "truncated within member 'b.txt'"),
    "truncated between members": (SOUND[:1024], "truncated: it ends without an end mark, after 'a.txt'"),
    "truncated in a header": (SOUND[:1300], "truncated: it ends without an end mark, after 'a.txt'"),
    "truncated in a long name": (member(b"L", b"n" * 600, b"L")[:800], "truncated within the extended header"),
    "damaged header": (flipped(SOUND, 1024 + 3), "the header after 'a.txt' has a wrong checksum"),
    "data after the end": (SOUND + b"more", "holds data after its end mark, which stands after 'b.txt'"),
    "second tar after the end": (SOUND + SOUND, "holds data after its end mark"),
    "truncated gz": (gz(SOUND)[:-200], "its compressed data are truncated"),
    "gz without its checksum": (gz(SOUND)[:-8], "its compressed data are truncated"),
    "gz with a wrong checksum": (flipped(gz(SOUND), -8), "its compressed data are damaged: .*incorrect data check"),
    "gz with a wrong length": (flipped(gz(SOUND), -4), "its compressed data are damaged: .*incorrect length check"),
    "gz with trailing garbage": (gz(SOUND) + b"garbage", "its compressed data are damaged: .*incorrect header"),
    "gz of no tar": (gz(b"hello" * 200), "damaged: the header after the start has a wrong checksum"),
    "gz of nothing": (gz(b""), "truncated: it ends without an end mark, after the start"),
    "truncated bz2": (bz(SOUND)[:-100], "its compressed data are truncated"),
    "damaged bz2": (flipped(bz(SOUND), 1500), "its compressed data are damaged"),
    "bz2 with trailing garbage": (bz(SOUND) + b"garbage", "its compressed data are damaged: Invalid data stream"),
    "gz bomb in a member": (gz(tar(GOOD, member(b"zeros", bytes(BOMB)))), "unpacks to more than .* bytes, far more"),
    "gz bomb after the end": (gz(tar(GOOD) + bytes(BOMB)), "unpacks to more than .* bytes, far more"),
    "bz2 bomb": (bz(tar(GOOD, member(b"zeros", bytes(BOMB)))), "unpacks to more than .* bytes, far more"),
}

ZIPS = {
    **{f"path {kind}": (raw_zip([zip_entry(name)]), line) for kind, (name, line) in PATHS.items() if name != b"./"},
    "path of an absolute folder": (raw_zip([zip_entry(b"/etc/x/", b"")]), "'/etc/x/': its path is absolute"),
    "NUL in a name": (raw_zip([zip_entry(b"a.jpg\0.exe")]), r"'a.jpg\\x00.exe': its name holds control"),
    "name that is not the UTF-8 it says": (raw_zip([zip_entry(b"caf\xe9")]), r"caf\\\\xe9': its name is not the UTF-8"),
    "duplicate": (raw_zip([zip_entry(b"a"), zip_entry(b"a")]), "'a': a second member of this name"),
    "duplicate after ./": (raw_zip([zip_entry(b"a/b"), zip_entry(b"a/./b")]), "'a/./b': a second member"),
    "symbolic link": (raw_zip([zip_entry(b"l", b"/etc", mode=0o120777)]), "'l': is a symbolic link"),
    "device": (raw_zip([zip_entry(b"null", b"", mode=0o020666)]), "'null': is a device or a fifo"),
    "fifo": (raw_zip([zip_entry(b"pipe", b"", mode=0o010644)]), "'pipe': is a device or a fifo"),
    "encrypted": (raw_zip([zip_entry(b"secret", flags=0x801)]), "'secret': is encrypted"),
    "strongly encrypted": (raw_zip([zip_entry(b"secret", flags=0x841)]), "'secret': is encrypted"),
    "unknown method": (packed_zip({"a.txt": b"x" * 99}, zipfile.ZIP_LZMA), "'a.txt': is packed by method 14"),
    "folder with content": (raw_zip([zip_entry(b"d/", b"hidden")]), "'d/': is a folder with content"),
    "size stated too small": (
        raw_zip([zip_entry(b"a", b"hello world", size=5, crc=0x3610A686)]),
        "'a': has not the 5 bytes it states",
    ),
    "size stated too large": (raw_zip([zip_entry(b"a", b"hello", size=500)]), "'a': has not the 500 bytes it states"),
    "stored size that lies": (
        raw_zip([zip_entry(b"a", b"hello", size=500, method=zipfile.ZIP_STORED)]),
        "'a': has not the 500 bytes it states",
    ),
    "oversized member": (raw_zip([zip_entry(b"big", size=MAX_MEMBER_BYTES + 1)]), "'big': has 1,073,741,825 bytes"),
    "bomb": (packed_zip({"zeros": bytes(BOMB)}), "'zeros': with it the archive unpacks to more than"),
    "bomb of many members": (
        raw_zip([zip_entry(b"%d" % number, size=2**20) for number in range(80)]),
        "'64': with it the archive unpacks to more than 67,108,864 bytes",
    ),
    "members that share their bytes": (
        raw_zip([zip_entry(b"a"), zip_entry(b"b", offset=0)]),
        "'b': shares its bytes with another member",
    ),
    "member that reaches into the next": (
        raw_zip(
            [zip_entry(b"a", zip_entry(b"b")["packed"] * 9, method=zipfile.ZIP_STORED), zip_entry(b"b", offset=40)]
        ),
        "'a': shares its bytes with another member",
    ),
    "member beyond the directory": (raw_zip([zip_entry(b"a"), zip_entry(b"b", offset=9999)]), "'b': shares its bytes"),
    "other name in its own header": (
        raw_zip([zip_entry(b"a.jpg", local_name=b"a.exe")]),
        "'a.jpg': is another member than the directory",
    ),
    "no member where one should be": (
        raw_zip([zip_entry(b"aaaa"), zip_entry(b"b")])[::-1].replace(b"\4\3KP", b"\0\0KP", 1)[::-1],
        "no member where 'b' should start",
    ),
    "wrong checksum": (raw_zip([zip_entry(b"a", crc=1)]), "damaged: member 'a' has a wrong checksum"),
    "damaged data": (raw_zip([zip_entry(b"a", crc=1) | {"packed": b"\xff" * 9}]), "damaged: member 'a' .*invalid"),
    "truncated": (SOUND_ZIP[:-60], "not a sound zip"),
    "cut in the middle": (SOUND_ZIP[: len(SOUND_ZIP) // 2], "not a sound zip"),
}

OTHERS = {
    "nothing": (b"", "empty, so neither a tar nor a zip"),
    "a web page": (b"<html>404 Not Found</html>" * 100, "neither a tar nor a zip"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(900), "neither a tar nor a zip"),
    "random bytes": (b"\x07" + random.Random(1).randbytes(5000), "neither a tar nor a zip"),
}

HOSTILE = {
    f"{kind}: {name}": case
    for kind, cases in (("tar", TARS), ("zip", ZIPS), ("other", OTHERS))
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive_is_refused_by_name_and_nothing_is_written(name: str, tmp_path: Path, monkeypatch):
    data, line = HOSTILE[name]
    path = placed(tmp_path / "in", data, "hostile.bin")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(SuiteError, match=line) as caught:
        list(iterate_members(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 600
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "here", tmp_path / "in", path]
    assert path.read_bytes() == data


# What shows only in the content of a member that is not asked for.
INSIDE = ("has not the", "damaged: member", "no member where", "another member than", "'a': shares its bytes")


@pytest.mark.parametrize(
    "name", [name for name, (_, line) in HOSTILE.items() if not any(part in line for part in INSIDE)]
)
def test_members_that_are_not_wanted_are_checked_too(name: str, tmp_path: Path):
    data, line = HOSTILE[name]
    with pytest.raises(SuiteError, match=line):
        list(iterate_members(placed(tmp_path, data), lambda _: False))


def test_at_least_thirty_hostile_archives_are_tried():
    assert len({data for data, _ in HOSTILE.values()}) > 90


def test_a_nested_archive_is_bytes_and_is_never_opened(tmp_path: Path):
    bomb = gz(tar(member(b"zeros", bytes(BOMB))))
    path = placed(tmp_path, tar(member(b"inner.tar.gz", bomb)))
    assert list(iterate_members(path)) == [("inner.tar.gz", bomb)]


def test_good_members_before_a_bad_one_are_given_and_the_file_is_closed(tmp_path: Path):
    members = iterate_members(placed(tmp_path, tar(GOOD, header(b"l", b"2", link=b"/etc"))))
    assert next(members) == ("good.txt", b"hello")
    with pytest.raises(SuiteError, match="symbolic link"):
        next(members)
    assert list(members) == []


def test_error_of_a_caller_is_not_taken_for_one_of_the_archive(tmp_path: Path):
    def wanted(name: str) -> bool:
        raise ValueError(f"no opinion on {name}")

    with pytest.raises(ValueError, match="no opinion on a"):
        list(iterate_members(placed(tmp_path, SOUND), wanted))


def make_folder(folder: Path) -> Path:
    (folder / "in" / "sub").mkdir(parents=True)
    (folder / "in" / "good.txt").write_bytes(b"good")
    (folder / "outside.txt").write_bytes(b"outside")
    return folder / "in"


def link_out(folder: Path) -> None:
    (folder / "sub" / "bad").symlink_to("../../outside.txt")


def link_to_folder(folder: Path) -> None:
    (folder / "bad").symlink_to(folder)


def dangling_link(folder: Path) -> None:
    (folder / "bad").symlink_to("nowhere")


def link_in_a_circle(folder: Path) -> None:
    (folder / "bad").symlink_to("bad")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "bad")


def open_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(folder / "bad"))


def control_character(folder: Path) -> None:
    (folder / "bad\n").write_bytes(b"")


def not_utf8(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff")).write_bytes(b"")


def backslash(folder: Path) -> None:
    (folder / "..\\bad").write_bytes(b"")


def oversized(folder: Path) -> None:
    with (folder / "bad").open("wb") as file:
        file.truncate(MAX_MEMBER_BYTES + 1)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (link_out, "'sub/bad': is a link to something that is not a file inside the folder"),
        (link_to_folder, "'bad': is a link to something"),
        (dangling_link, "'bad': is a link to something"),
        (link_in_a_circle, "'bad': is a link to something"),
        (fifo, "'bad': is a device, a fifo or a socket"),
        (open_socket, "'bad': is a device, a fifo or a socket"),
        (control_character, r"'bad\\n': its name holds control characters"),
        (not_utf8, r"'bad\\udcff': its name holds control characters or is no Unicode"),
        (backslash, r"bad': its name holds a backslash"),
        (oversized, "'bad': has 1,073,741,825 bytes"),
    ],
)
def test_hostile_folder_is_refused_by_name(spoil, line: str, tmp_path: Path, monkeypatch):
    # The path of a socket is short.
    monkeypatch.chdir(tmp_path)
    folder = make_folder(tmp_path)
    spoil(folder)
    with pytest.raises(SuiteError, match=line) as caught:
        list(iterate_members(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert str(caught.value).isprintable()


def test_a_missing_archive_or_member_is_named(tmp_path: Path):
    with pytest.raises(SuiteError, match=r"none\.tar: not found"):
        list(iterate_members(tmp_path / "none.tar"))
    path = placed(tmp_path, SOUND)
    with pytest.raises(SuiteError, match=r"archive: holds no member 'c\.txt'"):
        read_member(path, "c.txt")


def test_end_mark_of_one_block_is_enough(tmp_path: Path):
    assert list(iterate_members(placed(tmp_path, GOOD + END[:512]))) == [("good.txt", b"hello")]
