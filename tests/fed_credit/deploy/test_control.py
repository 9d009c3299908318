"""The operator's connection to a real SuperLink, and what its failures say."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.operator import EndpointSpec
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import NodeStatus
from fed_credit.errors import ConfigurationError, DeploymentError

pytestmark = pytest.mark.usefixtures("forget_nodes")


@pytest.fixture
def plain_port() -> Iterator[int]:
    """The port of a server that speaks HTTP without TLS."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_key_is_registered_under_a_name_once_and_for_all(
    superlink: Any, make_node_key: Callable[..., tuple[Path, str]], tmp_path: Path
) -> None:
    key = key_bytes(make_node_key(tmp_path)[1])
    with Control(superlink.operator) as control:
        node_id = control.register("Riverside Bank", key)
        (node,) = [node for node in control.nodes() if node.public_key == key]
        assert (node.node_id, node.name) == (node_id, "Riverside Bank")
        assert (node.status, node.last_seen) == (NodeStatus.REGISTERED, None)
        with pytest.raises(DeploymentError, match="Public key already in use"):
            control.register("Riverside Bank", key)
        control.unregister(node_id)
        (node,) = [node for node in control.nodes() if node.public_key == key]
        assert node.status is NodeStatus.UNREGISTERED
        with pytest.raises(DeploymentError, match="Public key already in use"):
            control.register("Riverside Bank", key)
        with pytest.raises(DeploymentError, match="Node ID not found"):
            control.unregister(node_id)


def test_what_is_not_there_is_said(superlink: Any) -> None:
    with Control(superlink.operator) as control:
        for ask in (control.run, control.stop_run):
            with pytest.raises(DeploymentError, match="refuses: Run ID not found"):
                ask(12345)
        with pytest.raises(DeploymentError, match="refuses: Run ID not found"):
            list(control.logs(12345))


def test_nobody_at_the_address(superlink: Any) -> None:
    nobody = replace(superlink.operator, proxy=EndpointSpec("127.0.0.1", 1))
    with (
        Control(nobody) as control,
        pytest.raises(DeploymentError, match=r"Nobody answers at 127\.0\.0\.1:1 \(Connection re"),
    ):
        control.nodes()


def test_an_address_that_does_not_exist(superlink: Any) -> None:
    nowhere = replace(superlink.operator, proxy=EndpointSpec("no-such-host.invalid", 443))
    with (
        Control(nowhere) as control,
        pytest.raises(DeploymentError, match=r"Nobody answers at no-such-host\.invalid:443"),
    ):
        control.nodes()


def test_a_server_of_another_consortium_hears_nothing(superlink: Any) -> None:
    other = replace(superlink.operator, ca=superlink.home / "operator-ca.crt")
    with (
        Control(other) as control,
        pytest.raises(DeploymentError, match=r"no.*certificate of Test Consortium .*so noth"),
    ):
        control.nodes()


def test_a_server_without_tls(superlink: Any, plain_port: int) -> None:
    plain = replace(superlink.operator, proxy=EndpointSpec("127.0.0.1", plain_port))
    with Control(plain) as control, pytest.raises(DeploymentError, match="does not speak TLS"):
        control.nodes()


@pytest.mark.parametrize("part", ["ca", "client_cert", "client_key"])
def test_a_missing_or_damaged_certificate_is_named(
    superlink: Any, tmp_path: Path, part: str
) -> None:
    missing = replace(superlink.operator, **{part: tmp_path / "gone"})
    with pytest.raises(ConfigurationError, match=r"gone cannot be read \(No such file"):
        Control(missing)
    (tmp_path / "damaged").write_text("no certificate", encoding="utf-8")
    damaged = replace(superlink.operator, **{part: tmp_path / "damaged"})
    with pytest.raises(ConfigurationError, match=r"damaged .*(is no|are no) certificate"):
        Control(damaged)


def test_a_certificate_with_another_one_s_key(superlink: Any, tmp_path: Path) -> None:
    _, key = superlink.operators.issue(tmp_path, "another")
    mixed = replace(superlink.operator, client_key=key)
    with pytest.raises(ConfigurationError, match="are no certificate with its key"):
        Control(mixed)


@pytest.mark.parametrize("text", ["", "ecdsa-sha2-nistp384 AAAA", "ssh-ed25519 nonsense"])
def test_a_line_that_is_no_key(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no EC public key"):
        key_bytes(text)
