from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from suite.config import parse
from suite.datasets.origins import ByHandOrigin, Fetcher, FileOrigin, FtpOrigin, HttpsOrigin, Origin, SourceFile
from suite.errors import SuiteError


class Download(BaseModel):
    origin: Origin


def refused(origin: dict[str, str]) -> str:
    with pytest.raises(SuiteError) as caught:
        parse(Download, {"origin": origin}, "params.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({"kind": "https", "base": "https://example.org/data/"}, HttpsOrigin(base="https://example.org/data")),
        ({"kind": "https", "base": "http://127.0.0.1:80"}, HttpsOrigin(base="http://127.0.0.1:80")),
        ({"kind": "https", "base": "http://[::1]/x"}, HttpsOrigin(base="http://[::1]/x")),
        ({"kind": "https", "base": "http://localhost/x"}, HttpsOrigin(base="http://localhost/x")),
        ({"kind": "ftp", "base": "ftp://example.org"}, FtpOrigin(base="ftp://example.org")),
        ({"kind": "file", "folder": "data/x"}, FileOrigin(folder=Path("data/x"))),
        ({"kind": "by_hand", "folder": "placed/x"}, ByHandOrigin(folder=Path("placed/x"))),
    ],
)
def test_origins_are_told_by_their_kind(settings: dict[str, str], origin: BaseModel):
    assert parse(Download, {"origin": settings}, "params.yaml").origin == origin


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("http://example.org", "plain http"),
        ("http://127.0.0.1.example.org", "plain http"),
        ("http://localhost.example.org", "plain http"),
        ("ftp://example.org", "not an https address"),
        ("file:///etc/passwd", "not an address of the form"),
        ("https:///x", "not an address of the form"),
        ("gopher://a\nb", r"'gopher://a\nb' is not an address of the form"),
        ("example.org/x", "not an address of the form"),
        ("https://example.org/x#y", "not an address of the form"),
        ("https://example.org/x?y", "holds a query"),
        ("https://example.org:port/x", "not an address"),
        ("https://[x/", "not an address"),
        ("https://example.org/%0d%0aX: 1", "control characters"),
        ("https://user:secret@example.org/x", "holds a user or a password"),
    ],
)
def test_unfit_addresses_are_refused(base: str, reason: str):
    line = refused({"kind": "https", "base": base})
    assert reason in line
    assert "params.yaml: origin" in line


def test_password_is_not_repeated():
    with pytest.raises(SuiteError) as caught:
        SourceFile("x", url="https://user:secret@example.org/x")
    assert "secret" not in str(caught.value)


def test_kind_and_keys_are_checked():
    assert "gopher" in refused({"kind": "gopher", "base": "x"})
    assert "folder" in refused({"kind": "https", "base": "https://example.org", "folder": "x"})


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/x", "//x", "x/", "x//y", ".", "..", "../x", "x/../y", "x/./y", "x/..", "./x"),
        *("a\\b", "..\\x", "C:\\x", "x\0y", "x\ny", "x\x7f", "x" * 241, f"{'é' * 121}/y"),
        *("manifest.json", "x.part", "x.part.json", "x.part/y"),
    ],
)
def test_names_that_leave_the_folder_or_clash_are_refused(name: str):
    with pytest.raises(SuiteError, match=r"file name .* of a source: .*; refused") as caught:
        SourceFile(name)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("./\\ax\0é:"), max_size=12) | st.text(max_size=30))
@example("a/b/../../..")
def test_admitted_names_stay_below_the_folder(name: str):
    try:
        SourceFile(name)
    except SuiteError:
        return
    folder = Path("/somewhere/incoming")
    path = folder / name
    assert path.is_relative_to(folder)
    assert path != folder
    assert ".." not in path.parts
    assert path.relative_to(folder).as_posix() == name


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"md5": "0" * 31}, "not 32 hexadecimal digits"),
        ({"sha1": "g" * 40}, "not 40 hexadecimal digits"),
        ({"sha256": ""}, "not 64 hexadecimal digits"),
        ({"sha256": "0" * 63 + "\n"}, "not 64 hexadecimal digits"),
        ({"size": -1}, "-1 bytes"),
        ({"url": "http://example.org/x"}, "plain http"),
    ],
)
def test_what_is_stated_of_a_file_is_checked(facts: dict[str, object], reason: str):
    with pytest.raises(SuiteError, match=f"x.csv: .*{reason}") as caught:
        SourceFile("x.csv", **facts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([SourceFile("x"), SourceFile("x", size=1)], "x: listed twice"),
        ([SourceFile("x/y"), SourceFile("x")], "x: listed as a file and as the folder of x/y"),
        ([SourceFile("x"), SourceFile("x/y/z")], "x: listed as a file and as the folder of x/y/z"),
    ],
)
def test_files_that_cannot_lie_together_are_refused(files: list[SourceFile], reason: str, tmp_path: Path):
    with pytest.raises(SuiteError, match=reason):
        Fetcher(HttpsOrigin(base="https://127.0.0.1:9"), tmp_path / "incoming").fetch(files)
    assert list(tmp_path.iterdir()) == []
