"""Exchanging the models in service while requests go on."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from fed_credit.errors import FedCreditError
from fed_credit.serving.state import BankState, ServiceState

log = logging.getLogger("fed_credit.serving")

_COUNTS_S = 1.0
_LONGEST_WAIT_S = 60.0  # after failures


async def follow(state: BankState) -> None:
    """Look for a new champion or challenger, time and again, and put it into service.

    A thread reads and warms the model; the exchange itself is one assignment between two requests.
    A model that cannot be read or does not score is counted and left out, and the former one stays.

    Parameters
    ----------
    state : BankState
        The worker's.
    """
    wait, said = state.settings.poll_s, ""
    while True:
        await asyncio.sleep(wait)
        try:
            event = await asyncio.to_thread(state.registry.latest)
            found = None if event == state.seen else await asyncio.to_thread(state.newest)
        except FedCreditError as error:
            state.metrics.events["swap_failed"] += 1
            if str(error) != said:
                log.error("The models in service stay as they are: %s", error)
            wait, said = min(2 * wait, max(_LONGEST_WAIT_S, wait)), str(error)
            continue
        wait, said = state.settings.poll_s, ""
        if found is None:
            continue
        before = state.models()
        state.use(*found)
        if state.models() != before:
            state.metrics.events["swapped"] += 1
            names = ", ".join(f"{stage} {version}" for stage, version, _, _ in state.models())
            log.info("In service: %s.", names or "no model")


async def share(state: ServiceState, parent: int | None) -> None:
    """Every second, leave this worker's counts for the others, and end if the service has ended.

    Parameters
    ----------
    state : ServiceState
        The worker's.
    parent : int or None
        Process that began the service; a worker whose parent was killed would go on for ever.
    """
    while True:
        await asyncio.sleep(_COUNTS_S)
        await asyncio.to_thread(state.shared.write, state.metrics.as_dict())
        if parent is not None and parent not in (os.getpid(), os.getppid()):
            signal.raise_signal(signal.SIGTERM)
