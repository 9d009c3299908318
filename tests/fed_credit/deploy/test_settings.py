"""What of a run's settings a bank can read, asked with a bank's own key at a real SuperLink."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import RunStatus
from fed_credit.deploy.submit import submit

pytestmark = pytest.mark.usefixtures("forget_nodes")

OVERRIDES = [
    "data.split.test_from=2018-01-01",
    "data.target.as_of=2020-01-01",
    "federation.join_timeout_s=60",
]


def test_no_bank_learns_the_number_of_another_one(
    superlink: Any,
    make_node_key: Callable[..., tuple[Path, str]],
    patiently: Callable[..., None],
    tmp_path: Path,
) -> None:
    path, public = make_node_key(tmp_path, "curious")
    key: Any = load_ssh_private_key(path.read_bytes(), None)
    client = FleetHttpClient(
        f"https://{superlink.address}",
        interceptors=[NodeAuthHttpInterceptor(key, key.public_key())],
        verify=ssl.create_default_context(cafile=str(superlink.ca)),
    )
    with Control(superlink.operator) as control:
        own = control.register("Curious Bank", key_bytes(public))
        other = control.register("North Bank", key_bytes(make_node_key(tmp_path, "north")[1]))
        client.ActivateNode(
            ActivateNodeRequest(
                public_key=public_key_to_bytes(key.public_key()), heartbeat_interval=30
            )
        )
        banks = {node.name: node for node in control.nodes() if node.node_id in (own, other)}
        run_id = submit(control, banks, OVERRIDES, "curious")
        try:
            patiently(
                lambda: control.run(run_id).status is RunStatus.RUNNING,
                "running",
                superlink.process,
            )
            answer = client.GetRun(GetRunRequest(node=Node(node_id=own), run_id=run_id))
        finally:
            control.stop_run(run_id)
    seen = str(answer)
    # It does read the settings, the others' names among them.
    assert "North Bank" in seen and "join_timeout_s=60" in seen
    assert str(other) not in seen and str(own) not in seen
