"""Whether the SuperLink knows a bank's key, and whether it asks for one at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from fed_credit.config.operator import EndpointSpec
from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning
from fed_credit.deploy.doctor.network import TIMEOUT
from fed_credit.errors import DeploymentError

_REGISTERED, _REFUSED, _UNKNOWN = 400, 401, 412


def registered(endpoint: EndpointSpec, context: ssl.SSLContext, key: Path) -> Iterator[Finding]:
    """Ask the SuperLink, signed with a bank's key, whether it knows the key.

    Flower looks the key up before it refuses the impossible rest of the request, so that nothing
    changes whatever the answer: a node that is at work stays at work.

    Parameters
    ----------
    endpoint : EndpointSpec
        Proxy or SuperLink.
    context : ssl.SSLContext
        Trusts the consortium's authority.
    key : Path
        ``node.key``, one that can be read.

    Yields
    ------
    Finding
        One.
    """
    status = _activation(endpoint, context, key)
    if status == _REGISTERED:
        yield ok("registration", "the operator knows this bank's key")
    elif status == _UNKNOWN:
        yield problem(
            "registration",
            "the operator does not know this bank's key, or no longer",
            "Send node.pub to the operator, who adds it with fed-credit provision and then runs"
            " fed-credit deploy sync.",
        )
    elif status == _REFUSED:
        yield problem(
            "registration",
            "the SuperLink refuses this bank's signature",
            "Look at the clock's line first: a signature holds for minutes.",
        )
    else:
        yield warning(
            "registration",
            f"the operator's side answers {status}",
            "Wait a moment and ask again; then ask the operator to run fed-credit doctor.",
        )


def closed_to_strangers(endpoint: EndpointSpec, context: ssl.SSLContext) -> Iterator[Finding]:
    """Check that the SuperLink asks nodes for a registered key.

    Parameters
    ----------
    endpoint : EndpointSpec
        The SuperLink.
    context : ssl.SSLContext
        Trusts the consortium's authority.

    Yields
    ------
    Finding
        One.
    """
    status = _activation(endpoint, context, None)
    if status == _REFUSED:
        yield ok("node authentication", "a node without a registered key is refused")
    else:
        yield problem(
            "node authentication",
            f"a request without a key is answered with {status}, not refused",
            "Start the SuperLink with --enable-supernode-auth, as start-superlink.sh does.",
        )


def _activation(endpoint: EndpointSpec, context: ssl.SSLContext, key: Path | None) -> int:
    """Send an activation that cannot succeed, signed or not; return the status."""
    import httpx
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
    from flwr.proto.fleet_pb2 import ActivateNodeRequest
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    request, signer = ActivateNodeRequest(heartbeat_interval=0), []
    if key is not None:
        private = load_ssh_private_key(key.read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        request.public_key = public_key_to_bytes(private.public_key())
        signer.append(NodeAuthHttpInterceptor(private, private.public_key()))
    client = FleetHttpClient(
        f"https://{endpoint.address}", interceptors=signer, verify=context, timeout=TIMEOUT
    )
    try:
        client.ActivateNode(request)
    except httpx.HTTPStatusError as error:
        return error.response.status_code
    except httpx.TransportError as error:
        raise DeploymentError(
            f"The connection to {endpoint.address} broke off ({error}); ask again."
        ) from None
    finally:
        client.close()
    return httpx.codes.OK
