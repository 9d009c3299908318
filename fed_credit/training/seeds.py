"""Seeds keyed by what they are for, so that randomness depends on no global state or order."""

from __future__ import annotations

import hashlib
import json


def keyed_seed(seed: int, *keys: str | int) -> int:
    """Derive a seed from the run's seed and what it is for.

    Parameters
    ----------
    seed : int
        The run's seed.
    *keys : str or int
        What it is for, for instance ``"batches", bank, round``.

    Returns
    -------
    int
        In ``[0, 2**63)``, the same on every machine.
    """
    digest = hashlib.sha256(json.dumps([seed, *keys]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
