"""What a worker of the service holds: keys, sessions and counts; a bank's, also models and log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fed_credit.config.serve import ServeSpec
from fed_credit.decision_log.log import DecisionLog
from fed_credit.errors import FedCreditError, OverloadError, ServingError
from fed_credit.registry.registry import Registry, Version
from fed_credit.serving.access import Access
from fed_credit.serving.answers import Refusal
from fed_credit.serving.committing import Committer
from fed_credit.serving.exposition import Model, SharedCounts
from fed_credit.serving.keys import KeyRing
from fed_credit.serving.limits import Buckets, Doors
from fed_credit.serving.live import Live, load_live
from fed_credit.serving.metrics import Metrics
from fed_credit.serving.sessions import Sessions
from fed_credit.storage.space import reserve

log = logging.getLogger("fed_credit.serving")


@dataclass(eq=False)
class ServiceState:
    """A worker of a service of either role: who may ask, for how much, and what was counted.

    Parameters
    ----------
    home : Path
        The folder of the bank or the operator.
    settings : ServeSpec
        How the service works.
    keys : KeyRing
        The API keys.
    sessions : Sessions
        Of people who signed in.
    access : Access
        Tells who is asking.
    buckets, doors : Buckets, Doors
        How much a caller may ask for, and how often an address may fail to sign in.
    metrics, shared : Metrics, SharedCounts
        Counts of this worker, and where they meet the others'.
    """

    home: Path
    settings: ServeSpec
    keys: KeyRing
    sessions: Sessions
    access: Access
    buckets: Buckets
    doors: Doors
    metrics: Metrics
    shared: SharedCounts

    @classmethod
    def open(cls, home: Path, settings: ServeSpec, folder: Path, workers: int = 1) -> Self:
        """Open what a service needs.

        Parameters
        ----------
        home : Path
            The folder of the bank or the operator.
        settings : ServeSpec
            How the service works.
        folder : Path
            What the workers of one service share while they run; of this user alone.
        workers : int, default=1
            How many there are: each grants its part of the limits.

        Returns
        -------
        ServiceState

        Raises
        ------
        FedCreditError
            If something cannot be read.
        """
        keys = KeyRing.load(Path(settings.keys))
        sessions = Sessions(folder / "sessions", settings.sessions)
        limits = settings.limits
        return cls(
            home,
            settings,
            keys,
            sessions,
            Access(keys, sessions),
            Buckets(limits.requests_per_second / workers, max(1.0, limits.burst / workers)),
            Doors(settings.sessions.attempts),
            Metrics(),
            SharedCounts(folder / "counts"),
        )

    def models(self) -> tuple[Model, ...]:
        """Return what is in service: stage, version, SHA-256 and family of each."""
        return ()

    def close(self) -> None:
        """Close the databases, if there are any."""


class BankState(ServiceState):
    """A worker of a bank's service, which scores; see :class:`ServiceState` for the rest.

    Attributes
    ----------
    registry : Registry
        The models.
    log : DecisionLog
        The decisions.
    committer : Committer
        Writes decisions before they are answered.
    live : Live or None
        The champion; exchanged as a whole. None only after it was retired without a successor.
    shadow : Live or None
        The challenger.
    seen : int
        The registry's newest event that ``live`` and ``shadow`` take account of.
    """

    registry: Registry
    log: DecisionLog
    committer: Committer
    live: Live | None = None
    shadow: Live | None = None
    seen: int = 0

    @classmethod
    def open(cls, home: Path, settings: ServeSpec, folder: Path, workers: int = 1) -> Self:
        """Open what a bank's service needs, and make its models ready.

        Takes what :meth:`ServiceState.open` takes.

        Returns
        -------
        BankState

        Raises
        ------
        FedCreditError
            If there is no registry or champion, or something cannot be read.
        """
        state = super().open(home, settings, folder, workers)
        state.registry = Registry.open(settings.registry)
        state.log = DecisionLog.open(settings.decision_log, create=True, durable=settings.durable)
        if state.log.file is not None and settings.durable:
            reserve(state.log.file)
        state.committer = Committer(state.log, settings.decision_log, settings.durable)
        state.use(*state.newest())
        if state.live is None:
            raise ServingError(
                f"Registry {settings.registry} has no champion; promote a version with fed-credit"
                " registry promote."
            )
        return state

    def newest(self) -> tuple[int, Live | None, Live | None]:
        """Load the champion and the challenger of the registry, if they are others than now.

        Takes as long as reading models takes; changes nothing that answers see.

        Returns
        -------
        tuple of int, Live and Live
            The registry's newest event before the loading, champion, challenger.

        Raises
        ------
        FedCreditError
            If one of them cannot be read, or does not score.
        """
        event = self.registry.latest()
        champion, challenger = self.registry.champion(), self.registry.challenger()
        live = self._loaded(champion)
        shadow = self._loaded(challenger) if self.settings.shadow else None
        return event, live, shadow

    def use(self, event: int, live: Live | None, shadow: Live | None) -> None:
        """Put models into service; the next request is answered by them."""
        for one in (live, shadow):
            if one is not None:
                self.metrics.expect(one.version, one.opened.model.policy.points)
        self.live, self.shadow, self.seen = live, shadow, event

    def models(self) -> tuple[Model, ...]:
        """Return what is in service: stage, version, SHA-256 and family of each."""
        return tuple(
            (stage, one.version, one.sha256, one.registered.family)
            for stage, one in (("champion", self.live), ("challenger", self.shadow))
            if one is not None
        )

    def unlogged(self, error: FedCreditError) -> Refusal:
        """Note that the log failed, and return what is answered in place of the decision."""
        if isinstance(error, OverloadError):
            self.metrics.events["overloaded"] += 1
            return Refusal(
                503, "Too many decisions wait for the log.", headers=((b"retry-after", b"1"),)
            )
        self.metrics.events["log_failed"] += 1
        log.error("No decision was answered, because it could not be logged: %s", error)
        return Refusal(503, "The decision log cannot be written, so nothing was decided.")

    def close(self) -> None:
        """Close the databases."""
        self.log.close()
        self.registry.close()

    def _loaded(self, version: Version | None) -> Live | None:
        if version is None:
            return None
        for one in (self.live, self.shadow):
            if one is not None and one.version == version.number:
                return one
        return load_live(self.registry, version)
