"""Keeping strangers out: real attempts on the packaged nginx configuration and a real SuperLink."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    StreamLogsRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from fed_credit.config.operator import EndpointSpec
from fed_credit.deploy.bundle import build_bundle
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.follow import follow
from fed_credit.deploy.records import RunStatus
from fed_credit.errors import DeploymentError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forget_nodes")]

PROTOBUF = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE}
FLEET = {
    "activate-node",
    "deactivate-node",
    "send-node-heartbeat",
    "pull-messages",
    "push-messages",
    "get-run",
    "get-fab",
    "push-object",
    "pull-object",
    "confirm-message-received",
}
CONTROL = {
    "start-run",
    "stop-run",
    "list-runs",
    "stream-logs",
    "register-node",
    "unregister-node",
    "list-nodes",
}
# Other spellings of /v1/control/list-nodes, some of which a server may take for it.
TRICKS = [
    "//v1/control/list-nodes",
    "/v1//control/list-nodes",
    "/v1/control//list-nodes",
    "/v1/control/list-nodes/",
    "/V1/control/list-nodes",
    "/v1/Control/list-nodes",
    "/v1/CONTROL/LIST-NODES",
    "/v1/./control/list-nodes",
    "/v1/fleet/../control/list-nodes",
    "/v1/fleet/..%2fcontrol/list-nodes",
    "/v1/fleet/%2e%2e/control/list-nodes",
    "/v1/fleet/%2e%2e%2fcontrol%2flist-nodes",
    "/v1/fleet/%252e%252e/control/list-nodes",
    "/v1/fleet/..;/control/list-nodes",
    "/v1/fleet/..\\control\\list-nodes",
    "/v1/fleet/pull-messages/../../control/list-nodes",
    "/runs/../v1/control/list-nodes",
    "/v1/%63ontrol/list-nodes",
    "/v1/control%2flist-nodes",
    "/v1%2fcontrol/list-nodes",
    "/%76%31/control/list-nodes",
    "/v1/control/list-nodes?x=1",
    "/v1/control/list-nodes#x",
    "/v1/control/list-nodes;x",
    "/v1/control/list-nodes%00",
    "/v1/control/list-nodes%0a",
    "/v1/control/list-nodes%20",
    "/v1/con%E2%81%84trol/list-nodes",
    "v1/control/list-nodes",
    "*",
    "https://localhost//v1/control/list-nodes",
]


@pytest.fixture
def bank_context(superlink: Any) -> ssl.SSLContext:
    """What a bank has: the consortium's certificate to check the server, and none of its own."""
    return ssl.create_default_context(cafile=str(superlink.ca))


@pytest.fixture
def remote(superlink: Any, proxy: Any) -> Any:
    """The operator's settings for going through the proxy."""
    return replace(superlink.operator, proxy=EndpointSpec("127.0.0.1", proxy.port))


def own_context(superlink: Any, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(superlink.ca))
    context.load_cert_chain(certificate, key)
    return context


def served(superlink: Any) -> list[str]:
    """Return the requests that reached the SuperLink's control and runtime paths."""
    lines = superlink.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if "HTTP/1.1" in line and "/v1/fleet/" not in line]


