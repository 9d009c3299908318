"""Which SuperNodes get in, as real processes: those whose key is registered, while it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import NodeStatus

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forget_nodes")]

REFUSED = "Failed to initialize the connection"


@pytest.mark.parametrize("way", ["superlink", "proxy"])
def test_only_a_registered_key_connects_and_only_as_long_as_it_is(
    request: pytest.FixtureRequest,
    superlink: Any,
    make_node_key: Callable[..., tuple[Path, str]],
    start_supernode: Callable[..., tuple[subprocess.Popen[bytes], Path]],
    patiently: Callable[..., None],
    tmp_path: Path,
    way: str,
) -> None:
    address = request.getfixturevalue(way).address
    key, public = make_node_key(tmp_path, "bank")
    stranger, _ = make_node_key(tmp_path, "stranger")
    with Control(superlink.operator) as control:
        node_id = control.register("North Bank", key_bytes(public))

        def status() -> NodeStatus:
            return next(n.status for n in control.nodes() if n.node_id == node_id)

        refused, refusal = start_supernode(stranger, address)
        bank, log = start_supernode(key, address)
        patiently(lambda: status() is NodeStatus.ONLINE, f"North Bank online ({log})", bank)
        assert refused.wait(90) != 0
        assert REFUSED in refusal.read_text(encoding="utf-8")

        # Revoked while it is connected: its next request ends it.
        control.unregister(node_id)
        assert bank.wait(90) is not None
        again, refusal = start_supernode(key, address)
        assert again.wait(90) != 0
        assert REFUSED in refusal.read_text(encoding="utf-8")
        assert status() is NodeStatus.UNREGISTERED


def test_without_a_key_of_its_own_a_node_cannot_register_itself(
    superlink: Any, start_supernode: Callable[..., tuple[subprocess.Popen[bytes], Path]]
) -> None:
    node, log = start_supernode(None)
    assert node.wait(90) != 0
    assert REFUSED in log.read_text(encoding="utf-8")
    with Control(superlink.operator) as control:
        assert all(n.status is NodeStatus.UNREGISTERED for n in control.nodes())
