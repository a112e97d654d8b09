from __future__ import annotations

import hashlib
import json
import os
import pty
import random
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer
from killable_fetcher import INTERRUPTED, Killable, killable_fetcher

from suite.datasets.origins import Fetcher, HttpsOrigin, Patience, SourceFile
from suite.datasets.origins.progress import Progress
from suite.errors import SuiteError

QUICK = Patience(attempts=4, base=0.001, longest=0.02, timeout=5.0)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    with killable_fetcher() as killable:
        yield killable


def serve_files(server: FaultyServer, sizes: list[int], seed: int = 0) -> list[dict[str, Any]]:
    """Put files of random bytes on the server; every other one has its digest stated."""
    rng = random.Random(seed)
    files = []
    for n, size in enumerate(sizes):
        data = rng.randbytes(size)
        server.put(f"{n % 3}/{n}.bin", data)
        files.append({"name": f"{n % 3}/{n}.bin"} | ({"md5": hashlib.md5(data).hexdigest()} if n % 2 else {}))
    return files


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_finished(server: FaultyServer, folder: Path) -> None:
    found = contents(folder)
    manifest = {entry["name"]: entry["sha256"] for entry in json.loads(found.pop("manifest.json"))}
    assert {f"/{name}": data for name, data in found.items()} == server.files
    assert manifest == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}


def check_unfinished(server: FaultyServer, folder: Path) -> None:
    """Whatever has its name is whole."""
    for name, data in contents(folder).items():
        if f"/{name}" in server.files:
            assert data == server.files[f"/{name}"]


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_kill_before_every_operation_on_the_disk(server: FaultyServer, killable: Killable, tmp_path: Path, step: int):
    files = serve_files(server, [40_000, 0, 70_000])
    for operation in range(1, 1000, step):
        folder = tmp_path / str(operation)
        job = {"url": server.url, "folder": str(folder), "files": files, "connections": 1}
        # An outage halfway: parts, their states and their resumption are among what is interrupted.
        server.faults.extend([Fault(drop_after=20_000), Fault(status=503)])
        status, _ = killable.run(**job, kill_before=operation)
        check_unfinished(server, folder)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        assert killable.run(**job) == (0, "")
        check_finished(server, folder)
    check_finished(server, folder)
    assert 50 < operation < 900