def raw(port: int, context: ssl.SSLContext, request: bytes) -> int:
    """Send bytes as they are and return the status; 0 where the connection just ends."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer and (piece := connection.recv(4096)):
            answer += piece
    return int(answer.split(b" ")[1]) if answer else 0


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Type: {PROTOBUF_MEDIA_TYPE}",
        *(headers or (f"Content-Length: {len(body)}",)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# --- control paths: only with the operator's certificate -------------------------------------


def test_the_operator_s_certificate_opens_the_control_paths(
    superlink: Any,
    proxy: Any,
    remote: Any,
    make_node_key: Callable[..., tuple[Path, str]],
    tmp_path: Path,
) -> None:
    key = key_bytes(make_node_key(tmp_path)[1])
    before = served(superlink)
    with Control(remote) as control:
        node_id = control.register("North Bank", key)
        assert {node.name for node in control.nodes() if node.public_key == key} == {"North Bank"}
        control.unregister(node_id)
        run_id = control.start_run(build_bundle(), {"overrides": "model=nonsense", "name": "bad"})
        run, log = follow(control, run_id, lambda line: None)
        assert run.status is RunStatus.FAILED
        assert "ConfigurationError" in log and "nonsense" in log
        stopped = control.start_run(build_bundle(), {"name": "stopped"})
        control.stop_run(stopped)
        assert control.run(stopped).status is RunStatus.STOPPED
    # What the tests below look for where nothing may have passed.
    passed = [line for line in served(superlink) if line not in before]
    assert any("POST /v1/control/register-node HTTP/1.1" in line for line in passed)
    entries = [json.loads(line) for line in proxy.log.read_text(encoding="utf-8").splitlines()]
    told = [entry for entry in entries if entry["request"].startswith("POST /v1/control/start-run")]
    assert {(entry["operator"], entry["certificate"]) for entry in told} == {
        ("CN=operator", "SUCCESS")
    }


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("StartRun", StartRunRequest()),
        ("StopRun", StopRunRequest(run_id=1)),
        ("ListRuns", ListRunsRequest()),
        ("StreamLogs", StreamLogsRequest(run_id=1)),
        ("RegisterNode", RegisterNodeRequest(public_key=b"x")),
        ("UnregisterNode", UnregisterNodeRequest(node_id=1)),
        ("ListNodes", ListNodesRequest()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bank_s_credentials_control_nothing(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext, method: str, request_: Any
) -> None:
    before = served(superlink)
    with ControlHttpClient(f"https://{proxy.address}", verify=bank_context) as client:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            answer = getattr(client, method)(request_)
            list(answer)  # of a stream
        assert caught.value.response.status_code == 403
    assert served(superlink) == before


@pytest.mark.parametrize("words", [["run", "."], ["ls"], ["stop", "1"], ["supernode", "ls"]])
def test_flower_s_own_command_line_with_a_bank_s_credentials(
    superlink: Any, proxy: Any, tmp_path: Path, words: list[str]
) -> None:
    home = tmp_path / "flwr"
    home.mkdir()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "c"\n[superlink.c]\naddress = "{proxy.address}"\n'
        f'root-certificates = "{superlink.ca}"\n',
        encoding="utf-8",
    )
    app = tmp_path / "bundle"
    (app / "conf").mkdir(parents=True)
    root = Path(__file__).resolve().parents[3]
    (app / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    (app / "conf" / "config.yaml").write_bytes((root / "conf" / "config.yaml").read_bytes())
    before = served(superlink)
    done = subprocess.run(
        [sys.executable, "-c", "from flwr.cli.app import app; app()", *words],
        cwd=app,
        env={**os.environ, "FLWR_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "403" in done.stdout + done.stderr
    assert served(superlink) == before


@pytest.mark.parametrize("path", ["/v1/control/list-nodes", "/v1/fleet/pull-messages", "/runs/"])
def test_a_certificate_of_another_authority_opens_nothing_at_all(
    superlink: Any, proxy: Any, tmp_path: Path, path: str
) -> None:
    before = superlink.log.read_bytes().count(b"HTTP/1.1")
    # Of the consortium's authority, which no client certificate comes from.
    bank = own_context(superlink, *superlink.consortium.issue(tmp_path, "operator"))
    # The server's own, which lies on the same machine.
    server = own_context(superlink, superlink.home / "server.crt", superlink.home / "server.key")
    # The right authority, but its day has passed.
    late = own_context(superlink, *superlink.operators.issue(tmp_path, "late", days=-1))
    for context in (bank, server, late):
        answer = httpx.post(f"https://{proxy.address}{path}", verify=context, headers=PROTOBUF)
        assert answer.status_code == 400
        assert "certificate" in answer.text
    assert superlink.log.read_bytes().count(b"HTTP/1.1") == before


def test_the_operator_learns_that_a_certificate_was_not_accepted(
    superlink: Any, remote: Any, tmp_path: Path
) -> None:
    certificate, key = superlink.consortium.issue(tmp_path, "other")
    with (
        Control(replace(remote, client_cert=certificate, client_key=key)) as control,
        pytest.raises(DeploymentError, match=r"takes no orders .*other\.crt was not accepted"),
    ):
        control.nodes()


# --- everything else the SuperLink serves ----------------------------------------------------


def test_of_all_that_the_superlink_serves_only_the_listed_paths_pass(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext
) -> None:
    served_paths = httpx.get(
        f"https://{superlink.address}/openapi.json", verify=bank_context
    ).json()["paths"]
    routes = [(m.upper(), path) for path, methods in served_paths.items() for m in methods]
    routes += [("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/runs")]
    assert len(routes) > 70  # fleet, control, runtime and health are among them
    operator = own_context(
        superlink, superlink.home / "operator.crt", superlink.home / "operator.key"
    )
    with (
        httpx.Client(verify=bank_context) as bank,
        httpx.Client(verify=operator) as with_certificate,
    ):
        for method, path in routes:
            _, _, area, name = [*path.split("/"), "", "", ""][:4]
            known = (area, name) in {("fleet", n) for n in FLEET} | {
                ("control", n) for n in CONTROL
            }
            url = f"https://{proxy.address}{path}"
            if not known:
                for client in (bank, with_certificate):
                    assert client.request(method, url).status_code == 404, path
                continue
            # Without the media type the SuperLink answers 415 before it looks at anything.
            expected = 415 if area == "fleet" else 403
            assert bank.request(method, url).status_code == expected, path
            assert with_certificate.request(method, url).status_code == 415, path
            for other in {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"} - {method}:
                assert with_certificate.request(other, url).status_code in (403, 405), (other, path)


@pytest.mark.parametrize("path", TRICKS)
def test_no_other_spelling_of_a_control_path_passes(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext, path: str
) -> None:
    before = served(superlink)
    operator = own_context(
        superlink, superlink.home / "operator.crt", superlink.home / "operator.key"
    )
    for context in (bank_context, operator):
        assert raw(proxy.port, context, post(path)) in (400, 404, 405)
    assert served(superlink) == before


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "elsewhere.invalid"])
def test_a_whole_address_in_the_request_is_the_same_path(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext, host: str
) -> None:
    before = served(superlink)
    path = f"https://{host}/v1/control/list-nodes"
    assert raw(proxy.port, bank_context, post(path)) == 403
    assert served(superlink) == before


def test_no_second_request_hides_in_a_first_one(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext
) -> None:
    before = served(superlink)
    hidden = post("/v1/control/list-nodes")
    fleet = "/v1/fleet/pull-messages"
    chunked = b"0\r\n\r\n" + hidden
    for request in (
        post(fleet, f"Content-Length: {len(chunked)}", "Transfer-Encoding: chunked", body=chunked),
        post(fleet, "Content-Length: 0", f"Content-Length: {len(hidden)}", body=hidden),
        post(fleet, "Transfer-Encoding: xchunked", "Content-Length: 0", body=hidden),
        post(fleet, "Content-Length: 0", "X: y\r\n\r\n" + hidden.decode()),
        post(fleet, "Content-Length: 0", "Connection: Upgrade", "Upgrade: h2c", body=hidden),
    ):
        raw(proxy.port, bank_context, request)
    assert served(superlink) == before


def test_headers_that_claim_a_certificate_are_worth_nothing(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext
) -> None:
    claims = {
        "X-SSL-Client-Verify": "SUCCESS",
        "X-Forwarded-For": "127.0.0.1",
        "X-Original-URL": "/v1/control/list-nodes",
        "X-Rewrite-URL": "/v1/control/list-nodes",
        "X-HTTP-Method-Override": "POST",
    }
    before = served(superlink)
    for path in ("/v1/control/list-nodes", "/v1/fleet/pull-messages"):
        answer = httpx.post(
            f"https://{proxy.address}{path}", verify=bank_context, headers={**PROTOBUF, **claims}
        )
        assert answer.status_code in (400, 401, 403)
    assert served(superlink) == before


def test_old_tls_is_refused(proxy: Any, bank_context: ssl.SSLContext) -> None:
    bank_context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        bank_context.maximum_version = ssl.TLSVersion.TLSv1_1
    bank_context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        raw(proxy.port, bank_context, post("/v1/fleet/pull-messages"))


# --- sizes, and between proxy and SuperLink --------------------------------------------------


def test_a_model_passes_and_what_is_too_large_does_not(
    superlink: Any, proxy: Any, bank_context: ssl.SSLContext
) -> None:
    url = f"https://{proxy.address}/v1/fleet/push-object"
    with httpx.Client(verify=bank_context, headers=PROTOBUF, timeout=60) as client:
        # The SuperLink is who refuses it: no key has signed it.
        assert client.post(url, content=bytes(20 << 20)).status_code in (400, 401)
        assert client.post(url, content=bytes(40 << 20)).status_code == 413


@contextmanager
def impostor(certificate: Path, key: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Listen with TLS and note what is said after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def listen() -> None:
            try:
                plain, _ = server.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    said.append(connection.recv(4096))
            except OSError:
                pass

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], said
    thread.join(60)


def test_the_proxy_hands_nothing_to_who_only_poses_as_the_superlink(
    superlink: Any,
    start_proxy: Callable[[int], int],
    bank_context: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    with impostor(*superlink.operators.issue(tmp_path, "posing", hosts=("localhost",))) as (
        port,
        said,
    ):
        url = f"https://127.0.0.1:{start_proxy(port)}/v1/fleet/pull-messages"
        assert httpx.post(url, verify=bank_context, headers=PROTOBUF).status_code == 502
    assert b"".join(said) == b""


def test_a_superlink_that_is_away_is_told_from_a_proxy_that_is(
    superlink: Any, start_proxy: Callable[[int], int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    away = replace(superlink.operator, proxy=EndpointSpec("127.0.0.1", start_proxy(free)))
    with (
        Control(away) as control,
        pytest.raises(DeploymentError, match="SuperLink behind it does not answer"),
    ):
        control.nodes()
