"""The service as real processes: what it refuses to start, promotions under load, slow callers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fed_credit.decision_log.log import DecisionLog
from fed_credit.errors import FedCreditError
from fed_credit.registry.registry import Registry, Stage
from fed_credit.scoring.record import RecordScorer
from fed_credit.serving.keys import KeyRing
from fed_credit.serving.server import Role, Service, check


def _serve(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fed_credit.cli", "serve", "--role", "bank"]
    return subprocess.run(
        [*command, "--home", str(home), *arguments], capture_output=True, text=True, timeout=60
    )


def _check(place: Any, **changes: Any) -> str:
    """Return why a service does not start."""
    settings = place.settings(**changes)
    with pytest.raises(FedCreditError) as refusal:
        check(Service(Role.BANK, place.home, settings, "127.0.0.1", 1, 1))
    return str(refusal.value)


def test_it_does_not_start_without_a_champion(place: Any) -> None:
    with place.registry() as registry:
        registry.move(1, Stage.RETIRED, actor="tests", reason="to see")
    assert "has no champion; promote a version" in _check(place)


def test_it_does_not_start_without_a_registry(place: Any) -> None:
    (place.home / "registry.db").unlink()
    assert "does not exist" in _check(place)


def test_it_does_not_start_without_a_key(place: Any) -> None:
    ring = KeyRing.load(place.home / "api_keys.json")
    for key in ring.keys():  # noqa: SIM118 - not a mapping
        ring.revoke(key.id)
    assert "holds no key; make one with fed-credit keys add --name" in _check(place)


@pytest.mark.parametrize("name", ["api_keys.json", "registry.db", "decisions.db"])
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_it_does_not_start_with_files_of_others(place: Any, name: str, mode: int) -> None:
    DecisionLog.open(place.home / "decisions.db", create=True).close()
    (place.home / name).chmod(mode)
    assert f"{name} can be read or written by other users" in _check(place)


def test_a_port_in_use_and_an_open_network_are_told_in_a_sentence(place: Any) -> None:
    place.settings()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = _serve(place.home, "--port", port)
    assert told.returncode == 2 and told.stderr.startswith(f"Error: 127.0.0.1:{port} cannot be")
    told = _serve(place.home, "--host", "0.0.0.0")
    assert told.returncode == 2 and "in the clear" in told.stderr
    assert "Traceback" not in told.stderr and told.stderr.count("\n") == 1


# --- promotions under load -----------------------------------------------------------------------


class _Load:
    """Callers that go on asking, each on a connection of its own."""

    def __init__(
        self, url: str, headers: dict[str, str], loan: dict[str, Any], callers: int = 8
    ) -> None:
        self.answers: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self._stop = False
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(url, headers, loan, callers)), daemon=True
        )
        self._thread.start()

    async def _run(
        self, url: str, headers: dict[str, str], loan: dict[str, Any], callers: int
    ) -> None:
        async def ask(caller: int) -> None:
            async with httpx.AsyncClient(headers=headers, timeout=60) as client:
                number = 0
                while not self._stop:
                    body = {"application_id": f"{caller}-{number}", "loan": loan}
                    try:
                        answer = await client.post(f"{url}/v1/score", json=body)
                    except httpx.HTTPError as error:
                        self.wrong.append(repr(error))
                        return
                    if answer.status_code == 200:
                        self.answers.append(answer.json())
                    else:
                        self.wrong.append(answer.text)
                    number += 1

        await asyncio.gather(*(ask(caller) for caller in range(callers)))

    def end(self) -> None:
        self._stop = True
        self._thread.join(60)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_promotions_under_load_drop_no_request(place: Any, run: Any, workers: int) -> None:
    loan = {**place.loan(2), **place.loan(1)}
    expected = {
        number: RecordScorer(found.model).score(loan) for number, found in place.models.items()
    }
    assert expected[1].pd != expected[2].pd
    limits = {"requests_per_second": 1e6, "burst": 1_000_000}
    with run(place, "--workers", str(workers), limits=limits) as service:
        load = _Load(service.url, service.headers(), loan)
        with place.registry() as registry:
            for turn in range(20):
                number = 1 + (turn + 1) % 2
                if registry.version(number).stage is Stage.RETIRED:
                    registry.move(number, Stage.CANDIDATE, actor="tests", reason="to see")
                registry.move(number, Stage.CHAMPION, actor="tests", reason="to see")
                time.sleep(0.12)
        load.end()
        assert load.wrong == []
        versions = Counter(answer["model"]["version"] for answer in load.answers)
        assert min(versions[1], versions[2]) > 5
        for answer in load.answers:
            score = expected[answer["model"]["version"]]
            assert (answer["pd"], answer["score"]) == (score.pd, score.score)
            assert answer["model"]["sha256"] == place.models[answer["model"]["version"]].sha256
        text = httpx.get(f"{service.url}/metrics", headers=service.headers("read")).text
        assert "swap_failed" not in text
        (shared,) = Path(tempfile.gettempdir()).glob(f"fed-credit-serve-{service.process.pid}-*")
        assert shared.stat().st_mode & 0o077 == 0
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        assert not shared.exists()
    assert "Traceback" not in service.log.read_text()
    _ended(service)
    with DecisionLog.open(place.home / "decisions.db") as log:
        assert log.verify() == []
        kept = {one.id: one for piece in log.read(None, None) for one in piece}
        for answer in load.answers:
            assert kept[answer["id"]].pd == answer["pd"]
        assert len(kept) == len(load.answers)


# --- slow and broken callers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(template: Any, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with little patience."""
    home = tmp_path_factory.mktemp("processes") / "home"
    shutil.copytree(template.home, home)
    limits = {"headers_timeout_s": 0.5, "body_timeout_s": 0.5, "requests_per_second": 1e5}
    with run(replace(template, home=home), limits=limits) as made:
        yield made