def kill_often(server: FaultyServer, killable: Killable, folder: Path, sizes: list[int], kills: int) -> None:
    rng = random.Random(kills)
    files = serve_files(server, sizes, seed=kills)
    server.pause = 0.001
    points = sorted(rng.sample(range(sum(sizes) // 10, sum(sizes)), kills))
    for point in points:
        reached = threading.Event()
        server.after_piece = lambda sent, point=point, reached=reached: reached.set() if sent >= point else None
        process = killable.start(url=server.url, folder=str(folder), files=files)
        assert reached.wait(60)
        time.sleep(rng.random() * 0.01)
        os.kill(process, signal.SIGKILL)
        assert killable.end() == (-signal.SIGKILL, "")
        check_unfinished(server, folder)
    server.pause = 0.0
    assert killable.run(url=server.url, folder=str(folder), files=files) == (0, "")
    check_finished(server, folder)
    assert any(request.status == 206 for request in server.asked())
    assert server.sent < 2 * sum(sizes)


def test_kills_at_random_bytes(server: FaultyServer, killable: Killable, tmp_path: Path):
    kill_often(server, killable, tmp_path / "incoming", [1_500_000, 900_000, 400_000, *[20_000] * 10], 6)


@pytest.mark.slow
def test_many_kills_at_random_bytes(server: FaultyServer, killable: Killable, tmp_path: Path):
    kill_often(server, killable, tmp_path / "incoming", [9_000_000, 7_000_000, 5_000_000, *[30_000] * 60], 60)


def test_interrupt_ends_a_download_that_hangs_and_leaves_it_resumable(
    server: FaultyServer, killable: Killable, tmp_path: Path
):
    files = serve_files(server, [300_000])
    server.faults.append(Fault(hang_after=100_000))
    job = {"url": server.url, "folder": str(tmp_path / "incoming"), "files": files}
    process = killable.start(**job)
    assert server.hanging.wait(60)
    part = tmp_path / "incoming/0/0.bin.part"
    while not part.exists() or part.stat().st_size < 100_000:
        time.sleep(0.01)
    os.kill(process, signal.SIGINT)
    # The server relents in the end, but the process did not wait for that.
    relent = threading.Timer(20.0, server.released.set)
    relent.start()
    assert killable.end() == (INTERRUPTED, "")
    assert not server.released.is_set()
    relent.cancel()
    server.released.set()
    assert killable.run(**job) == (0, "")
    check_finished(server, tmp_path / "incoming")
    assert server.asked()[-1].status == 206


def test_second_process_is_refused_while_the_first_goes_on(server: FaultyServer, killable: Killable, tmp_path: Path):
    files = serve_files(server, [300_000])
    server.faults.append(Fault(hang_after=100_000))
    killable.start(url=server.url, folder=str(tmp_path / "incoming"), files=files)
    assert server.hanging.wait(60)
    second = Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming", patience=QUICK)
    for use in (lambda: second.fetch([SourceFile(**files[0])]), second.finish, second.__enter__):
        with pytest.raises(SuiteError, match=r"incoming: another download writes here; wait for it or end it"):
            use()
    server.released.set()
    assert killable.end() == (0, "")
    check_finished(server, tmp_path / "incoming")
    second.fetch([SourceFile(**files[0])])
    assert len(server.asked()) == 1


def test_second_fetcher_of_one_process_is_refused_too(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000])]
    with Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming") as first:
        with pytest.raises(SuiteError, match="another download writes here"):
            Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming").fetch(files)
        first.fetch(files)
        first.finish()
    check_finished(server, tmp_path / "incoming")


def test_disk_that_takes_no_more_is_one_line(server: FaultyServer, killable: Killable, tmp_path: Path):
    files = serve_files(server, [300_000])
    job = {"url": server.url, "folder": str(tmp_path / "incoming"), "files": files}
    status, line = killable.run(**job, largest=100_000)
    assert status == 1
    assert "is the disk full or not writable? what has come is kept" in line
    assert "\n" not in line
    assert killable.run(**job) == (0, "")
    check_finished(server, tmp_path / "incoming")
    assert server.asked()[-1].status == 206


def test_finished_files_are_not_fetched_again(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000, 2000, 3000])]
    origin = HttpsOrigin(base=server.url)
    Fetcher(origin, tmp_path / "incoming").fetch(files[:2])
    (tmp_path / "incoming/0/0.bin").write_bytes(b"damaged")
    Fetcher(origin, tmp_path / "incoming").fetch(files)
    assert sorted(request.path for request in server.asked()) == ["/0/0.bin", "/0/0.bin", "/1/1.bin", "/2/2.bin"]
    assert {f"/{name}" for name in contents(tmp_path / "incoming")} == {*server.files, "/manifest.json.part"}


def test_finished_files_are_listed_a_line_each_and_a_line_cut_short_costs_its_file_alone(
    server: FaultyServer, tmp_path: Path
):
    files = [SourceFile(**file) for file in serve_files(server, [1000] * 5)]
    origin, journal = HttpsOrigin(base=server.url), tmp_path / "incoming/manifest.json.part"
    Fetcher(origin, tmp_path / "incoming", connections=1).fetch(files[:3])
    assert [json.loads(line)["name"] for line in journal.read_bytes().splitlines()[1:]] == [
        file.name for file in files[:3]
    ]
    os.truncate(journal, journal.stat().st_size - 9)
    server.requests.clear()
    last = Fetcher(origin, tmp_path / "incoming", connections=1)
    last.fetch(files)
    assert [request.path for request in server.asked()] == [f"/{file.name}" for file in files[2:]]
    last.finish()
    assert not journal.exists()
    listed = json.loads((tmp_path / "incoming/manifest.json").read_text())
    assert [entry["name"] for entry in listed] == sorted(file.name for file in files)


