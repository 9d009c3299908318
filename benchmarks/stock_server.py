"""The server app over Flower's own grid, waits included, for the benchmark of a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from fed_credit.runtime import deployment


def _as_it_is(grid: Grid, *_: Any) -> Grid:
    wait = grid.send_and_receive

    def send_and_receive(messages: Iterable[Message], *, timeout: float | None = None) -> Any:
        return wait(list(messages), timeout=timeout)  # Flower's goes through them twice

    grid.send_and_receive = send_and_receive  # type: ignore[method-assign]
    return grid


deployment.StreamingGrid = _as_it_is  # type: ignore[misc, assignment]
deployment.pull_promptly = lambda: False

from fed_credit.server_app import app  # noqa: E402

__all__ = ["app"]
