"""What logged decisions cost: ``python -m benchmarks.serving``.

For each model and connection count, in turn on the same machine: the service with key check,
reasons, durable log and everything else as it is shipped (limits raised, so that they do not
measure themselves), and a bare handler behind the same server that parses the same JSON, scores
without reasons and answers the PD. The load comes from wrk, or without it from a client of our own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

MODELS = ("scorecard", "logreg_exact", "gbdt")
CONNECTIONS = (1, 8, 32)
LEAST_RATE, MOST_P99 = 0.5, 2.5  # against the bare handler
_SETTINGS = """\
pages: false
limits: {requests_per_second: 1000000, burst: 1000000}
"""


@dataclass(frozen=True)
class Load:
    """What a load generator saw: answers per second, and latencies in milliseconds."""

    rps: float
    p50: float
    p99: float
    wrong: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="folder with MODEL/model.fcm of earlier runs")
    parser.add_argument("--only", nargs="*", default=MODELS, help="models to measure")
    parser.add_argument("--connections", nargs="*", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of each; the median is told")
    parser.add_argument("--loads", nargs="*", default=("approve", "decline"))
    parser.add_argument("--modes", nargs="*", default=("durable", "fast"))
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--bare", nargs=2, metavar=("MODEL", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.bare is not None:
        _serve_bare(Path(given.bare[0]), int(given.bare[1]))
        return
    if given.client is not None:
        _own_client(given.client)
        return
    generator = "wrk" if shutil.which("wrk") else "our own client (wrk is not installed)"
    print(f"{os.cpu_count()} cores, load by {generator}, {given.seconds} s x {given.repeats}")
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="fed-credit-bench-") as folder:
        for family in given.only:
            file = _model_file(given.models, Path(folder), family)
            found += _measure(family, file, Path(folder) / f"home-{family}", given)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))


def _measure(family: str, file: Path, folder: Path, given: Any) -> list[dict[str, Any]]:
    loans = _loans(file)
    found = []
    with _bare(file) as bare:
        for mode in given.modes:
            with _service(file, folder / mode, durable=mode == "durable") as (url, secret):
                for load in given.loads:
                    body = json.dumps({"application_id": "A-1", "loan": loans[load]})
                    for connections in given.connections:
                        found.append(
                            _compare(
                                (family, mode, load, connections),
                                (bare, url, secret, body),
                                given,
                            )
                        )
    return found


def _compare(
    what: tuple[str, str, str, int], where: tuple[str, str, str, str], given: Any
) -> dict[str, Any]:
    family, mode, load, connections = what
    bare, url, secret, body = where
    ours, theirs = [], []
    for _ in range(given.repeats):  # in turn, so that a busy moment hits neither alone
        theirs.append(_load(bare, "", body, connections, given.seconds))
        ours.append(_load(f"{url}/v1/score", secret, body, connections, given.seconds))
    wrong = sum(one.wrong for one in (*ours, *theirs))
    mine, base = _median(ours), _median(theirs)
    rate, p99 = mine.rps / base.rps, mine.p99 / base.p99
    fits = "" if rate >= LEAST_RATE and p99 <= MOST_P99 else "  MISSED"
    print(
        f"{family:13}{mode:8}{load:8}{connections:3}  bare {base.rps:7,.0f}/s p50 {base.p50:6.2f}"
        f" p99 {base.p99:6.2f} ms  service {mine.rps:7,.0f}/s p50 {mine.p50:6.2f} p99"
        f" {mine.p99:6.2f} ms  rate {rate:.2f} p99 {p99:.2f}{fits}"
        f"{f'  {wrong} WRONG ANSWERS' if wrong else ''}",
        flush=True,
    )
    return {
        "model": family,
        "mode": mode,
        "load": load,
        "connections": connections,
        "bare": vars(base),
        "service": vars(mine),
    }


def _median(loads: Sequence[Load]) -> Load:
    return Load(
        statistics.median(one.rps for one in loads),
        statistics.median(one.p50 for one in loads),
        statistics.median(one.p99 for one in loads),
        sum(one.wrong for one in loads),
    )


# --- what is measured ----------------------------------------------------------------------------


def _serve_bare(file: Path, port: int) -> None:
    """Answer PDs behind the same server: the least that scoring over HTTP can cost."""
    import gc

    import uvicorn

    from fed_credit.config.serve import load_serve
    from fed_credit.model_file.archive import open_model_file
    from fed_credit.scoring.record import RecordScorer
    from fed_credit.scoring.scorer import Explain
    from fed_credit.serving.server import configured

    scorer = RecordScorer(open_model_file(file).model)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        score = scorer.score(json.loads(body)["loan"], Explain.NONE)
        answer = json.dumps({"pd": score.pd}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _lifespan(receive: Any, send: Any) -> None:
        await receive()
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000)  # as in the service
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    uvicorn.Server(configured(app, load_serve(Path(tempfile.gettempdir())))).run([listener])


@contextmanager
def _bare(file: Path) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.serving", "--bare", str(file), str(port)]
    with _running(command, f"http://127.0.0.1:{port}/", '{"loan": {}}'):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _service(file: Path, home: Path, *, durable: bool) -> Iterator[tuple[str, str]]:
    from fed_credit.registry.registry import Registry, Stage
    from fed_credit.serving.keys import KeyRing

    home.mkdir(parents=True)
    settings = f"{_SETTINGS}durable: {str(durable).lower()}\n"
    (home / "serve.yaml").write_text(settings)
    with Registry.open(home / "registry.db", create=True) as registry:
        version = registry.register(file.read_bytes(), actor="benchmark", reason="benchmark")
        registry.move(version.number, Stage.CHAMPION, actor="benchmark", reason="benchmark")
    secret = KeyRing.load(home / "api_keys.json").add("benchmark")[1]
    port = _free_port()
    command = [sys.executable, "-m", "fed_credit.cli", "serve", "--role", "bank"]
    command += ["--home", str(home), "--port", str(port)]
    with _running(command, f"http://127.0.0.1:{port}/healthz", None):
        yield f"http://127.0.0.1:{port}", secret


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], url: str, body: str | None) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            try:
                httpx.request("GET" if body is None else "POST", url, content=body)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def _model_file(models: Path | None, folder: Path, family: str) -> Path:
    if models is not None:
        return models / family / "model.fcm"
    run = folder / family
    command = [sys.executable, "-m", "fed_credit.cli", "simulate", f"model={family}"]
    command += ["experiment=quick", f"run_dir={run}", "progress=false"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run / "model.fcm"


def _loans(file: Path) -> dict[str, dict[str, Any]]:
    """Return one application that is approved and one that is declined, of every field."""
    import numpy as np

    from fed_credit.model_file.archive import open_model_file
    from fed_credit.scoring.record import RecordScorer
    from fed_credit.serving.form import example_loan

    scorer = RecordScorer(open_model_file(file).model)
    schema = scorer.model.schema
    rng = np.random.default_rng(7)
    found: dict[str, dict[str, Any]] = {}
    while len(found) < 2:
        loan = example_loan(schema, scorer.inputs)
        for name in loan:
            field = schema.fields[name]
            if field.values:
                loan[name] = str(rng.choice(field.values))
            elif isinstance(loan[name], int | float):
                loan[name] = round(float(loan[name]) * float(np.exp(rng.normal(0, 0.7))), 3)
                low = field.min if field.min is not None else loan[name]
                high = field.max if field.max is not None else loan[name]
                loan[name] = min(max(loan[name], low), high)
        found.setdefault(str(scorer.score(loan).verdict), loan)
    return found


# --- load ----------------------------------------------------------------------------------------


def _load(url: str, secret: str, body: str, connections: int, seconds: int) -> Load:
    if shutil.which("wrk"):
        return _wrk(url, secret, body, connections, seconds)
    command = [sys.executable, "-m", "benchmarks.serving", "--client"]
    command += [url, secret, body, str(connections), str(seconds)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Load(**json.loads(out))


def _wrk(url: str, secret: str, body: str, connections: int, seconds: int) -> Load:
    script = (
        'wrk.method = "POST"\n'
        f"wrk.body = [==[{body}]==]\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {secret}"\n'
        "done = function(summary, latency, requests)\n"
        '  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,\n'
        "    latency:percentile(50), latency:percentile(99), summary.errors.status +\n"
        "    summary.errors.connect + summary.errors.read + summary.errors.write +\n"
        "    summary.errors.timeout))\n"
        "end\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name, url]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", out)
    assert match is not None, out
    requests, duration, p50, p99, wrong = map(float, match.groups())
    return Load(requests / duration * 1e6, p50 / 1e3, p99 / 1e3, int(wrong))


def _own_client(given: Sequence[str]) -> None:
    """Send requests over plain connections, one after the other on each."""
    import asyncio

    url, secret, body, connections, seconds = given
    target = httpx.URL(url)
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.host}\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    )
    request = head.encode() + body.encode()
    times: list[float] = []
    wrong = 0

    async def connection(until: float) -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection(target.host, target.port)
        while time.perf_counter() < until:
            start = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - start)
            wrong += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    async def load() -> float:
        start = time.perf_counter()
        until = start + float(seconds)
        await asyncio.gather(*(connection(until) for _ in range(int(connections))))
        return time.perf_counter() - start

    took = asyncio.run(load())
    times.sort()
    at = [times[min(int(len(times) * share), len(times) - 1)] * 1e3 for share in (0.5, 0.99)]
    print(json.dumps(vars(Load(len(times) / took, at[0], at[1], wrong))))


if __name__ == "__main__":
    main()
