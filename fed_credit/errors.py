"""Errors that reach the user as one sentence: what was wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FedCreditError(Exception):
    """Base class of errors that are the user's to mend; shown as a sentence, without traceback."""

    exit_code = 2


class ConfigurationError(FedCreditError):
    """A configuration key or value that cannot be used."""


class SchemaError(FedCreditError):
    """A schema that contradicts itself, or a feature that the schema does not admit."""


class DataError(FedCreditError):
    """Data that cannot be read or used."""


class ReleaseError(FedCreditError):
    """A value that must not, or cannot, leave a bank as a fixed-point sum."""


class QuorumError(FedCreditError):
    """Too few banks answered; names the banks that did not."""

    exit_code = 3


class ArtefactError(FedCreditError):
    """A model artefact or a checkpoint that is missing, incomplete or was changed."""


class LedgerError(FedCreditError):
    """A ledger of what left a bank that cannot be written or read, or was changed."""


class TrackingError(FedCreditError):
    """A tracker that fails although the run requires it."""


class StorageError(FedCreditError):
    """A database of Fed Credit's own that cannot be reached, read or written, or was changed."""


class DuplicateError(StorageError):
    """A row that is in a database already."""


class RegistryError(FedCreditError):
    """A version of a model that is not registered, or a move that the registry does not allow."""


class DecisionLogError(FedCreditError):
    """A decision that is not in the log, or cannot be written to it."""


class OverloadError(FedCreditError):
    """More is waiting to be written than may wait; what was asked for can be asked for again."""


class ServingError(FedCreditError):
    """A service that cannot start, or cannot do what it was asked."""


class DeploymentError(FedCreditError):
    """A SuperLink or a proxy that cannot be reached, or refuses."""


class RunFailedError(FedCreditError):
    """A run of a deployment that did not complete.

    Parameters
    ----------
    message : str
        Why, as one sentence.
    exit_code : int
        Of the error that ended the run; 1 for a bug, 4 for a run that was stopped.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


MISREAD: tuple[type[Exception], ...] = (
    FedCreditError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What may come of reading another party's plain values as something that they are not."""


def one_line(text: str, most: int = 1_000) -> str:
    """Return another party's words as they may be shown: on one line, printable and short.

    Parameters
    ----------
    text : str
        As it came: it may hold the end of a line, a terminal's escape sequences, or megabytes.
    most : int, default=1000
        Characters to keep.

    Returns
    -------
    str
    """
    cut = text if len(text) <= most else f"{text[:most]}..."
    return "".join(sign if sign.isprintable() else " " for sign in cut)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
