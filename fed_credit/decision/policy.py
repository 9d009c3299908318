"""The decision policy: cut-offs, score and grades of a model in use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from fed_credit.config.convert import build, plain
from fed_credit.config.decision import ScaleSpec
from fed_credit.errors import ConfigurationError
from fed_credit.scorecard.grades import MasterScale
from fed_credit.scorecard.points import factor_and_offset


class Verdict(StrEnum):
    """What happens to an application."""

    APPROVE = "approve"
    REFER = "refer"
    DECLINE = "decline"


VERDICTS = tuple(Verdict)
"""In the order of their codes."""

_MOST_POINTS = 1_000_000  # so that no PD's score leaves the whole numbers


@dataclass
class _Body:
    approve_below: float
    decline_from: float
    reasons: int
    points: ScaleSpec
    grades: dict[str, float]


@dataclass(frozen=True)
class DecisionPolicy:
    """What follows from a calibrated PD.

    Parameters
    ----------
    approve_below : float
        Applications with a PD below it are approved.
    decline_from : float
        Applications with a PD from it on are declined; those in between are referred to an
        underwriter.
    reasons : int
        Reasons for a declined application at most.
    points : ScaleSpec
        The score of models other than scorecards.
    scale : MasterScale
        Grades.

    Raises
    ------
    ConfigurationError
        If the cut-offs or the number of reasons make no sense.
    """

    approve_below: float
    decline_from: float
    reasons: int
    points: ScaleSpec
    scale: MasterScale

    def __post_init__(self) -> None:
        for key in ("approve_below", "decline_from"):
            value = getattr(self, key)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ConfigurationError(
                    f"decision.{key}={value} must be a PD; choose one from 0 to 1."
                )
        if self.decline_from < self.approve_below:
            raise ConfigurationError(
                f"decision.decline_from={self.decline_from} lies below decision.approve_below="
                f"{self.approve_below}; what is approved cannot be declined; raise it."
            )
        if self.reasons < 0:
            raise ConfigurationError(f"decision.reasons={self.reasons} must be 0 or more.")
        points = self.points
        if not (0 < points.pdo <= _MOST_POINTS and 0 < points.base_odds < math.inf):
            raise ConfigurationError(
                f"decision.points needs base_odds above 0, and a pdo above 0 and up to"
                f" {_MOST_POINTS:,}."
            )
        if not abs(points.base_score) <= _MOST_POINTS:
            raise ConfigurationError(
                f"decision.points.base_score={points.base_score} is no score; choose one up to"
                f" {_MOST_POINTS:,}."
            )

    def verdicts(self, pd: np.ndarray) -> np.ndarray:
        """Return the code of each PD's verdict in :data:`VERDICTS`, ``(n,) int8``."""
        codes = np.ones(len(pd), np.int8)
        codes[pd < self.approve_below] = 0
        codes[pd >= self.decline_from] = 2
        return codes

    @property
    def factor_and_offset(self) -> tuple[float, float]:
        """Points per unit of log-odds, and the score at even odds."""
        return factor_and_offset(self.points)

    def scores(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the score of log-odds of default, ``(n,) int64``; more points mean less risk."""
        factor, offset = self.factor_and_offset
        found: np.ndarray = np.rint(offset - factor * log_odds).astype(np.int64)
        return found

    def grades(self, pd: np.ndarray) -> np.ndarray:
        """Return the position of each PD's grade, ``(n,) int64``."""
        return self.scale.grade(pd)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return {
            "approve_below": self.approve_below,
            "decline_from": self.decline_from,
            "reasons": self.reasons,
            "points": plain(self.points),
            "grades": dict(zip(self.scale.names, self.scale.limits, strict=True)),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> DecisionPolicy:
        """Read what :meth:`as_dict` wrote, or a person did.

        Raises
        ------
        ConfigurationError
            If a key is unknown, missing, or has a value that makes no sense.
        """
        body = build(_Body, dict(raw))
        return cls(
            body.approve_below,
            body.decline_from,
            body.reasons,
            body.points,
            MasterScale.of(body.grades),
        )
