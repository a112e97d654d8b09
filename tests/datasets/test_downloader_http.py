from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from downloading import DATA, contents, failure, fetch, fetcher
from faulty_server import Fault, FaultyServer

from suite.datasets.origins import Patience, SourceFile
from suite.datasets.origins.part import Remote
from suite.datasets.origins.patience import Stop, Transient
from suite.datasets.origins.transfer_http import HttpTransfer
from suite.errors import SuiteError


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    server.put("a/data.bin", DATA)
    yield server
    server.close()


def test_files_arrive_whole_with_a_sorted_manifest(server: FaultyServer, tmp_path: Path):
    server.put("b", b"")
    server.put("a b/ü#?.txt", b"odd")
    server.files["/a%20b/%C3%BC%23%3F.txt"] = server.files.pop("/a b/ü#?.txt")
    made = fetch(server, tmp_path, SourceFile("b"), SourceFile("a/data.bin", size=len(DATA)), SourceFile("a b/ü#?.txt"))
    made.finish()
    expected = {"b": b"", "a/data.bin": DATA, "a b/ü#?.txt": b"odd"}
    manifest = [
        {
            "name": name,
            "url": f"{server.url}/{'a%20b/%C3%BC%23%3F.txt' if '#' in name else name}",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, data in sorted(expected.items())
    ]
    assert made.manifest() == manifest
    found = contents(tmp_path)
    assert json.loads(found.pop("manifest.json")) == manifest
    assert found == expected
    assert made.path("b").read_bytes() == b""
    with pytest.raises(SuiteError, match="other: not among the files"):
        made.path("other")


def test_another_address_and_several_calls(server: FaultyServer, tmp_path: Path):
    made = fetch(server, tmp_path, SourceFile("x", url=f"{server.url}/a/data.bin"))
    made.fetch([SourceFile("a/data.bin"), SourceFile("x", url=f"{server.url}/a/data.bin")])
    assert [entry["name"] for entry in made.manifest()] == ["a/data.bin", "x"]
    assert len(server.asked()) == 2


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("length_known", [False, True])
def test_dropped_connections_resume(server: FaultyServer, tmp_path: Path, reset: bool, length_known: bool):
    rng = random.Random(reset)
    # More drops than attempts: each brings something, so none counts against patience.
    server.faults.extend(Fault(drop_after=rng.randrange(10_000, 40_000), reset=reset) for _ in range(6))
    fetch(server, tmp_path, SourceFile("a/data.bin", size=len(DATA) if length_known else None))
    assert contents(tmp_path)["a/data.bin"] == DATA
    # A reset may throw away what was on the way; an orderly end may not.
    assert server.sent == len(DATA) or reset
    resumed = [request for request in server.asked() if request.status == 206]
    assert resumed
    assert all(request.headers["If-Range"] == '"1"' for request in resumed)
    assert all(request.headers["Accept-Encoding"] == "identity" for request in server.requests)


def test_stalled_connection_counts_as_dropped(server: FaultyServer, tmp_path: Path):
    server.faults.append(Fault(stall=0.6))
    fetch(server, tmp_path, patience=Patience(attempts=2, base=0.001, timeout=0.2))
    assert contents(tmp_path)["a/data.bin"] == DATA


def test_server_without_ranges_starts_the_file_again(server: FaultyServer, tmp_path: Path):
    server.ranges = False
    server.faults.extend([Fault(drop_after=100_000), Fault(drop_after=200_000), Fault(drop_after=50_000)])
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA
    assert server.sent == len(DATA) + 350_000


def test_server_without_ranges_that_never_gets_further_is_given_up(server: FaultyServer, tmp_path: Path):
    server.ranges = False
    server.faults.extend([Fault(drop_after=200_000), *[Fault(drop_after=100_000 + n) for n in range(20)]])
    failure(server, tmp_path, SourceFile("a/data.bin"), r"a/data\.bin: .* given up after 4 attempts without progress")
    assert len(server.asked()) == 4


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_pass_are_waited_out(server: FaultyServer, tmp_path: Path, status: int):
    server.head_faults.append(Fault(status=status))
    server.faults.extend([Fault(status=status), Fault(status=status, headers={"Retry-After": "1"})])
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA
    assert [request.status for request in server.asked()] == [status, status, 200]


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [
        (lambda: "7", 7.0, 7.0),
        (lambda: "99999999999999", 20.0, 20.0),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=15), usegmt=True), 10.0, 15.0),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 1.0, 2.0),
        (lambda: "soon", 1.0, 2.0),
        (lambda: "²", 1.0, 2.0),
    ],
)
def test_retry_after_is_heeded_within_bounds(server: FaultyServer, asked, low: float, high: float):

    server.faults.append(Fault(status=503, headers={"Retry-After": asked().encode().decode("latin-1")}))
    with (
        pytest.raises(Transient, match="503") as caught,
        HttpTransfer(5.0, Stop()).open(f"{server.url}/a/data.bin", 0, Remote()),
    ):
        pass
    assert low <= Patience(base=2.0, longest=20.0).delay(1, caught.value.asked) <= high


