from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from downloading import DATA, SHA256, contents, failure, fetch
from faulty_server import Fault, FaultyServer

from suite.datasets.origins import SourceFile


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    server.put("a/data.bin", DATA)
    yield server
    server.close()


def test_exhausted_patience_keeps_what_has_come(server: FaultyServer, tmp_path: Path):
    server.faults.append(Fault(drop_after=120_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), r"given up after 4 attempts .*503.*run again to go on")
    assert contents(tmp_path)["a/data.bin.part"] == DATA[:120_000]
    server.usual = Fault()
    fetch(server, tmp_path).finish()
    assert contents(tmp_path).keys() == {"a/data.bin", "manifest.json"}
    assert contents(tmp_path)["a/data.bin"] == DATA
    assert server.sent == len(DATA)


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("mark", ["etag", "modified"])
def test_changed_resource_starts_again(server: FaultyServer, tmp_path: Path, heeds_if_range: bool, mark: str):
    marks = {"etag": None, "modified": "Mon, 02 Jan 2023 03:04:05 GMT"} if mark == "modified" else {}
    server.put("a/data.bin", DATA, **marks)
    server.heeds_if_range = heeds_if_range
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), "given up")
    other = random.Random(2).randbytes(len(DATA))
    server.usual = Fault()
    server.put("a/data.bin", other, **({**marks, mark: '"2"' if mark == "etag" else "Tue, 03 Jan 2023 03:04:05 GMT"}))
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == other


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_part_that_cannot_be_told_from_another_file_is_not_taken_up(server: FaultyServer, tmp_path: Path, etag):
    server.put("a/data.bin", DATA, etag=etag)
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), "given up")
    server.usual, server.requests = Fault(), []
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA
    assert [request.headers.get("Range") for request in server.asked()] == [None]


def test_digest_vouches_for_a_part_without_marks(server: FaultyServer, tmp_path: Path):
    server.put("a/data.bin", DATA, etag=None)
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    file = SourceFile("a/data.bin", sha256=SHA256)
    failure(server, tmp_path, file, "given up")
    server.usual = Fault()
    fetch(server, tmp_path, file)
    assert server.sent == len(DATA)


def test_file_that_shrank_starts_again(server: FaultyServer, tmp_path: Path):
    server.heeds_if_range = False
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), "given up")
    server.usual = Fault()
    server.put("a/data.bin", DATA[:1000], etag='"2"')
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA[:1000]


@pytest.mark.parametrize("fault", [Fault(shift=1), Fault(headers={"Content-Range": "bytes 1-0/5"}), Fault(shift=-9)])
def test_range_that_was_not_asked_for_is_not_joined(server: FaultyServer, tmp_path: Path, fault: Fault):
    server.faults.extend([Fault(drop_after=150_000), fault])
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA


def test_part_of_another_address_is_not_taken_up(server: FaultyServer, tmp_path: Path):
    server.put("b/data.bin", DATA[::-1])
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), "given up")
    server.usual = Fault()
    fetch(server, tmp_path, SourceFile("a/data.bin", url=f"{server.url}/b/data.bin"))
    assert contents(tmp_path)["a/data.bin"] == DATA[::-1]


@pytest.mark.parametrize(
    "state", [None, b"", b"{", b"[]", b'{"url": 1}', b'{"url":"","size":"x","etag":1,"modified":2}']
)
def test_part_without_a_sound_state_counts_for_nothing(server: FaultyServer, tmp_path: Path, state: bytes | None):
    (tmp_path / "incoming/a").mkdir(parents=True)
    (tmp_path / "incoming/a/data.bin.part").write_bytes(b"x" * 1000)
    if state is not None:
        (tmp_path / "incoming/a/data.bin.part.json").write_bytes(state)
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA


def test_part_longer_than_the_file_starts_again(server: FaultyServer, tmp_path: Path):
    server.faults.append(Fault(drop_after=150_000))
    server.usual = Fault(status=503)
    failure(server, tmp_path, SourceFile("a/data.bin"), "given up")
    with (tmp_path / "incoming/a/data.bin.part").open("ab") as part:
        part.write(DATA)
    server.usual = Fault()
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA
