from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from downloading import DATA, SHA256, contents, failure, fetch, refusal
from faulty_server import Fault, FaultyServer

from suite.datasets.origins import Fetcher, HttpsOrigin, SourceFile
from suite.errors import SuiteError


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    server = FaultyServer()
    server.put("a/data.bin", DATA)
    yield server
    server.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416, 501])
def test_other_statuses_are_one_clear_line(server: FaultyServer, tmp_path: Path, status: int):
    server.usual = Fault(status=status)
    refusal(server, tmp_path, SourceFile("a/data.bin"), rf"{server.url}/a/data\.bin: the server answers {status} ")
    assert len(server.asked()) == 1


def test_server_out_of_reach_is_one_line(tmp_path: Path, server: FaultyServer):
    server.close()
    failure(server, tmp_path, SourceFile("a/data.bin"), r"given up after 4 attempts.*Connection refused")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("stated", [None, len(DATA)])
def test_content_length_too_long_is_refused(server: FaultyServer, tmp_path: Path, ranges: bool, stated: int | None):
    server.usual, server.ranges = Fault(length=500), ranges
    server.head_faults.extend([Fault(status=405)] * 2)
    file = SourceFile("a/data.bin", size=stated)
    refusal(server, tmp_path, file, r"a/data\.bin: .*300500 bytes.*refused, nothing of it is kept")
    assert contents(tmp_path) == {}


def test_content_length_too_short_is_refused(server: FaultyServer, tmp_path: Path):
    server.usual = Fault(length=-500)
    file = SourceFile("a/data.bin", size=len(DATA))
    refusal(server, tmp_path, file, r"a/data\.bin: .*the server has 299500 bytes, but 300000 are stated; refused")
    file = SourceFile("a/data.bin", sha256=SHA256)
    refusal(server, tmp_path, file, rf"a/data\.bin: .*its sha256 is [0-9a-f]{{64}}, but {SHA256} is stated; refused")
    assert contents(tmp_path) == {}


def test_answer_longer_than_stated_is_cut_off(server: FaultyServer, tmp_path: Path):
    server.usual = Fault(chunked=True)
    refusal(server, tmp_path, SourceFile("a/data.bin", size=1000), "sends more than the 1000 bytes that are stated")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_wrong_bytes_are_refused_by_name_and_nothing_is_kept(server: FaultyServer, tmp_path: Path, kind: str):
    server.usual = Fault(wrong=True)
    stated = hashlib.new(kind, DATA).hexdigest()
    file = SourceFile("a/data.bin", **{kind: stated.upper()})
    refusal(server, tmp_path, file, rf"a/data\.bin: .*its {kind} is [0-9a-f]+, but {stated} is stated; refused")
    assert len(server.asked()) == 2
    server.usual = Fault()
    fetch(server, tmp_path, file)
    assert contents(tmp_path)["a/data.bin"] == DATA


def test_wrong_bytes_on_the_way_are_fetched_once_more(server: FaultyServer, tmp_path: Path):
    server.faults.extend([Fault(drop_after=100_000, wrong=True), Fault()])
    fetch(server, tmp_path, SourceFile("a/data.bin", md5=hashlib.md5(DATA).hexdigest()))
    assert contents(tmp_path)["a/data.bin"] == DATA


def test_end_that_nothing_vouches_for_is_refused(server: FaultyServer, tmp_path: Path):
    server.head_faults.extend([Fault(status=405)] * 3)
    server.usual = Fault(unmeasured=True)
    failure(server, tmp_path, SourceFile("a/data.bin"), "does not say where the file ends")
    server.faults.append(Fault(unmeasured=True, drop_after=1000))
    fetch(server, tmp_path, SourceFile("a/data.bin", sha256=SHA256))
    server.faults.append(Fault(unmeasured=True, drop_after=1000))
    fetch(server, tmp_path / "other", SourceFile("a/data.bin", size=len(DATA)))
    assert contents(tmp_path)["a/data.bin"] == contents(tmp_path / "other")["a/data.bin"] == DATA


def test_encoded_answers_are_refused_unless_the_file_is_stored_so(server: FaultyServer, tmp_path: Path):
    server.usual = Fault(headers={"Content-Encoding": "gzip"})
    refusal(server, tmp_path, SourceFile("a/data.bin"), "encoded as 'gzip'")
    server.put("a/data.tar.gz", DATA)
    fetch(server, tmp_path, SourceFile("a/data.tar.gz"))
    assert contents(tmp_path)["a/data.tar.gz"] == DATA


def test_redirects_are_followed_and_checked(server: FaultyServer, tmp_path: Path):
    for method in (server.faults, server.head_faults):
        method.append(Fault(status=302, headers={"Location": "/a/data.bin"}))
    fetch(server, tmp_path, SourceFile("elsewhere.bin"))
    assert contents(tmp_path)["elsewhere.bin"] == DATA


@pytest.mark.parametrize(
    "location",
    ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://u:p@127.0.0.1/x", "http://[::1"],
)
def test_redirects_away_from_https_are_refused(server: FaultyServer, tmp_path: Path, location: str):
    server.usual = Fault(status=302, headers={"Location": location})
    refusal(server, tmp_path, SourceFile("a/data.bin", size=1), r"a/data\.bin: redirected to .*refused")
    assert contents(tmp_path) == {}


def test_endless_redirects_are_one_line(server: FaultyServer, tmp_path: Path):
    server.usual = Fault(status=302, headers={"Location": "/a/data.bin"})
    refusal(
        server, tmp_path, SourceFile("a/data.bin", size=1), r"a/data\.bin: cannot be fetched \(Exceeded 8 redirects"
    )


def test_lack_of_room_is_found_before_the_first_byte(server: FaultyServer, tmp_path: Path):
    file = SourceFile("a/data.bin", size=10**18)
    line = failure(
        server, tmp_path, file, r"incoming: 1\.00EB are still to come \(1000000000000000000 bytes\), but only"
    )
    assert "are free" in line
    assert server.requests == []
    server.head_faults.append(Fault(headers={"Content-Length": str(10**17)}))
    failure(server, tmp_path, SourceFile("a/data.bin"), r"100PB are still to come")
    assert server.asked() == []


def test_certificate_that_nobody_vouches_for_is_one_line(tmp_path: Path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(today).not_valid_after(today + timedelta(days=1))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + key.private_bytes(*plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        origin = HttpsOrigin(base=f"https://localhost:{server.server_port}")
        with pytest.raises(SuiteError, match=r"x: the server's certificate does not hold \(.*CERTIFICATE_VERIFY"):
            Fetcher(origin, tmp_path / "incoming").fetch([SourceFile("x")])
        server.shutdown()