def test_client_stays_away_as_long_as_the_server_asks(server: FaultyServer, tmp_path: Path):
    server.faults.append(Fault(status=429, headers={"Retry-After": "1"}))
    times = []
    server.after_piece = lambda sent: times.append(datetime.now(UTC))
    began = datetime.now(UTC)
    fetch(server, tmp_path, patience=Patience(attempts=2, base=0.001, longest=5.0))
    assert times[0] - began >= timedelta(seconds=1)


def test_waits_double_up_to_their_bound():
    patience = Patience(base=1.0, longest=30.0)
    for failure_number, longest in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)]:
        waits = [patience.delay(failure_number, None) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    assert patience.delay(2000, None) <= 30.0


def test_chunked_answers_and_their_drops(server: FaultyServer, tmp_path: Path):
    server.head_faults.append(Fault(status=501))
    server.usual = Fault(chunked=True)
    server.faults.append(Fault(chunked=True, drop_after=150_000))
    fetch(server, tmp_path)
    assert contents(tmp_path)["a/data.bin"] == DATA
    assert server.sent == len(DATA)


def test_first_failure_ends_the_others_which_go_on_later(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(f"{n}.bin", size=len(DATA)) for n in range(6)]
    for file in files:
        server.put(file.name, DATA)
    del server.files["/3.bin"]
    server.pause = 0.005
    with pytest.raises(SuiteError, match=r"3\.bin: the server answers 404"):
        fetch(server, tmp_path, *files)
    server.put("3.bin", DATA)
    server.pause = 0.0
    fetch(server, tmp_path, *files).finish()
    assert {name: data for name, data in contents(tmp_path).items() if data == DATA}.keys() == {
        file.name for file in files
    }
    assert server.sent < 2 * 6 * len(DATA)


def test_fifty_faults_in_a_row_lose_nothing(server: FaultyServer, tmp_path: Path):
    rng = random.Random(50)
    files = []
    for n in range(8):
        data = rng.randbytes(rng.randrange(150_000, 400_000))
        server.put(f"{n}.bin", data)
        files.append(SourceFile(f"{n}.bin", sha256=hashlib.sha256(data).hexdigest()))
    kinds = [
        lambda: Fault(drop_after=rng.randrange(60_000)),
        lambda: Fault(drop_after=rng.randrange(60_000), reset=True),
        lambda: Fault(status=429, headers={"Retry-After": "0"}),
        lambda: Fault(status=503),
        lambda: Fault(chunked=True, drop_after=rng.randrange(60_000)),
    ]
    server.faults.extend(rng.choice(kinds)() for _ in range(50))
    fetch(server, tmp_path, *files, patience=Patience(attempts=51, base=0.001, longest=0.005)).finish()
    assert not server.faults
    found = contents(tmp_path)
    assert {f"/{name}": data for name, data in found.items() if name != "manifest.json"} == {
        path: data for path, data in server.files.items() if path != "/a/data.bin"
    }


@pytest.mark.parametrize("seed", [*range(5), *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 60)]])
def test_whatever_goes_wrong_nothing_wrong_is_kept(server: FaultyServer, tmp_path: Path, seed: int):
    rng = random.Random(seed)
    files = [SourceFile(f"{n}.bin", size=len(DATA), md5=hashlib.md5(DATA).hexdigest()) for n in range(5)]
    for file in files:
        server.put(file.name, DATA, etag=rng.choice([None, '"1"', 'W/"1"']))
    server.heeds_if_range = rng.random() < 0.5
    kinds = [
        lambda: Fault(drop_after=rng.randrange(len(DATA)), reset=rng.random() < 0.5),
        lambda: Fault(status=rng.choice([429, 500, 503])),
        lambda: Fault(wrong=True),
        lambda: Fault(wrong=True, drop_after=rng.randrange(len(DATA))),
        lambda: Fault(length=rng.choice([-700, 700])),
        lambda: Fault(chunked=True, drop_after=rng.randrange(len(DATA))),
        lambda: Fault(unmeasured=True, drop_after=rng.randrange(len(DATA))),
        lambda: Fault(shift=rng.randrange(-5, 5)),
        lambda: Fault(status=404),
    ]
    server.faults.extend(rng.choice(kinds)() for _ in range(50))
    lines = []
    for turn in range(100):
        server.ranges = rng.random() < 0.7
        made = fetcher(server, tmp_path)
        try:
            made.fetch(files)
            made.finish()
        except SuiteError as error:
            lines.append(str(error))
            kept = contents(tmp_path)
            assert all(kept.get(file.name, DATA) == DATA for file in files)
            continue
        found = contents(tmp_path)
        assert json.loads(found.pop("manifest.json")) == made.manifest()
        assert found == {file.name: DATA for file in files}
        if not server.faults:
            break
        (tmp_path / "incoming").rename(tmp_path / f"finished-{turn}")
    assert not server.faults
    assert not any("\n" in line for line in lines)
