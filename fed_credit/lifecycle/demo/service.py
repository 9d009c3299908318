"""A running scoring service, asked over HTTP as a client would."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pandas as pd

from fed_credit.deploy.demo.processes import Processes
from fed_credit.errors import ServingError

_READY_S = 60.0


class Client:
    """Asks a service.

    Parameters
    ----------
    url : str
        Where it listens.
    secret : str
        API key.
    """

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=30.0
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def wait(self, processes: Processes) -> None:
        """Wait until the service is ready.

        Raises
        ------
        DeploymentError
            If its process ends.
        ServingError
            If it is not ready in a minute.
        """
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            processes.check()
            try:
                if self._http.get("/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise ServingError(f"The service at {self.url} is not ready after {_READY_S:g} s.")

    def score(self, loan: dict[str, Any], application: str) -> dict[str, Any]:
        """Score one application.

        Raises
        ------
        ServingError
            If it is refused.
        """
        body = {"application_id": application, "loan": loan}
        return self._answer(self._http.post("/v1/score", json=body))

    def page(self, path: str) -> int:
        """Return the status of a page."""
        return self._http.get(path).status_code

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise ServingError(f"{self.url} refused with {answer.status_code}: {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found


def records(frame: pd.DataFrame, inputs: list[str]) -> list[dict[str, Any]]:
    """Return applications as JSON takes them: what is missing is left out."""
    plain = frame[[name for name in inputs if name in frame.columns]]
    found: list[dict[str, Any]] = []
    for row in plain.astype(object).to_dict("records"):
        found.append({str(k): _plain(v) for k, v in row.items() if not pd.isna(v)})
    return found


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


@dataclass
class Asking:
    """Asks a service without a pause from a thread of its own, and counts the answers.

    Parameters
    ----------
    client : Client
        The service.
    loans : list of dict
        Applications, asked in turn.
    """

    client: Client
    loans: list[dict[str, Any]]
    answers: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Asking:
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def wait_for(self, version: int, seconds: float) -> bool:
        """Wait until an answer is by a version; say whether one came in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.answers and self.answers[-1] == version:
                return True
            time.sleep(0.02)
        return False

    def _ask(self) -> None:
        number = 0
        while not self._stop.is_set():
            loan = self.loans[number % len(self.loans)]
            try:
                answer = self.client.score(loan, f"swap-{number}")
                self.answers.append(int(answer["model"]["version"]))
            except (httpx.HTTPError, ServingError) as error:
                self.failures.append(str(error))
            number += 1
            time.sleep(0.05)