def _talk(port: int, *pieces: bytes, wait: float = 0.0) -> bytes:
    """Send pieces over a plain connection, and return what comes until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        told = b""
        with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            for piece in pieces:
                line.sendall(piece)
                time.sleep(wait)
        while piece := line.recv(65536):
            told += piece
    return told


def _request(service: Any, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "POST /v1/score HTTP/1.1",
        "Host: bank",
        f"Authorization: {service.headers()['authorization']}",
        "Content-Type: application/json",
        *([] if length is None else [f"Content-Length: {length}"]),
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_slow_headers_and_bodies_are_given_up(service: Any) -> None:
    start = time.monotonic()
    assert _talk(service.port, b"POST /v1/score HT").startswith(b"HTTP/1.1 408")
    assert _talk(service.port, b"").startswith(b"HTTP/1.1 408")
    told = _talk(service.port, _request(service, b'{"loan"', length=400))
    assert told.startswith(b"HTTP/1.1 408") and told.count(b"HTTP/1.1") == 1
    drops = [bytes([letter]) for letter in b'{"loan": {}}']
    told = _talk(service.port, _request(service, b"", length=400), *drops[:8], wait=0.1)
    assert told.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start < 10


def test_an_answer_before_the_body_is_the_only_one(service: Any) -> None:
    head = b"POST /v1/score HTTP/1.1\r\nHost: bank\r\nContent-Length: 900\r\n\r\n{"
    told = _talk(service.port, head)
    assert told.startswith(b"HTTP/1.1 401") and told.count(b"HTTP/1.1") == 1


def test_a_body_may_come_in_pieces(service: Any) -> None:
    body = json.dumps({"loan": service.place.loan()}).encode()
    close = "Connection: close"
    told = _talk(
        service.port, _request(service, body[:50], close, length=len(body)), body[50:], wait=0.1
    )
    assert told.startswith(b"HTTP/1.1 200")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:9], body[9:])) + b"0\r\n\r\n"
    told = _talk(service.port, _request(service, chunks, "Transfer-Encoding: chunked", close))
    assert told.startswith(b"HTTP/1.1 200")


def test_an_answer_in_one_piece_is_that_of_asgi(service: Any, bank: Any) -> None:
    body = {"loan": service.place.loan()}
    near = bank.client.post("/v1/score", json=body, headers=bank.headers())
    with httpx.Client(base_url=service.url, headers=service.headers()) as client:
        for _ in range(3):  # on one connection
            far = client.post("/v1/score", json=body)
            assert {*far.headers} == {*near.headers, "date"}
            assert all(far.headers[name] == near.headers[name] for name in near.headers)
            assert far.json()["pd"] == near.json()["pd"]
    whole = json.dumps(body).encode()
    old = _request(service, whole, length=len(whole)).replace(b"HTTP/1.1", b"HTTP/1.0")
    told = _talk(service.port, old)  # which is closed after it
    assert told.startswith(b"HTTP/1.1 200") and told.endswith(b"}")
    head = _request(service, b"", length=0).replace(b"POST", b"HEAD")
    told = _talk(service.port, head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert told.startswith(b"HTTP/1.1 405") and told.endswith(b"\r\n\r\n")


def test_chunks_without_end_are_refused(service: Any) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    told = _talk(service.port, _request(service, chunk * 5, "Transfer-Encoding: chunked"))
    assert told.startswith(b"HTTP/1.1 413") and b"connection: close" in told


def test_headers_without_end_are_refused(service: Any) -> None:
    head = b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 20_000
    told = _talk(service.port, head, b"y" * 20_000, wait=0.05)
    assert told.startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"G E T / HTTP/9.9\r\n\r\n", b"\0" * 64]
)
def test_what_is_not_http_is_refused(service: Any, request_: bytes) -> None:
    told = _talk(service.port, request_ + b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 400") and b"Traceback" not in told


def _ended(service: Any) -> None:
    """Wait until no process of a service is left."""
    deadline = time.monotonic() + 20
    while _of_session(service.process.pid):
        assert time.monotonic() < deadline, "a process of the service goes on"
        time.sleep(0.05)


def _of_session(session: int) -> list[int]:
    """Return the processes that were started in a session and still run."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(folder.name))
    return found


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(place: Any, run: Any) -> None:
    with run(place, "--workers", "2") as service:
        assert len(_of_session(service.process.pid)) >= 3
        service.process.kill()
        _ended(service)


