"""Nodes and runs as the SuperLink tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from flwr.common.serde import user_config_from_proto
from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.run_pb2 import Run as RunProto

# Flower calls a node online for so many intervals after its last sign of life.
_PATIENCE = 2


class NodeStatus(Enum):
    """Where a registered key stands."""

    REGISTERED = "registered"
    ONLINE = "online"
    OFFLINE = "offline"
    UNREGISTERED = "unregistered"


class RunStatus(Enum):
    """Where a run stands."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.STOPPED)


@dataclass(frozen=True)
class Node:
    """A registered key.

    Parameters
    ----------
    node_id : int
        Flower's number.
    name : str
        Under which it was registered; empty without one.
    public_key : bytes
        As :func:`~fed_credit.deploy.control.key_bytes` gives it.
    status : NodeStatus
        Registered and never seen, online, offline, or unregistered for good.
    last_seen : datetime or None
        Of the last sign of life, UTC, to a minute; ``None`` if it never connected.
    """

    node_id: int
    name: str
    public_key: bytes
    status: NodeStatus
    last_seen: datetime | None


@dataclass(frozen=True)
class Run:
    """A run as the SuperLink knows it.

    Parameters
    ----------
    run_id : int
        Flower's number.
    config : mapping of str to object
        The run configuration that was submitted.
    status : RunStatus
        Where it stands.
    details : str
        Why it failed, as Flower tells it.
    submitted, started, finished : datetime or None
        UTC.
    """

    run_id: int
    config: Mapping[str, object]
    status: RunStatus
    details: str
    submitted: datetime | None
    started: datetime | None
    finished: datetime | None

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return str(self.config.get("name") or f"run-{self.run_id}")


def node_of(info: NodeInfo) -> Node:
    """Read a node from an answer of the SuperLink."""
    status = NodeStatus(info.status)
    seen = None
    if info.HasField("online_until"):
        # Online, it counts from the last sign of life; later it is when the patience ended.
        left = _PATIENCE * info.heartbeat_interval if status is NodeStatus.ONLINE else 0
        seen = datetime.fromtimestamp(info.online_until - left, UTC)
    return Node(info.node_id, info.name, info.public_key, status, seen)


def run_of(run: RunProto) -> Run:
    """Read a run from an answer of the SuperLink."""
    word = run.status.sub_status or run.status.status
    return Run(
        run.run_id,
        user_config_from_proto(run.override_config),
        RunStatus(word),
        run.status.details,
        _time(run.pending_at),
        _time(run.running_at) or _time(run.starting_at),
        _time(run.finished_at),
    )


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
