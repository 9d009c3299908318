"""Shorter waits for the parts of a message that are still on their way.

Flower hands a message out before all its parts have arrived, at the SuperLink and at the SuperNode
alike. Whoever asks for a part too early waits for a second before the next try, then two, up to
ten, which is most of the time that an exchange of small messages takes.
"""

from __future__ import annotations

import logging
from typing import Any

from flwr.supercore.inflatable.inflatable_utils import (
    pull_and_inflate_object_from_tree,
    pull_objects,
)

FIRST_WAIT, LONGEST_WAIT = 0.02, 1.0
# Flower gives up after so many tries or two hours; with shorter waits the tries would be over soon.
_WANTED = {
    "initial_backoff": FIRST_WAIT,
    "backoff_cap": LONGEST_WAIT,
    "max_tries_per_object": None,
}

log = logging.getLogger("fed_credit.flower")


def pull_promptly() -> bool:
    """Shorten the waits of this process; they stay as they are in a Flower that has others.

    Returns
    -------
    bool
        Whether they are shorter now.
    """
    defaults: list[dict[str, Any]] = []
    for function in (pull_objects, pull_and_inflate_object_from_tree):
        found = function.__kwdefaults__ or {}
        if not set(_WANTED) <= set(found):
            log.warning("This version of Flower waits otherwise for messages; its waits stay.")
            return False
        defaults.append(found)
    for found in defaults:
        found.update(_WANTED)
    return True
