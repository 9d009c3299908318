"""What a model's file says of the time it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ArtefactError
from fed_credit.model_file.archive import Opened


@dataclass(frozen=True)
class Champion:
    """The model in use, and up to when it knows.

    Parameters
    ----------
    version : int
        In the registry.
    opened : Opened
        Its file.
    as_of : numpy.datetime64
        Day up to which its loans were observed.
    seen_until : numpy.datetime64
        Last decision day of the loans that it was trained and calibrated on.
    """

    version: int
    opened: Opened
    as_of: np.datetime64
    seen_until: np.datetime64


def champion_of(version: int, opened: Opened) -> Champion:
    """Read what the champion's file says of the time it comes from.

    Raises
    ------
    ArtefactError
        As :func:`days_of`.
    """
    return Champion(version, opened, *days_of(opened, f"Model version {version}"))


def days_of(opened: Opened, name: str) -> tuple[np.datetime64, np.datetime64]:
    """Return a model's as-of day and the last decision day that it has seen.

    Parameters
    ----------
    opened : Opened
        Its file.
    name : str
        What to call it, to begin a sentence with.

    Returns
    -------
    tuple of numpy.datetime64

    Raises
    ------
    ArtefactError
        If it does not say: then no loan is known to be new to it.
    """
    provenance = opened.model.provenance
    days = []
    for key in ("as_of", "seen_until"):
        try:
            days.append(np.datetime64(str(provenance[key]), "D"))
        except (LookupError, ValueError):
            raise ArtefactError(
                f"{name} does not say in its provenance up to when it knows ({key}), so no vintage"
                " is known to be new to it; train it with data.target.as_of=YYYY-MM-DD and dated"
                " decisions, and register it anew."
            ) from None
    return days[0], days[1]
