from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyFtp, serve_ftp

from suite.datasets.origins import Fetcher, FtpOrigin, Patience, SourceFile
from suite.errors import SuiteError

QUICK = Patience(attempts=4, base=0.001, longest=0.02, timeout=5.0)
DATA = random.Random(3).randbytes(400_000)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / "server"
    (folder / "jpg set").mkdir(parents=True)
    (folder / "jpg set/images.tar").write_bytes(DATA)
    return folder


@pytest.fixture
def server(stored: Path) -> Iterator[FaultyFtp]:
    with serve_ftp(stored) as server:
        yield server


def fetch(server: FaultyFtp, folder: Path, **stated: object) -> Fetcher:
    fetcher = Fetcher(FtpOrigin(base=server.url), folder / "incoming", patience=QUICK)
    fetcher.fetch([SourceFile("jpg set/images.tar", **stated)])
    return fetcher


def arrived(folder: Path) -> bytes:
    return (folder / "incoming/jpg set/images.tar").read_bytes()


def test_file_arrives_and_is_listed(server: FaultyFtp, tmp_path: Path):
    fetcher = fetch(server, tmp_path, md5=hashlib.md5(DATA).hexdigest())
    assert arrived(tmp_path) == DATA
    assert fetcher.manifest() == [
        {
            "name": "jpg set/images.tar",
            "url": f"{server.url}/jpg%20set/images.tar",
            "size": len(DATA),
            "sha256": hashlib.sha256(DATA).hexdigest(),
        }
    ]


def test_dropped_connections_resume_with_rest(server: FaultyFtp, tmp_path: Path):
    server.drops.extend([50_000, 0, 120_000, 1, 70_000, 30_000])
    fetch(server, tmp_path)
    assert arrived(tmp_path) == DATA
    assert not server.drops
    assert any(command.startswith("REST ") and command != "REST 0" for command in server.commands)


@pytest.mark.parametrize("unknown", [{"REST"}, {"SIZE"}, {"MDTM"}, {"REST", "SIZE", "MDTM"}])
def test_servers_that_know_less(server: FaultyFtp, tmp_path: Path, unknown: set[str]):
    server.unknown |= unknown
    server.drops.extend([50_000, 100_000])
    fetch(server, tmp_path)
    assert arrived(tmp_path) == DATA


def test_changed_file_starts_again(server: FaultyFtp, stored: Path, tmp_path: Path):
    server.drops.extend([50_000, *[0] * 10])
    with pytest.raises(SuiteError, match=r"images\.tar: ftp://.*given up after 4 attempts"):
        fetch(server, tmp_path)
    assert (tmp_path / "incoming/jpg set/images.tar.part").read_bytes() == DATA[:50_000]
    server.drops.clear()
    (stored / "jpg set/images.tar").write_bytes(DATA[::-1])
    os.utime(stored / "jpg set/images.tar", (10**9, 10**9))
    fetch(server, tmp_path)
    assert arrived(tmp_path) == DATA[::-1]


def test_wrong_bytes_and_length_are_refused(server: FaultyFtp, tmp_path: Path):
    for stated, pattern in (({"md5": "0" * 32}, "its md5 is"), ({"size": 7}, "400000 bytes, but 7 are stated")):
        with pytest.raises(SuiteError, match=rf"images\.tar: .*{pattern}.*refused, nothing of it is kept"):
            fetch(server, tmp_path, **stated)
        assert [path for path in (tmp_path / "incoming").rglob("*") if path.is_file()] == []


def test_missing_file_is_one_line(server: FaultyFtp, tmp_path: Path):
    with pytest.raises(SuiteError, match=r"ftp://.*/gone\.tar: the server answers 550 .*check the address") as caught:
        Fetcher(FtpOrigin(base=server.url), tmp_path / "incoming", patience=QUICK).fetch([SourceFile("gone.tar")])
    assert "\n" not in str(caught.value)


def test_server_out_of_reach_is_one_line(tmp_path: Path, stored: Path):
    with serve_ftp(stored) as server:
        pass
    with pytest.raises(SuiteError, match=r"given up after 4 attempts without progress .*Connection refused"):
        fetch(server, tmp_path)


def test_fifty_drops_in_a_row(server: FaultyFtp, tmp_path: Path):
    rng = random.Random(50)
    server.drops.extend(rng.randrange(1, 7000) for _ in range(50))
    fetch(server, tmp_path, size=len(DATA))
    assert arrived(tmp_path) == DATA
    assert not server.drops
