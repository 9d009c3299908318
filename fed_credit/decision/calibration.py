"""From a model's PD to the one that decides: log-odds moved and stretched.

Platt, *Probabilistic outputs for support vector machines*, 1999, on the log-odds that a model
gives; the shift alone keeps the ranking and the distances (calibration in the large). Moving the
mean PD to a long-run default rate is the calibration that EBA/GL/2017/16, section 5.3.5, asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fed_credit.config.decision import CalibrationMethod, CalibrationSpec
from fed_credit.errors import ArtefactError
from fed_credit.models.elementwise import sigmoid

_SMALLEST = 1e-15  # log-odds beyond those of this are taken as those of this
_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class PdCalibration:
    """``PD = max(floor, sigmoid(shift + slope * logit(model's PD)))``.

    Parameters
    ----------
    shift, slope : float
        Of the log-odds of default.
    floor : float
        No PD is lower.
    method : str
        How they were found: ``none``, ``shift`` or ``platt``.
    loans, bads : int
        Of the loans they were found on.
    default_rate : float or None
        Mean PD of these loans after calibration.
    long_run : bool
        Whether that is a long-run default rate that was given, and not the loans' own.
    """

    shift: float
    slope: float
    floor: float
    method: str
    loans: int
    bads: int
    default_rate: float | None
    long_run: bool

    @classmethod
    def identity(cls, floor: float = 0.0) -> PdCalibration:
        """Return the calibration that changes nothing but PDs below a floor."""
        return cls(0.0, 1.0, floor, str(CalibrationMethod.NONE), 0, 0, None, False)

    def apply(self, pd: np.ndarray) -> np.ndarray:
        """Return calibrated PDs.

        Parameters
        ----------
        pd : numpy.ndarray
            ``(n,) float64``: the model's.

        Returns
        -------
        numpy.ndarray
            ``(n,) float64``; each depends on its own loan alone.
        """
        if self.shift == 0.0 and self.slope == 1.0:
            found: np.ndarray = np.maximum(self.floor, pd)
        else:
            found = np.maximum(self.floor, sigmoid(self.shift + self.slope * logit(pd)))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> PdCalibration:
        """Read what :meth:`as_dict` wrote.

        Raises
        ------
        ArtefactError
            If it is none, or its numbers make no PD.
        """
        try:
            rate = raw["default_rate"]
            found = cls(
                float(raw["shift"]),
                float(raw["slope"]),
                float(raw["floor"]),
                str(raw["method"]),
                int(raw["loans"]),
                int(raw["bads"]),
                None if rate is None else float(rate),
                bool(raw["long_run"]),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ArtefactError(f"Not a calibration ({error}); restore the file.") from None
        numbers = (found.shift, found.slope, found.floor)
        if not all(map(math.isfinite, numbers)) or found.slope <= 0 or not 0 <= found.floor < 1:
            raise ArtefactError(
                f"A calibration with shift {found.shift}, slope {found.slope} and floor"
                f" {found.floor} gives no PD; restore the file."
            )
        return found


def logit(pd: np.ndarray) -> np.ndarray:
    """Return log-odds of probabilities, kept finite, ``(n,) float64``.

    The logarithm is taken value by value, so that a loan's bits do not depend on the loans beside
    it; see :mod:`fed_credit.models.elementwise`.
    """
    clipped = np.clip(np.asarray(pd, np.float64), _SMALLEST, 1.0 - _SMALLEST)
    found: np.ndarray = _log(clipped) - _log(1.0 - clipped)
    return found


_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(11))


def _log(x: np.ndarray) -> np.ndarray:
    """Return natural logarithms of normal positive numbers, from exactly rounded steps alone."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = exponent - low
    # log(m) = 2 artanh((m - 1) / (m + 1)); |u| < .172, so the rest of the series is below 2**-57.
    u = (mantissa - 1.0) / (mantissa + 1.0)
    squared = u * u
    series = np.full_like(u, _ARTANH[-1])
    for coefficient in _ARTANH[-2::-1]:
        series = series * squared + coefficient
    found: np.ndarray = exponent * _LN2_HIGH + (2.0 * u * series + exponent * _LN2_LOW)
    return found


def fit_calibration(
    pd: np.ndarray, goods: np.ndarray, bads: np.ndarray, spec: CalibrationSpec
) -> PdCalibration:
    """Fit a calibration on validation loans, one by one or counted in cells.

    Parameters
    ----------
    pd : numpy.ndarray
        ``(k,) float64``: the model's PD of each loan, or the mean PD of each cell.
    goods, bads : numpy.ndarray
        ``(k,)``: how many loans of either kind have it.
    spec : CalibrationSpec
        What is fitted.

    Returns
    -------
    PdCalibration
        The identity, with its floor, where nothing can be fitted: without loans, and without a good
        or a bad one unless a long-run default rate is given.
    """
    loans, bad = int(goods.sum() + bads.sum()), int(bads.sum())
    method, rate = spec.method, spec.long_run_default_rate
    if method is CalibrationMethod.NONE or not loans or (rate is None and not 0 < bad < loans):
        return PdCalibration.identity(spec.floor)
    if method is CalibrationMethod.PLATT and min(bad, loans - bad) < spec.min_bads:
        method = CalibrationMethod.SHIFT
    odds, slope = logit(pd), 1.0
    if method is CalibrationMethod.PLATT:
        line = calibration_line(pd, goods, bads)
        # A model that ranks the wrong way round is not mended by turning it about.
        if line is None or line[1] <= 0.0:
            method = CalibrationMethod.SHIFT
        else:
            slope = line[1]
    wanted = bad / loans if rate is None else rate
    shift = _shift(slope * odds, goods + bads, wanted)
    return PdCalibration(
        shift, slope, spec.floor, str(method), loans, bad, wanted, long_run=rate is not None
    )


def moved_to(
    calibration: PdCalibration, pd: np.ndarray, loans: np.ndarray, rate: float
) -> PdCalibration:
    """Return a calibration whose mean PD is a long-run default rate; its slope stays.

    Parameters
    ----------
    calibration : PdCalibration
        What is moved.
    pd : numpy.ndarray
        ``(k,) float64``: the model's PDs.
    loans : numpy.ndarray
        ``(k,) int64``: how many loans have each; at least one in all.
    rate : float
        Above 0 and below 1.

    Returns
    -------
    PdCalibration
    """
    none = calibration.method == CalibrationMethod.NONE
    return replace(
        calibration,
        shift=_shift(calibration.slope * logit(pd), loans, rate),
        method=str(CalibrationMethod.SHIFT) if none else calibration.method,
        default_rate=rate,
        long_run=True,
    )


def calibration_line(
    pd: np.ndarray, goods: np.ndarray, bads: np.ndarray
) -> tuple[float, float] | None:
    """Fit the line from log-odds of PDs to those of outcomes (Cox, 1958, Biometrika 45).

    Parameters
    ----------
    pd : numpy.ndarray
        ``(k,) float64``: PD of each loan or cell.
    goods, bads : numpy.ndarray
        ``(k,)``: how many loans of either kind have it.

    Returns
    -------
    (float, float) or None
        Intercept and slope, 0 and 1 for PDs that hold; None where outcomes do not determine them:
        one class, one PD, or classes that the PDs part fully.
    """
    loans = goods + bads
    if not 0 < bads.sum() < loans.sum():
        return None
    odds = logit(pd)
    center = float((loans * odds).sum() / loans.sum())
    x = odds - center
    rate = float(bads.sum() / loans.sum())
    a, b = math.log(rate / (1.0 - rate)), 0.0
    for _ in range(_STEPS):
        p = sigmoid(a + b * x)
        weight = loans * p * (1.0 - p)
        gradient = np.array([(bads - loans * p).sum(), ((bads - loans * p) * x).sum()])
        mixed = float((weight * x).sum())
        hessian = np.array([[weight.sum(), mixed], [mixed, (weight * x * x).sum()]])
        if np.linalg.det(hessian) <= 0.0:
            return None
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        step *= min(1.0, 2.0 / largest) if largest > 0 else 1.0
        a, b = a + float(step[0]), b + float(step[1])
        if largest < _TOLERANCE:
            return a - b * center, b
    return None


def calibration_in_the_large(pd: np.ndarray, goods: np.ndarray, bads: np.ndarray) -> float | None:
    """Return what has to be added to the log-odds for the mean PD to be the default rate.

    Parameters
    ----------
    pd, goods, bads : numpy.ndarray
        As for :func:`calibration_line`.

    Returns
    -------
    float or None
        None where all loans are of one class.
    """
    loans = goods + bads
    if not 0 < bads.sum() < loans.sum():
        return None
    return _shift(logit(pd), loans, float(bads.sum() / loans.sum()))


def _shift(odds: np.ndarray, loans: np.ndarray, rate: float) -> float:
    """Return what has to be added to log-odds for the mean PD to be ``rate``, by bisection."""
    low, high = -60.0, 60.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if float((loans * sigmoid(middle + odds)).sum()) < rate * float(loans.sum()):
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