@pytest.mark.slow
def test_counts_are_those_of_all_workers(place: Any, run: Any) -> None:
    with run(place, "--workers", "2") as service:
        for _ in range(30):  # each on a connection of its own, which either worker may take
            body = {"loan": place.loan()}
            httpx.post(f"{service.url}/v1/score", json=body, headers=service.headers())
        time.sleep(1.5)
        text = httpx.get(f"{service.url}/metrics", headers=service.headers("read")).text
        counted = 'fed_credit_requests_total{route="/v1/score",status="200"} 30.0'
        assert counted in text


@pytest.mark.slow
def test_https_is_spoken_with_a_certificate(place: Any, run: Any) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", "key.pem"]
    command += ["-out", "cert.pem", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=place.home, check=True, capture_output=True)
    place.settings(tls={"certificate": "cert.pem", "key": "key.pem"})
    (place.home / "key.pem").chmod(0o644)
    assert "key.pem can be read" in _check(place, tls={"certificate": "cert.pem", "key": "key.pem"})
    (place.home / "key.pem").chmod(0o600)
    trust = ssl.create_default_context(cafile=str(place.home / "cert.pem"))
    with run(place, scheme="https", tls={"certificate": "cert.pem", "key": "key.pem"}) as service:
        client = httpx.Client(verify=trust, base_url=service.url)
        answer = client.post("/login", json={"key": place.secrets["read"]})
        assert answer.status_code == 204 and "Secure" in answer.headers["set-cookie"]
        assert client.get("/v1/model").status_code == 200


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_is_answered_ahead_of_the_log_can_be_read_at_once(
    place: Any, run: Any, workers: int
) -> None:
    with run(place, "--workers", str(workers), durable=False) as service:
        made = []
        for _ in range(20):  # each on a connection of its own, which any worker may take
            answer = httpx.post(
                f"{service.url}/v1/score", json={"loan": place.loan()}, headers=service.headers()
            ).json()
            found = httpx.get(
                f"{service.url}/v1/decisions/{answer['id']}", headers=service.headers("read")
            )
            assert found.status_code == 200 and found.json()["pd"] == answer["pd"]
            made.append(answer["id"])
    with DecisionLog.open(place.home / "decisions.db") as log:
        assert log.verify() == []
        assert {one.id for one in log.recent(100)} == set(made)


@pytest.mark.slow
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("callers", [1, 8])
@pytest.mark.parametrize("turn", range(6))
def test_no_answered_decision_is_lost_by_a_kill(
    place: Any, run: Any, turn: int, callers: int, durable: bool
) -> None:
    limits = {"requests_per_second": 1e6, "burst": 1_000_000}
    workers = str(1 + turn % 2)
    with run(place, "--workers", workers, limits=limits, durable=durable) as service:
        load = _Load(service.url, service.headers(), place.loan(), callers)
        deadline = time.monotonic() + 20
        while len(load.answers) < 25 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.17 * turn)
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait(20)
        load.end()
    assert len(load.answers) > 20
    with DecisionLog.open(place.home / "decisions.db") as log:
        assert log.verify() == []
        for answer in load.answers:
            assert log.get(answer["id"]).pd == answer["pd"]
    with Registry.open(place.home / "registry.db") as registry:
        assert registry.verify() == []
    left = list(Path(tempfile.gettempdir()).glob(f"fed-credit-serve-{service.process.pid}-*"))
    with run(place) as again:
        assert httpx.get(f"{again.url}/readyz").status_code == 200
        assert not any(path.exists() for path in left)
