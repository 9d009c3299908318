"""How PDs become decisions, in types: calibration, cut-offs, points, grades.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CalibrationMethod(StrEnum):
    """What is fitted between a model's log-odds and those of the PD."""

    NONE = "none"
    SHIFT = "shift"
    PLATT = "platt"


@dataclass
class CalibrationSpec:
    """From a model's PD to the one that decides.

    Parameters
    ----------
    method : CalibrationMethod
        ``shift`` moves log-odds so that the mean PD is right; ``platt`` also stretches them.
    min_bads : int
        With fewer bad (or good) validation loans the slope stays at 1.
    long_run_default_rate : float or None
        Mean PD of the validation loans after calibration, as a supervisor asks for; ``None`` takes
        what they showed.
    floor : float
        No PD is lower (0.0005 in the Basel framework, CRE32.13).
    """

    method: CalibrationMethod
    min_bads: int
    long_run_default_rate: float | None
    floor: float


@dataclass
class ScaleSpec:
    """How log-odds become a score; more points mean less risk.

    Parameters
    ----------
    pdo : float
        Points that double the odds of good to bad.
    base_score : float
        Score at the base odds.
    base_odds : float
        Odds of good to bad at the base score.
    """

    pdo: float
    base_score: float
    base_odds: float


@dataclass
class DecisionSpec:
    """From PD to a decision.

    Parameters
    ----------
    calibration : CalibrationSpec
        See the class.
    approve_below : float or None
        Loans with a PD below it are approved; ``None`` takes the cut-off at which the validation
        loans' profit is highest.
    decline_from : float or None
        Loans with a PD from it on are declined, and those in between are referred to an
        underwriter; ``None`` for none in between.
    reasons : int
        Reasons for a declined loan at most.
    points : ScaleSpec
        The score of models other than scorecards.
    grades : dict of str to float
        The master scale: name and upper limit of the PD of each grade, best first; the last
        reaches 1.
    """

    calibration: CalibrationSpec
    approve_below: float | None
    decline_from: float | None
    reasons: int
    points: ScaleSpec
    grades: dict[str, float]
