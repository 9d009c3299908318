"""What a fit found out about its data: typed, with a sentence for the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Finding(StrEnum):
    """How a fit ended."""

    CONVERGED = "converged"
    COLLINEAR = "collinear"
    SEPARATED = "separated"
    ONE_CLASS = "one_class"
    NOT_CONVERGED = "not_converged"


@dataclass(frozen=True)
class Diagnosis:
    """How a fit ended, and which columns are concerned.

    Parameters
    ----------
    finding : Finding
        How it ended.
    columns : tuple of str
        Columns concerned; empty where none stands out.
    sentence : str
        What it means and what to do.
    """

    finding: Finding
    columns: tuple[str, ...]
    sentence: str

    @property
    def reliable(self) -> bool:
        """Whether predictions are those of the maximum of the likelihood."""
        return self.finding in (Finding.CONVERGED, Finding.COLLINEAR)


def converged() -> Diagnosis:
    """Return the diagnosis of a regular fit."""
    return Diagnosis(Finding.CONVERGED, (), "The fit converged.")


def collinear(labels: Sequence[str], concerned: np.ndarray) -> Diagnosis:
    """Return the diagnosis of columns that depend on each other.

    Parameters
    ----------
    labels : sequence of str
        ``(p,)`` columns.
    concerned : numpy.ndarray
        ``(p,) bool``.
    """
    columns = _named(labels, concerned)
    return Diagnosis(
        Finding.COLLINEAR,
        columns,
        f"The columns {', '.join(columns)} depend on each other linearly or are constant, so their"
        " coefficients are one choice of many and have no standard errors; predictions are not"
        " affected. Leave one of them out, or set a penalty (l2).",
    )


def separated(labels: Sequence[str], concerned: np.ndarray) -> Diagnosis:
    """Return the diagnosis of loans whose outcome a combination of columns gives away."""
    columns = _named(labels, concerned)
    return Diagnosis(
        Finding.SEPARATED,
        columns,
        f"A combination of {', '.join(columns)} separates good loans from bad ones, so their"
        " coefficients have no finite estimate (Albert & Anderson, 1984) and the fit stopped on its"
        " way. Merge rare categories, leave a column out, or set a penalty (l2).",
    )


def one_class(bads: int) -> Diagnosis:
    """Return the diagnosis of loans that all had one outcome."""
    kind = "bad" if bads else "good"
    return Diagnosis(
        Finding.ONE_CLASS,
        (),
        f"All loans are {kind} or there are none, so there is nothing to fit; take a longer"
        " performance window or more loans.",
    )


def not_converged(labels: Sequence[str], concerned: np.ndarray) -> Diagnosis:
    """Return the diagnosis of a fit that ran out of steps."""
    columns = _named(labels, concerned)
    return Diagnosis(
        Finding.NOT_CONVERGED,
        columns,
        f"The fit did not converge; {', '.join(columns)} still moved. Allow more steps"
        " (max_iterations), or set a penalty (l2).",
    )


def _named(labels: Sequence[str], concerned: np.ndarray) -> tuple[str, ...]:
    return tuple(label for label, its in zip(labels, concerned, strict=True) if its)
