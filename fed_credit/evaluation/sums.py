"""The same metrics from sums that banks release, each with a bound that is proven.

A bank counts its goods and bads per cell of PD and adds up its PDs and losses. The sums over banks
say what the pooled loans would have said, up to the width of a cell.

Cell ``c`` of ``bins`` holds the PDs in ``[(c / bins)**3, ((c + 1) / bins)**3)``: equal width in the
cube root of the PD. The edges are known before anyone computes. Of 256 cells 116 lie between a PD
of .01 and .3, where those of small-business loans are, with a width of .025 to .056 in the
log-odds. Equal width in the PD would leave 74 there and be seven times as coarse at .01; equal
width in the log-odds needs limits and open ends, which a model can pile its PDs into.

Each loan's PD and losses are rounded to :data:`FRACTION_BITS` fractional bits before they are
added. Float additions of such numbers are exact up to 2**29 (a sum over half a billion loans), so
a sum is the same bits whatever the order and however the loans are divided over banks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ReleaseError
from fed_credit.evaluation.bounds import Bounded, average_precision, calibration_error, roc_area
from fed_credit.evaluation.bounds import ks as ks_of_cells
from fed_credit.evaluation.metrics import CalibrationCurve, check, group_cells
from fed_credit.releases import quantise

_BITS = 24
FRACTION_BITS: Mapping[str, int] = {
    "goods": 0,
    "bads": 0,
    "pd_sum": _BITS,
    "log_loss": _BITS,
    "squared_error": _BITS,
}
"""Fractional bits of each released array: with fewer in the release, the bounds do not hold."""

_PER_CELL = ("goods", "bads", "pd_sum")
# Half a unit of the fixed point per loan, doubled to cover the rounding of the sums themselves.
_UNIT = 2.0**-_BITS


def edges(bins: int) -> np.ndarray:
    """Return the fixed edges of the cells.

    Parameters
    ----------
    bins : int
        Number of cells.

    Returns
    -------
    numpy.ndarray
        ``(bins + 1,) float64`` from 0 to 1.

    Raises
    ------
    ValueError
        If there is no cell.
    """
    if bins < 1:
        raise ValueError(f"at least one cell is needed, got {bins}")
    root = np.arange(bins + 1) / bins
    return np.asarray(root * root * root)


def shapes(bins: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of :meth:`ScoreSums.arrays`, in their order.

    Parameters
    ----------
    bins : int
        Number of cells.

    Returns
    -------
    dict of str to tuple of int
    """
    return {name: (bins,) if name in _PER_CELL else () for name in FRACTION_BITS}


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """What a set of loans adds to the evaluation of a model.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(bins,) int64``: loans of each class per cell of PD.
    pd_sum : numpy.ndarray
        ``(bins,) float64``: sum of the PDs per cell.
    log_loss, squared_error : float
        Sums over the loans.
    """

    goods: np.ndarray
    bads: np.ndarray
    pd_sum: np.ndarray
    log_loss: float
    squared_error: float

    @classmethod
    def zero(cls, bins: int) -> ScoreSums:
        """Return the sums over no loans."""
        none = np.zeros(bins, np.int64)
        return cls(none, none.copy(), np.zeros(bins), 0.0, 0.0)

    @property
    def bins(self) -> int:
        """Number of cells."""
        return len(self.goods)

    @property
    def n(self) -> int:
        """Number of loans."""
        return int(self.goods.sum() + self.bads.sum())

    def __add__(self, other: ScoreSums) -> ScoreSums:
        if self.bins != other.bins:
            raise ValueError(f"sums over {self.bins} and {other.bins} cells cannot be added")
        return ScoreSums(
            self.goods + other.goods,
            self.bads + other.bads,
            self.pd_sum + other.pd_sum,
            self.log_loss + other.log_loss,
            self.squared_error + other.squared_error,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the sums as named arrays of :func:`shapes`, counts as int64, others as float64.

        Every float is a multiple of ``2**-24``, so a release with that many fractional bits
        carries it without loss.
        """
        return {
            "goods": self.goods,
            "bads": self.bads,
            "pd_sum": self.pd_sum,
            "log_loss": np.asarray(self.log_loss, np.float64),
            "squared_error": np.asarray(self.squared_error, np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ScoreSums:
        """Read sums back from their named arrays.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            As :meth:`arrays` returns them.

        Returns
        -------
        ScoreSums

        Raises
        ------
        ReleaseError
            If an array is missing, superfluous or of another shape, or a count is negative.
        """
        if set(arrays) != set(FRACTION_BITS) or any(
            arrays[name].shape != shape for name, shape in shapes(arrays["goods"].size).items()
        ):
            shown = {name: array.shape for name, array in arrays.items()}
            raise ReleaseError(
                f"Score sums consist of {', '.join(FRACTION_BITS)} over the same cells, got"
                f" {shown}; check that all sides"
                " run the same version and histogram_bins."
            )
        goods, bads = (np.asarray(arrays[name], np.int64) for name in ("goods", "bads"))
        if (goods < 0).any() or (bads < 0).any():
            raise ReleaseError(
                "Score sums hold a negative count of loans; the release of a bank is wrong."
            )
        return cls(
            goods=goods,
            bads=bads,
            pd_sum=np.asarray(arrays["pd_sum"], np.float64),
            log_loss=float(arrays["log_loss"]),
            squared_error=float(arrays["squared_error"]),
        )

    def calibration_curve(self, groups: int) -> CalibrationCurve:
        """Return the calibration curve with whole cells for groups; feeds the lift table too."""
        return group_cells(self.goods + self.bads, self.bads, self.pd_sum, groups=groups)


def score_sums(y: np.ndarray, p: np.ndarray, *, bins: int) -> ScoreSums:
    """Sum up a bank's outcomes and PDs for release.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    bins : int
        Number of cells, the same at every bank.

    Returns
    -------
    ScoreSums

    Raises
    ------
    ValueError
        See :func:`fed_credit.evaluation.metrics.check`.
    """
    p = p.astype(np.float64)
    cell = np.minimum(np.searchsorted(edges(bins), p, side="right") - 1, bins - 1)
    return sums_by_cell(y, p, cell, bins)


def sums_by_cell(y: np.ndarray, p: np.ndarray, cell: np.ndarray, bins: int) -> ScoreSums:
    """Sum up outcomes and PDs by cells that the caller has found.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    cell : numpy.ndarray
        ``(n,) int64`` below ``bins``.
    bins : int
        Number of cells.

    Returns
    -------
    ScoreSums

    Raises
    ------
    ValueError
        As :func:`score_sums`.
    """
    check(y, p)
    bad = y == 1
    # As scikit-learn clips: a PD of exactly 0 or 1 that is wrong costs 36 nats, not infinity.
    epsilon = np.finfo(np.float64).eps
    likelihood = np.clip(np.where(bad, p, 1.0 - p), epsilon, 1.0 - epsilon)
    return ScoreSums(
        goods=np.bincount(cell[~bad], minlength=bins).astype(np.int64),
        bads=np.bincount(cell[bad], minlength=bins).astype(np.int64),
        pd_sum=np.ldexp(np.bincount(cell, quantise(p, _BITS), minlength=bins), -_BITS),
        log_loss=_fixed_sum(-np.log(likelihood)),
        squared_error=_fixed_sum(np.square(p - y)),
    )


@dataclass(frozen=True)
class BoundedMetrics:
    """Metrics from sums; the exact metric of the loans lies within each value and its bound.

    Parameters
    ----------
    auc, gini, ks, pr_auc : Bounded
        Of the PDs rounded to their cells; the bound shrinks with the width of a cell.
    log_loss, brier : Bounded
        Exact up to fixed point.
    ece : Bounded
        With whole cells for groups; the bound covers every way in which the exact groups may cut
        the cells.
    """

    auc: Bounded
    gini: Bounded
    ks: Bounded
    pr_auc: Bounded
    log_loss: Bounded
    brier: Bounded
    ece: Bounded


def measure_sums(sums: ScoreSums, *, calibration_bins: int) -> BoundedMetrics:
    """Measure a model on the loans behind released sums.

    Parameters
    ----------
    sums : ScoreSums
        Of one bank or summed over banks.
    calibration_bins : int
        Groups of equal size for the expected calibration error.

    Returns
    -------
    BoundedMetrics
        What :func:`fed_credit.evaluation.metrics.measure` would give on the loans themselves lies
        within each value and its bound, and is NaN exactly where the value is.
    """
    area = roc_area(sums.goods, sums.bads)
    return BoundedMetrics(
        auc=area,
        gini=Bounded(2.0 * area.value - 1.0, 2.0 * area.bound),
        ks=ks_of_cells(sums.goods, sums.bads),
        pr_auc=average_precision(sums.goods, sums.bads),
        log_loss=_mean(sums.log_loss, sums.n),
        brier=_mean(sums.squared_error, sums.n),
        ece=calibration_error(
            sums.goods,
            sums.bads,
            sums.pd_sum,
            edges(sums.bins),
            groups=calibration_bins,
            unit=_UNIT,
        ),
    )


def _fixed_sum(values: np.ndarray) -> float:
    return float(np.ldexp(float(quantise(values, _BITS).sum()), -_BITS))


def _mean(total: float, n: int) -> Bounded:
    return Bounded(total / n, _UNIT) if n else Bounded(float("nan"), float("nan"))
