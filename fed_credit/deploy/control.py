"""The SuperLink's Control API for an operator: nodes, runs, logs.

Flower's own command line cannot show a client certificate, which the proxy before the SuperLink
asks for; this speaks the same interface with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from types import TracebackType

import httpx
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.common.serde import user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    StreamLogsRequest,
    UnregisterNodeRequest,
)
from flwr.proto.fab_pb2 import Fab
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors.http.utils import add_headers
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

from fed_credit.config.operator import OperatorSpec
from fed_credit.deploy.channel import explain, operator_context
from fed_credit.deploy.records import Node, Run, node_of, run_of
from fed_credit.errors import ConfigurationError, DeploymentError


class Control(AbstractContextManager["Control"]):
    """A connection to the SuperLink with an operator's rights.

    Every method raises :class:`~fed_credit.errors.DeploymentError` if the SuperLink cannot be
    reached or refuses.

    Parameters
    ----------
    operator : OperatorSpec
        Where, and with which certificate.

    Raises
    ------
    ConfigurationError
        If a certificate or the key cannot be used.
    """

    def __init__(self, operator: OperatorSpec) -> None:
        self._operator = operator
        self._client = ControlHttpClient(
            f"https://{operator.proxy.address}",
            interceptors=[_Version()],
            verify=operator_context(operator),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def nodes(self) -> list[Node]:
        """Return all keys that were ever registered, unregistered ones among them."""
        with self._translated():
            answer = self._client.ListNodes(ListNodesRequest())
        return [node_of(info) for info in answer.nodes_info]

    def register(self, name: str, public_key: bytes) -> int:
        """Register a key under a bank's name; return its node id.

        Flower takes a key once: neither a registered nor an unregistered one can be registered.
        """
        with self._translated():
            answer = self._client.RegisterNode(
                RegisterNodeRequest(public_key=public_key, name=name)
            )
        return int(answer.node_id)

    def unregister(self, node_id: int) -> None:
        """Take a key's rights, for good."""
        with self._translated():
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))

    def start_run(self, bundle: bytes, config: Mapping[str, str]) -> int:
        """Submit a bundle.

        Parameters
        ----------
        bundle : bytes
            Of :func:`~fed_credit.deploy.bundle.build_bundle`.
        config : mapping of str to str
            Values for keys of the bundle's ``[tool.flwr.app.config]``.

        Returns
        -------
        int
            Flower's number of the run.
        """
        request = StartRunRequest(
            fab=Fab(hash_str=hashlib.sha256(bundle).hexdigest(), content=bundle),
            override_config=user_config_to_proto(dict(config)),
        )
        with self._translated():
            answer = self._client.StartRun(request)
        if not answer.HasField("run_id"):
            raise DeploymentError(
                f"The SuperLink at {self._operator.proxy.address} took no run; its log says why."
            )
        return int(answer.run_id)

    def runs(self, limit: int) -> list[Run]:
        """Return the newest runs, newest first."""
        with self._translated():
            answer = self._client.ListRuns(ListRunsRequest(limit=limit))
        found = [run_of(run) for run in answer.run_dict.values()]
        return sorted(found, key=lambda run: (run.submitted or _EPOCH, run.run_id), reverse=True)

    def run(self, run_id: int) -> Run:
        """Return one run."""
        with self._translated():
            answer = self._client.ListRuns(ListRunsRequest(run_id=run_id))
        return run_of(answer.run_dict[run_id])

    def stop_run(self, run_id: int) -> None:
        """Stop a run that has not finished."""
        with self._translated():
            answer = self._client.StopRun(StopRunRequest(run_id=run_id))
        if not answer.success:
            raise DeploymentError(f"The SuperLink did not stop run {run_id}; its log says why.")

    def logs(self, run_id: int, after: float = 0.0) -> Iterator[tuple[str, float]]:
        """Yield pieces of a run's log as they come, until it has finished.

        Parameters
        ----------
        run_id : int
            The run.
        after : float
            Only what was logged after this time, as a previous piece gave it.

        Yields
        ------
        tuple of str and float
            Text of any length, and the time of its end, POSIX.
        """
        with self._translated():
            for piece in self._client.StreamLogs(
                StreamLogsRequest(run_id=run_id, after_timestamp=after)
            ):
                yield piece.log_output, piece.latest_timestamp

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise explain(error, self._operator) from None
        except ValueError as error:  # of an answer that is no protobuf
            raise DeploymentError(
                f"{self._operator.proxy.address} does not answer as a SuperLink does ({error});"
                " check the address, and that both sides have the same version of Flower."
            ) from None


def key_bytes(public_key: str) -> bytes:
    """Return an OpenSSH public key as Flower keeps it.

    Parameters
    ----------
    public_key : str
        As ``banks.json`` keeps it.

    Returns
    -------
    bytes

    Raises
    ------
    ConfigurationError
        If it is no such key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = load_ssh_public_key(public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigurationError(
            f"'{public_key[:40]}' in banks.json is no EC public key in OpenSSH's form; take"
            " banks.json back from a copy, or give the bank a new key (fed-credit provision"
            " --rotate BANK)."
        )
    return public_key_to_bytes(key)


_EPOCH = datetime.fromtimestamp(0, UTC)


class _Version:
    """Tells the SuperLink the version of Flower; a clash is its refusal, not this process' end."""

    def __init__(self) -> None:
        metadata = RuntimeVersionMetadata.from_local_component("flwr CLI").as_metadata()
        self._headers = dict(metadata)

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        add_headers(context.request, self._headers)
        return call_next(context)
