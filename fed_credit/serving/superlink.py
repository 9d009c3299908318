"""What the SuperLink says of banks and runs, asked in the background and not too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit.config.operator import OPERATOR_FILE, OperatorSpec, load_operator
from fed_credit.errors import FedCreditError

_FRESH_S = 5.0
_MOST_RUNS = 50


@dataclass(frozen=True)
class Standing:
    """Where the deployment stands.

    Parameters
    ----------
    known : bool
        Whether the SuperLink has answered.
    trouble_key : str
        Why not: ``no_kit``, ``away`` or ``asking``; empty if it has.
    trouble : str
        The sentence that goes with it.
    banks : sequence of mapping
        As :func:`fed_credit.deploy.status.status` gives them.
    runs : mapping of str to mapping
        Likewise, by name; of several of a name the newest.
    """

    known: bool
    trouble_key: str
    trouble: str
    banks: Sequence[Mapping[str, Any]]
    runs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def unknown(cls, key: str, trouble: str = "") -> Standing:
        """Return that nothing is known, and why."""
        return cls(False, key, trouble, (), {})


class Watch:
    """Asks the SuperLink when a page wants to know, at most every few seconds.

    Parameters
    ----------
    home : Path
        The operator's folder, with or without a kit.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="superlink")
        self._lock = threading.Lock()
        self._asked: Future[Standing] | None = None
        self._known = Standing.unknown("asking")
        self._at = float("-inf")

    def standing(self, patience_s: float = 1.5) -> Standing:
        """Return the newest answer; waits a moment for one that is on its way.

        Parameters
        ----------
        patience_s : float
            Seconds. A page must not hang on a SuperLink that does not answer.

        Returns
        -------
        Standing
            The one before, if the newest is not there in time.
        """
        if not (self._home / OPERATOR_FILE).is_file():
            return Standing.unknown("no_kit")
        with self._lock:
            if self._asked is None and time.monotonic() - self._at > _FRESH_S:
                self._asked = self._pool.submit(_ask, self._home)
            asked = self._asked
        if asked is not None:
            try:
                found = asked.result(patience_s)
            except NotYet:
                return self._known
            with self._lock:
                if self._asked is asked:
                    self._asked, self._known, self._at = None, found, time.monotonic()
        return self._known

    def name(self) -> str:
        """Return the consortium's name; empty without a kit."""
        try:
            return load_operator(self._home).name
        except FedCreditError:
            return ""

    def runs(self) -> Path:
        """Return the folder of the runs: the kit's, else ``runs`` in the home."""
        try:
            return load_operator(self._home).runs
        except FedCreditError:
            return self._home / "runs"

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _ask(home: Path) -> Standing:
    try:
        return _told(load_operator(home))
    except FedCreditError as error:
        return Standing.unknown("away", str(error))


def _told(operator: OperatorSpec) -> Standing:
    from fed_credit.deploy.control import Control
    from fed_credit.deploy.status import status

    with Control(operator) as control:
        found = status(control, operator, _MOST_RUNS)
    # Newest first: of several of a name the first one stays.
    runs = {run["name"]: run for run in reversed(found["runs"])}
    return Standing(True, "", "", tuple(found["banks"]), runs)