def test_file_of_unknown_origin_counts_only_if_its_digest_is_stated(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000, 2000])]
    for name, data in server.files.items():
        (tmp_path / "incoming" / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "incoming" / name[1:]).write_bytes(data)
    Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming").fetch(files)
    assert [request.path for request in server.asked()] == ["/0/0.bin"]


def test_earlier_download_is_linked_where_its_manifest_matches(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000, 2000, 3000, 4000, 5000])]
    origin, previous = HttpsOrigin(base=server.url), tmp_path / "downloads"
    first = Fetcher(origin, previous)
    first.fetch(files)
    first.finish()
    server.requests.clear()
    (previous / files[2].name).write_bytes(b"x" * 3000)
    data = server.files["/2/2.bin"] + b"!"
    server.put("other.bin", data)
    again = [
        files[0],
        files[1],
        files[2],
        SourceFile(files[3].name, sha256=hashlib.sha256(data).hexdigest(), url=f"{server.url}/other.bin"),
        SourceFile(files[4].name, size=5000, url=f"{server.url}/2/2.bin"),
    ]
    server.put("2/2.bin", random.Random(5).randbytes(5000))
    second = Fetcher(origin, tmp_path / "incoming", previous)
    second.fetch(again)
    assert sorted(request.path for request in server.asked()) == ["/2/2.bin", "/2/2.bin", "/other.bin"]
    assert (tmp_path / "incoming" / files[0].name).samefile(previous / files[0].name)
    assert (tmp_path / "incoming" / files[1].name).samefile(previous / files[1].name)
    assert second.path(files[3].name).read_bytes() == data
    assert (previous / files[3].name).stat().st_size == 4000
    # No file of the earlier download changes under the feet of its owner.
    assert (previous / files[2].name).read_bytes() == b"x" * 3000


def test_finish_leaves_nothing_else(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000, 2000])]
    Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming").fetch(files)
    for name in ("old/deep/x.tar", "y.part", "y.part.json", ".manifest.abc.json"):
        (tmp_path / "incoming" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "incoming" / name).touch()
    last = Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming")
    last.fetch(files[1:])
    last.finish()
    assert contents(tmp_path / "incoming").keys() == {"1/1.bin", "manifest.json"}
    assert {path.name for path in (tmp_path / "incoming").rglob("*") if path.is_dir()} == {"1"}


def test_same_files_give_the_same_manifest_bytes(server: FaultyServer, tmp_path: Path):
    files = [SourceFile(**file) for file in serve_files(server, [1000] * 9)]
    for folder, order in (("a", files), ("b", files[::-1])):
        fetcher = Fetcher(HttpsOrigin(base=server.url), tmp_path / folder)
        fetcher.fetch(order)
        fetcher.finish()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_short_download_says_nothing_where_nobody_looks(server: FaultyServer, tmp_path: Path, capfd):
    Fetcher(HttpsOrigin(base=server.url), tmp_path / "incoming").fetch(
        [SourceFile(**file) for file in serve_files(server, [1000, 2000])]
    )
    assert capfd.readouterr() == ("", "")


def test_line_now_and_then_holds_bytes_rate_and_time_left(capfd):
    with Progress("sop", 4_000_000, 1_000_000, pause=0.0) as progress:
        progress.add(1_000_000)
        progress.retry()
    with Progress("sop", None, 0, pause=0.0) as progress:
        progress.add(500)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("sop: 2.00M of 4.00M after 00:00, ")
    assert lines[0].endswith("B/s, 00:00 left")
    assert lines[1].endswith("left, 1 retries")
    assert lines[2].startswith("sop: 500 after 00:00, ")


def test_terminal_gets_one_bar(monkeypatch: pytest.MonkeyPatch):
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("sop", 4_000_000, 0) as progress:
            progress.add(4_000_000)
            progress.retry()
            progress.add(-1_000_000)
        said = b""
        while b"75%" not in said:
            said += os.read(leader, 2**16)
    os.close(leader)
    said = said.decode()
    assert "sop:  75%" in said
    assert "3.00M/4.00M" in said
    assert "1 retries" in said
